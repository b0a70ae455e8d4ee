"""Makes the fixes in a text, round by round, and none that does harm."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from flake8_nnx_mode.fixes.apply import applied
from flake8_nnx_mode.model import Finding, Fix
from flake8_nnx_mode.syntax.text import parsed

Lint = Callable[[str], list[Finding]]


@dataclass(frozen=True, slots=True)
class Fixed:
    """A text after its fixes."""

    text: str
    found: tuple[Finding, ...]
    """What was reported before."""
    left: tuple[Finding, ...]
    """What is reported of the new text."""
    refused: Mapping[Finding, str]
    """Of what is left, that which has a fix that would do harm, and the harm."""


def fixed(text: str, lint: Lint, wanted: Callable[[Finding], bool]) -> Fixed:
    """Make all wanted fixes that do no harm, until there are none.

    It ends: each round leaves fewer findings than there were.

    Args:
        text: A file's.
        lint: All findings in what it would become, not only those to be mended.
        wanted: Whether to make the fix of a finding.
    """
    found = findings = lint(text)
    while True:
        going = _Round(text, findings, lint)
        if not going.take([f for f in findings if f.fix is not None and wanted(f)]):
            return Fixed(text, tuple(found), tuple(findings), going.refused)
        text, findings = going.result


class _Round:
    """What becomes of one text by some of the fixes in it."""

    def __init__(self, text: str, findings: Sequence[Finding], lint: Lint) -> None:
        self._text = text
        self._before = Counter(finding.code for finding in findings)
        self._lint = lint
        self.result = (text, list(findings))
        self.refused: dict[Finding, str] = {}

    def take(self, candidates: list[Finding]) -> bool:
        """Make those that do no harm; whether there are any. ``result`` is what they lead to."""
        apart = self._apart(candidates)
        if not apart or self._try(apart) is None:
            return bool(apart)
        good: list[Finding] = []
        for finding in apart:
            harm = self._try([*good, finding])
            if harm is None:
                good.append(finding)
            else:
                self.refused[finding] = harm
        return bool(good)

    def _apart(self, findings: list[Finding]) -> list[Finding]:
        """Those whose fixes touch none before them."""
        _, made = applied(self._text, _fixes(findings))
        return [finding for finding in findings if any(finding.fix is fix for fix in made)]

    def _try(self, findings: list[Finding]) -> str | None:
        """The harm that making these fixes does, or None: then ``result`` is what they lead to."""
        text, _ = applied(self._text, _fixes(findings))
        try:
            parsed(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return "the file would no longer parse"
        left = self._lint(text)
        mended = Counter(finding.code for finding in findings)
        for code, count in sorted(Counter(finding.code for finding in left).items()):
            if count > self._before[code] - mended[code]:
                return f"{code} would {'still ' if mended[code] else ''}be reported"
        self.result = (text, left)
        return None


def _fixes(findings: list[Finding]) -> list[Fix]:
    return [finding.fix for finding in findings if finding.fix is not None]
