"""What a function does that rules ask about, as plain data."""

import re
from dataclasses import dataclass, field

from flake8_nnx_mode.facts.values import (
    Arguments,
    Draw,
    Flag,
    FunctionDefinition,
    Guards,
    Key,
    Rngs,
    Setting,
    Stream,
    Value,
)
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.book import Anchor
from flake8_nnx_mode.syntax.outline import Function

KeysTaken = tuple[tuple[int | None, str], ...]
"""The parameters of a function that it draws from, by index in a call, if any, and name."""


@dataclass(frozen=True, slots=True)
class Consumption:
    """A key is used up: ``by`` a sampler, or the keyword by which a call takes it."""

    keys: tuple[Key, ...]
    """What the key may be; empty if it is not known."""
    by: str
    anchor: Anchor
    guards: Guards | None
    given: Anchor
    """The argument."""
    holders: tuple[tuple[str, int], ...] = ()
    """The variables that it comes from as it is, and which time each of them was bound."""
    draws: bool = True
    """Whether numbers are known to be drawn from it, there or by what is called."""
    to: str = ""
    """The last name of what is called."""
    builds: bool = False
    """Whether a class is called."""


@dataclass(frozen=True, slots=True)
class Reuse:
    """A key is consumed again, or in a loop, where ``first`` and ``second`` are the same."""

    first: Consumption
    second: Consumption


@dataclass(frozen=True, slots=True)
class Uncalled:
    """A stream, or a whole ``nnx.Rngs``, stands where a key is needed."""

    value: Rngs | Stream
    anchor: Anchor


@dataclass(frozen=True, slots=True)
class StreamTest:
    """``"dropout" in rngs``."""

    stream: str
    anchor: Anchor


@dataclass(frozen=True, slots=True)
class FlagPassed:
    """A mode flag is handed on under the name of a mode, to whatever is called."""

    name: str
    flag: Flag
    text: str
    """How the code names the flag: ``train``, ``self.training``."""
    argument: Anchor
    value: code.Expression


@dataclass(frozen=True, slots=True)
class ModeMethodTested:
    """``if model.train:``: a method is taken for a flag."""

    receiver: Value
    name: str
    anchor: Anchor


@dataclass(frozen=True, slots=True)
class ModeSet:
    """``model.train()`` or ``model.eval()``."""

    receiver: Value
    label: str
    """The receiver as the code names it; empty if that is not a plain name."""
    name: str
    anchor: Anchor
    used: bool
    """Whether something is done with what it returns."""
    assigned: Anchor | None
    """The statement, where that is ``model = model.eval()``."""


@dataclass(frozen=True, slots=True)
class ModelChange:
    """A view, or another change: ``nnx.view(model, ...)``, ``model.set_attributes(...)``."""

    by: str
    """``view``, ``with_attributes``, ``set_attributes`` or ``recursive_map``."""
    model: Value
    label: str
    """The model as the code names it; empty if that is not a plain name."""
    args: Arguments
    node: code.Call
    anchor: Anchor
    guards: Guards | None
    unused: bool
    """Whether the call is a statement of its own."""
    setting: Setting | None = None
    applies: "Value | LocalRun | None" = None
    """What ``recursive_map`` applies."""
    target: str = ""
    """The variable that the result is assigned to."""


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function of the project is given modules, or what can be merged to some."""

    function: FunctionDefinition
    args: Arguments
    node: code.Call
    guards: Guards | None


@dataclass(frozen=True, slots=True)
class ModuleCall:
    """A child is called."""

    child: Value
    label: str
    """The child as the code names it, ``self.block``; empty if that is not a plain name."""
    args: Arguments
    node: code.Call
    flags: tuple[str, ...]
    """The mode flags that the code around the call can see."""
    anchor: Anchor
    guards: Guards | None
    after_mode_set: bool
    """Whether ``self.train()``, ``self.eval()`` or ``self.set_attributes()`` came before it."""
    level: int
    """How many local functions deep the name was bound by which it is called; -1 for outside."""
    given: bool
    """Whether it was not made in the function that is run, or came as an argument there."""


@dataclass(frozen=True, slots=True)
class MethodCall:
    """A method of self, or of a module, is called that is not ``__call__``."""

    receiver: Value
    name: str
    label: str
    """The receiver as the code names it."""
    args: Arguments
    node: code.Call
    guards: Guards | None
    level: int
    given: bool
    """As for ``ModuleCall``."""


@dataclass(frozen=True, slots=True)
class AttributeRead:
    """``self.name`` is read."""

    name: str
    anchor: Anchor
    guards: Guards | None
    tested: bool
    """Whether that is part of a test."""


@dataclass(frozen=True, slots=True)
class AttributeWrite:
    """``self.name = value``, or if not ``whole``, ``self.name.value = value`` and its like."""

    name: str
    value: Value
    whole: bool
    anchor: Anchor
    source: code.Expression | None
    """The expression that was assigned; None where it was unpacked, or by other means."""
    guards: Guards | None
    path: str = ""
    """What of it is assigned, in runs that are thorough: ``head`` or ``blocks[0].head``."""


@dataclass(frozen=True, slots=True)
class ComputedWrite:
    """``setattr(self, f"block_{i}", value)``; ``pattern`` is ``block_*``."""

    pattern: str
    value: Value
    anchor: Anchor
    guards: Guards | None


@dataclass(frozen=True, slots=True)
class BaseCall:
    """``super().name(...)``, or ``Base.name(self, ...)``: a method of a class further up."""

    name: str
    of: Value | None
    """What is called, where it is not left to ``super()``."""
    args: Arguments
    guards: Guards | None


@dataclass(frozen=True, slots=True)
class FreeName:
    """A name is read that the function does not bind; ``value`` is None if nothing does."""

    name: str
    value: Value | None
    anchor: Anchor


@dataclass(slots=True)
class LocalRun:
    """What a function defined in another one does; empty until somebody calls it or hands it on."""

    parameters: tuple[str, ...]
    required: int
    """How many of them, from the first, surely have no default."""
    name: str = ""
    """Empty for a lambda."""
    trivial: bool = False
    """Whether it is a lambda that gives one of its parameters."""
    decorated: bool = False
    ran: bool = False
    flags: tuple[str, ...] = ()
    flags_tested: frozenset[str] = frozenset()
    calls: list[ModuleCall] = field(default_factory=list)
    draws: list[Draw] = field(default_factory=list)
    consumptions: list[Consumption] = field(default_factory=list)
    writes: list[AttributeWrite] = field(default_factory=list)
    functions_called: list[FunctionCall] = field(default_factory=list)
    methods_called: list[MethodCall] = field(default_factory=list)
    gradients: int = 0
    """How often it takes a gradient."""
    calls_argument: bool = False
    changes_argument: bool = False
    level: int = 0
    """How many local functions deep it is."""
    returns: list[Value] = field(default_factory=list)
    ends: bool = True
    """Whether it returns nothing on some path: by ``return`` alone, or at its end."""


@dataclass(frozen=True, slots=True)
class JitOfModule:
    """``nnx.jit(model)``, ``nnx.jit(self.method)``: what is compiled is no function."""

    compiled: Value
    label: str
    """What is compiled, as the code names it."""
    by: str
    args: Arguments
    anchor: Anchor
    number: int
    """What tells its calls from others."""
    identity: tuple[str, int]
    """What is compiled, as the code names it, and which time its variable was bound."""


@dataclass(frozen=True, slots=True)
class Step:
    """The weights of a model are updated, or a model that was compiled is called.

    ``loop`` is the innermost loop around it, 0 for none.
    """

    updated: tuple[str, int] | None
    called: int | None
    loop: int


@dataclass(frozen=True, slots=True)
class JitCall:
    """``nnx.jit(function, ...)`` or ``jax.jit(function, ...)`` within a function.

    ``anchor`` is the call, or the ``def`` of a local function that is decorated so.
    """

    function: Function | LocalRun
    by: str
    args: Arguments
    anchor: Anchor
    decorator: Anchor | None = None


@dataclass(slots=True)
class FunctionFacts:
    """All of one function, in the order in which it was met; nothing where not ``known``."""

    known: bool = True

    flags: tuple[str, ...] = ()
    """Its parameters that are mode flags."""
    draws: list[Draw] = field(default_factory=list)
    consumptions: list[Consumption] = field(default_factory=list)
    on_self: list[AttributeWrite | ComputedWrite | MethodCall | BaseCall] = field(
        default_factory=list
    )
    """What is done to self: what it is given, and the methods of it that are called."""
    initialised: set[Draw] = field(default_factory=set)
    """Draws that end up in a Variable or an attribute of self: state, not noise."""
    calls: list[ModuleCall] = field(default_factory=list)
    reads: list[AttributeRead] = field(default_factory=list)
    writes: list[AttributeWrite] = field(default_factory=list)
    stopped: set[code.At] = field(default_factory=set)
    """The calls whose results get no gradient a statement later."""
    kept: set[Anchor] = field(default_factory=set)
    """Where modules were made that were then put into attributes of self."""
    handed_on: set[Anchor] = field(default_factory=set)
    """Where modules were made that functions were then given, or of which a method was called."""
    returns: list[Value] = field(default_factory=list)
    free_names: list[FreeName] = field(default_factory=list)
    calls_argument: bool = False
    """Whether one of its own parameters is called, which may well be a module."""
    changes_argument: bool = False
    """Whether an attribute of one of its parameters is assigned."""
    reuses: list[Reuse] = field(default_factory=list)
    uncalled: list[Uncalled] = field(default_factory=list)
    stream_tests: list[StreamTest] = field(default_factory=list)
    flags_passed: list[FlagPassed] = field(default_factory=list)
    mode_methods_tested: list[ModeMethodTested] = field(default_factory=list)
    jits: list[JitCall] = field(default_factory=list)
    jits_of_modules: list[JitOfModule] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    """Updates of the weights of models, and calls of compiled ones, in order."""
    models_changed: list[ModelChange] = field(default_factory=list)
    settings: list[tuple[Value, Setting]] = field(default_factory=list)
    """The models whose modes are set, as they were before."""
    functions_called: list[FunctionCall] = field(default_factory=list)
    methods_called: list[MethodCall] = field(default_factory=list)
    gradients: int = 0
    """How often it takes a gradient."""
    level: int = 0
    variables: dict[str, Value] = field(default_factory=dict)
    """What the names hold in the end."""
    ends: bool = True
    """Whether it returns nothing on some path: by ``return`` alone, or at its end."""
    modes_set_by_call: list[ModeSet] = field(default_factory=list)
    flags_read: set[str] = field(default_factory=set)
    flags_tested: set[str] = field(default_factory=set)
    """Flags of which Python asks whether they are true."""
    flags_deleted: set[str] = field(default_factory=set)
    """Flags that are deleted, overwritten, or put into ``_``: not meant to be used."""
    modes_set: set[str] = field(default_factory=set)
    """Attributes of self whose mode is set in place; ``*`` for self as a whole."""


def root_of(label: str) -> str:
    """``model`` in ``model.blocks[...]``: the variable by which the code reaches a model."""
    return re.split(r"[.\[]", label, maxsplit=1)[0]
