"""What a script does to show what an oracle saw: the Python of each kind of showing.

A showing is made of helpers, which come before the flagged code, a word around the flagged
expression (``noted(value)`` or ``flagged(function)(...)``), and lines that come last and set
``shown``. Its criterion is the oracle's, on what a plain run can see. Where that is less than what
a trace can see, the traces tell beforehand whether it comes to the same. If not, there is none.
"""

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from string import Template
from textwrap import indent
from typing import Literal

from flake8_nnx_mode.confirm.case import Case
from flake8_nnx_mode.confirm.jobs import Recipe
from flake8_nnx_mode.confirm.oracles import Seen
from flake8_nnx_mode.confirm.probe import Play
from flake8_nnx_mode.confirm.values import Draw

Around = Literal["", "noted", "flagged", "over"]


@dataclass(frozen=True, slots=True)
class Showing:
    """How something is shown."""

    lines: str
    """What comes last."""
    helpers: str = ""
    """What comes first."""
    around: Around = ""
    """The helper around the flagged expression; ``over``: ``noted``, and a word after it."""
    recipe: Recipe | None = None
    """How to build and call."""
    takes_rngs: bool = False
    """Whether ``rngs`` is given to what builds."""

    @property
    def gives(self) -> str:
        """What ``prepare`` returns, as source; ``held``: the objects that keep state."""
        return next((g for g in ("call, held", "model") if f"{g} = prepare(" in self.lines), "call")

    @property
    def evaluates(self) -> bool:
        """Whether something runs in evaluation."""
        return "train in (" in self.lines or "train=False" in self.lines


# Helpers

_WATCH = '''\
drawn = []  # of each random draw: the sampler, its line in this script, the key, whether it counts
counting = $everywhere  # $why


def is_ours(code):
    """Whether a function is one of this script's helpers."""
    return code.co_qualname.startswith("flagged.")


def watch(sampler):
    """A function of `jax.random` that notes its draws, also under `jit`: hence the callback."""

    @functools.wraps(sampler)
    def sample(*args, **kwargs):
        frame = sys._getframe(1)
        while frame.f_code.co_filename != sample.__code__.co_filename or is_ours(frame.f_code):
            frame = frame.f_back
        line, counts = frame.f_lineno, counting

        def note(key):
            drawn.append((sampler.__name__, line, str(key), counts))

        with contextlib.suppress(Exception):  # what is no key is for the sampler to refuse
            jax.debug.callback(note, jax.random.key_data(args[0] if args else kwargs["key"]))
        return sampler(*args, **kwargs)

    return sample


for name, member in list(vars(jax.random).items()):
    if callable(member) and name not in ("clone", "fold_in", "split"):
        if next(iter(inspect.signature(member).parameters), None) == "key":
            setattr(jax.random, name, watch(member))
'''

_FLAGGED_DRAWS = '''

def flagged(function):
    """What is called at the flagged place; draws count while it runs."""

    def call(*args, **kwargs):
        global counting
        counting = True
        try:
            return function(*args, **kwargs)
        finally:
            counting = False

    return call
'''

_STATE = '''

def state(*holders):
    """The running statistics and their like, by path."""
    return {
        ".".join(map(str, path)): node.get_raw_value()
        for path, node in nnx.iter_graph(holders)
        if isinstance(node, nnx.Variable) and not isinstance(node, nnx.Param | nnx.RngState)
    }
'''

_COUNTS = '''

def counts_of(holders):
    """The count of each stream, by path, with the name of the stream."""
    return {
        ".".join(map(str, path)): (node.tag, np.asarray(node.get_raw_value()).tolist())
        for path, node in nnx.iter_graph(holders)
        if isinstance(node, nnx.RngCount)
    }
'''

_FLAGGED_EFFECTS = '''
written = set()  # the statistics that the flagged call wrote


def flagged(function):
    """What is called at the flagged place; what it draws and writes is noted.

    What is written is told by identity, which holds under `jit` as well.
    """

    def call(*args, **kwargs):
        global counting
        holders = (getattr(function, "__self__", function), *args, *kwargs.values())
        before = state(*holders)
        counting = True
        try:
            return function(*args, **kwargs)
        finally:
            counting = $everywhere
            after = state(*holders)
            written.update(path for path in before if after[path] is not before[path])

    return call
'''

_NOTED = '''\
notes = []


def noted(value):
    """The value of the flagged expression, kept to be looked at."""
    notes.append(value)
    return value
'''

_OVER = '''\
notes = []  # of each model that the flagged statement made: whether anything keeps it
made = []


def noted(value):
    """The model that the flagged statement makes; only a weak reference to it is kept."""
    made.append(weakref.ref(value))
    return value


def over():
    """The flagged statement is over."""
    gc.collect()
    notes.append(made[-1]() is not None)
'''

_FLAGGED_MODES = '''\
notes = []


def flagged(function):
    """What is called at the flagged place; the modes of the model are noted after it."""

    def call(*args, **kwargs):
        value = function(*args, **kwargs)
        model = value if isinstance(value, nnx.Module) else getattr(function, "__self__", None)
        if isinstance(model, nnx.Module):
            notes.append(
                {
                    ".".join(map(str, (*path, flag))): vars(module)[flag]
                    for path, module in nnx.iter_modules(model)
                    for flag in ("deterministic", "use_running_average")
                    if isinstance(vars(module).get(flag), bool)
                }
            )
        return value

    return call
'''

_FLAGGED_MAP = '''\
notes = []  # of each flagged call: the model it was given, and what it returned


def flagged(function):
    """What is called at the flagged place."""

    def call(*args, **kwargs):
        given = next((a for a in args if isinstance(a, nnx.Module)), None)
        before = {name: value for name, value in vars(given).items() if value is not None}
        value = function(*args, **kwargs)
        notes.append((before, value))
        return value

    return call
'''

_FLAGGED_COMPILED = '''\
lost = {}  # path -> the value that a compiled call left, and the one that the plain function gives


def state(holders):
    """The stream counts and the running statistics, by path."""
    return {
        ".".join(map(str, path)): np.asarray(node.get_raw_value())
        for path, node in nnx.iter_graph(holders)
        if isinstance(node, nnx.RngCount | nnx.BatchStat)
    }


def same(one, other):
    kinds = [(getattr(x, "dtype", None), getattr(x, "shape", None)) for x in (one, other)]
    return kinds[0] == kinds[1] and np.array_equal(one, other)


def flagged(compiler):
    """What compiles at the flagged place; calls of what it makes are compared with plain calls."""

    def compiling(function, *options, **named_options):
        compiled = compiler(function, *options, **named_options)

        @functools.wraps(function)
        def call(*args, **kwargs):
            before = state((args, kwargs))
            copies, named_copies = copy.deepcopy((args, kwargs))
            function(*copies, **named_copies)
            wanted = state((copies, named_copies))
            returned = compiled(*args, **kwargs)
            after = state((args, kwargs))
            for path, value in before.items():
                given_back = any(same(wanted[path], leaf) for leaf in jax.tree.leaves(returned))
                if same(after[path], value) and not same(wanted[path], value) and not given_back:
                    lost[path] = (value, wanted[path])
            return returned

        return call

    return compiling
'''

_PAIR = '''

class Sibling(nnx.Module):
    """A module with a mode that has nothing to do with the flagged ones."""

    def __init__(self):
        self.other = False

    def set_view(self, other: bool | None = None):
        """Another mode.

        Args:
          other: anything.
        """
        if other is not None:
            self.other = other


class Pair(nnx.Module):
    def __init__(self, module):
        self.module = module
        self.sibling = Sibling()
'''

# What comes last

_FROZEN = """\
call = prepare(train=$train)
keys = []
for number in (0, 1):
    call(number)
    jax.effects_barrier()  # every draw is noted now
    print("call", number + 1)
    for sampler, line, key, counts in drawn:
        if counts:
            print(f"  jax.random.{sampler} at line {line} draws with the key {key}")
    keys.append({key for *_, key, counts in drawn if counts})
shown = bool(keys[0] & keys[1])
"""

_REUSE = """\
$run
jax.effects_barrier()  # every draw is noted now
times = Counter(key for *_, key, _ in drawn)
for sampler, line, key, counts in drawn:
    if counts:
        print(f"jax.random.{sampler} at line {line} draws with the key {key}: {times[key]} draws")
shown = any(counts and times[key] > 1 for *_, key, counts in drawn)
"""

_STREAMS = """\
call, held = prepare(train=$train)
before = counts_of(held)
call(0)
jax.effects_barrier()  # every draw is noted now
after = counts_of(held)
draws = [f"jax.random.{sampler} at line {line}" for sampler, line, _, counts in drawn if counts]
print("drawn:", *draws)
advanced = [path for path in before if after[path] != before[path]]
print("counts that advanced:", *(f"{path} of the stream {before[path][0]!r}" for path in advanced))
shown = bool(draws) and {before[path][0] for path in advanced} == $wanted
"""

_TEST = """\
named, default = nnx.Rngs($streams), nnx.Rngs(0)
for rngs in (named, default):
    call = prepare(train=$train, rngs=rngs)
    call(0)
print("the test, with named streams and with a default stream that serves every name:", notes)
shown = notes[0] != notes[-1]
"""

_MODE = """\
effects = {}
for train in (True, False):
    call = prepare(train)
    written.clear()
    call(0)
    jax.effects_barrier()  # every draw is noted now
    draws = [f"jax.random.{sampler} at line {line}" for sampler, line, _, counts in drawn if counts]
    effects[train] = [*draws, *(f"{path} is written" for path in sorted(written))]
    print("in training:" if train else "in evaluation:", effects[train] or "no effect")
shown = $test
"""

_DEAD = """\
results, effects = [], 0
for train in (True, False):  # with the same seeds
    call, held = prepare(train)
    before = {path: bits(value) for path, value in state(held).items()}
    output = call(0)
    jax.effects_barrier()  # every draw is noted now
    after = {path: bits(value) for path, value in state(held).items()}
    keys = [key for *_, key, _ in drawn]
    effects += len(keys) + sum(after[path] != before.get(path) for path in after)
    results.append(([bits(leaf) for leaf in jax.tree.leaves(output)], after, keys))
same = results[0] == results[1]
print("training and evaluation return, write and draw", "the same" if same else "different things")
print("noise that is drawn, and statistics that are written:", effects)
shown = same and effects > 0
"""

_BITS = '''

def bits(value):
    """A value, such that equal ones compare as equal, NaN too."""
    return np.asarray(value).tobytes()
'''

_NONE = """\
$run
print("the values there:", notes)
shown = bool(notes) and all(value is None for value in notes)
"""

_UNUSED = """\
$run
print("the values there, which nothing uses:", notes)
shown = False
"""

_KEPT = _UNUSED.replace("which nothing uses", "which are kept")

_BUILT = """\
call, held = prepare(train=$train)
own = {id(node) for _, node in nnx.iter_graph(held)}
$run
built = [value for value in notes if isinstance(value, nnx.Module) and id(value) not in own]
print("built during the calls:", *(f"{type(value).__name__} at {id(value):#x}" for value in built))
shown = bool(built)
"""

_METHOD = """\
call, held = prepare(train=$train)
$run
methods = [v for v in notes if inspect.ismethod(v) and isinstance(v.__self__, nnx.Module)]
print("methods there:", *(value.__qualname__ for value in methods))
hidden = [
    ".".join(map(str, (*path, name)))
    for path, module in nnx.iter_modules(held[0])
    for name in ("train", "eval")
    if not callable(getattr(module, name))
]
print("methods that a value hides:", *hidden)
shown = bool(methods or hidden)
"""

_MODES = """\
$run
shown = False
for modes in notes:
    print("modes after the flagged call:", modes)
    drops = {value for path, value in modes.items() if path.endswith("deterministic")}
    norms = {value for path, value in modes.items() if path.endswith("use_running_average")}
    shown = shown or (True in drops and False in norms) or (False in drops and True in norms)
"""

_MAP = """\
$run
shown = False
for before, value in notes:
    lost = [name for name in before if value is None or vars(value).get(name, 0) is None]
    print("returned:", type(value).__name__, "- None in it, and not None before:", lost)
    shown = shown or value is None or bool(lost)
"""

_DISCARDED = """\
$run
print("whether anything keeps the new model:", notes)
shown = bool(notes) and not any(notes)
"""

_LOST = """\
for path, (value, wanted) in lost.items():
    print(f"{path}: still {value} after the compiled call; the plain function makes it {wanted}")
shown = bool(lost)
"""

# How things are shown


def showing(case: Case, oracle: str, seen: Seen) -> Showing | None:
    """How to show what was seen; None where a plain run cannot."""
    if seen.lines:
        return _lines(seen)
    if seen.error is not None:
        return _error(case, seen)
    kind = _KINDS.get(oracle)
    return kind(case, seen) if kind is not None else None


def runs(case: Case, training: str, calls: int, *, tolerant: bool, prepares: bool = True) -> str:
    """The lines that build and call.

    Args:
        case: What is run; nothing is, if it is a script, which has run by then.
        training: The mode, as source.
        calls: How often to call.
        tolerant: Whether an error is printed and kept as ``raised``.
        prepares: Whether ``call`` is to be made.
    """
    if case.target.name is None:
        return ""
    lines = f"call = prepare(train={training})\n" if prepares else ""
    lines += "call(0)\n" if calls == 1 else "for number in (0, 1):\n    call(number)\n"
    if tolerant:
        lines = f"raised = None\ntry:\n{indent(lines, '    ')}{RAISED}"
    return lines.rstrip()


RAISED = """\
except Exception as error:
    traceback.print_exc()
    raised = error
"""
"""What ends the ``try`` in which something runs."""


def _error(case: Case, seen: Seen) -> Showing:
    """The error, by its type; where there was none, any error in either mode."""
    error = seen.error
    if error is not None:
        calls = len(case.play(seen.training, recipe=seen.recipe).calls) + 1
        run = runs(case, str(seen.training), calls, tolerant=True)
        return Showing(f'{run}\nshown = type(raised).__name__ == "{type(error).__name__}"\n')
    return Showing(f"{_both(case, 'raised')}\nshown = raised is not None\n")


def _both(case: Case, condition: str) -> str:
    """A run in either mode."""
    run = runs(case, "train", case.calls, tolerant=True)
    if not run:
        return ""
    begin, rest = run.split("\n", 1)
    rest = indent(f"{rest}\nif {condition}:\n    break", "    ")
    return f"{begin}\nfor train in (True, False):\n{rest}\n"


def _lines(seen: Seen) -> Showing:
    """What the oracle says by itself, with ``model`` and ``Pair``."""
    kind = type(seen.error).__name__ if seen.error else "Exception"
    sets = any(line.startswith("shown =") for line in seen.lines)
    lines = "".join(f"    {line}\n" for line in seen.lines)
    pair = _PAIR if any("pair" in line for line in seen.lines) else ""
    return Showing(
        "model = prepare(train=False)\nshown = False\ntry:\n"
        f"{lines}except {kind}:\n    traceback.print_exc()\n    shown = {not sets}\n",
        pair,
    )


def _reads(case: Case, seen: Seen) -> Showing:
    return _lines(replace(seen, lines=("nnx.view_info(model)",)))


def _swallows(case: Case, seen: Seen) -> Showing:
    return _lines(replace(seen, lines=("nnx.view(model, any_misspelt_name=True)", "shown = True")))


def _resets(case: Case, seen: Seen) -> Showing | None:
    return _switched(case, seen, "other=True", "!=")


def _sticks(case: Case, seen: Seen) -> Showing | None:
    return _switched(case, seen, "{name}=False", "==", first=True)


def _switched(
    case: Case, seen: Seen, then: str, wrong: str, first: bool | None = None
) -> Showing | None:
    """A mode that one view sets, to ``first`` if that is given, and what a second leaves of it."""
    model = case.traced(case.built)
    names = list(inspect.signature(model.set_view).parameters)
    switches = [n for n in names if n in case.flagged_text and isinstance(vars(model).get(n), bool)]
    if not switches:
        return None
    name = switches[0]
    value = first if first is not None else not vars(model)[name]
    lines = (
        f"pair = nnx.view(Pair(model), {name}={value})",
        f"before = pair.module.{name}",
        f"pair = nnx.view(pair, {then.format(name=name)})",
        f"shown = pair.module.{name} {wrong} before",
        f"print('{name}:', before, '->', pair.module.{name})",
    )
    return _lines(replace(seen, lines=lines))


def _frozen(case: Case, seen: Seen) -> Showing | None:
    for training in _modes(seen):
        saw = case.play(training, recipe=seen.recipe)
        if saw.error is not None or len(saw.calls) < 2:
            continue
        for inside in (True, False):
            first, second = (_keys(_draws(saw, call, inside)) for call in (0, 1))
            if first and bool(first & second) == (seen.verdict == "CONFIRMED"):
                return _watched(_FROZEN, inside, train=training)
    return None


def _fallback(case: Case, seen: Seen) -> Showing | None:
    if seen.recipe is None or "nnx.Rngs(0)" not in f"{seen.recipe.init} {seen.recipe.call}":
        return _frozen(case, seen)
    if seen.verdict == "REFUTED":
        return _frozen(case, seen)
    streams = ", ".join(f"{name}={seed}" for name, seed in case.streams.items())
    lines = Template(_TEST).substitute(train=seen.training, streams=streams)
    return Showing(lines, _NOTED, "noted", recipe=case.recipe, takes_rngs=True)


def _reuse(case: Case, seen: Seen) -> Showing | None:
    for training in _modes(seen):
        saw = case.play(training)
        if saw.error is not None or not saw.calls:
            continue
        keys = [draw.key for draw in saw.calls[0].draws]
        for inside in (True, False):
            draws = _draws(saw, 0, inside)
            again = any(draw.repeats or keys.count(draw.key) > 1 for draw in draws)
            if draws and again == (seen.verdict == "CONFIRMED"):
                run = runs(case, str(training), 1, tolerant=False)
                return _watched(_REUSE, inside, run=run)
    return None


def _params(case: Case, seen: Seen) -> Showing | None:
    return _streams(case, seen, {"params"})


def _absent(case: Case, seen: Seen) -> Showing | None:
    if seen.verdict == "CONFIRMED":
        return _streams(case, seen, set())
    return _error(case, seen)


def _streams(case: Case, seen: Seen, wanted: set[str]) -> Showing | None:
    """Draws in a call that advances the counts of these streams only."""
    for training in _modes(seen):
        saw = case.play(training)
        if saw.error is not None or not saw.calls:
            continue
        for inside in (True, False):
            draws = _draws(saw, 0, inside)
            agrees = (saw.calls[0].advanced == wanted) == (seen.verdict == "CONFIRMED")
            if draws and agrees:
                return _watched(_STREAMS, inside, _COUNTS, train=training, wanted=wanted or "set()")
    return None


_TESTS: Mapping[str, Callable[[bool, bool], bool]] = {
    "bool(effects[False]) and not effects[True]": lambda trains, evaluates: (
        evaluates and not trains
    ),
    "bool(effects[False])": lambda trains, evaluates: evaluates,
    "not effects[True]": lambda trains, evaluates: not trains,
}
"""What is wrong with the effects of a mode, the strictest first."""


def _mode(case: Case, seen: Seen) -> Showing | None:
    train, evaluate = case.play(True), case.play(False)
    if not (train.calls and evaluate.calls) or not _is_call(case):
        return None
    for inside in (True, False):
        trains, evaluates = (_has_effects(saw, inside) for saw in (train, evaluate))
        for test, holds in _TESTS.items():
            if seen.verdict == "REFUTED":
                test, holds = "bool(effects[False]) or not effects[True]", lambda t, e: e or not t
            elif seen.training == (test != "not effects[True]"):
                continue
            if holds(trains, evaluates) == (seen.verdict == "CONFIRMED"):
                helpers = _FLAGGED_EFFECTS.replace("$everywhere", str(not inside))
                return replace(
                    _watched(_MODE, inside, _STATE + helpers, test=test), around="flagged"
                )
    return None


def _is_call(case: Case) -> bool:
    return case.marked is not None and isinstance(case.marked.node, ast.Call)


def _has_effects(saw: Play, inside: bool) -> bool:
    writes = any(event.writes for event in saw.calls[0].events)
    return bool(_draws(saw, 0, inside)) or writes


def _dead(case: Case, seen: Seen) -> Showing | None:
    if case.slice.acts:  # what the file's own statements build is the same in both modes
        return None
    return _watched(_DEAD, False, _STATE + _BITS)


def _none(case: Case, seen: Seen) -> Showing | None:
    used = case.marked is not None and not case.marked.discards
    return _noted(case, _NONE if used else _UNUSED, _NOTED, "noted", training=None)


def _built(case: Case, seen: Seen) -> Showing | None:
    return _noted(case, _BUILT, _NOTED, "noted", calls=2)


def _method(case: Case, seen: Seen) -> Showing | None:
    if not case.target.is_class:
        return None
    around: Around = "noted" if case.marked is not None else ""
    return _noted(case, _METHOD, _NOTED, around)


def _half(case: Case, seen: Seen) -> Showing | None:
    return _noted(case, _MODES, _FLAGGED_MODES, "flagged")


def _map(case: Case, seen: Seen) -> Showing | None:
    return _noted(case, _MAP, _FLAGGED_MAP, "flagged", training=False)


def _discarded(case: Case, seen: Seen) -> Showing | None:
    if case.marked is not None and not case.marked.discards:
        return _noted(case, _KEPT, _NOTED, "noted", training=False)
    return _noted(case, _DISCARDED, _OVER, "over", training=False)


def _lost_state(case: Case, seen: Seen) -> Showing | None:
    return Showing(_both(case, "lost") + _LOST, _FLAGGED_COMPILED, "flagged")


_KINDS: Mapping[str, Callable[[Case, Seen], Showing | None]] = {
    "view-default": _resets,
    "view-truthiness": _sticks,
    "view-docstring": _reads,
    "view-swallows": _swallows,
    "frozen-key": _frozen,
    "params-noise": _params,
    "key-reuse": _reuse,
    "constant-fallback": _fallback,
    "rngs-missing": _absent,
    "dropout-without-rngs": _error,
    "stream-as-key": _error,
    "undeclared-stream": _error,
    "traced-flag": _error,
    "refused-view": _error,
    "refused-jit": _error,
    "mode": _mode,
    "dead-flag": _dead,
    "mode-method": _method,
    "returns-none": _none,
    "built-in-forward": _built,
    "view-discarded": _discarded,
    "half-mode": _half,
    "map-returns-none": _map,
    "lost-state": _lost_state,
}


def _modes(seen: Seen) -> tuple[bool, ...]:
    """The modes to look for it in: where it was seen, or both."""
    return (seen.training,) if seen.verdict == "CONFIRMED" else (True, False)


def _draws(saw: Play, call: int, inside: bool) -> list[Draw]:
    """The draws that count."""
    return [draw for draw in saw.calls[call].draws if not inside or saw.is_inside(draw)]


def _keys(draws: list[Draw]) -> set[int]:
    return {draw.key for draw in draws}


def _watched(lines: str, inside: bool, helpers: str = "", **how: object) -> Showing:
    """Lines that look at draws: those of the flagged call, or all of a call."""
    why = "only what the flagged call draws" if inside else "whatever a call draws"
    watch = Template(_WATCH).substitute(everywhere=not inside, why=why)
    return Showing(
        Template(lines).substitute(how),
        watch + (_FLAGGED_DRAWS if inside and "def flagged" not in helpers else "") + helpers,
        "flagged" if inside else "",
    )


def _noted(
    case: Case,
    lines: str,
    helpers: str,
    around: Around,
    *,
    training: bool | None = True,
    calls: int = 1,
) -> Showing:
    """Lines that look at what was noted at the flagged place, in the first mode that gets there."""
    modes = (True, False) if training is None else (training,)
    training = next((t for t in modes if case.play(t).reached), modes[0])
    tolerant = case.play(training).error is not None
    prepares = not lines.startswith("call, held")
    run = runs(case, str(training), min(calls, case.calls), tolerant=tolerant, prepares=prepares)
    return Showing(Template(lines).substitute(run=run, train=training), helpers, around)
