"""What a script does to show what an oracle saw: the Python of each kind of showing.

A showing is made of helpers, which come before the flagged code, a word around the flagged
expression (``noted(value)`` or ``flagged(function)(...)``), and lines that come last and set ``shown``.
Its criterion is the oracle's, on what a plain run can see. Where that is less than what a trace can
see, the traces tell beforehand whether it comes to the same; if not, there is no script.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Template
from textwrap import indent
from typing import Literal

from flake8_nnx_mode.confirm.case import Case
from flake8_nnx_mode.confirm.oracles import Seen
from flake8_nnx_mode.confirm.probe import Play
from flake8_nnx_mode.confirm.values import Draw


@dataclass(frozen=True, slots=True)
class Showing:
    """How something is shown."""

    lines: str
    """What comes last."""
    helpers: str = ""
    """What comes first."""
    around: Literal["", "noted", "flagged", "over"] = ""
    """The helper around the flagged expression; ``over``: ``noted``, and a word after it."""
    watches: bool = False
    """Whether draws are noted: those that make inputs are then to be forgotten."""


def showing(case: Case, oracle: str, seen: Seen) -> Showing | None:
    """How to show what was seen; None where a plain run cannot."""
    if seen.lines:
        return _lines(case, seen)
    if seen.error is not None:
        return _error(case, seen)
    return _KINDS[oracle](case, seen)


# Helpers

_WATCH = '''\
drawn = []  # of each random draw: the sampler, its line in this script, the key, whether it counts
counting = $everywhere  # $why


def watch(sampler):
    """A function of `jax.random` that notes its draws, also under `jit`: hence the callback."""

    @functools.wraps(sampler)
    def sample(*args, **kwargs):
        frame = sys._getframe(1)
        while frame.f_code.co_filename != sample.__code__.co_filename:
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
    """The values of $what, by path; they are told apart by identity, also under `jit`."""
    return {
        ".".join(map(str, path)): node.get_raw_value()
        for path, node in nnx.iter_graph(holders)
        if isinstance(node, nnx.Variable) and $test
    }
'''
_STATISTICS = Template(_STATE).substitute(
    what="running statistics and their like",
    test="not isinstance(node, nnx.Param | nnx.RngState)",
)

_FLAGGED_EFFECTS = '''
written = set()  # the statistics that the flagged call wrote


def flagged(function):
    """What is called at the flagged place; what it draws and writes is noted."""

    def call(*args, **kwargs):
        global counting
        holders = (getattr(function, "__self__", function), *args)
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

_ERROR = """\
shown = False
try:
$run
except $caught as error:
    traceback.print_exc()
    shown = $test
"""

_FROZEN = """\
call, held = prepare(train=$train)
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
times = Counter(key for *_, key, counts in drawn)
for sampler, line, key, counts in drawn:
    print(f"jax.random.{sampler} at line {line} draws with the key {key}, drawn with {times[key]} x")
shown = any(counts and times[key] > 1 for *_, key, counts in drawn)
"""

_PARAMS = """\
call, held = prepare(train=$train)
before = state(held)
call(0)
jax.effects_barrier()  # every draw is noted now
after = state(held)
for sampler, line, key, counts in drawn:
    print(f"jax.random.{sampler} at line {line}")
advanced = {path for path in before if after[path] != before[path]}
tags = {node.tag for path, node in nnx.iter_graph(held) if isinstance(node, nnx.RngCount) if path}
for path in sorted(advanced):
    print(f"{path}: {before[path]} -> {after[path]}")
shown = bool(drawn) and streams(held, advanced) == {"params"}
"""

_ABSENT = """\
call, held = prepare(train=$train)
before = state(held)
call(0)
jax.effects_barrier()  # every draw is noted now
after = state(held)
draws = [(sampler, line) for sampler, line, _, counts in drawn if counts]
for sampler, line in draws:
    print(f"jax.random.{sampler} at line {line}")
advanced = [path for path in before if after[path] != before[path]]
print("the streams that the module holds and that advanced:", advanced)
shown = bool(draws) and not advanced
"""

_TEST = """\
for given in (False, True):
    call, held = prepare(train=$train, default_only=given)
    call(0)
print("the test with a stream of that name, and with a default stream:", notes)
shown = notes[0] != notes[-1]
"""

_MODE = """\
effects = {}
for train in (True, False):
    call, held = prepare(train)
    written.clear()
    call(0)
    jax.effects_barrier()  # every draw is noted now
    draws = [f"jax.random.{sampler} at line {line}" for sampler, line, _, counts in drawn if counts]
    effects[train] = draws + [f"{path} is written" for path in sorted(written)]
    print("in training:" if train else "in evaluation:", effects[train] or "nothing")
shown = $test
"""

_DEAD = """\
results, effects = [], []
for train in (True, False):
    call, held = prepare(train)
    before = state(held)
    output = call(0)
    jax.effects_barrier()  # every draw is noted now
    after = state(held)
    keys = [key for *_, key, counts in drawn]
    written = [path for path in after if after[path] is not before.get(path)]
    results.append([*jax.tree.leaves((output, after)), keys, written])
    effects += keys + written
same = len(results[0]) == len(results[1]) and all(map(np.array_equal, *results))
print("training and evaluation return and write", "the same" if same else "different things")
print("draws and writes in both:", len(effects))
shown = same and bool(effects)
"""

_RETURNS_NONE = """\
$run
print("the value there:", notes)
shown = $used and bool(notes) and all(value is None for value in notes)
"""

_BUILT = """\
call, held = prepare(train=$train)
own = {id(node) for _, node in nnx.iter_graph(held)}
$run
built = [v for v in notes if isinstance(v, nnx.Module) and id(v) not in own]
print("built during two calls:", *(f"{type(v).__name__} at {id(v):#x}" for v in built))
shown = bool(built)
"""

_METHOD = """\
call, held = prepare(train=$train)
$run
methods = [v for v in notes if inspect.ismethod(v) and isinstance(v.__self__, nnx.Module)]
print("methods there:", *(v.__qualname__ for v in methods[:1]))
hidden = [
    (*path, name)
    for path, module in nnx.iter_modules(held[0])
    for name in ("train", "eval")
    if not callable(getattr(module, name))
]
print("methods that are hidden by a value:", *(".".join(map(str, path)) for path in hidden))
shown = bool(methods or hidden)
"""

_MODES = """\
$run
shown = False
for modes in notes:
    print(modes)
    flags = [{v for k, v in modes.items() if k.endswith(n)} for n in ("tic", "average")]
    shown = shown or (True in flags[0] and False in flags[1]) or (False in flags[0] and True in flags[1])
"""

_MAP = """\
$run
shown = False
for before, value in notes:
    lost = [name for name in before if value is None or vars(value).get(name, 0) is None]
    print("returned:", type(value).__name__, "- what is None in it, and was not:", lost)
    shown = shown or value is None or bool(lost)
"""

_DISCARDED = """\
$run
print("whether anything keeps the new model:", notes)
shown = $used and bool(notes) and not any(notes)
"""

_LOST = """\
for train in (True, False):
    if not lost:
$run
for path, (value, wanted) in lost.items():
    print(f"{path}: still {value} after the compiled call; the plain function makes it {wanted}")
shown = bool(lost)
"""
