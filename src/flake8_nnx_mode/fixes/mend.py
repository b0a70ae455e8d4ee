"""One file and a linter -> what its fixes make of it, and what is left and why."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from flake8_nnx_mode.codes import NOT_ANALYSED, OWN
from flake8_nnx_mode.fixes.rounds import Fixed, fixed
from flake8_nnx_mode.lint import Checked, Linter, Source
from flake8_nnx_mode.model import Finding, Position
from flake8_nnx_mode.selection import Selection
from flake8_nnx_mode.syntax.text import LineTable


@dataclass(frozen=True, slots=True)
class Left:
    """A finding that is left, and why."""

    place: Position
    """Where it is in the mended text."""
    code: str
    why: str


@dataclass(frozen=True, slots=True)
class Mended:
    """A file, mended."""

    path: Path
    before: str
    after: str
    mended: int
    """How many findings are gone."""
    left: tuple[Left, ...]

    def place_before(self, place: Position) -> Position:
        """Where the code at ``place`` of ``after`` was in ``before``, to the line."""
        before, after = LineTable(self.before).all(), LineTable(self.after).all()
        match = difflib.SequenceMatcher(None, before, after, autojunk=False)
        for _, first, last, start, end in match.get_opcodes():
            if start < place.line <= end:
                return replace(place, line=min(first + place.line - start, max(last, first + 1)))
        return place


class Mender:
    """Mends files; by ``unsafe`` fixes too if it is told to."""

    def __init__(self, linter: Linter, *, unsafe: bool) -> None:
        """Mend what ``linter`` reports, and watch that nothing else comes up."""
        self._linter = linter
        self._unsafe = unsafe
        given, *others = linter.selections or (Selection(),)
        # Rules that are not asked for now are asked for another time.
        widened = Selection(extend_select=given.select + given.extend_select)
        self._guard = replace(linter, selections=(widened, *others))

    def mend(self, file: Checked) -> Mended:
        """What becomes of a file."""
        left: Iterable[Finding] = file.findings
        text = file.text
        refused: Mapping[Finding, str] = {}
        if any(self._may_make(finding) for finding in left):
            done = self._fixed(file)
            codes = {finding.code for finding in file.findings}
            text, refused = done.text, done.refused
            left = [finding for finding in done.left if finding.code in codes]
        why = [Left(f.span.start, f.code, self._why(f, refused)) for f in left]
        mended = len(file.findings) - len(why)
        return Mended(file.path, file.text, text, mended, tuple(why))

    def _fixed(self, file: Checked) -> Fixed:
        settings = self._linter.settings.of_file(file.path)
        codes = {*self._linter.codes(file.path), *(own.code for own in OWN)}
        return fixed(
            file.text,
            lambda text: self._guard.findings(Source(file.path, text, settings)),
            lambda finding: finding.code in codes and self._may_make(finding),
        )

    def _may_make(self, finding: Finding) -> bool:
        return finding.fix is not None and (self._unsafe or finding.fix.applicability == "safe")

    def _why(self, finding: Finding, refused: Mapping[Finding, str]) -> str:
        if finding.code == NOT_ANALYSED.code:
            return finding.message
        if finding.fix is None:
            why = "there is no fix for it here"
        elif not self._may_make(finding):
            why = "its fix is unsafe, and made with --unsafe only"
        else:
            why = f"with its fix {refused.get(finding, 'nothing would change')}"
        return f"left as it is: {why}"
