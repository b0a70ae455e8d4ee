"""The maps of models, as people get them: each expected tree was worked out by hand."""

import cProfile
import json
import pstats
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from command import nnx_mode, on_a_terminal
from flake8_nnx_mode.engine import FolderSettings
from flake8_nnx_mode.facts.tree import Layer, walk
from flake8_nnx_mode.lint import Linter
from flake8_nnx_mode.maps import trees

PARTS = """
import jax
from flax import nnx


class Mlp(nnx.Module):
    def __init__(self, width: int, rate: float, *, rngs: nnx.Rngs):
        self.layers = nnx.Sequential(
            nnx.Linear(width, 99, rngs=rngs), nnx.gelu, nnx.Linear(99, width, rngs=rngs)
        )
        self.drop = nnx.Dropout(rate, rngs=rngs)

    def __call__(self, x, *, train: bool):
        return self.drop(self.layers(x), deterministic=not train)


class Block(nnx.Module):
    def __init__(self, width: int, rate: float = 0.1, *, rngs: nnx.Rngs):
        self.norm = nnx.BatchNorm(width, rngs=rngs)
        self.attend = nnx.MultiHeadAttention(4, width, dropout_rate=rate, decode=False, rngs=rngs)
        self.mlp = Mlp(width, rate, rngs=rngs)

    def __call__(self, x, *, train: bool = False):
        x = x + self.attend(self.norm(x, use_running_average=train))
        return x + self.mlp(x, train=True)


class Noise(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs):
        self.rngs = rngs.fork()

    def __call__(self, x, train: bool):
        return x + jax.random.normal(self.rngs.noise(), x.shape)
"""
MODEL = """
from flax import nnx

from parts import Block, Noise


class Vit(nnx.Module):
    def __init__(self, depth: int, width: int, pool: bool = False, *, rngs: nnx.Rngs):
        self.embed = nnx.Conv(3, width, (4, 4), rngs=rngs)
        self.noise = Noise(rngs=rngs)
        self.blocks = nnx.List([Block(width, rngs=rngs) for _ in range(depth)])
        if pool:
            self.pool = nnx.Linear(width, width, rngs=rngs)
        self.head = nnx.Linear(width, 10, rngs=rngs)

    def __call__(self, x, train: bool):
        x = self.noise(self.embed(x), train)
        for block in self.blocks:
            x = block(x, train=train)
        return self.head(x)
"""
TREE = """\
Vit  vit.py:7  plain  train
├── embed: nnx.Conv  plain
├── noise: Noise  stochastic  train <- train, unused  draws noise
│   NNX207 `train` is never used: the call behaves the same in training and evaluation parts.py:32
├── blocks[*]: Block  plain  train <- train
│   ├── norm: nnx.BatchNorm  stateful  use_running_average <- train inverted  view use_running_average
│   │   NNX204 `use_running_average` is given the opposite of what it means: `self.norm` trains in evaluation and evaluates in training parts.py:24
│   ├── attend: nnx.MultiHeadAttention  stochastic  deterministic dropped  draws dropout  view batch_size, decode, deterministic, max_length
│   │   NNX201 `self.attend` is not told the mode that this code has: it behaves the same in training and evaluation parts.py:24
│   └── mlp: Mlp  plain  train fixed True
│       NNX206 the mode of `self.mlp` is fixed here, whatever the mode of this method parts.py:25
│       ├── layers: nnx.Sequential  plain
│       │   ├── layers[0]: nnx.Linear  plain
│       │   └── layers[2]: nnx.Linear  plain
│       └── drop: nnx.Dropout  stochastic  deterministic <- not train  draws dropout  view deterministic
├── pool: nnx.Linear  plain  maybe
└── head: nnx.Linear  plain

1 model, 13 layers: 3 stochastic, 1 stateful, 9 plain; 4 findings.
"""  # noqa: E501


@pytest.fixture
def vit(tmp_path: Path) -> Path:
    (tmp_path / "parts.py").write_text(PARTS)
    (tmp_path / "vit.py").write_text(MODEL)
    return tmp_path


def mapped(folder: Path, text: str, name: str | None = None) -> list[Layer]:
    """The trees of a file with that text."""
    path = folder / "model.py"
    path.write_text(f"import jax\nfrom flax import nnx\n\n{dedent(text)}")
    return trees(Linter(FolderSettings({}, "", isolated=True)), path, name)


def lines(models: list[Layer]) -> list[str]:
    """``path: class kind``, and what else there is of each layer below the model."""
    found = []
    left = [(child.name, child) for model in models for child in model.children]
    while left:
        path, layer = left.pop(0)
        told = [
            f"{one.flag} {one.how} {one.text}".strip() for call in layer.calls for one in call.told
        ]
        more = ["maybe"] * layer.maybe + told + [f"draws {name}" for name in layer.streams]
        found.append(" ".join([f"{path}: {layer.of or '?'} {layer.kind}", *more]))
        left = [(f"{path}.{child.name}", child) for child in layer.children] + left
    return found


# -- the tree ------------------------------------------------------------------------------------


def test_a_model_in_two_files(vit: Path) -> None:
    done = nnx_mode("map", "--isolated", "vit.py", cwd=vit)
    assert (done.returncode, done.stdout, done.stderr) == (0, TREE, "")


def test_one_class_of_a_file(vit: Path) -> None:
    done = nnx_mode("map", "--isolated", "parts.py:Mlp", cwd=vit)
    assert done.stdout.startswith("Mlp  parts.py:6  plain  train\n├── layers: nnx.Sequential")
    assert "Noise" not in done.stdout


def test_models_that_hold_no_other_come_in_their_order(vit: Path) -> None:
    models = trees(Linter(FolderSettings({}, "", isolated=True)), vit / "parts.py", None)
    assert [model.name for model in models] == ["Block", "Noise"]  # Mlp is part of Block


def test_what_is_not_known_is_said_to_be_so(tmp_path: Path) -> None:
    models = mapped(
        tmp_path,
        """
        from elsewhere import Strange, make

        class Net(nnx.Module):
            def __init__(self, backbone: nnx.Module, layers, *, rngs: nnx.Rngs):
                self.backbone = backbone
                self.layers = nnx.List(layers)
                self.made = make(8, rngs=rngs)
                self.width = 8

            def __call__(self, x, *, train: bool, **how):
                for layer in self.layers:
                    x = layer(x, **how)
                return self.made(self.backbone(x, train=train), deterministic=train)

        class Own(Strange):
            def __init__(self, *, rngs: nnx.Rngs):
                self.drop = nnx.Dropout(0.5, rngs=rngs)

            def __call__(self, x, **how):
                return self.drop(x, **how)
        """,
    )
    assert lines(models) == [
        "backbone: ? unknown maybe train forwarded train",
        "layers[*]: ? unknown",
        "made: ? unknown deterministic inverted train",
    ]
    (own,) = mapped(tmp_path, (tmp_path / "model.py").read_text(), "Own")
    assert (own.kind, own.view, own.note) == (
        *("unknown", None),
        "one of its base classes is not known",
    )
    assert lines([own]) == ["drop: Dropout stochastic deterministic unknown draws dropout"]


def test_layers_that_depend_on_how_the_model_is_built(tmp_path: Path) -> None:
    models = mapped(
        tmp_path,
        """
        class Net(nnx.Module):
            def __init__(self, kinds: list[str], *, norm: bool, rate: float = 0.0, rngs: nnx.Rngs):
                self.norm = nnx.BatchNorm(8, rngs=rngs) if norm else nnx.LayerNorm(8, rngs=rngs)
                self.extra = nnx.Linear(8, 8, rngs=rngs) if norm else None
                found = {}
                for kind in kinds:
                    if kind == "drop":
                        found[kind] = nnx.Dropout(rate, rngs=rngs)
                    else:
                        found[kind] = nnx.Linear(8, 8, rngs=rngs)
                self.stages = nnx.Dict(found)
                self.never = nnx.Dropout(0.0, rngs=rngs)
        """,
    )
    assert lines(models) == [
        "norm: BatchNorm stateful maybe",
        "norm: LayerNorm plain maybe",
        "extra: Linear plain maybe",
        "stages[*]: Dropout stochastic maybe draws dropout",
        "stages[*]: Linear plain maybe",
        "never: Dropout plain",
    ]


def test_what_layers_of_flax_are_made_of(tmp_path: Path) -> None:
    models = mapped(
        tmp_path,
        """
        class Cell(nnx.RNNCellBase):
            def __init__(self, width: int, *, rngs: nnx.Rngs):
                self.inner = nnx.GRUCell(width, width, rngs=rngs)
                self.drop = nnx.Dropout(0.1, rngs=rngs, rng_collection="cell")

            def __call__(self, carry, x):
                carry, y = self.inner(carry, x)
                return carry, self.drop(y)

        class Net(nnx.Module):
            def __init__(self, *, rngs: nnx.Rngs):
                self.both = nnx.Bidirectional(
                    nnx.RNN(Cell(8, rngs=rngs)), nnx.RNN(nnx.LSTMCell(8, 8, rngs=rngs))
                )
                self.bounded = nnx.SpectralNorm(nnx.Linear(8, 8, rngs=rngs), rngs=rngs)

            def __call__(self, x, *, train: bool):
                return self.bounded(self.both(x), update_stats=train)
        """,
    )
    assert lines(models) == [
        "both: Bidirectional plain",
        "both.forward_rnn: RNN plain",
        "both.forward_rnn.cell: Cell plain",
        "both.forward_rnn.cell.inner: GRUCell plain",
        "both.forward_rnn.cell.drop: Dropout stochastic deterministic default draws cell",
        "both.backward_rnn: RNN plain",
        "both.backward_rnn.cell: LSTMCell plain",
        "bounded: SpectralNorm stateful update_stats forwarded train",
        "bounded.layer_instance: Linear plain",
    ]


def test_attributes_whose_names_are_computed(tmp_path: Path) -> None:
    models = mapped(
        tmp_path,
        """
        class Net(nnx.Module):
            def __init__(self, depth: int, *, rngs: nnx.Rngs):
                for i in range(depth):
                    setattr(self, f"drop_{i}", nnx.Dropout(0.1, rngs=rngs))
                self.depth = depth

            def __call__(self, x, *, train: bool):
                for i in range(self.depth):
                    x = getattr(self, f"drop_{i}")(x, deterministic=not train)
                return x
        """,
    )
    assert lines(models) == [
        "drop_*: Dropout stochastic deterministic forwarded not train draws dropout"
    ]


def test_flags_of_a_class_body_come_in_one_order(tmp_path: Path) -> None:
    """Whatever the hash seed."""
    (model,) = mapped(
        tmp_path,
        """
        class Net(nnx.Module):
            use_running_average = True
            training = False
            is_training = False
            train = False
            deterministic = True

            def __call__(self, x):
                return x
        """,
    )
    names = [flag.name for flag in model.flags]
    assert names == ["deterministic", "is_training", "train", "training", "use_running_average"]


def test_modes_that_are_kept(tmp_path: Path) -> None:
    (model,) = mapped(
        tmp_path,
        """
        class Net(nnx.Module):
            def __init__(self, *, train: bool = True, rngs: nnx.Rngs):
                self.train = train
                self.drop = nnx.Dropout(0.1, deterministic=True, rngs=rngs)
                self.count = nnx.BatchStat(0)

            def __call__(self, x):
                self.count[...] += 1
                return self.drop(x, deterministic=not self.train)

            def encode(self, x, deterministic: bool = True):
                return self.drop(x, deterministic=not deterministic)

            def set_view(self, train: bool | None = None):
                if train is not None:
                    self.train = train
        """,
        "Net",
    )
    assert (model.kind, model.view) == ("stateful", ("train",))
    assert [(f.name, f.by, f.means, f.default, f.used) for f in model.flags] == [
        ("deterministic", "call", "eval", "True", True),
        ("train", "attribute", "train", "True", True),
    ]
    (drop,) = model.children
    assert [(f.name, f.default) for f in drop.flags] == [("deterministic", "True")]
    assert [(call.method, call.calls) for call in drop.calls] == [
        ("__call__", "__call__"),
        ("encode", "__call__"),
    ]
    assert [(one.how, one.text, one.sources) for call in drop.calls for one in call.told] == [
        ("forwarded", "not self.train", ("self.train",)),
        ("inverted", "not deterministic", ("deterministic",)),
    ]


def test_what_helpers_write_counts_where_they_are_called(tmp_path: Path) -> None:
    called, alone = mapped(
        tmp_path,
        """
        class Called(nnx.Module):
            def __init__(self):
                self.bias = nnx.Param(0.0)

            def initialize(self, x):
                self.bias[...] = x

            def __call__(self, x):
                self.initialize(x)
                return x + self.bias

        class Alone(nnx.Module):
            def __init__(self):
                self.bias = nnx.Param(0.0)

            def initialize(self, x):
                self.bias[...] = x

            def __call__(self, x):
                return x + self.bias
        """,
    )
    assert (called.kind, called.note) == ("stateful", "its calls write `bias`")
    assert (alone.kind, alone.note) == ("plain", "")


def test_streams_by_name(tmp_path: Path) -> None:
    (model,) = mapped(
        tmp_path,
        """
        class Net(nnx.Module):
            def __init__(self, key, *, rngs: nnx.Rngs):
                self.rngs = rngs
                self.stream = rngs.code
                self.key = nnx.Variable(key)

            def __call__(self, x):
                x = x + jax.random.normal(self.rngs.noise(), x.shape)
                x = x + jax.random.normal(self.rngs["jitter"](), x.shape)
                return x + jax.random.normal(self.stream(), x.shape)
        """,
    )
    assert (model.kind, model.streams) == ("stochastic", ("code", "jitter", "noise"))


def test_a_class_that_holds_itself(tmp_path: Path) -> None:
    (model,) = mapped(
        tmp_path,
        """
        class Tree(nnx.Module):
            def __init__(self, depth: int, *, rngs: nnx.Rngs):
                self.leaf = nnx.Linear(8, 8, rngs=rngs)
                self.below = Tree(depth - 1, rngs=rngs) if depth else None
        """,
    )
    deepest = list(walk([model]))[-1]
    assert (deepest.of, deepest.kind, deepest.children) == ("Tree", "unknown", ())
    assert deepest.note == "holds another Tree, and so on"


# -- much of it ----------------------------------------------------------------------------------


def wide(count: int) -> str:
    """A model of ``count`` classes of ten layers each."""
    block = """
class Block{n}(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs):
{built}
        self.drop = nnx.Dropout(0.{rate}, rngs=rngs)

    def __call__(self, x, *, train: bool):
        return self.drop(self.layer0(x), deterministic=not train)
"""
    built = "\n".join(f"        self.layer{i} = nnx.Linear(8, 8, rngs=rngs)" for i in range(8))
    text = "".join(block.format(n=n, built=built, rate=n % 9 + 1) for n in range(count))
    text += "\nclass Net(nnx.Module):\n    def __init__(self, *, rngs: nnx.Rngs):\n"
    text += "".join(f"        self.block{n} = Block{n}(rngs=rngs)\n" for n in range(count))
    text += "\n    def __call__(self, x, *, train: bool):\n"
    text += "".join(f"        x = self.block{n}(x, train=train)\n" for n in range(count))
    return text + "        return x\n"


def flat(count: int) -> str:
    """A model of ``count`` layers side by side."""
    text = "\nclass Net(nnx.Module):\n    def __init__(self, *, rngs: nnx.Rngs):\n"
    text += "".join(f"        self.drop{n} = nnx.Dropout(0.1, rngs=rngs)\n" for n in range(count))
    text += "\n    def __call__(self, x, *, train: bool):\n"
    text += "".join(f"        x = self.drop{n}(x, deterministic=not train)\n" for n in range(count))
    return text + "        return x\n"


def nested(count: int) -> str:
    """A model of layers within layers: each class holds the one above it twice."""
    text = "\nclass Net0(nnx.Module):\n    def __init__(self, *, rngs: nnx.Rngs):\n"
    text += "        self.drop = nnx.Dropout(0.1, rngs=rngs)\n"
    for n in range(1, count.bit_length() - 1):
        text += f"\nclass Net{n}(nnx.Module):\n    def __init__(self, *, rngs: nnx.Rngs):\n"
        text += "".join(f"        self.{side} = Net{n - 1}(rngs=rngs)\n" for side in "ab")
    return text


def work(folder: Path, text: str) -> tuple[int, int]:
    """The layers of a model, and the calls of functions that it takes to map it."""
    profile = cProfile.Profile()
    with profile:
        models = mapped(folder, text)
    return len(list(walk(models))), pstats.Stats(profile).total_calls  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "layers"),
    [(lambda n: wide(n // 10), 2001), (flat, 2001), (nested, 1535)],
    ids=["wide", "flat", "nested"],
)
def test_two_thousand_layers_take_eight_times_the_work_of_an_eighth(
    tmp_path: Path, text: Callable[[int], str], layers: int
) -> None:
    work(tmp_path, text(250))  # what is read once, such as modules of ours
    few, little = work(tmp_path, text(250))
    many, much = work(tmp_path, text(2000))
    assert many == layers
    assert much / little < 1.2 * many / few


def test_what_is_too_much_is_unknown_and_not_lost(tmp_path: Path) -> None:
    several = ", ".join(f"nnx.Linear({n}, {n}, rngs=rngs)" for n in range(1, 400))
    models = mapped(
        tmp_path,
        f"""
        class Net(nnx.Module):
            def __init__(self, *, rngs: nnx.Rngs):
                self.layers = nnx.List([{several}])
                self.stack = nnx.Sequential({several})
        """,
    )
    assert lines(models) == [
        "layers: ? unknown",
        "stack: Sequential plain",
        "stack.layers[*]: ? unknown",
    ]


def test_a_tree_that_is_too_deep_ends(tmp_path: Path) -> None:
    text = "class Net0(nnx.Module):\n    pass\n"
    for n in range(1, 150):
        text += f"class Net{n}(nnx.Module):\n    def __init__(self):\n"
        text += f"        self.inner = Net{n - 1}()\n"
    models = mapped(tmp_path, text)
    assert [model.name for model in models] == ["Net49", "Net149"]
    (deepest,) = [layer for layer in walk(models[1:]) if not layer.children]
    assert (deepest.kind, deepest.note) == ("unknown", "the model is too deep")


# -- the command ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("gone.py", None, "gone.py: cannot be read: No such file or directory"),
        ("bad.py", "from flax import nnx\nclass (:\n", "bad.py:2: cannot be parsed"),
        ("plain.py", "x = 1\n", "plain.py: it has nothing of flax.nnx"),
        ("none.py", "from flax import nnx\n", "none.py: there is no nnx module in it"),
        ("vit.py:Wit", MODEL, "vit.py: there is no nnx module Wit in it; there are Vit"),
        (".", None, ".: is a folder; name a file, such as model.py:Net"),
    ],
)
def test_what_cannot_be_mapped_says_why(
    tmp_path: Path, name: str, text: str | None, said: str
) -> None:
    if text is not None:
        (tmp_path / name.partition(":")[0]).write_text(text)
    done = nnx_mode("map", "--isolated", name, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_path_may_have_a_colon(tmp_path: Path) -> None:
    folder = tmp_path / "a:b"
    folder.mkdir()
    (folder / "model.py").write_text(PARTS)
    done = nnx_mode("map", "--isolated", "a:b/model.py:Noise", cwd=tmp_path)
    assert (done.returncode, done.stdout.split("  ")[:2]) == (0, ["Noise", "a:b/model.py:28"])


def test_json_and_html_go_to_a_file(vit: Path) -> None:
    assert nnx_mode("map", "--isolated", "--format", "json", "vit.py", "-o", "m.json", cwd=vit)
    (model,) = json.loads((vit / "m.json").read_text())["models"]
    assert [child["name"] for child in model["children"]] == [
        *("embed", "noise", "blocks[*]", "pool", "head")
    ]
    done = nnx_mode("map", "--isolated", "--format", "html", "vit.py", "-o", "m.html", cwd=vit)
    assert (done.returncode, done.stdout) == (0, "")
    assert "<title>Vit" in (vit / "m.html").read_text()


def test_colours_on_a_terminal_only(vit: Path) -> None:
    assert "\x1b[" in on_a_terminal(100, "map", "--isolated", vit / "vit.py")
    assert "\x1b[" not in nnx_mode("map", "--isolated", vit / "vit.py").stdout


def test_findings_are_those_of_check(vit: Path) -> None:
    """Also what is selected and silenced."""
    path = vit / "parts.py"
    path.write_text(path.read_text().replace("train=True)", "train=True)  # noqa: NNX206"))
    done = nnx_mode("map", "--isolated", "--ignore", "NNX207", "vit.py", cwd=vit)
    assert done.stdout.endswith("2 findings.\n")
    assert "NNX206" not in done.stdout
    assert "NNX207" not in done.stdout
