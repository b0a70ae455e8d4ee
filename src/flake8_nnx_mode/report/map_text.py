"""The tree of a model, for people: a line for each layer, and its findings below."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from rich.tree import Tree

from flake8_nnx_mode.facts.tree import How, Layer, LayerKind, Told
from flake8_nnx_mode.report.map_shared import place, summary
from flake8_nnx_mode.report.terminal import console
from flake8_nnx_mode.report.wording import one_line

_PLAIN, _BOLD, _DIM, _RED, _GREEN, _YELLOW = map(
    Style.parse, ("", "bold", "dim", "red", "green", "yellow")
)
_KINDS: dict[LayerKind, Style] = {
    "stochastic": Style.parse("bold magenta"),
    "stateful": Style.parse("bold cyan"),
    "plain": _DIM,
    "unknown": _YELLOW,
}
_HOWS: dict[How, Style] = {
    "forwarded": _GREEN,
    "default": _PLAIN,
    "unknown": _YELLOW,
    "fixed": _YELLOW,
    "inverted": _RED,
    "dropped": _RED,
}
"""From good to bad."""
_ENDLESS = 10_000
"""Columns, where nothing is to be wrapped."""
_INDENT = "  "
"""Of what does not fit into the first line."""
_GUIDE, _ROOM = 4, 40
"""The columns that a level of the tree takes, and that its label has at least."""


def write(models: Sequence[Layer], file: TextIO) -> None:
    """Write to ``file``: as wide as the terminal; elsewhere a line for each layer, unwrapped."""
    out = console(file)
    # FORCE_COLOR asks for colours in a pipe, and not for lines that are cut.
    width = out.width if file.isatty() else _ENDLESS
    for model in models:
        tree, depth = _tree(model)
        # rich shows nothing of a label that the guides leave no room for.
        out.width = max(width, depth * _GUIDE + _ROOM)
        out.print(tree)
    if models:
        out.print()
    out.print(Text(summary(models)), soft_wrap=True)


@dataclass(frozen=True, slots=True)
class _Label:
    """Lines of pieces, which are wrapped between pieces only, where that is possible."""

    lines: Sequence[tuple[str, Sequence[Segment]]]
    """What stands between the pieces, and the pieces."""

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        # Segments are what rich makes of Text, which takes several times as long.
        for between, pieces in self.lines:
            # Words alike become one, for fewer colours to switch.
            yield from Segment.simplify(_wrapped(between, pieces, options.max_width))
            yield Segment.line()


def _wrapped(between: str, pieces: Sequence[Segment], width: int) -> Iterator[Segment]:
    used = 0
    for text, style, _ in pieces:
        room = width - len(_INDENT)
        for part in [text] if len(text) * 2 <= room else chop_cells(text, room):
            before = between if used else ""
            length = cell_len(part)
            if used + len(before) + length > width:
                yield Segment.line()
                used, before = 0, _INDENT
            yield Segment(f"{before}{part}", style)
            used += len(before) + length


def _tree(model: Layer) -> tuple[Tree, int]:
    """The tree, and how deep it is."""
    root = Tree(_label(model, root=True), guide_style="dim")
    left = [(root, model, 1)]
    deepest = 1
    while left:
        tree, layer, depth = left.pop()
        deepest = max(deepest, depth)
        left += [(tree.add(_label(child)), child, depth + 1) for child in layer.children]
    return root, deepest


def _label(layer: Layer, root: bool = False) -> _Label:
    lines = [("  ", list(_headline(layer, root)))]
    if layer.note:
        lines.append((" ", _words(layer.note, _DIM)))
    for finding in layer.findings:
        symptom = finding.message.partition("; ")[0]
        words = [*_words(f"{finding.code} {symptom}", _RED), *_words(place(finding.place), _DIM)]
        lines.append((" ", words))
    return _Label(lines)


def _words(text: str, style: Style) -> list[Segment]:
    return [Segment(word, style) for word in one_line(text).split(" ")]


def _headline(layer: Layer, root: bool) -> Iterator[Segment]:
    of = f"nnx.{layer.of}" if layer.module == "flax.nnx" else layer.of
    if root:
        where = layer.defined and place(layer.defined)
        yield Segment(one_line(layer.name), _BOLD)
        if where:
            yield Segment(one_line(where), _DIM)
    else:
        yield Segment(one_line(f"{layer.name}: {of}" if of else layer.name), _BOLD)
    yield Segment(layer.kind, _KINDS[layer.kind])
    if layer.maybe:
        yield Segment("maybe", _YELLOW)
    if layer.flags and layer.called is False:
        yield Segment("not called", _DIM)
    for flag, text, style in _flags(layer):
        yield Segment(one_line(f"{flag} {text}" if text else flag), style)
    if layer.streams:
        yield Segment(one_line(f"draws {', '.join(layer.streams)}"))
    if layer.view is None:
        yield Segment("view unknown", _YELLOW)
    elif layer.view:
        yield Segment(one_line(f"view {', '.join(layer.view)}"), _DIM)


def _flags(layer: Layer) -> Iterator[tuple[str, str, Style]]:
    """Each flag by name, what becomes of it, and the colour of the worst of that."""
    told: dict[str, dict[str, Told]] = {flag.name: {} for flag in layer.flags}
    for call in layer.calls:
        for one in call.told:
            told.setdefault(one.flag, {}).setdefault(_fate(one), one)
    unused = {flag.name for flag in layer.flags if flag.used is False}
    defaults = {f.name: f"default {f.default}" for f in reversed(layer.flags) if f.default}
    for name, fates in told.items():
        worst = max((one.how for one in fates.values()), key=list(_HOWS).index, default=None)
        becomes = list(fates)
        if not becomes and layer.called is None:
            becomes, worst = ["unknown"], "unknown"
        elif name in defaults and worst in (None, "default"):
            becomes = [defaults[name]]
        text = ", ".join([*becomes, *["unused"] * (name in unused)])
        yield name, text, _HOWS[worst] if worst else _YELLOW if name in unused else _PLAIN


def _fate(told: Told) -> str:
    match told.how:
        case "dropped" | "default":
            return told.how
        case "fixed":
            return f"fixed {told.text}"
        case "forwarded":
            return f"<- {told.text}"
        case how:
            return f"<- {told.text} {how}" if told.text else how
