"""Which rules run and report: codes, or beginnings of codes, that somebody selects and ignores."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from flake8_nnx_mode.patterns import names

_ALL = "NNX"


@dataclass(frozen=True, slots=True)
class Selection:
    """What one source says, or several on top of each other; the longest prefix decides."""

    select: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Anchored patterns, and what to ignore in the files that they match."""
    ignore_here: tuple[str, ...] = ()
    """What these come to in the one file that this is for; no other source's select lifts it."""

    def runs(self, code: str, *, on: bool) -> bool:
        """Whether to run the rule ``code``, which is ``on`` unless told otherwise.

        Only what surely stays unreported is ruled out; where a code is both selected and ignored,
        ``reports`` decides. A rule that is off runs once a prefix longer than ``NNX`` selects it.
        """
        chosen = self.select + self.extend_select
        if not on:
            return code.startswith(tuple(prefix for prefix in chosen if len(prefix) > len(_ALL)))
        ignored = self.ignore + self.ignore_here
        return code.startswith(chosen) or not (self.select or code.startswith(ignored))

    def reports(self, code: str) -> bool:
        """Whether to report ``code`` once its rule ran: the longer prefix decides, as in flake8."""
        chosen = _longest(code, self.select + self.extend_select)
        ignored = _longest(code, self.ignore + self.ignore_here)
        return not ignored or chosen > ignored

    def for_file(self, path: Path) -> "Selection":
        """The same for one file: of the patterns that match it the longest counts, as in flake8."""
        found = [one for one in self.per_file_ignores if names(path, one[:1])]
        if not found:
            return self
        _, codes = max(found, key=lambda one: len(one[0]))
        return replace(self, per_file_ignores=(), ignore_here=codes)

    def over(self, weaker: "Selection") -> "Selection":
        """Both, for one file; what stands in ``self`` wins over as long a prefix in ``weaker``.

        What ``self`` ignores wins over longer ones too: flake8 lets nothing of it through.
        """
        chosen = self.select + self.extend_select
        ignored = self.ignore + self.ignore_here
        overruled = (p for p in weaker.select + weaker.extend_select if p.startswith(ignored))
        return Selection(
            select=(weaker.select if self._is_bare() else ()) or self.select,
            extend_select=weaker.extend_select + self.extend_select,
            ignore=(
                *(prefix for prefix in weaker.ignore if prefix not in chosen),
                *(prefix for prefix in overruled if prefix not in chosen),
                *self.ignore,
            ),
            ignore_here=weaker.ignore_here + self.ignore_here,
        )

    def _is_bare(self) -> bool:
        """Whether ``select`` does not say which of our rules are wanted: `NNX`, or nothing."""
        ours = [prefix for prefix in self.select if prefix.startswith(_ALL[: len(prefix)])]
        return not self.select or (bool(ours) and max(map(len, ours)) <= len(_ALL))


DEFAULT = Selection()
"""The rules that are on."""
EVERYTHING = Selection(extend_select=("NNX1", "NNX2", "NNX3", "NNX4"))
"""All rules, those that are off by default too."""


def _longest(code: str, prefixes: Iterable[str]) -> int:
    return max((len(prefix) for prefix in prefixes if code.startswith(prefix)), default=0)
