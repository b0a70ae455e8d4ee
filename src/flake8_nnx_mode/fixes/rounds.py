"""Makes the fixes in a text, round by round, and none that does harm."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flake8_nnx_mode.fixes.apply import applied
from flake8_nnx_mode.model import Finding, Fix
from flake8_nnx_mode.syntax.text import UNPARSABLE, parsed

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


def fixed(text: str, lint: Lint, wanted: Callable[[Finding], bool], depth: int = 3) -> Fixed:
    """Make all wanted fixes that do no harm, until there are none.

    It ends: each round leaves fewer findings than there were.

    Args:
        text: A file's.
        lint: All findings in what it would become, not only those to be mended.
        wanted: Whether to make the fix of a finding.
        depth: How many mistakes deep one may hide another, all of which are mended together.
    """
    found = findings = lint(text)
    while True:
        going = _Round(text, findings, lint, wanted, depth)
        if not going.take([f for f in findings if f.fix is not None and wanted(f)]):
            return Fixed(text, tuple(found), tuple(findings), going.refused)
        text, findings = going.result


class _Round:
    """What becomes of one text by some of the fixes in it."""

    def __init__(
        self,
        text: str,
        findings: list[Finding],
        lint: Lint,
        wanted: Callable[[Finding], bool],
        depth: int,
    ) -> None:
        self._text = text
        self._before = Counter(finding.code for finding in findings)
        self._lint = lint
        self._wanted = wanted
        self._depth = depth
        self.result = (text, findings)
        self.refused: dict[Finding, str] = {}

    def take(self, candidates: list[Finding]) -> bool:
        """Make those that do no harm; whether there are any. ``result`` is what they lead to."""
        while candidates:
            apart = self._apart(candidates)
            if self._try(apart) is None:
                return True
            good: list[Finding] = []
            for finding in apart:
                harm = self._try([*good, finding])
                if harm is None:
                    good.append(finding)
                else:
                    self.refused[finding] = harm
            if good:
                return True
            # What touched one of them may be made now.
            candidates = [finding for finding in candidates if finding not in self.refused]
        return False

    def _apart(self, findings: list[Finding]) -> list[Finding]:
        """Those whose fixes touch none before them."""
        _, made = applied(self._text, _fixes(findings))
        return [finding for finding in findings if any(finding.fix is fix for fix in made)]

    def _try(self, findings: list[Finding]) -> str | None:
        """The harm that making these fixes does, or None: then ``result`` is what they lead to."""
        text, _ = applied(self._text, _fixes(findings))
        try:
            parsed(text)
        except UNPARSABLE:
            return "the file would no longer parse"
        left = self._lint(text)
        harm = self._harm(findings, left)
        if harm is not None and self._depth:
            # One mistake hid another: both are mended, or none.
            further = fixed(text, self._lint, self._wanted, self._depth - 1)
            text, left = further.text, list(further.left)
            harm = self._harm(findings, left) and harm
        if harm is None:
            self.result = (text, left)
        return harm

    def _harm(self, mended: list[Finding], left: list[Finding]) -> str | None:
        """What is reported in the end that was not, or should be gone."""
        gone = Counter(finding.code for finding in mended)
        for code, count in sorted(Counter(finding.code for finding in left).items()):
            if count > self._before[code] - gone[code]:
                return f"{code} would {'still ' if gone[code] else ''}be reported"
        return None


def _fixes(findings: list[Finding]) -> list[Fix]:
    return [finding.fix for finding in findings if finding.fix is not None]
