"""From a live class or function to the source of arguments that may fit it.

Everything that can be chosen is a slot with a path, such as ``init.config.dim``: what it is given
first, and what else it may be given. Decisions, by path, change that; ``search`` makes them.
"""

import ast
import collections.abc
import dataclasses
import enum
import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from flax import nnx

from flake8_nnx_mode.confirm import sizes as known
from flake8_nnx_mode.confirm.clues import Clues, Reader

MODE_FLAGS = {
    "train": True,
    "training": True,
    "is_training": True,
    "is_train": True,
    "train_mode": True,
    "deterministic": False,
    "use_running_average": False,
    "inference": False,
    "is_eval": False,
    "eval_mode": False,
}
"""Usual names of mode flags, and whether True means training; the caller may know more."""

GIVEN = frozenset({"rngs", "train", "key", "x", "ids", "mask", "jax", "jnp", "nnx", "np"})
"""Names that every recipe may use, beside those of its file."""

_DEEPEST = 5
_STRUCTURE = "__import__('types').SimpleNamespace"
_IDENTITY = "lambda *args, **kwargs: args[0] if args else 0.0"


@dataclass(frozen=True, slots=True)
class Array:
    """An array argument; ``kind`` is ``x``, ``ids`` or ``mask``."""

    kind: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.kind}[{', '.join(map(str, self.shape)) or '()'}]"


@dataclass(frozen=True, slots=True)
class Pick:
    """Decision for the n-th option of a slot."""

    number: int


Value = str | Array | None
"""None: the argument is left out."""
Option = Value | Callable[[], str]
Decisions = Mapping[str, Value | Pick]


@dataclass(frozen=True, slots=True)
class Slot:
    """One thing that was chosen."""

    path: str
    name: str
    chosen: Value
    options: int
    """How many options there are, to ``Pick`` from."""
    number: int | None
    """The integer that it is, also where that is the default."""
    may_be_left_out: bool
    is_empty: bool
    """Whether it is None now, or an empty default."""
    is_rate: bool
    """Whether a rate was raised above its default, for the mode to show."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a callable, or a field of a configuration."""

    name: str
    kind: inspect._ParameterKind
    hint: Any
    """``inspect.Parameter.empty`` where nothing is said; a string where it cannot be resolved."""
    default: Any


_EMPTY = inspect.Parameter.empty
_CALLABLE: Any = collections.abc.Callable


class Guesser:
    """Writes arguments; remembers what it has read of classes and functions."""

    def __init__(self, namespace: Mapping[str, Any], flags: Mapping[str, bool]) -> None:
        self.namespace = namespace
        self.flags = {**MODE_FLAGS, **flags}
        self.reader = Reader()
        self._parameters: dict[Any, list[Parameter]] = {}

    def draft(self, decisions: Decisions) -> "Draft":
        """A fresh sheet on which arguments are written under these decisions."""
        return Draft(self, decisions)

    def parameters(self, function: Any) -> list[Parameter]:
        """Parameters of a class (of its construction) or a function, without ``self``."""
        try:
            if function not in self._parameters:
                self._parameters[function] = list(self._read_parameters(function))
            return self._parameters[function]
        except Exception:  # unhashable, or a signature that raises
            return []

    def _read_parameters(self, function: Any) -> Iterator[Parameter]:
        is_class = isinstance(function, type)
        if is_class and dataclasses.is_dataclass(function) and "__init__" in vars(function):
            hints = self._hints(function, function)
        else:
            hints = {}
        inner = function.__init__ if is_class else function
        signature = inspect.signature(inner)
        hints |= self._hints(inner, function)
        for number, parameter in enumerate(signature.parameters.values()):
            if is_class and number == 0 and parameter.kind is not parameter.VAR_POSITIONAL:
                continue  # self
            default = parameter.default
            hint = hints.get(parameter.name, parameter.annotation)
            yield Parameter(parameter.name, parameter.kind, hint, default)

    def _hints(self, function: Any, owner: Any) -> dict[str, Any]:
        function = inspect.unwrap(function)
        module = sys.modules.get(getattr(function, "__module__", None) or "")
        names = {
            **vars(module or typing),
            **getattr(function, "__globals__", {}),
            **(self.namespace if getattr(function, "__globals__", None) is None else {}),
        }
        own = vars(owner) if isinstance(owner, type) else {}
        try:
            return typing.get_type_hints(function, globalns=names, localns=dict(own))
        except Exception:  # a name for type checkers only: resolve the others one by one
            raw = getattr(function, "__annotations__", {})
            return {name: self.resolved(hint, names) for name, hint in raw.items()}

    def resolved(self, hint: Any, names: Mapping[str, Any]) -> Any:
        """A hint that is a string, evaluated if that is possible."""
        if not isinstance(hint, str):
            return hint
        try:
            return eval(hint, {**self.namespace, **names})
        except Exception:
            return hint

    def spelled(self, thing: Any) -> str | None:
        """How a class or function is written in a recipe; None if it cannot be reached."""
        name = getattr(thing, "__qualname__", None) or ""
        short = name.rpartition(".")[2]
        if short and self.namespace.get(short) is thing:
            return short
        for alias, value in self.namespace.items():
            if value is thing:
                return alias
            if isinstance(value, types.ModuleType) and vars(value).get(short) is thing:
                return f"{alias}.{short}"
        head, _, rest = name.partition(".")
        if rest and isinstance(self.namespace.get(head), type):
            return name
        module = getattr(thing, "__module__", None) or ""
        if module == "builtins":
            return name
        if not name or "<" in name or getattr(sys.modules.get(module), head, None) is None:
            return None
        return f"__import__({module!r}, fromlist=['_']).{name}"

    def classes(self, base: type) -> list[type]:
        """Concrete classes of the file below ``base``, the last defined first."""
        found = [
            value
            for name, value in self.namespace.items()
            if isinstance(value, type)
            and issubclass(value, base)
            and value is not base
            and not inspect.isabstract(value)
            and not value.__module__.startswith("flax.")
            and name != "StandIn"
        ]
        return list(dict.fromkeys(reversed(found)))

    def configuration(self, attributes: Sequence[str]) -> type | None:
        """The smallest dataclass of the file that has all these attributes."""
        fitting = [
            value
            for value in self.namespace.values()
            if isinstance(value, type)
            and dataclasses.is_dataclass(value)
            and not issubclass(value, nnx.Module)
            and all(hasattr(value, a) or a in value.__dataclass_fields__ for a in attributes)
        ]
        return min(fitting, key=lambda cls: len(dataclasses.fields(cls)), default=None)


class Draft:
    """The arguments of one attempt, and the slots that were met on the way."""

    def __init__(self, guesser: Guesser, decisions: Decisions) -> None:
        self.guesser = guesser
        self.decisions = decisions
        self.slots: dict[str, Slot] = {}
        self.sizes = {
            role: int(str(decisions.get(f"size.{role}", number)))
            for role, number in known.SIZES.items()
        }
        self._open: list[Any] = []
        self._about = ""

    def arguments(self, function: Any, path: str, *, bound: bool = False) -> str:
        """The arguments of a class or function, as source.

        Args:
            function: the class, or the function.
            path: where they belong: ``init`` or ``call``, or a slot's path.
            bound: whether the first parameter is ``self``.
        """
        parameters = self.guesser.parameters(function)
        if bound and parameters and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
            parameters = parameters[1:]
        is_class = isinstance(function, type)
        reader = self.guesser.reader
        clues = reader.of_class(function) if is_class else reader.clues(function)
        name = getattr(function, "__qualname__", "")
        before = self._about
        self._about = f"{before} {name} {' '.join(p.name for p in parameters)}".lower()
        written: list[str] = []
        by_position = True
        lone = self._lone(parameters) if path == "call" else None
        for parameter in parameters:
            if parameter is lone:
                parameter = dataclasses.replace(parameter, default=_EMPTY)
            text = self._argument(parameter, f"{path}.{parameter.name}", clues)
            if text is None:
                by_position = by_position and parameter.kind is parameter.kind.VAR_POSITIONAL
                continue
            keyword = parameter.kind is parameter.kind.KEYWORD_ONLY or (
                parameter.kind is parameter.kind.POSITIONAL_OR_KEYWORD
                and (not by_position or parameter.default is not _EMPTY or parameter.name == "rngs")
            )
            by_position = by_position and not keyword
            written.append(f"{parameter.name}={text}" if keyword else text)
        written += self._added(path, {p.name for p in parameters}, function)
        self._about = before
        return ", ".join(written)

    def _lone(self, parameters: list[Parameter]) -> Parameter | None:
        """The first of what may all be left out: a call without any input shows little."""
        inputs = [
            parameter
            for parameter in parameters
            if not _is_rngs(parameter.name, parameter.hint)
            and parameter.name not in self.guesser.flags
            and parameter.kind is not parameter.kind.VAR_KEYWORD
        ]
        optional = inputs and all(parameter.default is None for parameter in inputs)
        return inputs[0] if optional else None

    def _added(self, path: str, names: set[str], function: Any) -> Iterator[str]:
        """Keywords that only a decision adds, for ``**kwargs``."""
        for at, decision in self.decisions.items():
            head, _, name = at.rpartition(".")
            if head == path and name not in names and name.isidentifier():
                hint = self._inherited(function, name)
                text = self._argument(
                    Parameter(name, inspect.Parameter.KEYWORD_ONLY, hint, _EMPTY), at, Clues()
                )
                if text is not None and decision is not None:
                    yield f"{name}={text}"

    def _inherited(self, function: Any, name: str) -> Any:
        for base in function.__mro__[1:] if isinstance(function, type) else ():
            for parameter in self.guesser.parameters(base):
                if parameter.name == name:
                    return parameter.hint
        return _EMPTY

    def _argument(self, parameter: Parameter, path: str, clues: Clues) -> str | None:
        kind = parameter.kind
        if kind is kind.VAR_KEYWORD:
            return None
        if kind is kind.VAR_POSITIONAL:
            options: list[Option] = [None]
            if path.startswith("call.") and path.count(".") == 1 and not self._has_arrays():
                options = [self._array("x", None, path, clues), None]
        else:
            options = self.options(parameter, path, clues)
        return self.choose(path, parameter.name, options, parameter.default)

    def _has_arrays(self) -> bool:
        return any(isinstance(slot.chosen, Array) for slot in self.slots.values())

    def choose(
        self, path: str, name: str, options: list[Option], default: Any = _EMPTY
    ) -> str | None:
        """What the decisions say of a slot, else its first option; None: it is left out."""
        decision: Value | Pick | Option = self.decisions.get(path, Pick(0))
        if isinstance(decision, Pick):
            decision = options[decision.number % len(options)] if options else None
        chosen: Value = decision() if callable(decision) else decision
        is_empty = chosen == "None" or (
            chosen is None and default is not _EMPTY and _is_falsy(default)
        )
        self.slots[path] = Slot(
            path,
            name,
            chosen,
            len(options),
            _integer_of(chosen, default),
            default is not _EMPTY,
            is_empty,
            known.is_dropout(name) and chosen is not None,
        )
        return None if chosen is None else str(chosen)

    # What may stand for a parameter.

    def options(self, parameter: Parameter, path: str, clues: Clues) -> list[Option]:
        """What a parameter may be given, the likeliest first."""
        name, hint, default = parameter.name, parameter.hint, parameter.default
        required = default is _EMPTY
        in_call = path.startswith("call.") and path.count(".") == 1
        if _is_rngs(name, hint):
            return ["rngs", "key"] if required else ["rngs", None]
        if name in self.guesser.flags and _may_be(hint, bool):
            positive = self.guesser.flags[name]
            if in_call:
                text = "train" if positive else "not train"
                return [text] if required else [text, None]
            return [str(positive)] if required else [None, str(positive)]
        if known.is_key(name) and not _may_only_be(hint, int) and name != "seed":
            return ["key", "0"] if required else [None, "key", "0"]
        if required and hint is _EMPTY:
            hint = inspect.Parameter.empty
        elif hint is _EMPTY and default is not None:
            hint = type(default) if isinstance(default, (bool, int, float, str, tuple)) else hint
        values = self.typed(hint, name, path, clues)
        if required:
            return values
        kept: list[Option] = [None]
        if known.is_dropout(name) and _is_off(default) and "0.5" in self._rates(hint):
            return ["0.5", *kept]
        if isinstance(default, int) and default > 4 and known.is_depth(name):
            return [str(self.sizes["depth"]), *kept]
        return kept + [value for value in values if value is not None]

    def _rates(self, hint: Any) -> tuple[str, ...]:
        return ("0.5",) if hint is _EMPTY or _may_be(hint, float) or _may_be(hint, int) else ()

    def typed(self, hint: Any, name: str, path: str, clues: Clues) -> list[Option]:
        """What fits a type, the likeliest first; by name where the type says nothing."""
        if path.count(".") > _DEEPEST:
            return ["None"]
        if isinstance(hint, str):
            hint = _by_words(hint)
        hint = getattr(hint, "__value__", hint)  # type X = ...
        hint = getattr(hint, "__supertype__", hint)  # NewType
        if isinstance(hint, typing.TypeVar):
            hint = hint.__bound__ or (hint.__constraints__ or (_EMPTY,))[0]
        origin, inner = typing.get_origin(hint), typing.get_args(hint)
        if origin in (typing.Annotated, typing.ClassVar, typing.Final):
            return self.typed(inner[0], name, path, clues)
        if hint in (_EMPTY, Any, object) or hint is None:
            return self._untyped(name, path, clues)
        if _is_array(hint):
            return (
                [functools.partial(self._array_text, name, hint, path, clues)]
                if False
                else [self._array(name, hint, path, clues)]
            )
        if origin in (typing.Union, types.UnionType):
            members = [member for member in inner if member is not type(None)]
            found = [o for member in members for o in self.typed(member, name, path, clues)]
            return found + (["None"] if len(members) < len(inner) else [])
        if origin is typing.Literal:
            return [repr(value) for value in inner]
        if origin is type:
            return self._class_of(inner[0])
        if isinstance(origin, type):
            return self._container(origin, inner, name, path, clues)
        if isinstance(hint, type):
            return self._of_class(hint, name, path, clues)
        if callable(hint):  # a bare typing.Callable and its like
            return self._callables(name, Any)
        return self._untyped(name, path, clues)

    def _of_class(self, cls: type, name: str, path: str, clues: Clues) -> list[Option]:
        simple = _SIMPLE.get(cls)
        if simple:
            return simple(self, name, clues, path)
        if issubclass(cls, enum.Enum):
            spelled = self.guesser.spelled(cls)
            return [f"{spelled}.{member.name}" for member in cls] if spelled else ["None"]
        if cls in (np.dtype, np.generic) or issubclass(cls, np.generic):
            return ["jnp.float32"]
        if issubclass(cls, nnx.Module) and cls in (nnx.Module, nnx.Pytree):
            return self._modules(name, path)
        if cls in (tuple, list, dict, set, frozenset) or cls in _ABSTRACT:
            return self._container(cls, (), name, path, clues)
        if cls in (_CALLABLE, types.FunctionType):
            return self._callables(name, Any)
        if issubclass(cls, nnx.Variable):
            return [f"nnx.Param({self._array(name, None, path, clues)})"]
        return self._nnx_parts(cls, path) or self._constructed(cls, name, path, clues)

    def _constructed(self, cls: type, name: str, path: str, clues: Clues) -> list[Option]:
        """Constructions of a class, of those below it where it is abstract."""
        candidates = [cls]
        if inspect.isabstract(cls) or getattr(cls, "_is_protocol", False):
            candidates = [*self.guesser.classes(cls)] if not _is_protocol(cls) else []
        elif not dataclasses.is_dataclass(cls):
            candidates += self.guesser.classes(cls)[:3]
        found: list[Option] = [
            functools.partial(self.construct, candidate, path)
            for candidate in candidates
            if candidate not in self._open and self.guesser.spelled(candidate)
        ]
        if issubclass(cls, nnx.Module):
            return found + self._stand_ins()
        return found or self._structure(name, path, clues)

    def construct(self, cls: type, path: str) -> str:
        """The construction of a class, as source."""
        self._open.append(cls)
        members = getattr(cls, "_fields", None) if issubclass(cls, tuple) else None
        try:
            if members is not None:
                hints = self.guesser._hints(cls, cls)
                text = ", ".join(
                    self._member(hints.get(member, _EMPTY), member, path) for member in members
                )
            else:
                text = self.arguments(cls, path)
        finally:
            self._open.pop()
        return f"{self.guesser.spelled(cls)}({text})"

    def _member(self, hint: Any, name: str, path: str) -> str:
        at = f"{path}.{name}"
        return f"{name}={self.choose(at, name, self.typed(hint, name, at, Clues()))}"

    def _nnx_parts(self, cls: type, path: str) -> list[Option]:
        """What is made from a model: its optimizer, graph and state; metrics."""
        if issubclass(cls, nnx.Optimizer):
            return [functools.partial(self._of_model, _OPTIMIZER, path)]
        if cls is nnx.State or cls is nnx.GraphState:
            return [functools.partial(self._of_model, "nnx.state({})", path)]
        if cls is nnx.GraphDef:
            return [functools.partial(self._of_model, "nnx.graphdef({})", path)]
        if cls is nnx.MultiMetric:
            return ["nnx.MultiMetric(loss=nnx.metrics.Average('loss'))"]
        if issubclass(cls, nnx.RngStream):
            return ["rngs.params"]
        return []

    def _of_model(self, template: str, path: str) -> str:
        """The model is built as the parameter that holds one is, else as the likeliest class."""
        models = [s for s in self.slots.values() if s.path.count(".") == 1 and _is_built(s.chosen)]
        if models:
            return template.format(models[0].chosen)
        at = f"{path}.model"
        text = self.choose(at, "model", self._modules("model", at))
        return template.format(text)

    def _class_of(self, base: Any) -> list[Option]:
        found = [base] if isinstance(base, type) and not inspect.isabstract(base) else []
        found += self.guesser.classes(base) if isinstance(base, type) else []
        names = [self.guesser.spelled(cls) for cls in found if cls is not nnx.Module]
        return [*[name for name in names if name], "nnx.Linear"]

    def _modules(self, name: str, path: str) -> list[Option]:
        """Models, where the class is not known."""
        in_function = path.startswith("call.")
        classes: list[Option] = [
            functools.partial(self.construct, cls, path)
            for cls in self.guesser.classes(nnx.Module)[:6]
            if cls not in self._open
        ]
        features = self.sizes["features"]
        plain: list[Option] = [f"nnx.Linear({features}, {features}, rngs=rngs)"]
        return (classes + self._stand_ins()) if in_function else plain + self._stand_ins() + classes

    def _stand_ins(self) -> list[Option]:
        return ["StandIn(rngs=rngs)"] if "StandIn" in self.guesser.namespace else []

    def _callables(self, name: str, gives: Any) -> list[Option]:
        features = self.sizes["features"]
        if isinstance(gives, type) and issubclass(gives, nnx.Module):
            return [f"lambda *args, **kwargs: nnx.Linear({features}, {features}, rngs=rngs)"]
        lowered = name.lower()
        first = [text for words, text in _CALLABLES if any(word in lowered for word in words)]
        return [*first, _IDENTITY, "nnx.relu"]

    def _container(
        self, origin: type, inner: tuple[Any, ...], name: str, path: str, clues: Clues
    ) -> list[Option]:
        if origin is _CALLABLE:
            return self._callables(name, inner[-1] if inner else Any)
        if issubclass(origin, collections.abc.Mapping):
            return self._mapping(name, path, clues)
        if origin in (nnx.List, nnx.Sequential, nnx.Dict) or not issubclass(
            origin, (tuple, list, set, frozenset, collections.abc.Iterable)
        ):
            return self._of_class(origin, name, path, clues)
        if issubclass(origin, tuple) and inner and inner[-1] is not Ellipsis:
            members = list(inner)
        else:
            member = inner[0] if inner else _EMPTY
            members = [member] * (3 if "shape" in name and path.startswith("init") else 2)
            if clues.parts.get(name):
                members = [member] * len(clues.parts[name])
        return [
            functools.partial(self._sequence, origin, members, name, path, clues),
            *([functools.partial(self._sequence, origin, members[:1], name, path, clues)]),
            *([functools.partial(self._sequence, origin, members[:1] * 3, name, path, clues)]),
        ]

    def _sequence(
        self, origin: type, members: list[Any], name: str, path: str, clues: Clues
    ) -> str:
        names = clues.parts.get(name) or ()
        one = name[:-1] if name.endswith("s") and len(name) > 3 else name
        texts = []
        for number, hint in enumerate(members):
            member = names[number] if number < len(names) and names[number] else one
            at = f"{path}.{number}"
            options = self.typed(hint, member, at, clues)
            if hint is _EMPTY and path.startswith("init"):
                options = [str(known.integer(member, self.sizes)), *options]
            texts.append(str(self.choose(at, member, options)))
        if origin in (list, collections.abc.MutableSequence):
            return f"[{', '.join(texts)}]"
        if issubclass(origin, (set, frozenset)):
            return f"{{{', '.join(texts)}}}"
        return f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"

    def _mapping(self, name: str, path: str, clues: Clues) -> list[Option]:
        keys = clues.keys.get(name) or ()
        return [functools.partial(self._dictionary, keys, path), "{}"] if keys else ["{}"]

    def _dictionary(self, keys: Sequence[str], path: str) -> str:
        added = [at.rpartition(".")[2] for at in self.decisions if at.rpartition(".")[0] == path]
        pairs = []
        for key in dict.fromkeys([*keys, *added]):
            at = f"{path}.{key}"
            pairs.append(f"{key!r}: {self.choose(at, key, self._untyped(key, at, Clues()))}")
        return f"{{{', '.join(pairs)}}}"

    def _structure(self, name: str, path: str, clues: Clues) -> list[Option]:
        """An object with the attributes that the code reads: a configuration, in most cases."""
        attributes = self._attributes(name, clues)
        fitting = self.guesser.configuration(attributes) if attributes else None
        found: list[Option] = []
        if fitting and self.guesser.spelled(fitting) and fitting not in self._open:
            found.append(functools.partial(self.construct, fitting, path))
        return [*found, functools.partial(self._plain_object, attributes, path)]

    def _plain_object(self, attributes: Sequence[str], path: str) -> str:
        added = [at.rpartition(".")[2] for at in self.decisions if at.rpartition(".")[0] == path]
        texts = []
        for attribute in dict.fromkeys([*attributes, *added]):
            at = f"{path}.{attribute}"
            options = self._untyped(attribute, at, Clues())
            texts.append(f"{attribute}={self.choose(at, attribute, options)}")
        return f"{_STRUCTURE}({', '.join(texts)})"

    def _attributes(self, name: str, clues: Clues, depth: int = 3) -> list[str]:
        """Attributes read of a parameter, here and where it is handed on to."""
        found = list(clues.attributes.get(name, ()))
        for function, place in clues.passed.get(name, ()) if depth else ():
            callee = self._callee(function)
            if callee is None:
                continue
            names = [p.name for p in self.guesser.parameters(callee)]
            there = place if isinstance(place, str) else (names[place : place + 1] or [""])[0]
            reader = self.guesser.reader
            is_class = isinstance(callee, type)
            inner = reader.of_class(callee) if is_class else reader.clues(callee)
            found += [a for a in self._attributes(there, inner, depth - 1) if a not in found]
        return found

    def _callee(self, function: ast.expr) -> Any:
        """The class or function that an expression names, if it is one of the project's."""
        try:
            found = eval(ast.unparse(function), dict(self.guesser.namespace))
        except Exception:
            return None
        module = getattr(found, "__module__", None) or ""
        mine = callable(found) and module.partition(".")[0] not in ("jax", "flax", "numpy")
        return found if mine else None

    def _untyped(self, name: str, path: str, clues: Clues) -> list[Option]:
        """By what the code does with it, then by its name."""
        in_call = path.startswith("call")
        if name in self.guesser.flags:
            positive = self.guesser.flags[name]
            return [("train" if positive else "not train") if in_call else str(positive)]
        if _is_rngs(name, _EMPTY):
            return ["rngs", "key"]
        if known.is_key(name):
            return ["key", "0"]
        if name == "shape" or (in_call and name.endswith("_shape")):
            return ["(2, 8)", "(8,)", "(2, 4, 8)"]
        whole = f"_{name.lower()}_"
        for words, make in _BY_NAME:
            if any(word in whole for word in words):
                return make(self, name, path)
        for words, make in _BY_LAST_WORD:
            if whole.endswith(words):
                return make(self, name, path)
        if clues.strings.get(name):
            return [repr(text) for text in clues.strings[name]]
        if clues.keys.get(name):
            return self._mapping(name, path, clues)
        if name in clues.called:
            return [*self._callables(name, Any), *self._modules(name, path)]
        if clues.parts.get(name):
            return self._container(tuple, (), name, path, clues)
        if not (in_call and name in clues.axes) and self._attributes(name, clues):
            return self._structure(name, path, clues)
        if in_call and not _looks_integer(name):
            return [self._array(name, None, path, clues), "None"]
        if known.is_dropout(name):
            return ["0.5"]
        if name in clues.looped or name.endswith(("_dims", "_sizes", "_shape", "_channels_list")):
            return self._container(tuple, (), name, path, clues)
        number = str(known.integer(name, self.sizes))
        return [number, f"({number}, {number})", "False", "nnx.relu", str(known.number(name))]

    # Arrays.

    def _array(self, name: str, hint: Any, path: str, clues: Clues) -> Array:
        kind = _kind_of_hint(hint) or known.kind_of(name)
        axes = _axes_of_hint(hint) or clues.axes.get(name)
        if axes is not None:
            return Array(kind, self.shape(axes))
        found = self._from_layer(name, clues)
        if found:
            return found if kind == "x" else Array(kind, found.shape)
        shape = known.axes_of(name, self._about, self.sizes)
        return Array(kind, self._with_features(shape, name))

    def shape(self, axes: Sequence[str]) -> tuple[int, ...]:
        """Sizes for named axes; an empty name stands for any."""
        lowered = [axis.lower() for axis in axes]
        image = {"h", "w"} <= set(lowered) or {"height", "width"} <= set(lowered)
        shape = []
        for number, axis in enumerate(lowered):
            shape.append(self._axis(axis, number, lowered, image))
        return tuple(shape)

    def _axis(self, axis: str, number: int, axes: Sequence[str], image: bool) -> int:
        sizes = self.sizes
        last = number == len(axes) - 1
        axis = axis.strip("*")
        if axis.isdigit():
            return int(axis)
        if axis in ("", "...", "…", "_", "-1"):
            middle = sizes["image"] if len(axes) > 3 else sizes["sequence"]
            return sizes["batch"] if number == 0 else self._features("") if last else middle
        for slot in self.slots.values():
            if slot.name.lower() == axis and slot.number and slot.number > 0:
                return slot.number
        if axis in ("h", "height") and not image:
            return sizes["heads"]
        if axis == "n" and number > 0:
            return sizes["sequence"]
        if last and axis in ("c", "d", "f", "e", "dim", "channels", "features"):
            return self._features("channels" if image else "")
        return known.dimension(axis, sizes)

    def _with_features(self, shape: tuple[int, ...], name: str) -> tuple[int, ...]:
        if not shape or shape[-1] != self.sizes["features"]:
            return shape
        return (*shape[:-1], self._features("channels" if len(shape) == 4 else ""))

    def _features(self, word: str) -> int:
        """How many features go in, by what the constructor was given."""
        made = [s for s in self.slots.values() if s.path.startswith("init.") and s.number]
        for words in ((word,), *_FEATURE_WORDS) if word else _FEATURE_WORDS:
            for slot in made:
                if any(text in slot.name.lower() for text in words) and slot.number:
                    return slot.number
        return self.sizes["features"]

    def _from_layer(self, name: str, clues: Clues, depth: int = 3) -> Array | None:
        """The shape that the layer wants which the parameter is handed to first."""
        for function, place in clues.passed.get(name, ())[:1]:
            match function:
                case ast.Attribute(value=ast.Name(id="self"), attr=attribute):
                    call = self._layers.get(attribute)
                case _:
                    call = None
            if call is None:
                return None
            layer = getattr(call.func, "attr", getattr(call.func, "id", ""))
            made = _LAYERS.get(layer)
            if made:
                return made(self, call)
            callee = self._callee(call.func)
            if depth and isinstance(callee, type) and issubclass(callee, nnx.Module):
                return self._from_inner(callee, place, depth - 1)
        return None

    def _from_inner(self, cls: type, place: int | str, depth: int) -> Array | None:
        names = [p.name for p in self.guesser.parameters(cls.__call__)][1:]
        there = place if isinstance(place, str) else (names[place : place + 1] or [""])[0]
        inner = self.guesser.reader.clues(cls.__call__)
        if there in inner.axes:
            return Array(known.kind_of(there), self.shape(inner.axes[there]))
        before, self._layers = self._layers, self.guesser.reader.of_class(cls).layers
        found = self._from_layer(there, inner, depth)
        self._layers = before
        return found

    _layers: Mapping[str, ast.Call] = types.MappingProxyType({})

    def know(self, cls: Any) -> None:
        """Arguments from here on are those of methods of this class."""
        self._layers = self.guesser.reader.of_class(cls).layers
        self._about = f"{cls.__qualname__} {' '.join(s.name for s in self.slots.values())}".lower()

    def literal(self, call: ast.Call, number: int, *names: str) -> int | None:
        """The integer that a call gives for a parameter, where it is written or known."""
        found: list[ast.expr] = [k.value for k in call.keywords if k.arg in names]
        found += call.args[number : number + 1]
        match found:
            case [ast.Constant(value=int(value)), *_]:
                return value
            case [ast.Name(id=name) | ast.Attribute(attr=name), *_]:
                return next((s.number for s in self.slots.values() if s.name == name), None)
        return None


def _image(draft: Draft, call: ast.Call) -> Array:
    """What a convolution takes."""
    sizes = draft.sizes
    channels = draft.literal(call, 0, "in_features") or draft._features("channels")
    kernels = [k.value for k in call.keywords if k.arg == "kernel_size"] + call.args[2:3]
    rank = 2
    match kernels:
        case [ast.Tuple(elts=elements) | ast.List(elts=elements), *_]:
            rank = len(elements)
        case [ast.Constant(), *_]:
            rank = 1
    middle = sizes["sequence"] if rank == 1 else sizes["image"]
    return Array("x", (sizes["batch"], *(middle,) * rank, channels))


def _tokens(draft: Draft, call: ast.Call) -> Array:
    return Array("ids", (draft.sizes["batch"], draft.sizes["sequence"]))


def _series(draft: Draft, call: ast.Call) -> Array:
    features = draft.literal(call, 1, "in_features") or draft._features("")
    return Array("x", (draft.sizes["batch"], draft.sizes["sequence"], features))


def _vector(draft: Draft, call: ast.Call) -> Array | None:
    features = draft.literal(call, 0, "in_features", "num_features")
    if features is None:
        return None
    shape = known.axes_of("x", draft._about, draft.sizes)
    return Array("x", (*shape[:-1], features))


_LAYERS: Mapping[str, Callable[[Draft, ast.Call], Array | None]] = {
    "Conv": _image,
    "ConvTranspose": _image,
    "Embed": _tokens,
    "MultiHeadAttention": _series,
    "RNN": _series,
    "Linear": _vector,
    "LayerNorm": _vector,
    "RMSNorm": _vector,
    "BatchNorm": _vector,
}
"""What a layer says of its input."""

_FEATURE_WORDS = (
    (
        "in_features",
        "in_channels",
        "in_dim",
        "input_dim",
        "din",
        "dim_in",
        "in_size",
        "d_in",
        "n_in",
    ),
    ("input", "in_ch", "features_in", "c_in", "embed", "d_model", "hidden_size", "model_dim"),
    ("dim", "features", "channels", "hidden", "width", "units"),
)

_CALLABLES = (
    (("bias_init", "zeros"), "nnx.initializers.zeros"),
    (("init",), "nnx.initializers.normal()"),
    (("act", "nonlin", "gate"), "nnx.relu"),
    (("norm",), "nnx.LayerNorm"),
    (("conv",), "nnx.Conv"),
    (("linear", "dense", "proj"), "nnx.Linear"),
    (("attention", "attn"), "nnx.dot_product_attention"),
    (("pool",), "lambda x, *args, **kwargs: x.mean(axis=1)"),
    (("loss",), "lambda *args, **kwargs: jnp.zeros(())"),
)


def _simple_int(draft: Draft, name: str, clues: Clues, path: str) -> list[Option]:
    number = str(known.integer(name, draft.sizes))
    return list(dict.fromkeys([number, "2", "4", "8", "1", "16", "3"]))


def _simple_float(draft: Draft, name: str, clues: Clues, path: str) -> list[Option]:
    number = "0.5" if known.is_dropout(name) else str(known.number(name))
    return list(dict.fromkeys([number, "0.5", "1.0", "0.1"]))


def _simple_bool(draft: Draft, name: str, clues: Clues, path: str) -> list[Option]:
    return ["False", "True"]


def _simple_str(draft: Draft, name: str, clues: Clues, path: str) -> list[Option]:
    compared: list[Option] = [repr(text) for text in clues.strings.get(name, ())]
    lowered = name.lower()
    usual = [text for words, text in _STRINGS if any(word in lowered for word in words)]
    return [*compared, *usual, repr(name)]


def _simple_none(draft: Draft, name: str, clues: Clues, path: str) -> list[Option]:
    return ["None"]


def _simple_complex(draft: Draft, name: str, clues: Clues, path: str) -> list[Option]:
    return ["1j"]


_SIMPLE: Mapping[type, Callable[[Draft, str, Clues, str], list[Option]]] = {
    bool: _simple_bool,
    int: _simple_int,
    float: _simple_float,
    str: _simple_str,
    complex: _simple_complex,
    type(None): _simple_none,
}

_STRINGS = (
    (("act",), "'gelu'"),
    (("act",), "'relu'"),
    (("pad",), "'SAME'"),
    (("norm",), "'layer'"),
    (("norm",), "'layernorm'"),
    (("dtype",), "'float32'"),
    (("pool",), "'mean'"),
    (("init",), "'normal'"),
)

_OPTIMIZER = "nnx.Optimizer({}, __import__('optax').sgd(0.1), wrt=nnx.Param)"

_ABSTRACT = (
    collections.abc.Sequence,
    collections.abc.Iterable,
    collections.abc.Mapping,
    collections.abc.MutableMapping,
    collections.abc.MutableSequence,
    collections.abc.Collection,
)

_Maker = Callable[[Draft, str, str], list[Option]]


def _constant(*texts: str) -> _Maker:
    def make(draft: Draft, name: str, path: str) -> list[Option]:
        return list(texts)

    return make


def _some_callable(draft: Draft, name: str, path: str) -> list[Option]:
    return draft._callables(name, Any)


def _some_model(draft: Draft, name: str, path: str) -> list[Option]:
    return draft._modules(name, path)


def _from_model(template: str) -> _Maker:
    def make(draft: Draft, name: str, path: str) -> list[Option]:
        return [functools.partial(draft._of_model, template, path)]

    return make


_BY_NAME: tuple[tuple[tuple[str, ...], _Maker], ...] = (
    (("dtype_",), _constant("jnp.float32")),
    (
        ("_use_", "_is_", "_has_", "_with_", "_bias_", "_causal_", "_return_"),
        _constant("False", "True"),
    ),
    (
        ("_init_", "_initializer_", "activation", "_act_", "_fn_", "_func_", "_nonlin"),
        _some_callable,
    ),
)
"""What a word in the name of an unannotated parameter says."""

_BY_LAST_WORD: tuple[tuple[tuple[str, ...], _Maker], ...] = (
    (("_optimizer_", "_opt_"), _from_model(_OPTIMIZER)),
    (("_graphdef_", "_graph_def_"), _from_model("nnx.graphdef({})")),
    (("_metrics_",), _constant("nnx.MultiMetric(loss=nnx.metrics.Average('loss'))")),
    (("_model_", "_net_", "_module_", "_network_", "_encoder_", "_backbone_"), _some_model),
    (("_decoder_", "_policy_", "_critic_", "_actor_", "_generator_", "_student_"), _some_model),
    (("_teacher_", "_discriminator_", "_layer_", "_base_model_"), _some_model),
)
"""What the last word says; ``model_outputs`` is no model."""


def _is_rngs(name: str, hint: Any) -> bool:
    if isinstance(hint, str):
        return "Rngs" in hint
    if hint is nnx.Rngs or nnx.Rngs in typing.get_args(hint):
        return True
    return name == "rngs" or (name == "rng" and hint is _EMPTY)


def _may_be(hint: Any, cls: type) -> bool:
    """Whether an argument of this class is one that the hint allows, as far as it says."""
    if hint in (_EMPTY, Any) or isinstance(hint, str):
        return True
    return hint is cls or cls in typing.get_args(hint)


def _may_only_be(hint: Any, cls: type) -> bool:
    return hint is cls


def _is_off(default: Any) -> bool:
    return default is None or (isinstance(default, (int, float)) and not default)


def _is_falsy(default: Any) -> bool:
    try:
        return not default
    except Exception:  # an array
        return False


def _is_protocol(cls: type) -> bool:
    return bool(getattr(cls, "_is_protocol", False))


def _is_array(hint: Any) -> bool:
    if hasattr(hint, "dim_str") or hasattr(hint, "array_type"):  # jaxtyping
        return True
    if hint in (jax.Array, np.ndarray, jax.ShapeDtypeStruct, jax.typing.ArrayLike):
        return True
    origin = typing.get_origin(hint)
    if origin is np.ndarray:
        return True
    members = typing.get_args(hint) if origin in (typing.Union, types.UnionType) else ()
    return jax.Array in members and type(None) not in members


def _axes_of_hint(hint: Any) -> tuple[str, ...] | None:
    """``Float[Array, "b t d"]``."""
    said = getattr(hint, "dim_str", None)
    if not isinstance(said, str):
        return None
    axes = [part.partition("=")[2] or part for part in said.replace("?", "").split()]
    return tuple(axis.strip("*#") if axis != "..." else axis for axis in axes)


def _kind_of_hint(hint: Any) -> str | None:
    kinds = getattr(hint, "dtypes", None)
    if not isinstance(kinds, (list, tuple)) or not kinds:
        return None
    for start, kind in (("bool", "mask"), ("int", "ids"), ("uint", "ids"), ("float", "x")):
        if str(kinds[0]).startswith(start):
            return kind
    return None


def _by_words(hint: str) -> Any:
    """What the words of a hint mean that cannot be evaluated."""
    words = hint.replace("[", " ").replace(".", " ").replace("|", " ").replace("]", " ").split()
    for word, meaning in _WORDS.items():
        if word in words:
            return meaning
    return _EMPTY


_WORDS: Mapping[str, Any] = {
    "Array": jax.Array,
    "ndarray": jax.Array,
    "ArrayLike": jax.Array,
    "Callable": collections.abc.Callable,
    "Module": nnx.Module,
    "int": int,
    "float": float,
    "bool": bool,
    "str": str,
    "Optimizer": nnx.Optimizer,
}


def _looks_integer(name: str) -> bool:
    lowered = name.lower()
    return lowered.startswith(("num_", "n_", "max_")) or lowered.endswith(
        ("_size", "_steps", "_length", "_len", "_idx", "_index", "layer_id", "axis")
    )


def _is_built(chosen: Value) -> bool:
    return isinstance(chosen, str) and chosen.endswith(")") and "rngs=rngs" in chosen


def _integer_of(chosen: Value, default: Any) -> int | None:
    if chosen is None:
        return default if isinstance(default, int) and not isinstance(default, bool) else None
    try:
        return int(str(chosen))
    except ValueError:
        return None
