"""One finding made ready to run: what is built, how it is called, and in which mode."""

import ast
import contextlib
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import jax
from flax import nnx

from flake8_nnx_mode.confirm import marks, recipes, slices, targets
from flake8_nnx_mode.confirm.failures import (
    ASKED,
    HOPELESS,
    NoVerdictError,
    is_wrong_argument,
    unknown,
)
from flake8_nnx_mode.confirm.jobs import Job, Recipe
from flake8_nnx_mode.confirm.loading import Program
from flake8_nnx_mode.confirm.objects import evaluated, modules
from flake8_nnx_mode.confirm.ondemand import values_on_demand
from flake8_nnx_mode.confirm.probe import Play, play, user_frames
from flake8_nnx_mode.confirm.recipes import Placeholder
from flake8_nnx_mode.confirm.search import Attempt, NotFoundError, Subject, search
from flake8_nnx_mode.confirm.standin import StandIn
from flake8_nnx_mode.confirm.teller import Teller
from flake8_nnx_mode.confirm.values import Values
from flake8_nnx_mode.model import Span

T = TypeVar("T")
_RANDOM = re.compile(r"key|rng|seed|step|epoch|index|count|noise", re.IGNORECASE)
"""Names of parameters that randomness may come from."""


def _supply(model: object, rngs: nnx.Rngs, flagged: list[object]) -> None:
    """Give streams to dropout layers that have none, so that they do not fail first."""
    for _, module in modules(model):
        if not isinstance(module, nnx.Dropout) or any(module is one for one in flagged):
            continue
        if module.rngs is None:
            module.rngs = rngs.fork()


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
    supplied: bool = False
    """Whether dropout layers other than the flagged one get what they lack."""
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
        self.targets = targets.targets(place, built_only=self.conditions.built_only)
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

    @cached_property
    def streams(self) -> dict[str, int]:
        """The streams that are given, each with a seed of its own."""
        return recipes.streams(self.text, declared_only=self.conditions.declared_only)

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
        target = targets.found(space, self.target.name)
        roots: dict[str, object] = {}
        if self.target.is_class:
            env = recipes.environment(space, training=training, arrays=True)
            if self.conditions.built_only and not issubclass(target, nnx.Module):
                target = type(target.__name__, (target, nnx.Module), {})  # what is mixed in
            env |= {"rngs": rngs, "__target__": target}
            model = eval(f"__target__({(recipe and recipe.init) or ''})", env)
            roots["model"] = model
            if self.conditions.supplied:
                _supply(model, rngs, [event.value for event in self.teller.events])
            if self.target.method is None:
                return roots, lambda number: None
            function = getattr(model, self.target.method)
        elif self.target.returns is not None:
            env = recipes.environment(space, training=training, arrays=True) | {"rngs": rngs}
            env["__target__"] = target
            made = eval(f"__target__({(recipe and recipe.init) or ''})", env)
            function = targets.named_function(made, self.target.returns)
        else:
            function = target
        env = recipes.environment(space, training=training, arrays=False) | {"rngs": rngs}
        text = (recipe and recipe.call) or ""
        args, kwargs = eval(f"__arguments__({text})", env)
        self.parameters, self.optional = targets.parameters(function)
        positional = [f"argument {number + 1}" for number in range(len(args))]
        positional[: len(self.parameters)] = self.parameters[: len(args)]
        roots |= dict(zip(positional, args, strict=False)) | kwargs
        roots = {n: v for n, v in roots.items() if not isinstance(v, Placeholder)}
        self.guesses = {} if self.target.is_class else targets.guesses(function, roots, space)
        if not training and (both or not recipes.names(text) & {"train"}):
            evaluated(roots, self.job.flags)  # to train is how models begin
        others = recipes.default_numbers(function, args, kwargs) if vary else {}

        def call(number: int) -> Any:
            given, named = recipes.fill_in((args, kwargs), number, filled=self._on_demand)
            if vary:
                given = tuple(recipes.another(value, number) for value in given)
                named = {**others, **named}
                named = {name: recipes.another(value, number) for name, value in named.items()}
            return recipes.finished(function(*given, **named))

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
        except NoVerdictError as missing:
            if not is_wrong_argument(missing.__cause__):
                raise
            self._mark(lenient=True)  # another call is at fault as well, and fails first
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
            except NoVerdictError as missing:
                problem = problem or missing
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
            target = targets.found(space, self.target.name)
        except NoVerdictError:
            raise
        except BaseException as error:
            raise unknown(error, f"the code around `{self.target.name}`") from None
        if self.target.returns is not None:
            target = self._returned()
        elif not self.target.is_class and (isinstance(target, nnx.Module) or not callable(target)):
            raise NoVerdictError("no function", f"`{self.target.name}` is no function")
        names = {"StandIn": StandIn, **space}
        subject = Subject(target, self.target.method, self.job.flags, names, self.target.name)
        pinned = self.job.pins.get(self.target.name)
        builds = self.job.builds.get(self.target.name.rpartition(".")[2], ())
        try:
            found = search(subject, self._attempt, pinned=pinned, builds=builds)
            self.recipe = found if found.init is not None else replace(found, init=self._init)
        except NotFoundError as missing:
            what, self._ran = f"`{self.target.name}`", missing.ran
            if pinned is not None:
                what += ", as it is pinned,"
            if missing.ran is not None:
                why = "the flagged line did not run in any call that was tried"
                raise NoVerdictError("not reached", why) from None
            if missing.last is not None:
                raise unknown(missing.last, what) from missing.last
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
            env = recipes.environment(space, training=True, arrays=True) | {"rngs": rngs}
            made.append(eval(f"{self.target.name}({outer.call or ''})", env))

        jax.eval_shape(run)
        assert self.target.returns is not None
        return targets.named_function(made[0], self.target.returns)

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
        if isinstance(error, HOPELESS):
            raise unknown(error, f"`{self.target.name}`")
        good = self.shows(saw) or self.conditions.enough(saw)
        if isinstance(error, ASKED) and not (good or self._on_demand):
            self._on_demand = True
            self._plays.clear()
            return self._attempt(recipe)
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
        if error is None or not self.conditions.symptom(error):
            return False
        return self.conditions.anywhere or (self.ends_here(saw) and self._is_its_own(saw, error))

    def _is_its_own(self, saw: Play, error: BaseException) -> bool:
        """Whether the flagged call raised it, and not another on the same line."""
        missing = isinstance(error, NameError | AttributeError | KeyError)  # before there is a call
        if missing or self.marked is None or not isinstance(self.marked.node, ast.Call):
            return True
        chain: list[BaseException | None] = [error]
        while chain[-1] is not None and len(chain) < 9:
            chain.append(chain[-1].__cause__ or chain[-1].__context__)
        raised = [event.error for event in saw.events if event.error is not None]
        return any(one is other for one in raised for other in chain)

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
        call = recipes.parsed(self.recipe.call if self.recipe else None)
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
    def bare_call(self) -> str:
        """The arguments of the call without those that may be left out, but for modes."""
        call = recipes.parsed(self.recipe.call if self.recipe else None)
        skipped = {name for name in self.optional if name not in self.job.flags}
        pairs = zip(self.parameters, call.args, strict=False)
        kept = list(itertools.takewhile(lambda pair: pair[0] not in skipped, pairs))
        named = [k for k in call.keywords if k.arg not in skipped]
        given = [ast.unparse(value) for _, value in kept]
        return ", ".join([*given, *(f"{k.arg}={ast.unparse(k.value)}" for k in named)])

    def is_assigned_outside(self, name: str) -> bool:
        """Whether the file sets an attribute of that name on something else than ``self``."""
        ways = (
            rf"(?<!\bself)\.{name}(\.value)?\s*=[^=]",
            rf"setattr\([^)]*[\"']{name}[\"']",
            rf"set_attributes\([^)]*\b{name}\s*=",
        )
        return any(re.search(way, self.text) for way in ways)

    @property
    def untold(self) -> bool:
        """Whether what is called takes a mode, and is not given it."""
        call = self.recipe.call if self.recipe else None
        takes = self.job.flags.keys() & {*self.parameters, *self.optional}
        return bool(takes) and "train" not in recipes.names(call or "")

    @property
    def leaves_out(self) -> list[str]:
        """Parameters that may hold randomness, or choose it, and are not given."""
        call = recipes.parsed(self.recipe.call if self.recipe else None)
        given = {keyword.arg for keyword in call.keywords} | set(self.parameters[: len(call.args)])
        return [name for name in self.optional if name not in given and _RANDOM.search(name)]

    def _refuse(self, saw: Play) -> None:
        if saw.error is not None and not (self.shows(saw) or self.conditions.enough(saw)):
            raise unknown(saw.error, "the statement")
