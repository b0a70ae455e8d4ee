"""One finding made ready to run: what is built, how it is called, and in which mode."""

import ast
import contextlib
import inspect
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from flake8_nnx_mode.confirm import marks, slices
from flake8_nnx_mode.confirm.cage import RefusedError
from flake8_nnx_mode.confirm.jobs import Job, Recipe
from flake8_nnx_mode.confirm.loading import MissingModuleError, Program
from flake8_nnx_mode.confirm.objects import evaluated, modules
from flake8_nnx_mode.confirm.ondemand import values_on_demand
from flake8_nnx_mode.confirm.probe import SEED, Placeholder, Play, play, user_frames
from flake8_nnx_mode.confirm.search import Attempt, NotFoundError, Subject, search
from flake8_nnx_mode.confirm.standin import StandIn
from flake8_nnx_mode.confirm.teller import Teller
from flake8_nnx_mode.confirm.values import Values
from flake8_nnx_mode.model import Span

T = TypeVar("T")
_ALWAYS = ("params", "dropout", "noise", "default")
_STREAM = re.compile(r"""rngs?\w*(?:\.|\[["'])([a-z_]\w*)""")
_INIT_LIKE = ("__init__", "__post_init__", "setup", "set_view")


class NoVerdictError(Exception):
    """No verdict can be given, and why."""

    def __init__(self, reason: str, why: str) -> None:
        self.reason = reason
        """Its kind, in one or two words."""
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Target:
    """What is run: a class and one of its methods, a function, or a script."""

    name: str | None
    """As written in source; None: the statement itself runs."""
    method: str | None = None
    is_class: bool = False
    returns: str | None = None
    """Of a function that returns functions: the name of the one that is run."""


_REFUSED_CALL = re.compile(
    r"\(\) (got an unexpected keyword|got multiple values|missing \d+ required|takes .* positional)"
)
"""What Python says of a call that gives a function what it does not take."""
_RANDOM = re.compile(r"key|rng|seed|step|epoch|index|count|noise", re.IGNORECASE)
"""Names of parameters that randomness may come from."""
GIVEN_KEY = "given key"
"""How the labels of keys begin that a call is given."""
_ASKED = (
    jax.errors.ConcretizationTypeError,
    jax.errors.NonConcreteBooleanIndexError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)
"""Errors of code that asks a traced array for its value."""
_HOPELESS = (MissingModuleError, ModuleNotFoundError, RefusedError, SystemExit)
"""Errors that no other arguments will mend."""


def _never(what: object) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How a mistake shows."""

    symptom: Callable[[BaseException], bool] = _never
    """Whether an error at the flagged place is how it shows."""
    enough: Callable[[Play], bool] = _never
    """Whether a run that failed later on has shown what there is to see."""
    anywhere: bool = False
    """Whether such an error counts wherever it comes from."""
    built_only: bool = False
    """Whether it is enough to build the flagged class."""
    declared_only: bool = False
    """Whether there are only streams that the file declares, and no default one."""
    unreached: bool = False
    """Whether the flagged place need not be reached by an ordinary call."""
    expression: bool = False
    """Whether the expression itself is looked at, and not the call around it."""
    watch: bool = False
    """Whether it matters that what the flagged expression returns is called."""
    reload: bool = False
    """Whether the snippet is loaded anew for each run."""


@dataclass
class Case:
    """A finding, in the file as it is or in the fixed one."""

    job: Job
    text: str
    span: Span
    conditions: Conditions
    recipes: dict[tuple[str | None, str | None], Recipe]
    """Those that worked, for what is run; shared by the findings of a file."""
    recipe: Recipe | None = None
    """How it is run; ``find`` works that out."""
    calls: int = 2
    """How often it is called."""

    def __post_init__(self) -> None:
        tree = ast.parse(self.text)
        place = slices.place(tree, self.text, self.span)
        self._definitions = place.definitions
        self.targets = self._targets(place)
        functions = [d for d in place.definitions if not isinstance(d, ast.ClassDef)]
        self.is_direct = len(functions) < 2
        """Whether what is flagged is in what is called, and not in a function inside it."""
        self.target = self.targets[0]
        self.slice = slices.cut(tree, place.statement)
        self.parameters: list[str] = []
        """What is called takes these by position."""
        self.optional: list[str] = []
        """And it has a default for these."""
        self.guesses: dict[str, str] = {}
        """Parameters without an annotation that were given a module -> its class."""
        self.values = Values()
        self.teller = Teller(self.job.flags, watch=self.conditions.watch)
        self._plays: dict[tuple[Any, ...], Play] = {}
        self._space: dict[str, Any] | None = None
        self._init: str | None = None
        self._ran: Recipe | None = None
        """A recipe that ran without coming by the flagged place."""
        self._on_demand = False
        """Whether traced arrays have values, for code that asks."""
        self._mark(lenient=False)

    def _mark(self, *, lenient: bool) -> None:
        module = self.slice.module()
        expression = self.conditions.expression
        self.is_lenient = lenient
        flags = self.job.flags if lenient else ()
        self.marked = marks.mark(module, self.text, self.span, expression=expression, lenient=flags)
        tree = self.marked.tree if self.marked else module
        is_main = self.targets[-1].name is None
        self.program = Program(self.job.path, self.job.module, tree, self.teller, is_main)
        self._plays.clear()
        self._space = None

    def _targets(self, place: slices.Place) -> Sequence[Target]:
        owner, function = place.owner, place.function
        if owner is None:
            if function is None:
                return [*_assigned(place.node), Target(None)]
            inner = [d.name for d in place.definitions[1:] if not isinstance(d, ast.ClassDef)]
            return [Target(function), *(Target(function, returns=name) for name in inner[:1])]
        if self.conditions.built_only:
            return [Target(owner, None, True)]
        methods = _methods(place.definitions)
        forward = [m for m in methods if m not in _INIT_LIKE and not m.startswith("_")]
        preferred = ["__call__"] if "__call__" in methods else forward[:1]
        if function is not None and function not in _INIT_LIKE:
            others = [m for m in preferred if m != function]
            private = function.startswith("_") and not function.startswith("__")
            preferred = [*others, function] if private else [function, *others]
        return [Target(owner, method, True) for method in preferred] or [Target(owner, None, True)]

    # What a recipe's names mean

    @cached_property
    def streams(self) -> dict[str, int]:
        """The streams that are given, each with a seed of its own."""
        names = dict.fromkeys(_ALWAYS)
        for node in ast.walk(ast.parse(self.text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Rngs"):
                names.update(dict.fromkeys(keyword.arg or "" for keyword in node.keywords))
        if not self.conditions.declared_only:
            names.update(dict.fromkeys(_STREAM.findall(self.text)))
        names.pop("", None)
        if self.conditions.declared_only:
            names.pop("default")
        good = [n for n in names if n in _ALWAYS or not hasattr(nnx.Rngs, n)]
        return {name: 11 * (number + 1) for number, name in enumerate(good)}

    def environment(
        self, space: Mapping[str, Any], training: bool, *, arrays: bool
    ) -> dict[str, Any]:
        """What the names of a recipe stand for."""
        kind = _Filled if arrays else _Later
        return {
            **{"jax": jax, "jnp": jnp, "nnx": nnx, "np": np, "StandIn": StandIn},
            **space,
            "train": training,
            "x": kind(jnp.float32),
            "ids": kind(jnp.int32),
            "mask": kind(jnp.bool_),
            "key": jax.random.key(SEED) if arrays else Placeholder((), "key"),
            "__arguments__": lambda *args, **kwargs: (args, kwargs),
        }

    def load(self) -> dict[str, Any]:
        """The names of the snippet; anew each time if building them does something."""
        if self.slice.acts or self.conditions.reload:
            return self.program.load()
        if self._space is None:
            self._space = self.program.load()
        return self._space

    # Runs

    def play(
        self,
        training: bool,
        *,
        recipe: Recipe | None = None,
        calls: int | None = None,
        telling: bool | None = None,
        vary: bool = False,
        both: bool = False,
    ) -> Play:
        """Run what is flagged in a mode; the same run is made once.

        Args:
            training: The mode.
            recipe: How to build and call, if not as was found.
            calls: How often, if not as often as usual.
            telling: Tell the flagged call to train (True) or to evaluate, whatever is written.
            vary: Give each call other numbers, where they are no arrays.
            both: Set the modes that modules keep also where the call has a flag.
        """
        recipe = recipe or self.recipe
        calls = calls or self.calls
        how = (self.target, training, recipe, calls, telling, vary, both)
        known = self._plays.get(how)
        if known is None:
            self.teller.training, self.teller.telling = training, telling
            with values_on_demand() if self._on_demand else contextlib.nullcontext():
                known = self._plays[how] = play(
                    lambda: self._prepare(training, recipe, vary, both),
                    self.teller,
                    self.values,
                    calls=calls,
                )
        return known

    def _prepare(
        self, training: bool, recipe: Recipe | None, vary: bool = False, both: bool = False
    ) -> tuple[dict[str, object], Callable[[int], Any]]:
        if self.target.name is None:
            return {}, lambda number: self.program.load() and None
        space = self.load()
        rngs = nnx.Rngs(**self.streams)
        target = _found(space, self.target.name)
        roots: dict[str, object] = {}
        if self.target.is_class:
            env = self.environment(space, training, arrays=True)
            if self.conditions.built_only and not issubclass(target, nnx.Module):
                target = type(target.__name__, (target, nnx.Module), {})  # what is mixed in
            env |= {"rngs": rngs, "__target__": target}
            model = eval(f"__target__({(recipe and recipe.init) or ''})", env)
            roots["model"] = model
            if self.target.method is None:
                return roots, lambda number: None
            function = getattr(model, self.target.method)
        elif self.target.returns is not None:
            env = self.environment(space, training, arrays=True) | {"rngs": rngs}
            env["__target__"] = target
            made = eval(f"__target__({(recipe and recipe.init) or ''})", env)
            function = _named_function(made, self.target.returns)
        else:
            function = target
        env = self.environment(space, training, arrays=False) | {"rngs": rngs}
        text = (recipe and recipe.call) or ""
        args, kwargs = eval(f"__arguments__({text})", env)
        self.parameters, self.optional = _parameters(function)
        positional = [f"argument {number + 1}" for number in range(len(args))]
        positional[: len(self.parameters)] = self.parameters[: len(args)]
        roots |= dict(zip(positional, args, strict=False)) | kwargs
        roots = {n: v for n, v in roots.items() if not isinstance(v, Placeholder)}
        self.guesses = {} if self.target.is_class else _guesses(function, roots, space)
        if not training and (both or not _names(text) & {"train"}):
            evaluated(roots, self.job.flags)  # to train is how models begin
        others = _scalars(function, args, kwargs) if vary else {}

        def call(number: int) -> Any:
            given, named = _fill((args, kwargs), number, filled=self._on_demand)
            if vary:
                given = tuple(_other(value, number) for value in given)
                named = {**others, **named}
                named = {name: _other(value, number) for name, value in named.items()}
            return _finished(function(*given, **named))

        return roots, call

    def built(self) -> Any:
        """The flagged class, built anew; to be asked for inside ``traced``."""
        roots, _ = self._prepare(False, self.recipe)
        return roots.get("model")

    def traced(self, function: Callable[[], T]) -> T:
        """What the function returns, run so that arrays are only shapes."""
        returned: list[T] = []

        def run() -> None:
            returned.append(function())

        jax.eval_shape(run)
        return returned[0]

    @cached_property
    def reads_flag(self) -> bool:
        """Whether what encloses the flagged place reads a mode flag that it takes."""
        function = next(d for d in reversed(self._definitions) if not isinstance(d, ast.ClassDef))
        nodes = [node for statement in function.body for node in ast.walk(statement)]
        names = {node.id for node in nodes if isinstance(node, ast.Name)}
        return bool(names & {*self.job.flags, "locals", "vars"})

    @cached_property
    def source(self) -> str:
        """What runs, as source."""
        return "\n".join(map(ast.unparse, self.slice.statements))

    @cached_property
    def flagged_text(self) -> str:
        """The lines of the finding, up to its end."""
        lines = self.text.splitlines()[self.span.start.line - 1 : self.span.end.line]
        if len(lines) == 1:
            return lines[0][self.span.start.column : self.span.end.column] or lines[0]
        return "\n".join(lines)

    @property
    def flagged_line(self) -> str:
        """The lines that the flagged expression stands on, or the finding."""
        lines = self.text.splitlines()
        return "\n".join(lines[self.lines.start - 1 : self.lines.stop - 1])

    def find(self) -> None:
        """Work out how to run it, for the first target that reaches the flagged place.

        Raises:
            NoVerdictError: nothing that was tried runs, or the flagged place is not reached.
        """
        self.program.import_ahead()
        try:
            self._find_target()
        except NoVerdictError as unknown:
            if is_wrong_argument(unknown.__cause__):
                self._mark(lenient=True)  # another call is at fault as well, and fails first
            elif isinstance(unknown.__cause__, _ASKED):
                self._on_demand = True
                self._plays.clear()
            else:
                raise
            self._find_target()

    def forget(self) -> None:
        """Make every run anew from now on."""
        self._plays.clear()

    def _find_target(self) -> None:
        problem: NoVerdictError | None = None
        for target in self.targets:
            self.target = target
            try:
                self._find()
            except NoVerdictError as unknown:
                problem = problem or unknown
                continue
            if self._reaches(self.play(True)) or self._reaches(self.play(False)):
                return
            problem = NoVerdictError(
                "not reached", "the flagged line did not run in any call that was tried"
            )
        assert problem is not None
        raise problem

    def _find(self) -> None:
        if self.target.name is None:
            self._refuse(self.play(True, calls=1))
            self.calls = 1
            return
        self._init = None
        key = (self.target.name, self.target.method or self.target.returns)
        known = self.recipes.get(key)
        if known is not None and self._attempt(known).good:
            self.recipe = known
            return
        try:
            space = self._loaded()
            target = _found(space, self.target.name)
        except NoVerdictError:
            raise
        except BaseException as error:
            raise _unknown(error, f"the code around `{self.target.name}`") from None
        if self.target.returns is not None:
            target = self._returned()
        elif not self.target.is_class and (isinstance(target, nnx.Module) or not callable(target)):
            raise NoVerdictError("no function", f"`{self.target.name}` is no function")
        subject = Subject(target, self.target.method, self.job.flags, space, self.target.name)
        pinned = self.job.pins.get(self.target.name)
        builds = self.job.builds.get(self.target.name.rpartition(".")[2], ())
        try:
            found = search(subject, self._attempt, pinned=pinned, builds=builds)
            self.recipe = found if found.init is not None else replace(found, init=self._init)
        except NotFoundError as missing:
            what, self._ran = f"`{self.target.name}`", missing.ran
            if missing.ran is not None:
                why = "the flagged line did not run in any call that was tried"
                raise NoVerdictError("not reached", why) from None
            if missing.last is not None:
                raise _unknown(missing.last, what) from missing.last
            raise NoVerdictError(
                "arguments", f"no arguments were found for {what}: {missing}"
            ) from None
        self.recipes[key] = self.recipe

    def _returned(self) -> Any:
        """The function that the outer one returns, for looking at; its recipe has to be known."""
        outer = self.recipes.get((self.target.name, None)) or self._ran
        if outer is None:
            raise NoVerdictError("does not run", f"`{self.target.name}` was not called")
        self._init = outer.call
        made: list[Any] = []

        def run() -> None:
            space, rngs = self.load(), nnx.Rngs(**self.streams)
            env = self.environment(space, True, arrays=True) | {"rngs": rngs}
            made.append(eval(f"{self.target.name}({outer.call or ''})", env))

        jax.eval_shape(run)
        assert self.target.returns is not None
        return _named_function(made[0], self.target.returns)

    def _loaded(self) -> dict[str, Any]:
        """The names of the snippet, for looking at."""
        space: dict[str, Any] = {}

        def load() -> None:
            space.update(self.load())

        if self.slice.acts or self.conditions.reload:
            jax.eval_shape(load)
        else:
            load()
        return space

    def _attempt(self, recipe: Recipe) -> Attempt:
        if self.target.returns is not None and recipe.init is None:
            recipe = replace(recipe, init=self._init)
        saw = self.play(True, recipe=recipe)
        error = saw.error
        if isinstance(error, MemoryError):
            raise NoVerdictError("memory", "the code asked for more memory than it may have")
        if isinstance(error, _HOPELESS):
            raise _unknown(error, f"`{self.target.name}`")
        good = self.shows(saw) or self.conditions.enough(saw)
        if error is None:
            good = good or self._reaches(saw) or self._reaches(self.play(False, recipe=recipe))
        return Attempt(error, saw.stage, good)

    def _reaches(self, saw: Play) -> bool:
        """Whether a run comes by the flagged place, if it has to."""
        conditions = self.conditions
        free = self.marked is None or conditions.built_only or conditions.unreached
        return free or saw.reached

    def shows(self, saw: Play) -> bool:
        """Whether a run ended in the error that is to be shown, at the flagged place."""
        error = saw.error
        return (
            error is not None
            and self.conditions.symptom(error)
            and (self.conditions.anywhere or self.ends_here(saw))
        )

    def ends_here(self, saw: Play) -> bool:
        """Whether the last line of the user's file in the traceback is the flagged one."""
        if saw.error is None:
            return False
        frames = list(user_frames(saw.error, self.job.path))
        return bool(frames) and frames[-1].lineno in self.lines

    @property
    def lines(self) -> range:
        """The lines of what is flagged."""
        if self.marked is not None:
            return self.marked.lines
        return range(self.span.start.line, self.span.end.line + 1)

    def said(self, training: bool, *, always: bool = False) -> str:
        """The mode of a call, as the reader knows it, to come after a word.

        Empty where nothing that runs has a mode, unless it is ``always`` said.
        """
        call = _call(self.recipe.call if self.recipe else None)
        given = [(k.arg, k.value) for k in call.keywords]
        for name, value in [*given, *zip(self.parameters, call.args, strict=False)]:
            match value:
                case ast.Name("train"):
                    return f" with {name}={training}"
                case ast.UnaryOp(ast.Not(), ast.Name("train")):
                    return f" with {name}={not training}"
        roots = self.play(True).roots.values()
        kept = (vars(module) for root in roots for _, module in modules(root))
        if always or any(flag in attributes for attributes in kept for flag in self.job.flags):
            return " in training" if training else " in evaluation"
        return ""

    @property
    def leaves_out(self) -> list[str]:
        """Parameters that may hold randomness, or choose it, and are not given."""
        call = _call(self.recipe.call if self.recipe else None)
        given = {keyword.arg for keyword in call.keywords} | set(self.parameters[: len(call.args)])
        return [name for name in self.optional if name not in given and _RANDOM.search(name)]

    def _refuse(self, saw: Play) -> None:
        if saw.error is not None and not (self.shows(saw) or self.conditions.enough(saw)):
            raise _unknown(saw.error, "the statement")


def _assigned(statement: ast.stmt) -> list[Target]:
    """What a statement of a script names: it may be a function that was compiled."""
    match statement:
        case ast.Assign([ast.Name(name)], ast.Call()):
            return [Target(name)]
    return []


def _methods(definitions: Sequence[slices.Definition]) -> list[str]:
    classes = [d for d in definitions if isinstance(d, ast.ClassDef)]
    return [s.name for s in classes[-1].body if isinstance(s, ast.FunctionDef)]


def _found(space: Mapping[str, Any], name: str) -> Any:
    first, *rest = name.split(".")
    value = space[first]
    for part in rest:
        value = getattr(value, part)
    return value


def _call(arguments: str | None) -> ast.Call:
    """Arguments, parsed."""
    call = ast.parse(f"f({arguments or ''})", mode="eval").body
    assert isinstance(call, ast.Call)
    return call


def _named_function(made: Any, name: str) -> Any:
    """Of what a function returned, the function of that name; else the first function."""
    parts = made if isinstance(made, tuple | list) else [made]
    functions = [p for p in parts if callable(p) and not isinstance(p, nnx.Module | type)]
    if not functions:
        raise NoVerdictError("no function", f"no function `{name}` is returned")
    named = [f for f in functions if getattr(f, "__name__", None) == name]
    return (named or functions)[0]


def _names(arguments: str) -> set[str]:
    return {node.id for node in ast.walk(_call(arguments)) if isinstance(node, ast.Name)}


def is_wrong_argument(error: BaseException | None) -> bool:
    """Whether a call was given what it does not take, or not what it needs."""
    if isinstance(error, ValueError):  # flax's own: no `deterministic` argument was provided
        return "argument was provided" in str(error)
    if isinstance(error, AttributeError):  # a mode in the place of an array
        return "'bool' object" in str(error)
    return isinstance(error, TypeError) and _REFUSED_CALL.search(str(error)) is not None


def said(error: BaseException) -> str:
    """An error in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def _guesses(
    function: Any, given: Mapping[str, object], space: Mapping[str, object]
) -> dict[str, str]:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
    return {
        name: type(value).__name__
        for name, value in given.items()
        if isinstance(value, nnx.Module)
        and (
            name not in parameters
            or parameters[name].annotation is inspect.Parameter.empty
            or any(
                isinstance(other, type)
                and issubclass(other, type(value))
                and other is not type(value)
                for other in space.values()
            )
        )
    }


def _parameters(function: Any) -> tuple[list[str], list[str]]:
    """What it takes by position, and what has a default."""
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return [], []
    by_position = [p.name for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return by_position, [p.name for p in found if p.default is not p.empty]


def _fill(given: Any, call: int, *, filled: bool) -> Any:
    """What a recipe gives, with arrays of this call in the place of placeholders."""
    count = 0

    def fill(value: Any) -> Any:
        nonlocal count
        if isinstance(value, Placeholder):
            count += 1
            kind = GIVEN_KEY if value.dtype == "key" else "input"
            return value.array(f"{kind} {count} of call {call + 1}", filled=filled)
        if type(value) is dict:
            return {name: fill(one) for name, one in value.items()}
        if type(value) in (list, tuple):
            return type(value)(fill(one) for one in value)
        return value

    return fill(given)


def _scalars(function: Any, args: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers that parameters have by default, of those that are not given."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return {}
    return {
        p.name: p.default
        for p in parameters[len(args) :]
        if p.name not in kwargs and type(p.default) in (int, float)
    }


def _other(value: Any, call: int) -> Any:
    """A number, another one at each call."""
    return value + call if type(value) in (int, float) else value


def _finished(returned: Any) -> Any:
    """What a call returns, once what it does later is done: generators, coroutines."""
    if inspect.isgenerator(returned):
        return list(itertools.islice(returned, 100))
    if inspect.iscoroutine(returned):
        try:
            for _ in range(100):
                returned.send(None)
        except StopIteration as stop:
            return stop.value
        finally:
            returned.close()
        return None
    return returned


class _Later:
    """``x[2, 4]`` in a call: an array that each call gets anew."""

    def __init__(self, dtype: Any) -> None:
        self._dtype = dtype

    def __getitem__(self, shape: int | tuple[int, ...]) -> Any:
        return Placeholder(shape if isinstance(shape, tuple) else (shape,), self._dtype)


class _Filled(_Later):
    """``x[2, 4]`` where something is built: an array."""

    def __getitem__(self, shape: int | tuple[int, ...]) -> Any:
        return jnp.zeros(shape, self._dtype)


def _unknown(error: BaseException, what: str) -> NoVerdictError:
    if isinstance(error, NoVerdictError):
        return error
    if isinstance(error, MissingModuleError):
        return NoVerdictError("missing module", str(error))
    if isinstance(error, RefusedError):
        return NoVerdictError("refused", str(error))
    if isinstance(error, ModuleNotFoundError):
        return NoVerdictError("missing module", f"`{error.name}` is not installed here")
    why = f"{what} does not run with any arguments that were tried: {said(error)}"
    return NoVerdictError("does not run", why)
