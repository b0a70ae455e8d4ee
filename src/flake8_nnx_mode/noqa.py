"""``# noqa`` comments, as flake8 reads them, for commands that run without it."""

import re
import tokenize
from argparse import Namespace
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property

from flake8.defaults import NOQA_INLINE_REGEXP
from flake8.processor import FileProcessor
from flake8.violation import Violation

from flake8_nnx_mode.codes import UNUSED_NOQA
from flake8_nnx_mode.model import Edit, Finding, Fix, Position, Span
from flake8_nnx_mode.syntax.text import LineTable

_CODE = re.compile(r"[^,\s]+")
_NEEDED = dict.fromkeys(
    ("hang_closing", "indent_size", "max_line_length", "max_doc_length", "verbose", "disable_noqa")
)


class Comments:
    """The ``# noqa`` comments in a text, and which of them silence something."""

    def __init__(self, text: str) -> None:
        """Find those in ``text``, if it has any."""
        self.any = "noqa" in text.lower()
        self._text = text
        self._used: list[Finding] = []

    @cached_property
    def _lines(self) -> LineTable:
        return LineTable(self._text)

    @cached_property
    def _flake8(self) -> FileProcessor:
        lines = [re.sub(r"\r\n?\Z", "\n", line) for line in self._lines.all() if line]
        return FileProcessor("", Namespace(**_NEEDED), lines)

    def silence(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings that no comment silences."""
        findings = list(findings)
        if not (findings and self.any):
            return findings
        if self._flake8.should_ignore_file():
            return []
        return [finding for finding in findings if not self._silences(finding)]

    def _silences(self, finding: Finding) -> bool:
        start = finding.span.start
        where = self._line_for(start.line)
        violation = Violation(finding.code, "", start.line, start.column, finding.message, where)
        if violation.is_inline_ignored(disable_noqa=False):
            self._used.append(finding)
            return True
        return False

    def _line_for(self, line: int) -> str:
        """What flake8 searches for a comment: the lines that a string or a backslash joins."""
        return self._flake8.noqa_line_for(line) or self._lines.line(line)

    def unused(self, reported: Collection[str]) -> Iterator[Finding]:
        """NNX001 for each code of ours in a comment that silenced nothing.

        Args:
            reported: The codes of the rules that ran; nothing is known of the others.
        """
        from flake8_nnx_mode.rules import codes

        not_run = [code for code in codes() if code not in reported]
        if not _names_us(self._text.lower()) or self._flake8.should_ignore_file():
            return
        for line, comment in self._comments():
            found = NOQA_INLINE_REGEXP.search(comment.string)
            # flake8 heeds the first one in what it searches; another is prose.
            heeded = NOQA_INLINE_REGEXP.search(self._line_for(line))
            if found is None or heeded is None or not found["codes"]:
                continue
            if found[0].rstrip() != heeded[0].rstrip():
                continue
            said = list(_CODE.finditer(comment.string, found.start("codes"), found.end()))
            for number, code in enumerate(said):
                if not code[0].upper().startswith("NNX") or self._is_used(code[0], line):
                    continue
                if not any(other.startswith(code[0]) for other in not_run):
                    alone = found.span() == (0, len(comment.string))
                    yield self._finding(comment, said, number, alone=alone)

    def _comments(self) -> Iterator[tuple[int, tokenize.TokenInfo]]:
        try:
            for token in self._flake8.file_tokens:
                if token.type == tokenize.COMMENT:
                    yield token.start[0], token
        except (tokenize.TokenError, SyntaxError):
            return  # the engine says what is wrong with the file

    def _is_used(self, code: str, line: int) -> bool:
        where = self._flake8.noqa_line_for(line)
        return any(
            used.code.startswith(code)
            # The very same text, not one that reads the same.
            and self._flake8.noqa_line_for(used.span.start.line) is where
            for used in self._used
        )

    def _finding(
        self, comment: tokenize.TokenInfo, codes: list[re.Match[str]], number: int, *, alone: bool
    ) -> Finding:
        code = codes[number]
        line, column = comment.start

        def span(start: int, end: int) -> Span:
            return Span(Position(line, column + start), Position(line, column + end))

        place = span(*code.span())
        if not code[0].isupper():
            write = code[0].upper()
            message = f"flake8 does not heed `{code[0]}`: nothing is silenced; write `{write}`"
            return Finding(place, UNUSED_NOQA.code, message)
        why = f"nothing here is reported as {code[0]}: the comment could only hide a new mistake"
        edits: tuple[Edit, ...] = ()
        if len(codes) > 1:
            first = codes[number - 1].end() if number else code.start()
            edits = (Edit(span(first, code.end() if number else codes[1].start()), ""),)
        elif alone:
            code_before = self._lines.line(line)[:column].rstrip()
            edits = (Edit(span(len(code_before) - column, len(comment.string)), ""),)
        fix = Fix("safe", edits) if edits else None
        return Finding(place, UNUSED_NOQA.code, f"{why}; remove `{code[0]}` from it", fix)


def _names_us(text: str) -> bool:
    """Whether ``nnx`` stands behind ``noqa`` in a line of a text in lower case."""
    # No regular expression: it would look at the rest of a line from each `noqa` in it.
    at = text.find("noqa")
    while at >= 0:
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if text.find("nnx", at, end) >= 0:
            return True
        at = text.find("noqa", end)
    return False
