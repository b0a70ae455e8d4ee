"""What a model is and does at run time, beside what its map says.

``compared`` looks at what the model holds, ``Watch`` at what happens while it is called.
"""

import contextlib
import functools
import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import jax
from flax import nnx

from flake8_nnx_mode.facts.tree import Layer, LayerCall, ModeFlag, Told, walk
from flake8_nnx_mode.settings import Settings

_FLAGS = Settings().mode_flags
_HOLDERS = (nnx.List, nnx.Dict)
_MADE_OF_OTHERS = (
    *(nnx.Sequential, nnx.RNN, nnx.Bidirectional, nnx.SpectralNorm, nnx.WeightNorm, nnx.LoRA),
)
_ABSENT = object()


@dataclass(slots=True)
class Comparison:
    """How far a map is right."""

    right: list[str] = field(default_factory=list)
    """The paths of the modules of which all that the map says is so."""
    unknown: list[str] = field(default_factory=list)
    """The paths of those that it says it does not know."""
    vague: list[str] = field(default_factory=list)
    """What it leaves open of those that it has, and what it takes for a layer that may be one."""
    absent: list[str] = field(default_factory=list)
    """The layers that may be there, as it says, and are not."""
    wrong: list[str] = field(default_factory=list)
    followed: int = 0
    """Calls that were seen, and are in the map as they were."""
    met: dict[int, tuple[nnx.Module, list[Layer]]] = field(default_factory=dict)
    """The modules that were compared, by identity, each with what the map has for it."""

    def __str__(self) -> str:
        return (
            f"{len(self.right)} right, {len(self.unknown)} unknown, {len(self.wrong)} wrong,"
            f" {len(self.vague)} vague, {len(self.absent)} absent, {self.followed} calls"
        )


# -- what it holds -------------------------------------------------------------------------------


def compared(model: nnx.Module, tree: Layer) -> Comparison:
    """Whether ``tree`` has each module of ``model``, and what it says of them is so."""
    result = Comparison()
    settled: set[int] = set()
    left: list[tuple[str, nnx.Module, Layer, tuple[int, ...]]] = [("", model, tree, ())]
    while left:
        path, module, layer, above = left.pop()
        result.met.setdefault(id(module), (module, []))[1].append(layer)
        problems = [*_wrong(module, layer, result.vague, path)]
        pairs, strange = _paired(module, layer, result, path, settled)
        problems += strange
        result.wrong += [f"{path or '(model)'}: {problem}" for problem in problems]
        if not problems:
            result.right.append(path)
        if id(module) not in above:
            left += [(_joined(path, at), m, child, (*above, id(module))) for at, m, child in pairs]
    _check_views(model, result)
    for path, module in _modules(model):
        if id(module) not in settled | result.met.keys():
            result.wrong.append(f"{path}: {type(module).__name__} is not compared")
    return result


def _modules(model: nnx.Module) -> Iterator[tuple[str, nnx.Module]]:
    """As ``nnx.iter_modules``, without lists and dicts, and what layers of Flax are made of."""
    inside: list[tuple[Any, ...]] = []
    for path, module in sorted(nnx.iter_modules(model), key=lambda each: len(each[0])):
        if any(path[: len(outer)] == outer for outer in inside):
            continue
        if _is_leaf(module):
            inside.append(path)
        if not isinstance(module, _HOLDERS):
            yield ".".join(map(str, path)), module


def _is_leaf(module: object) -> bool:
    """Whether it is a layer of Flax that is not made of what somebody else gave it."""
    composed = isinstance(module, (*_HOLDERS, *_MADE_OF_OTHERS))
    return type(module).__module__.startswith("flax.") and not composed


def _held(module: object) -> Iterator[tuple[str, nnx.Module]]:
    """The modules that a module holds itself, with the paths to them."""
    left = [(f".{n}", v) for n, v in vars(module).items() if not n.startswith("_pytree__")]
    seen = set()
    while left:
        path, value = left.pop(0)
        if isinstance(value, nnx.Module) and not isinstance(value, _HOLDERS):
            yield path.removeprefix("."), value
        elif id(value) in seen or isinstance(value, nnx.Variable | nnx.Rngs | nnx.RngStream):
            continue
        else:
            seen.add(id(value))
            left += [(f"{path}{step}", inner) for step, inner in _inside(value)]


def _inside(value: object) -> list[tuple[str, Any]]:
    match value:
        case nnx.List() | list() | tuple():
            return [(f"[{index}]", inner) for index, inner in enumerate(value)]
        case nnx.Dict() | dict():
            return [(f"[{key!r}]", inner) for key, inner in value.items()]
        case nnx.Pytree():
            return [(f".{n}", v) for n, v in vars(value).items() if not n.startswith("_pytree__")]
    return []


def _paired(
    module: nnx.Module, layer: Layer, result: Comparison, path: str, settled: set[int]
) -> tuple[list[tuple[str, nnx.Module, Layer]], list[str]]:
    """What a module holds beside what the map has there, and what does not fit.

    ``settled`` gets the modules of which nothing more is to be said.
    """
    pairs, problems = [], []
    met: set[int] = set()
    if _is_leaf(module):
        return [], [f"the map has {child.name} in it" for child in layer.children]
    for at, held in _held(module):
        same = [child for child in layer.children if _pattern(child.name).fullmatch(at)]
        known = [child for child in same if _is_of(held, child)]
        unknown = [child for child in same if not child.of or _may_be(held, child)]
        unknown += [
            child for child in layer.children if not child.of and at.startswith(f"{child.name}[")
        ]
        if known:
            pairs.append((at, held, known[0]))
            met.add(id(known[0]))
            continue
        settled.update(id(inner) for _, inner in nnx.iter_modules(held))
        if not same and _is_leaf(held) and at in _made_by_flax(module):
            continue
        if unknown or layer.kind == "unknown" or "may hold more" in layer.note:
            here = _joined(path, at)
            result.unknown += [here, *(_joined(here, p) for p, _ in _modules(held) if p)]
        else:
            said = ", ".join(child.of for child in same) or "nothing"
            problems.append(f"{at} is {type(held).__name__}, the map has {said}")
    for child in layer.children:
        if id(child) in met:
            continue
        if child.of and not child.maybe and "*" not in child.name:
            problems.append(f"the map has {child.name}: {child.of}, and there is none")
        elif child.of:
            result.absent.append(f"{_joined(path, child.name)}: {child.of}")
        elif not any(_pattern(child.name).match(at) for at, _ in _held(module)):
            kind = result.absent if child.maybe else result.vague
            kind.append(f"{_joined(path, child.name)}: unknown, and no module")
    return pairs, problems


def _pattern(name: str) -> re.Pattern[str]:
    pattern = re.escape(name).replace(re.escape("[*]"), r"\[[^]]*\]")
    return re.compile(pattern.replace(re.escape("*"), r"[\w.]+"))


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}".strip(".")


def _may_be(module: object, layer: Layer) -> bool:
    """Whether the map says so by an annotation, which lets subclasses in."""
    names = {base.__name__ for base in type(module).__mro__}
    return "annotation" in layer.note and layer.of in names


def _made_by_flax(module: nnx.Module) -> set[str]:
    """The attributes that it has from the layer of Flax that its class derives from."""
    if isinstance(module, _MADE_OF_OTHERS):
        return set()
    bases = [base for base in type(module).__mro__ if base.__module__.startswith("flax.nnx.nn.")]
    codes = [vars(base)["__init__"].__code__ for base in bases if "__init__" in vars(base)]
    return {name for code in codes for name in code.co_names}


def _is_of(module: object, layer: Layer) -> bool:
    of = type(module)
    if of.__name__ != layer.of:
        return False
    if layer.module == "flax.nnx":
        return of.__module__.startswith("flax.nnx")
    ours, theirs = f".{of.__module__}", f".{layer.module}"
    return ours.endswith(theirs) or theirs.endswith(ours)


# -- what each module is -------------------------------------------------------------------------


def _wrong(module: nnx.Module, layer: Layer, vague: list[str], path: str) -> Iterator[str]:
    """What the map says of a layer that the object does not bear out."""
    if layer.defined is not None:
        file, line = _defined(type(module))
        if (Path(file).resolve(), line) != (
            layer.defined.path.resolve(),
            layer.defined.start.line,
        ):
            yield f"its class is at {file}:{line}, the map has {layer.defined}"
    elif not type(module).__module__.startswith("flax.") and layer.of:
        yield "the map does not say where its class is"
    if layer.kind == "unknown":
        vague.append(f"{path}: kind unknown ({layer.note})")
    if layer.module == "flax.nnx":
        yield from _wrong_builtin(module, layer, vague, path)
    else:
        yield from _wrong_flags(module, layer, vague, path)
    takes = _view_keywords(module)
    if layer.view is None:
        if takes is not None:
            vague.append(f"{path}: view unknown")
    elif takes is None or set(layer.view) != takes:
        able = "whatever there is" if takes is None else sorted(takes)
        yield f"views can set {able}, the map has {sorted(layer.view)}"


def _defined(of: type) -> tuple[str, int]:
    lines, start = inspect.getsourcelines(of)
    first = next(i for i, line in enumerate(lines) if line.lstrip().startswith("class "))
    return inspect.getsourcefile(of) or "", start + first


def _view_keywords(module: nnx.Module) -> set[str] | None:
    """What ``nnx.view`` can set on it itself; None if it takes whatever there is."""
    set_view = getattr(module, "set_view", None)
    if set_view is None:
        return set()
    parameters = inspect.signature(set_view).parameters.values()
    if any(p.kind == p.VAR_KEYWORD for p in parameters):
        return None
    return {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}


def _check_views(model: nnx.Module, result: Comparison) -> None:
    """Compare with what ``nnx.view_info`` says of the model as a whole, by class."""
    try:  # it takes whatever has the method, and an `nnx.Rngs` says that it has
        text = nnx.view_info(model, only=nnx.Module)
    except KeyError as error:  # of a docstring that does not name all
        result.vague.append(f"nnx.view_info fails: {error!r}")
        return
    said: dict[str, set[str]] = defaultdict(set)
    unsaid: set[str] = set()
    for line in text.splitlines():
        if line and line[0] != " ":
            of = line.rstrip(":").rpartition(".")[2]
        elif name := re.match(r"  (\w+): ", line):
            said[of].add(name[1])
        elif line.startswith("  set_view("):  # it has no docstring
            unsaid.add(of)
    mapped: dict[str, set[str]] = defaultdict(set)  # several classes may have one name
    for _, layers in result.met.values():
        for layer in layers:
            mapped[layer.of].update(layer.view or ())
            if layer.view is None:
                unsaid.add(layer.of)
    for of in mapped.keys() - unsaid:
        if said[of] != mapped[of]:
            result.wrong.append(f"view_info of {of}: {sorted(said[of])}, not {sorted(mapped[of])}")


def _wrong_builtin(module: Any, layer: Layer, vague: list[str], path: str) -> Iterator[str]:
    """A layer of Flax: what its attributes say of its mode."""
    flags = {flag.name: flag for flag in layer.flags}
    taken = _FLAGS.keys() & inspect.signature(type(module).__call__).parameters.keys()
    if isinstance(module, nnx.SpectralNorm):
        taken = taken | {"update_stats"}
    if taken != flags.keys():
        yield f"its call takes {sorted(taken)}, the map has {sorted(flags)}"
        return
    for name, flag in flags.items():
        held = getattr(module, name, None)  # of SpectralNorm there is none: it has to be told
        if flag.default and flag.default != str(held):
            yield f"{name} is {held} by default, the map has {flag.default!r}"
        if held is not None and not flag.default:
            vague.append(f"{path}: {name} by default")
    match module:
        case nnx.Dropout(rate=rate) | nnx.MultiHeadAttention(dropout_rate=rate):
            kinds = {"stochastic"} if rate > 0 else {"plain"}
            if rate == 0 and layer.kind == "stochastic":  # it may, as far as the code says it
                kinds = {"stochastic"}
                vague.append(f"{path}: it drops nothing as it is built here")
            streams = {"dropout"}
            if isinstance(module, nnx.Dropout):
                streams = {module.rng_collection}
            if isinstance(module.rngs, nnx.RngStream):
                streams |= {module.rngs.tag}
            if layer.kind == "stochastic" and not set(layer.streams) <= streams:
                yield f"it draws from {streams}, the map has {layer.streams}"
            if layer.kind == "stochastic" and not layer.streams:
                yield f"it draws from {streams}, the map has nothing"
        case nnx.BatchNorm() | nnx.SpectralNorm():
            kinds = {"stateful"}
        case _:
            kinds = {"plain"}
    if layer.kind not in kinds:
        yield f"it is {layer.kind}, not {kinds}: {layer.note}"
    if kinds != {"stochastic"} and layer.streams:
        yield f"it draws nothing, the map has {layer.streams}"


def _wrong_flags(module: Any, layer: Layer, vague: list[str], path: str) -> Iterator[str]:
    by_call = {flag.name: flag for flag in layer.flags if flag.by == "call"}
    kept = {flag.name: flag for flag in layer.flags if flag.by == "attribute"}
    methods = {n: f for n, f in _methods(type(module)).items() if _is_called(n)}
    signatures = {name: inspect.signature(f) for name, f in methods.items()}
    first = {n: s for n, s in signatures.items() if n == "__call__"} | signatures
    for flag in layer.flags:
        if flag.name in _FLAGS and (flag.means == "train") != _FLAGS[flag.name]:
            yield f"{flag.name} means {flag.means}, says the map"
    for name, flag in by_call.items():
        taking = [method for method, s in first.items() if name in s.parameters]
        if not taking:
            yield f"no method of it takes {name}"
            continue
        default = first[taking[0]].parameters[name].default
        if not _same(flag.default, default, methods[taking[0]]):
            yield f"{name} is {default!r} by default, the map has {flag.default!r}"
    call = signatures.get("__call__")
    for name in _FLAGS.keys() & (set() if call is None else call.parameters.keys()):
        if name not in by_call:
            yield f"its call takes {name}, of which the map has nothing"
    for name, flag in kept.items():
        held = getattr(module, name, _ABSENT)
        if held is _ABSENT or inspect.ismethod(held):  # such as `train` of each module
            yield f"it has no attribute {name}"
        elif not flag.default:
            vague.append(f"{path}: {name} by default")
        elif flag.default != repr(held):
            yield f"its attribute {name} is {held!r}, the map has {flag.default}"
    for name in _FLAGS.keys() & vars(module).keys():
        if isinstance(vars(module)[name], bool) and name not in kept and name not in by_call:
            yield f"it has an attribute {name}, of which the map has nothing"


def _is_called(method: str) -> bool:
    """Whether it is for calls, and not for building and views."""
    return method == "__call__" or not (method.startswith("__") or method == "set_view")


def _methods(of: type) -> dict[str, FunctionType]:
    """The methods that a class has of its own or from classes that are not Flax's."""
    found: dict[str, FunctionType] = {}
    for base in of.__mro__:
        if not base.__module__.startswith(("flax.", "builtins", "typing", "abc")):
            for name, function in vars(base).items():
                if isinstance(function, FunctionType):
                    found.setdefault(name, function)
    return found


def _same(written: str, default: object, method: FunctionType) -> bool:
    if default is inspect.Parameter.empty or not written:
        return default is inspect.Parameter.empty and not written
    try:
        return bool(eval(written, method.__globals__) == default)
    except NameError:
        return False


# -- what it does --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Seen:
    """A call of a module by another one."""

    of: nnx.Module
    by: nnx.Module
    place: tuple[str, int, int]
    method: str
    """The full name of what calls."""
    given: dict[str, object]
    """The mode flags that the called method takes: what it is given, or that nothing is."""
    around: dict[str, object]
    """The mode flags of the caller."""


@dataclass
class Watch(contextlib.AbstractContextManager["Watch"]):
    """Sees what the modules of a model do while it is active."""

    model: nnx.Module
    seen: list[_Seen] = field(default_factory=list)
    drew: list[tuple[nnx.Module, str]] = field(default_factory=list)
    """The modules that drew, each with the stream; empty for a key that was used as it is."""
    ran: dict[int, tuple[nnx.Module, set[str]]] = field(default_factory=dict)
    """The modules of which methods ran, by identity, with the names of those."""
    _undo: list[tuple[Any, str, Any]] = field(default_factory=list)
    _before: dict[tuple[int, str], object] = field(default_factory=dict)

    def __enter__(self) -> "Watch":
        self._before = self._before or self._state()
        classes = {c for _, m in nnx.iter_modules(self.model) for c in type(m).__mro__}
        for of in classes - {nnx.Module, *_HOLDERS}:
            flax = of.__module__.startswith("flax.")
            if of.__module__.startswith(("builtins", "typing", "abc")):
                continue
            for name, function in list(vars(of).items()):
                public = name == "__call__" or not (name.startswith("__") or flax)
                if isinstance(function, FunctionType) and public:
                    self._patch(of, name, self._noting(function))
        self._patch(nnx.RngStream, "__call__", self._drawing(nnx.RngStream.__call__))
        for name in ("bernoulli", "normal", "uniform", "categorical", "gumbel", "randint"):
            self._patch(jax.random, name, self._sampling(getattr(jax.random, name)))
        return self

    def __exit__(self, *_: object) -> None:
        for owner, name, value in reversed(self._undo):
            setattr(owner, name, value)
        self._undo.clear()

    def changed(self, module: nnx.Module) -> list[str]:
        """The variables of a module itself that are not what they were, but for its streams."""
        now = self._state()
        return [
            name
            for (of, name), value in self._before.items()
            if of == id(module) and now.get((of, name)) is not value
        ]

    def all_ran(self, module: nnx.Module) -> bool:
        """Whether all that it can do was seen."""
        _, ran = self.ran.get(id(module), (module, set()))
        return {name for name in _methods(type(module)) if _is_called(name)} <= ran and bool(ran)

    def _state(self) -> dict[tuple[int, str], object]:
        found: dict[tuple[int, str], object] = {}
        for _, module in nnx.iter_modules(self.model):
            for name, value in vars(module).items():
                if isinstance(value, nnx.Variable) and not isinstance(value, nnx.Intermediate):
                    found[id(module), name] = value.get_raw_value()
        return found

    def _patch(self, owner: Any, name: str, value: Any) -> None:
        self._undo.append((owner, name, vars(owner)[name]))
        setattr(owner, name, value)

    def _noting(self, function: FunctionType) -> Callable[..., Any]:
        signature = inspect.signature(function)
        flags = (_FLAGS.keys() | {"update_stats"}) & signature.parameters.keys()

        @functools.wraps(function)
        def call(module: Any, *args: Any, **kwargs: Any) -> Any:
            self.ran.setdefault(id(module), (module, set()))[1].add(function.__name__)
            frame = sys._getframe(1)
            method = _method_of(frame)
            if method is not None and (caller := method.f_locals["self"]) is not module:
                with contextlib.suppress(TypeError):  # the call is wrong, and will say so
                    given = signature.bind(module, *args, **kwargs).arguments
                    named = {f: given.get(f, _ABSENT) for f in flags}
                    around = _around({**method.f_locals, **frame.f_locals}, caller)
                    of = method.f_code.co_qualname
                    self.seen.append(_Seen(module, caller, _place(frame), of, named, around))
            return function(module, *args, **kwargs)

        return call

    def _drawing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def draw(stream: Any) -> Any:
            module = _module_above(sys._getframe(1))
            if module is not None:
                self.drew.append((module, stream.tag))
            return function(stream)

        return draw

    def _sampling(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def sample(*args: Any, **kwargs: Any) -> Any:
            module = _module_above(sys._getframe(1))
            if module is not None:
                self.drew.append((module, ""))
            return function(*args, **kwargs)

        return sample


def _method_of(frame: FrameType) -> FrameType | None:
    """Where the method of a module runs whose code ``frame`` has, or that of a function in it."""
    name, _, _ = frame.f_code.co_qualname.partition(".<locals>")
    outer: FrameType | None = frame
    while outer is not None and outer.f_code.co_qualname != name:
        outer = outer.f_back
    if outer is None or not isinstance(outer.f_locals.get("self"), nnx.Module):
        return None
    of = type(outer.f_locals["self"])
    ours = any(name.startswith(f"{base.__qualname__}.") for base in of.__mro__)
    return outer if ours and not of.__module__.startswith("flax.") else None


def _place(frame: FrameType) -> tuple[str, int, int]:
    code: CodeType = frame.f_code
    line, _, column, _ = list(code.co_positions())[frame.f_lasti // 2]
    return code.co_filename, line or 0, column or 0


def _around(names: dict[str, object], caller: nnx.Module) -> dict[str, object]:
    found = {name: names[name] for name in _FLAGS if name in names}
    return found | {f"self.{n}": vars(caller)[n] for n in _FLAGS if n in vars(caller)}


def _module_above(frame: FrameType | None) -> nnx.Module | None:
    """The innermost module that is at work, where it is not being built."""
    while frame is not None:
        me = frame.f_locals.get("self")
        if isinstance(me, nnx.Module):
            return None if frame.f_code.co_name == "__init__" else me
        frame = frame.f_back
    return None


def followed(watch: Watch, tree: Layer, result: Comparison) -> None:
    """Compare what was seen with what the map says; adds to ``result`` of ``compared``."""
    wrong: dict[str, None] = {}
    vague: dict[str, None] = {}
    layers = _Layers(tree, result)
    calls: dict[tuple[str, int, int], list[str]] = defaultdict(list)
    for layer in walk([tree]):
        for call in layer.calls:
            calls[_of_call(call)].append(layer.of)
    for seen in watch.seen:
        file, line, column = seen.place
        place = str(Path(file).resolve()), line, column
        what = f"{Path(file).name}:{line}:{column}: {type(seen.of).__name__}"
        mine = layers.of(seen.of)
        here = [(layer, call) for layer in mine for call in layer.calls if _of_call(call) == place]
        if not here:
            if any(calls[place]):
                wrong[f"{what} is called, the map has {calls[place][0]}"] = None
            elif mine and any(module is seen.of for _, module in _held(seen.by)):
                vague[f"{what} is called, which is not in the map"] = None
            continue
        problems = {problem for layer, call in here for problem in _wrong_call(layer, call, seen)}
        wrong.update((f"{what}: {problem}", None) for problem in sorted(problems))
        unknown = {t.flag for _, call in here for t in call.told if t.how == "unknown"}
        vague.update((f"{what}: {flag} unknown", None) for flag in sorted(unknown))
        result.followed += not problems
    wrong.update((problem, None) for problem in _wrong_kinds(watch, layers))
    result.wrong += wrong
    result.vague += vague


class _Layers:
    """What the map has for a module that was seen at work."""

    def __init__(self, tree: Layer, result: Comparison) -> None:
        self._met = result.met
        self._by_class: dict[str, list[Layer]] = defaultdict(list)
        for layer in walk([tree]):
            self._by_class[layer.of].append(layer)

    def of(self, module: nnx.Module) -> list[Layer]:
        """Those of it; of all of its class for a copy, which transforms of Flax call."""
        if id(module) in self._met:
            return self._met[id(module)][1]
        return [layer for layer in self._by_class[type(module).__name__] if _is_of(module, layer)]


def _of_call(call: LayerCall) -> tuple[str, int, int]:
    start = call.place.start
    return str(call.place.path.resolve()), start.line, start.column


def _wrong_call(layer: Layer, call: LayerCall, seen: _Seen) -> Iterator[str]:
    if call.method not in seen.method.split("."):
        yield f"{seen.method} calls it, the map has {call.method}"
    flags = {flag.name: flag for flag in layer.flags}
    for flag in seen.given.keys() - {told.flag for told in call.told}:
        yield f"the map has nothing of {flag}"
    for told in call.told:
        if told.flag not in flags:
            yield f"the map has no flag {told.flag} of it"
        elif problem := _wrong_told(told, flags[told.flag], seen):
            yield problem


def _wrong_told(told: Told, flag: ModeFlag, seen: _Seen) -> str | None:
    given = seen.given.get(told.flag, _ABSENT)
    match told.how:
        case "dropped" | "default" if given is not _ABSENT and given is not None:
            return f"{told.flag} is given {given!r}, the map has it {told.how}"
        case "fixed" | "forwarded" | "inverted" if given is _ABSENT:
            return f"{told.flag} is not given, the map has {told.text}"
        case "fixed" if repr(given) != told.text:
            return f"{told.flag} is given {given!r}, the map has {told.text}"
        case "forwarded" | "inverted":
            if len(told.sources) != 1 or told.sources[0] not in seen.around:
                return f"{told.flag} comes from {told.sources}, there is {sorted(seen.around)}"
            source = seen.around[told.sources[0]]
            if isinstance(given, bool) and isinstance(source, bool):
                name = told.sources[0].removeprefix("self.")
                means_train = flag.means == "train"
                same = (given == means_train) == (source == _FLAGS[name])
                if same != (told.how == "forwarded"):
                    return f"{told.flag}={given} of {name}={source}, the map has it {told.how}"
    return None


def _wrong_kinds(watch: Watch, layers: _Layers) -> Iterator[str]:
    """Who drew and who changed, beside what the map says of them."""
    drew: dict[int, tuple[nnx.Module, set[str]]] = {}
    for module, stream in watch.drew:
        if not (isinstance(module, nnx.RNNCellBase) and stream == "carry"):  # zeros, for all that
            drew.setdefault(id(module), (module, set()))[1].add(stream)
    for module, drawn in drew.values():
        for layer in layers.of(module):
            if layer.kind not in ("stochastic", "unknown"):
                yield f"{layer.of} draws from {sorted(drawn)}, and is {layer.kind}"
            elif (drawn - {"", *layer.streams}) and "?" not in layer.streams:
                yield f"{layer.of} draws from {sorted(drawn)}, the map has {layer.streams}"
    active = {type(module) for module, _ in drew.values()}
    for _, module in _modules(watch.model):
        changed = watch.changed(module)
        if changed:
            active.add(type(module))
        for layer in layers.of(module):
            if changed and layer.kind == "plain":
                yield f"{layer.of} changes its {changed}, and is plain"
    for _, module in _modules(watch.model):
        flax = type(module).__module__.startswith("flax.")  # `compared` asks its attributes
        if flax or type(module) in active or not watch.all_ran(module):
            continue
        for layer in layers.of(module):
            if layer.kind in ("stochastic", "stateful"):
                yield f"{layer.of} neither draws nor changes, and is {layer.kind}"
