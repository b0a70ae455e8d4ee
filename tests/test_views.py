"""What `nnx.view_info` reads in docstrings: ours against Flax's."""

import inspect
import random

import pytest
from flax import nnx

from flake8_nnx_mode.facts.views import documented

PIECES = [
    *("Args:", "Returns:", "Arguments:", "Keyword Args:", "Args: ", "Raises:", "Summary."),
    *("a: x", "b: y", "a", "a.", "b : y", "a (int): x", ":a: x", "this: m", "", "\r"),
]
INDENTS = ["", " ", "  ", "   ", "    ", "\t", "      "]


def read_by_flax(doc: str, names: list[str]) -> bool:
    """Whether `nnx.view_info` shows a `set_view` with this docstring and these parameters."""

    class Layer(nnx.Module):
        def set_view(self) -> None: ...

    parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    parameters += [
        inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=None) for n in names
    ]
    Layer.set_view.__doc__ = doc
    Layer.set_view.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    try:
        nnx.view_info(Layer())
    except KeyError:
        return False
    return True


def read_by_us(doc: str, names: list[str]) -> bool:
    return documented(inspect.cleandoc(doc)) >= set(names)


@pytest.mark.parametrize(
    ("doc", "read"),
    [
        ("Summary.\n\n    Args:\n      a: x\n      b: y\n", True),
        ("Summary.\n\n    Args:\n        a: x\n        b: y\n", False),
        ("Summary.\n\n    Args:\n      a: x\n", False),
        ("Summary.\n\n    Args:\n      a (bool): x\n      b (bool): y\n", False),
        ("Summary.\n\n    Parameters\n    ----------\n    a : x\n    b : y\n", False),
        ("Do.\n\n    Args:\n      a: x\n        more\n\n      b: y\n    Returns:\n      z\n", True),
        ("Summary.", False),
        ("", False),
    ],
)
def test_layouts(doc: str, read: bool) -> None:
    assert read_by_flax(doc, ["a", "b"]) is read
    assert read_by_us(doc, ["a", "b"]) is read


def test_docstrings_at_random() -> None:
    chance = random.Random(0)
    seen = set()
    for _ in range(2000):
        lines = (
            chance.choice(INDENTS) + chance.choice(PIECES) + chance.choice(["\n", "\n", "\n\n", ""])
            for _ in range(chance.randrange(10))
        )
        doc, names = "".join(lines), chance.sample(["a", "b", "this"], chance.randint(1, 2))
        read = read_by_flax(doc, names)
        seen.add(read)
        assert read_by_us(doc, names) is read, (doc, names)
    assert seen == {True, False}
