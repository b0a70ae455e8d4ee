"""``# noqa`` comments, as flake8 reads them, for commands that run without it."""

from flake8.defaults import NOQA_FILE
from flake8.violation import Violation

from flake8_nnx_mode.model import Finding
from flake8_nnx_mode.syntax.text import LineTable


def without_silenced(findings: list[Finding], text: str) -> list[Finding]:
    """The findings that no comment in ``text`` silences."""
    if "noqa" not in text.lower():
        return findings
    lines = LineTable(text)
    if any(NOQA_FILE.match(line) for line in lines.all()):
        return []
    return [f for f in findings if not _silenced(f, lines.line(f.span.start.line))]


def _silenced(finding: Finding, line: str) -> bool:
    place = finding.span.start
    violation = Violation(finding.code, "", place.line, place.column, finding.message, line)
    return violation.is_inline_ignored(False)
