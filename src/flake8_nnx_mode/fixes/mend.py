"""One file and a linter -> what its fixes make of it, and what is left and why."""

import difflib
from dataclasses import dataclass, replace
from pathlib import Path

from flake8_nnx_mode.codes import NOT_ANALYSED, OWN
from flake8_nnx_mode.fixes.rounds import Fixed, fixed
from flake8_nnx_mode.lint import Linter, Source
from flake8_nnx_mode.model import Finding, Position
from flake8_nnx_mode.selection import Selection
from flake8_nnx_mode.settings import SettingsError
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
    """Mends files; ``unsafe`` fixes if it is told to."""

    def __init__(self, linter: Linter, *, unsafe: bool) -> None:
        """Mend what ``linter`` reports, and watch that nothing else comes up."""
        self._linter = linter
        self._unsafe = unsafe
        given, *others = linter.selections or (Selection(),)
        # Rules that are not asked for now are asked for another time.
        widened = Selection(extend_select=given.select + given.extend_select)
        self._guard = replace(linter, selections=(widened, *others))

    def mend(self, path: Path, data: bytes) -> Mended | None:
        """What becomes of a file that holds ``data``; None if it cannot be decoded."""
        try:
            source = self._linter.source(path, data)
        except (SettingsError, SyntaxError, UnicodeError):
            return None
        return None if source is None else self._mended(source)

    def _mended(self, source: Source) -> Mended:
        codes = {*self._linter.codes(source.path), *(own.code for own in OWN)}
        result = fixed(
            source.text,
            lambda text: self._guard.findings(replace(source, text=text)),
            lambda finding: finding.code in codes and self._may_make(finding),
        )
        found = [finding for finding in result.found if finding.code in codes]
        left = [finding for finding in result.left if finding.code in codes]
        return Mended(
            source.path,
            source.text,
            result.text,
            mended=len(found) - len(left),
            left=tuple(Left(f.span.start, f.code, self._why(f, result)) for f in left),
        )

    def _may_make(self, finding: Finding) -> bool:
        return finding.fix is not None and (self._unsafe or finding.fix.applicability == "safe")

    def _why(self, finding: Finding, result: Fixed) -> str:
        if finding.code == NOT_ANALYSED.code:
            return finding.message
        if finding.fix is None:
            return "there is no fix for it here"
        if not self._may_make(finding):
            return "its fix is unsafe, and made with --unsafe only"
        return f"with its fix {result.refused.get(finding, 'nothing would change')}"
