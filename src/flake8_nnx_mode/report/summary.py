"""What the formats of ``nnx-mode check`` for people end with."""

from collections.abc import Iterable, Iterator

from flake8_nnx_mode.lint import Checked
from flake8_nnx_mode.model import Finding
from flake8_nnx_mode.report.wording import plural

MARK = "[*]"
"""Stands beside what ``nnx-mode fix --write`` mends."""


def fixable(finding: Finding) -> bool:
    """Whether ``nnx-mode fix --write`` mends it."""
    return finding.fix is not None and finding.fix.applicability == "safe"


def summary(files: Iterable[Checked]) -> Iterator[str]:
    """How much was found, and how much of that can be mended, in lines."""
    findings = [finding for checked in files for finding in checked.findings]
    if not findings:
        yield "All checks passed!"
        return
    yield f"Found {plural(len(findings), 'error')}."
    safe = sum(map(fixable, findings))
    unsafe = sum(finding.fix is not None for finding in findings) - safe
    if safe:
        more = f" ({unsafe} more with `--unsafe`)" if unsafe else ""
        yield f"{MARK} {safe} fixable with `nnx-mode fix --write`{more}."
    elif unsafe:
        yield f"{unsafe} fixable with `nnx-mode fix --write --unsafe`."
