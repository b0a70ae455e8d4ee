"""A file -> the trees of its models, with the findings in place."""

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from flake8_nnx_mode.facts.layers import Reader, place_of
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.tree import Layer, LayerFinding, Place, walk
from flake8_nnx_mode.facts.values import ClassDefinition
from flake8_nnx_mode.lint import Linter
from flake8_nnx_mode.model import Position, Span
from flake8_nnx_mode.settings import SettingsError
from flake8_nnx_mode.syntax.book import Book
from flake8_nnx_mode.syntax.text import UNPARSABLE

_ABOUT_CALLS = "NNX2"
"""The rules about what layers are told."""
Found = dict[Place, list[LayerFinding]]


class MapError(Exception):
    """There is nothing to map; the message says why, and what there is."""


def trees(linter: Linter, path: Path, name: str | None) -> list[Layer]:
    """The models in a file: the class ``name``, or those that no other class of it holds.

    Raises:
        MapError: the file cannot be read or parsed, or there is no such class in it.
    """
    project = _project(linter, path)
    modules = {facts.outline.qualname: facts for facts in project.modules}
    for facts in project.classes(project.book):
        if facts.outline.qualname == name and not facts.ancestry.known:
            modules[name] = facts  # the user knows more of its bases than we do
    if not modules:
        raise MapError(f"{path}: there is no nnx module in it")
    inner = [other for other in modules if name is not None and other.endswith(f".{name}")]
    if name not in modules and len(inner) == 1:
        name = inner[0]
    if name is not None and name not in modules:
        raise MapError(
            f"{path}: there is no nnx module {name} in it; there are {', '.join(modules)}"
        )
    reader = Reader(project)
    if name is not None:
        models = [reader.model(modules[name].definition)]
    else:
        models = _outermost(reader, [facts.definition for facts in modules.values()])
    return _with_findings(models, linter)


def _project(linter: Linter, path: Path) -> Project:
    try:
        source = linter.source(path)
        if source is None:
            raise MapError(f"{path}: it has nothing of flax.nnx")
        return Project(Book(path.absolute(), source.text), source.settings)
    except SettingsError as error:
        raise MapError(str(error)) from None
    except IsADirectoryError:
        raise MapError(
            f"{path}: is a folder; name a file, such as {path / 'model.py:Net'}"
        ) from None
    except OSError as error:
        raise MapError(f"{path}: cannot be read: {error.strerror}") from None
    except SyntaxError as error:
        raise MapError(f"{path}:{error.lineno}: cannot be parsed: {error.msg}") from None
    except UNPARSABLE as error:
        raise MapError(f"{path}: cannot be parsed: {error}") from None


def _outermost(reader: Reader, classes: list[ClassDefinition]) -> list[Layer]:
    """The models that are part of no other one; all of them where each is part of another."""
    models: dict[Place, Layer] = {}
    held: set[Place | None] = set()
    # What holds others mostly stands below them: read first, it spares reading those.
    for of in reversed(classes):
        if place_of(of) not in held:
            models[place_of(of)] = model = reader.model(of)
            held |= {layer.defined for layer in walk(model.children)}
    found = [models[place] for place in reversed(models) if place not in held]
    return found or [reader.model(of) for of in classes]


# -- findings ------------------------------------------------------------------------------------


def _with_findings(models: list[Layer], linter: Linter) -> list[Layer]:
    """``models`` with what is reported in the files of their classes."""
    every = list(walk(models))
    calls: dict[Path, set[Span]] = defaultdict(set)
    for call in (call for layer in every for call in layer.calls):
        calls[call.place.path].add(Span(call.place.start, call.end))
    found: Found = defaultdict(list)
    for file in sorted({layer.defined.path for layer in every if layer.defined is not None}):
        for start, finding in _findings(linter, file, calls[file]):
            found[Place(file, start)].append(finding)
    return [_placed(model, found) for model in models]


def _findings(
    linter: Linter, file: Path, calls: set[Span]
) -> Iterator[tuple[Position, LayerFinding]]:
    """What is reported in a file, each at the call of a layer that it is about, or at its class."""
    checked = linter.check(file)
    if not checked.findings or not checked.text:
        return
    try:
        nodes = [of.node for of in Book(file, checked.text).outline.classes]
    except UNPARSABLE:
        return
    classes = {
        Span(Position(node.lineno, node.col_offset), Position((node.end_lineno or 0) + 1, 0))
        for node in nodes
    }
    left = deque(sorted(calls | classes))
    around: list[Span] = []
    for finding in sorted(checked.findings):
        start = finding.span.start
        while left and left[0].start <= start:
            around.append(left.popleft())
        while around and around[-1].end <= start:
            around.pop()
        # What stands in a call, such as a draw, is mostly no mistake of the call.
        of_call = finding.code.startswith(_ABOUT_CALLS)
        about = (s for s in reversed(around) if of_call or s.start == start or s in classes)
        if (span := next(about, None)) is not None:
            place = Place(file, start)
            yield span.start, LayerFinding(finding.code, finding.message, place)


def _placed(layer: Layer, found: Found) -> Layer:
    """A layer with what is reported of its class, and where it is called."""
    places = dict.fromkeys([layer.defined, *(call.place for call in layer.calls)])
    own = [finding for place in places if place is not None for finding in found.get(place, ())]
    children = tuple(_placed(child, found) for child in layer.children)
    return replace(layer, findings=tuple(own), children=children)
