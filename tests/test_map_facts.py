"""What the map finds in code that builds and calls layers in roundabout ways."""

from collections.abc import Iterator
from pathlib import Path
from textwrap import indent

from flake8_nnx_mode.facts.events import AttributeWrite
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import ClassDefinition, Instance, Value, options
from flake8_nnx_mode.settings import Settings
from flake8_nnx_mode.syntax.book import Book
from test_map import lines, mapped

PARTS = """
from functools import partial

class Ident(nnx.Module):
    def __call__(self, x):
        return x

class Block(nnx.Module):
    def __init__(self, rate=0.5, *, rngs: nnx.Rngs):
        self.drop = nnx.Dropout(rate, rngs=rngs)

    def __call__(self, x, *, train: bool):
        return self.drop(x, deterministic=not train)

class Sub(Block):
    pass

class Backbone(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs):
        self.body = Block(rngs=rngs)
        self.head = nnx.Linear(3, 3, rngs=rngs)
        self.blocks = [Block(rngs=rngs), Block(rngs=rngs)]
"""
NET = """
{above}

class Net(nnx.Module):
    def __init__(self, {takes}*, rngs: nnx.Rngs):
{init}

    def __call__(self, x, *, train: bool):
{call}
"""
DROP = "drop: Dropout stochastic deterministic forwarded not train draws dropout"


def text_of(init: str, call: str = "return x", above: str = "", takes: str = "") -> str:
    """A model with that constructor and that ``__call__``."""
    inside = "        "
    init, call = indent(init, inside), indent(call, inside)
    return PARTS + NET.format(init=init, call=call, above=above, takes=takes)


def net(
    folder: Path, init: str, call: str = "return x", above: str = "", takes: str = ""
) -> set[str]:
    """The lines of its tree."""
    return set(lines(mapped(folder, text_of(init, call, above, takes), "Net")))


# -- layers that are built in roundabout ways ----------------------------------------------------


def test_partials_of_a_file_a_class_and_a_parameter(tmp_path: Path) -> None:
    above = """
Conv3 = partial(nnx.Conv, kernel_size=(3, 3))
BlockP = partial(Block, rate=0.0)
BlockPP = partial(BlockP)
CELLS = dict(gru=nnx.GRUCell)
NORMS = {"batch": partial(nnx.BatchNorm, momentum=0.9)}

class Kinds:
    Norm = partial(nnx.LayerNorm, use_bias=False)
"""
    init = """
self.conv = Conv3(3, 4, rngs=rngs)
self.block = BlockP(rngs=rngs)
self.again = BlockPP(rate=0.5, rngs=rngs)
self.lin = lin(rngs=rngs)
self.cell = CELLS["gru"](3, 4, rngs=rngs)
self.norm = NORMS["batch"](3, rngs=rngs)
self.other = Kinds.Norm(3, rngs=rngs)
"""
    takes = "lin=partial(nnx.Linear, 3, 4), "
    assert net(tmp_path, init, above=above, takes=takes) == {
        "conv: Conv plain",
        "block: Block plain",
        "block.drop: Dropout plain deterministic forwarded not train",
        "again: Block plain",
        f"again.{DROP}",
        "lin: Linear plain maybe",
        "cell: GRUCell plain",
        "norm: BatchNorm stateful",
        "other: LayerNorm plain",
    }


def test_local_functions_that_are_given_classes(tmp_path: Path) -> None:
    init = """
make = lambda of: of(3, rngs=rngs)
self.a = make(nnx.BatchNorm)
self.b = make(nnx.LayerNorm)

def repeat(of, count=2):
    return [of(3, rngs=rngs) for _ in range(count)]

self.c = repeat(nnx.BatchNorm)
self.d = repeat(nnx.LayerNorm)
self.e, self.f = map(lambda _: Block(rngs=rngs), range(2))

def inner():
    self.g = Block(rngs=rngs)

inner()

def add(name, of):
    found = of(3, rngs=rngs)
    setattr(self, name, found)
    several.append(found)
    named[name] = found

several, named = [], {}
add("h", nnx.BatchNorm)
add("i", nnx.LayerNorm)
self.j = nnx.List(several)
self.k = nnx.Dict(named)
"""
    assert net(tmp_path, init) == {
        "a: BatchNorm stateful",
        "b: LayerNorm plain",
        "c[*]: BatchNorm stateful",
        "d[*]: LayerNorm plain",
        *("e: Block plain", f"e.{DROP}", "f: Block plain", f"f.{DROP}"),
        *("g: Block plain", f"g.{DROP}"),
        *("h: BatchNorm stateful", "i: LayerNorm plain"),
        *("j[*]: BatchNorm stateful maybe", "j[*]: LayerNorm plain maybe"),
        *("k[*]: BatchNorm stateful maybe", "k[*]: LayerNorm plain maybe"),
    }


def test_dicts_that_are_filled_by_others(tmp_path: Path) -> None:
    init = """
mods = {"x": nnx.Linear(3, 3, rngs=rngs)}
self.a = nnx.Dict(**mods)
self.b = nnx.Dict(a=Ident(), **{f"k{i}": nnx.Linear(3, 3, rngs=rngs) for i in range(2)})
self.c = nnx.Dict()
self.c.update({"x": Ident()}, y=nnx.BatchNorm(3, rngs=rngs))
setattr(self, "d", Ident())
setattr(self, "e", nnx.Linear(3, 3, rngs=rngs))
"""
    assert net(tmp_path, init) == {
        "a['x']: Linear plain",
        "b['a']: Ident plain",
        "b[*]: Linear plain",
        "c['x']: Ident plain",
        "c['y']: BatchNorm stateful",
        "d: Ident plain",
        "e: Linear plain",
    }


# -- layers that are called in roundabout ways ---------------------------------------------------

LAYERS = """
self.layers = [
    nnx.Linear(3, 3, rngs=rngs),
    nnx.Dropout(0.5, rngs=rngs),
    nnx.BatchNorm(3, rngs=rngs),
    Sub(rngs=rngs),
]
"""
TOLD = {
    "layers[0]: Linear plain",
    "layers[1]: Dropout stochastic deterministic forwarded not train draws dropout",
    "layers[2]: BatchNorm stateful use_running_average forwarded not train",
    "layers[3]: Sub plain train forwarded train",
    f"layers[3].{DROP}",
}


def test_calls_by_class_in_statements(tmp_path: Path) -> None:
    call = """
for layer in self.layers:
    if isinstance(layer, nnx.Dropout):
        x = layer(x, deterministic=not train)
        continue
    if isinstance(layer, (nnx.BatchNorm, nnx.LayerNorm)):
        x = layer(x, use_running_average=not train)
    elif not isinstance(layer, Block):
        x = layer(x)
    else:
        x = layer(x, train=train)
return x
"""
    assert net(tmp_path, LAYERS, call) == TOLD


def test_calls_by_class_in_expressions(tmp_path: Path) -> None:
    call = """
for layer in self.layers:
    x = (
        layer(x) if not (isinstance(layer, nnx.Dropout) or isinstance(layer, WITH_MODE))
        else layer(x, train=train) if isinstance(layer, Block)
        else layer(x, deterministic=not train) if isinstance(layer, nnx.Dropout)
        else layer(x, use_running_average=not train)
    )
return x
"""
    assert net(tmp_path, LAYERS, call, "WITH_MODE = (nnx.BatchNorm, Block)") == TOLD


def test_calls_by_class_in_comprehensions(tmp_path: Path) -> None:
    call = """
for drop in [layer for layer in self.layers if isinstance(layer, nnx.Dropout)]:
    x = drop(x, deterministic=not train)
xs = [layer(x, train=train) for layer in self.layers if isinstance(layer, Block)]
return sum(n(x, use_running_average=not train) for n in self.layers if isinstance(n, NORM))
"""
    assert net(tmp_path, LAYERS, call, "NORM = nnx.BatchNorm") == TOLD


def test_a_class_that_is_not_known_decides_nothing(tmp_path: Path) -> None:
    call = """
for layer in self.layers:
    x = layer(x, deterministic=not train) if isinstance(layer, Strange) else layer(x)
return x
"""
    told = "deterministic forwarded not train deterministic dropped"
    assert f"layers[1]: Dropout stochastic {told} draws dropout" in net(
        tmp_path, LAYERS, call, "from elsewhere import Strange"
    )


def test_the_class_of_an_attribute(tmp_path: Path) -> None:
    init = """
self.drop = drop
self.norm = nnx.BatchNorm(3, rngs=rngs)
"""
    call = """
if isinstance(self.norm, nnx.BatchNorm):
    x = self.norm(x, use_running_average=not train)
else:
    x = self.norm(x)
return self.drop(x, deterministic=not train) if isinstance(self.drop, nnx.Dropout) else x
"""
    assert net(tmp_path, init, call, takes="drop, ") == {
        "drop: ? unknown deterministic forwarded not train",
        "norm: BatchNorm stateful use_running_average forwarded not train",
    }


def test_the_mode_in_a_partial_or_a_dict(tmp_path: Path) -> None:
    init = """
self.a = Block(rngs=rngs)
self.b = Block(rngs=rngs)
self.c = nnx.Dropout(0.5, rngs=rngs)
self.d = Block(rngs=rngs)
self.e = Block(rngs=rngs)
"""
    call = """
step = partial(self.b, train=train)
x = partial(self.a, train=not train)(step(x))
x = partial(self.d, train=train)(x, train=False)
how = {"train": train}
x = self.e(x, **how)
return partial(self.c, deterministic=not train)(x)
"""
    assert net(tmp_path, init, call) == {
        "a: Block plain train inverted not train",
        f"a.{DROP}",
        "b: Block plain train forwarded train",
        f"b.{DROP}",
        "c: Dropout stochastic deterministic forwarded not train draws dropout",
        "d: Block plain train fixed False",
        f"d.{DROP}",
        "e: Block plain train forwarded how",
        f"e.{DROP}",
    }


def test_a_local_function_that_is_given_layers(tmp_path: Path) -> None:
    init = """
self.a = Block(rngs=rngs)
self.b = Block(rngs=rngs)
self.c = Block(rngs=rngs)
"""
    call = """
def run(layer, x):
    return layer(x, train=train)

def again(layer, count):
    return again(layer, count - 1) if count else layer(x, train=False)

x = run(self.b, run(self.a, run(self.a, x)))
return again(self.c, 3)
"""
    assert net(tmp_path, init, call) == {
        *("a: Block plain train forwarded train", f"a.{DROP}"),
        *("b: Block plain train forwarded train", f"b.{DROP}"),
        *("c: Block plain train fixed False", f"c.{DROP}"),
    }


# -- what is put into layers afterwards ----------------------------------------------------------


def writes(folder: Path, init: str) -> Iterator[tuple[str, str, str]]:
    """Name, path and value of what a constructor assigns."""
    path = folder / "model.py"
    path.write_text(f"from flax import nnx\n\n{text_of(init)}")
    project = Project(Book(path, path.read_text()), Settings())
    (facts,) = [facts for facts in project.modules if facts.outline.name == "Net"]
    function = facts.outline.methods["__init__"]
    for event in project.run(facts.book, function, facts, 1, thorough=True).on_self:
        if isinstance(event, AttributeWrite) and (event.whole or event.path):
            yield event.name, event.path, " | ".join(map(_shown, options(event.value)))


def _shown(value: Value) -> str:
    match value:
        case Instance(ClassDefinition(_, outline), parts=parts):
            return " ".join([outline.name, *(f"{path}={_shown(part)}" for path, part in parts)])
        case Instance(of):
            return str(getattr(of, "name", ""))
    return str(getattr(value, "value", "?"))


def test_parts_of_attributes(tmp_path: Path) -> None:
    init = """
self.a = Backbone(rngs=rngs)
self.a.head = Ident()
self.a.body.drop = None
self.a.blocks[0].drop = Ident()
self.a.width = 3
del self.a.head
self.bs = [Backbone(rngs=rngs)]
self.bs[0].head = Ident()
setattr(self.a, "head", Ident())
"""
    assert list(writes(tmp_path, init)) == [
        ("a", "", "Backbone"),
        ("a", "head", "Ident"),
        ("a", "body.drop", "None"),
        ("a", "blocks[0].drop", "Ident"),
        ("a", "head", "None"),
        ("bs", "", "?"),
        ("bs", "[0].head", "Ident"),
        ("a", "head", "Ident"),
    ]


def test_parts_of_variables(tmp_path: Path) -> None:
    init = """
a = Backbone(rngs=rngs)
a.head = nnx.Linear(3, 3, rngs=rngs)
a.head = Ident()
self.a = a
a.body = Ident()
"""
    assert list(writes(tmp_path, init)) == [
        ("a", "", "Backbone head=Ident"),
        ("a", "body", "Ident"),
    ]


def test_layers_that_a_parent_puts_into_its_layers(tmp_path: Path) -> None:
    models = mapped(
        tmp_path,
        """
        class Ident(nnx.Module):
            def __call__(self, x):
                return x

        class Backbone(nnx.Module):
            def __init__(self, rngs):
                self.head = nnx.Linear(4, 2, rngs=rngs)
                self.steps = nnx.List([Ident(), Ident()])

        class Net(nnx.Module):
            def __init__(self, frozen: bool, *, rngs: nnx.Rngs):
                self.replaced = Backbone(rngs)
                self.replaced.head = Ident()
                self.replaced.extra = nnx.Linear(2, 2, rngs=rngs)
                backbone = Backbone(rngs)
                backbone.head = nnx.Dropout(0.5, rngs=rngs)
                self.local = backbone
                self.unsure = Backbone(rngs)
                if frozen:
                    self.unsure.head = Ident()
                self.removed = Backbone(rngs)
                self.removed.head = None
        """,
        "Net",
    )
    assert lines(models) == [
        "replaced: Backbone plain",
        "replaced.head: Ident plain",
        "replaced.steps[0]: Ident plain",
        "replaced.steps[1]: Ident plain",
        "replaced.extra: Linear plain",
        "local: Backbone plain",
        "local.head: Dropout stochastic draws dropout",
        "local.steps[0]: Ident plain",
        "local.steps[1]: Ident plain",
        "unsure: Backbone plain",
        "unsure.head: ? unknown maybe",
        "unsure.steps[0]: Ident plain",
        "unsure.steps[1]: Ident plain",
        "removed: Backbone plain",
        "removed.steps[0]: Ident plain",
        "removed.steps[1]: Ident plain",
    ]
