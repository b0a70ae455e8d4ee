"""Baselines: what is known stays hidden wherever it moves, and nothing else does."""

import json
import os
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT, lint
from flake8_nnx_mode.baseline import Baseline, BaselineError, Compared, Entry, read, write
from flake8_nnx_mode.lint import Checked
from flake8_nnx_mode.model import Finding, Position, Span

SCHEMA = json.loads((ROOT / "docs" / "baseline.schema.json").read_text(encoding="utf-8"))
TOP = "from flax import nnx\n"
MISTAKE = "nnx.view(model, deterministic=True)"
"""NNX307, in any function that has a ``model``."""


def function(name: str, *lines: str) -> str:
    return f"def {name}(model):\n" + "".join(f"    {line}\n" for line in lines)


def method(class_: str, name: str, *lines: str) -> str:
    body = "".join(f"        {line}\n" for line in lines)
    return f"class {class_}:\n    def {name}(self, model):\n{body}"


def checked(path: Path, text: str) -> Checked:
    return Checked(path, text, tuple(lint(text, path)))


def on_disk(folder: Path, texts: dict[str, str]) -> list[Checked]:
    """Write the files and check them; no other file is checked."""
    for name, text in texts.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    return [checked(folder / name, text) for name, text in sorted(texts.items())]


def flagged(files: Sequence[Checked]) -> list[tuple[str, int]]:
    return [(file.path.name, f.span.start.line) for file in files for f in file.findings]


def compared(file: Path, files: Sequence[Checked]) -> Compared:
    return read(file).without_known(files)


def content(file: Path) -> Any:
    whole = json.loads(file.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(SCHEMA).validate(whole)
    return whole["findings"]


F = TOP + function("f", MISTAKE, "return model")
TWO = TOP + function("f", MISTAKE, "model = 1", MISTAKE)
NET = TOP + method("Net", "call", MISTAKE) + "class Other:\n    pass\n"


@pytest.mark.parametrize(
    ("before", "after", "reported"),
    [
        pytest.param(F, F, [], id="unchanged"),
        pytest.param(F, TOP + "\nimport os\n\n" + F, [], id="lines above"),
        pytest.param(
            F + function("g", "pass"),
            TOP + function("g", "pass") + function("f", MISTAKE, "return model"),
            [],
            id="function moved to the end",
        ),
        pytest.param(
            NET,
            TOP + "class Net:\n    pass\n" + method("Other", "call", MISTAKE),
            [],
            id="method moved to another class",
        ),
        pytest.param(F, F.replace("def f", "def g"), [], id="function renamed"),
        pytest.param(NET, NET.replace("Net", "Model"), [], id="class renamed"),
        pytest.param(
            F, TOP + function("f", "if model:", f"    {MISTAKE}", "return model"), [], id="indented"
        ),
        pytest.param(F, F.replace("    ", "\t"), [], id="tabs"),
        pytest.param(F, F.replace("\n", "\r\n"), [], id="CRLF"),
        pytest.param(F, F.replace(", ", ",   "), [], id="spaces"),
        pytest.param(F, F.replace("True", "False"), [3], id="another source"),
        pytest.param(F, TOP + function("f", MISTAKE, MISTAKE), [4], id="copy behind it"),
        pytest.param(
            TOP + function("f", "model = 1", MISTAKE),
            TOP + function("f", MISTAKE, MISTAKE),
            [3],
            id="copy before it, where it has not moved",
        ),
        pytest.param(
            F, TOP + "\n\n" + function("f", MISTAKE, *["model = 1"] * 3, MISTAKE), [9], id="moved"
        ),
        pytest.param(
            F,
            TOP + function("g", MISTAKE) + function("f", MISTAKE, "return model"),
            [3],
            id="copy in a function before it, where it was",
        ),
        pytest.param(F, F + function("g", MISTAKE), [6], id="copy in a function behind it"),
        pytest.param(
            NET,
            TOP + method("Copy", "call", MISTAKE) + method("Net", "call", MISTAKE),
            [4],
            id="copied class",
        ),
        pytest.param(TWO, F, [], id="one of two is fixed"),
        pytest.param(TWO, TOP + function("f", *[MISTAKE] * 3), [4], id="three of two"),
        pytest.param(
            TWO, F + function("g", MISTAKE, MISTAKE), [7], id="one of two moves and is copied"
        ),
        pytest.param(TOP, F, [3], id="nothing known"),
        pytest.param(F, TOP, [], id="nothing found"),
    ],
)
def test_one_file(tmp_path: Path, before: str, after: str, reported: list[int]) -> None:
    file = tmp_path / "baseline.json"
    old = on_disk(tmp_path, {"net.py": before})
    write(file, old)
    new = on_disk(tmp_path, {"net.py": after})
    result = compared(file, new)
    assert flagged(result.files) == [("net.py", line) for line in reported]
    assert result.hidden == len(flagged(new)) - len(reported)
    assert len(result.stale) == len(flagged(old)) - result.hidden


def laid_out(folder: Path, code: str) -> list[Checked]:
    """A file that ends with ``code``, in the last character of which something is found."""
    text = f"import a\n\n{code}"
    here = Position(text.count("\n") + 1, len(text) - text.rindex("\n") - 2)
    finding = Finding(Span(here, Position(here.line, here.column + 1)), "NNX307", "")
    return [Checked(folder / "net.py", text, (finding,))]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = f(a, b)", "x = f(\n    a,\n    b,\n)"),
        ("x = f(a, b)", "x=f( a,b )"),
        ("x = f(a, b)", "x = f(  # why\n    a,\n    # what\n    b\n)"),
        ("x = f(a, b)", "x = (\n    f(a, b)\n)"),
        ("x = f(a, b)", "x = \\\n    f(a, b)"),
        ("x = f(a, b)", "x = f(a,\r\n  b)"),
        ("f(a); x", "f(a)\nx"),
        ("if a: x", "if a:\n    x"),
        ("if a or b:\n    pass\nx", "if (\n    a\n    or b\n):\n    pass\nx"),
        ("x = a or b and c", "x = a or (b and c)"),
        ("x, = a", "(x,) = a"),
        ("x = a[1]", "x = a[1,]"),
        ("f('a', b[\"c\"])", "f(\"a\", b['c'])"),
        (r"f('it\'s', b)", 'f("it\'s", b)'),
        ("f('é # a', b)", "f(\n    'é # a',  # 'b\n    b\n)"),
        ('f("a " "b", c)', 'f("a b", c)'),
        ("f(.5, 1., 0., 10.)", "f(0.5, 1.0, 0.0, 10.0)"),
        (f"f({'a, ' * 100})", f"f({'a, ' * 99} a)"),
        # Short enough to be kept as a whole, and not.
        (f"f({'a,' * 98})", f"f({'a, ' * 98})"),
    ],
)
def test_layout_does_not_matter(tmp_path: Path, one: str, other: str) -> None:
    file = tmp_path / "baseline.json"
    for before, after in ((one, other), (other, one)):
        write(file, laid_out(tmp_path, before))
        known = content(file)
        result = compared(file, laid_out(tmp_path, after))
        assert (flagged(result.files), result.hidden, result.stale) == ([], 1, [])
        write(file, laid_out(tmp_path, after))
        assert content(file) == known


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = f(a)", "x = f(b)"),
        ("x = f(a)", "y = f(a)"),
        ("x = f(a, b)", "x = f(b, a)"),
        ("x = f(a, b)", "x = f(ab)"),
        ("x = f(a, b)", "x = f(a, *b)"),
        ("x = a + b", "x = a - b"),
        ("x = a.b", "x = a, b"),
        ("x = f(1)", "x = f(10)"),
        ("x = f(0.5)", "x = f(0.05)"),
        ("x = f(0.5)", "x = f(5)"),
        ("x = f(0)", "x = f()"),
        ("x = a[0]", "x = a[1]"),
        ("x = f('# a')", "x = f('# b')"),
        ("x = f('a')", "x = f('a # b')"),
        ("x = [\n    a,\n    1]", "x = [\n    b,\n    1]"),
        (f"f({'a, ' * 100})", f"f({'a, ' * 101})"),
    ],
)
def test_all_else_in_a_statement_does(tmp_path: Path, one: str, other: str) -> None:
    file = tmp_path / "baseline.json"
    for before, after in ((one, other), (other, one)):
        write(file, laid_out(tmp_path, before))
        assert (compared(file, laid_out(tmp_path, after))).hidden == 0


def test_layout_does_not_matter_where_something_moves(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    before = on_disk(tmp_path, {"a.py": F, "b.py": F})
    wrapped = F.replace("view(", "view(\n        ")
    write(file, before)
    (tmp_path / "b.py").unlink()
    after = on_disk(tmp_path, {"a.py": wrapped.replace("def f", "def g"), "c.py": wrapped})
    result = compared(file, after)
    assert (flagged(result.files), result.hidden, result.stale) == ([], 2, [])


UNFORMATTED = """
from flax import nnx
import jax
from functools import partial

class Net(nnx.Module):
  def __init__(self, rngs: nnx.Rngs):
    self.drop = nnx.Dropout(.5, rngs = rngs); self.training = True
  def set_view(self, level : 'float|None' = None, training: (bool | None) = None):
    self.level = (level or self.level) # kept
    if (training or self.training): self.training = training
  def __call__(self, x):
    return self.drop(x)

@partial(jax.jit, static_argnames = ('size',),)
def call(model: Net, x, size,):
    return model(x)

def f(model, size,):
  nnx.view(model, deterministic=True); nnx.view(model, # which
     deterministic = (True))
  if size: nnx.view(model, only = 'drop', deterministic=(not(size)),); return None
  size, = size; (nnx.view(model, training=True))
  nnx.view \\
    (model, training=True)
"""


def test_ruff_brings_nothing_back(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    write(file, on_disk(tmp_path, {"net.py": UNFORMATTED}))
    known = content(file)
    codes = "NNX305 NNX303 NNX302 NNX303 NNX212 NNX401" + " NNX307" * 5
    assert [entry["code"] for entry in known] == codes.split()
    joined = ("--line-length=320", "--config=format.skip-magic-trailing-comma=true")
    for options in ((), ("--line-length=30",), joined, ("--config=format.quote-style='single'",)):
        command = [sys.executable, "-m", "ruff", "format", "--isolated", *options, "-"]
        done = subprocess.run(
            command, input=UNFORMATTED, capture_output=True, text=True, check=True, cwd=tmp_path
        )
        assert done.stdout != UNFORMATTED
        files = on_disk(tmp_path, {"net.py": done.stdout})
        result = compared(file, files)
        assert (flagged(result.files), result.hidden, result.stale) == ([], len(known), [])
        write(file, files)
        assert content(file) == known


def test_what_is_known_stays_as_it_was_written(tmp_path: Path) -> None:
    """So an import that is added rewrites nothing, and two branches can be merged."""
    file = tmp_path / "baseline.json"
    text = TWO + function("g", MISTAKE) + function("h", MISTAKE)
    write(file, on_disk(tmp_path, {"net.py": text}))
    before = content(file)
    assert [entry["line"] for entry in before] == [3, 5, 7, 9]
    # Five lines more; `f` has another mistake, `g` another name, and `h` is laid out otherwise.
    another = MISTAKE.replace("True", "False")
    text = "import os\n" * 5 + text.replace("def g", "def other").replace("model = 1", another)
    text = text.removesuffix(f"{MISTAKE}\n") + MISTAKE.replace(", ", ",\n").replace(")", ",)\n")
    files = on_disk(tmp_path, {"net.py": text})
    assert flagged(compared(file, files).files) == [("net.py", 9)]
    write(file, files)
    after = [
        *before[:2],
        before[0] | {"line": 9, "source": another},
        before[3],
        before[2] | {"line": 12, "scope": "other"},
    ]
    assert content(file) == after
    first = file.read_bytes()
    write(file, files)
    assert file.read_bytes() == first


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (TWO, TOP + function("f", MISTAKE, "model = 1", "model.eval()"), 5),
        (TWO, TOP + function("f", "model.eval()", "model = 1", MISTAKE), 3),
        (TWO, TOP + "\n" + function("f", "model.eval()", "model = 1", MISTAKE), 3),
        (F, F.replace("True", "False"), 3),
        (F, "", 3),
    ],
)
def test_an_entry_is_stale_where_the_mistake_is_no_more(
    tmp_path: Path, before: str, after: str, line: int
) -> None:
    file = tmp_path / "baseline.json"
    write(file, on_disk(tmp_path, {"net.py": before}))
    assert compared(file, on_disk(tmp_path, {"net.py": after})).stale == [
        Entry("net.py", line, "NNX307", "f", MISTAKE)
    ]


def test_what_is_not_alike_is_not_known(tmp_path: Path) -> None:
    """One thing differs at a time: path, code, source; the message may."""
    text = TOP + function("f", MISTAKE)
    file = tmp_path / "baseline.json"
    (known,) = on_disk(tmp_path, {"net.py": text})
    write(file, [known])
    (finding,) = known.findings
    other = Checked(tmp_path / "other.py", text, known.findings)
    assert compared(file, [known, other]).files == [replace(known, findings=()), other]
    coded = replace(known, findings=(replace(finding, code="NNX308"),))
    assert compared(file, [coded]).files == [coded]
    said = replace(known, findings=(replace(finding, message="in other words"),))
    assert compared(file, [said]).files == [replace(known, findings=())]


def test_a_renamed_file_keeps_its_entries(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    write(file, on_disk(tmp_path, {"net.py": F, "other.py": NET}))
    (tmp_path / "net.py").unlink()
    files = on_disk(tmp_path, {"pkg/new.py": "# moved\n" + F, "other.py": NET})
    result = compared(file, files)
    assert (flagged(result.files), result.hidden, result.stale) == ([], 2, [])
    assert write(file, files) == 2
    assert [entry["path"] for entry in content(file)] == ["other.py", "pkg/new.py"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (F.replace("def f", "def g"), "NNX307"),
        (F.replace("True", "False"), "NNX307"),
        (F, "NNX308"),
    ],
)
def test_in_a_renamed_file_all_else_must_be_the_same(tmp_path: Path, text: str, code: str) -> None:
    file = tmp_path / "baseline.json"
    write(file, on_disk(tmp_path, {"net.py": F}))
    (tmp_path / "net.py").unlink()
    (new,) = on_disk(tmp_path, {"new.py": text})
    new = replace(new, findings=(replace(new.findings[0], code=code),))
    result = compared(file, [new])
    assert result.files == [new]
    assert [entry.path for entry in result.stale] == ["net.py"]


def test_a_renamed_and_copied_file_is_known_once(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    write(file, on_disk(tmp_path, {"net.py": F}))
    (tmp_path / "net.py").unlink()
    result = compared(file, on_disk(tmp_path, {"a.py": F, "b.py": F}))
    assert (len(flagged(result.files)), result.hidden, result.stale) == (1, 1, [])


def test_a_copied_file_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    original = on_disk(tmp_path, {"net.py": F})
    write(file, original)
    copy = on_disk(tmp_path, {"copy.py": F})
    assert flagged(compared(file, copy + original).files) == [("copy.py", 3)]
    assert flagged(compared(file, copy).files) == [("copy.py", 3)]


def test_a_file_that_was_checked_is_not_gone() -> None:
    """It may be in a folder that nobody may look into, or was never saved."""
    folder = Path("/nowhere")
    known = Baseline(folder, (Entry("net.py", 3, "NNX307", "f", MISTAKE),))
    copy = checked(folder / "copy.py", F)
    result = known.without_known([Checked(folder / "net.py", "", ()), copy])
    assert (flagged(result.files), len(result.stale)) == ([("copy.py", 3)], 1)
    assert flagged(known.without_known([copy]).files) == []


def test_what_is_stale_is_in_order(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    write(file, on_disk(tmp_path, {"a.py": F, "b.py": TWO + function("A", MISTAKE)}))
    (tmp_path / "a.py").unlink()
    stale = compared(file, on_disk(tmp_path, {"b.py": TOP})).stale
    assert [(e.path, e.line) for e in stale] == [("a.py", 3), ("b.py", 3), ("b.py", 5), ("b.py", 7)]


def test_a_folder_in_place_of_a_file_is_no_file(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    write(file, on_disk(tmp_path, {"net.py": F}))
    (tmp_path / "net.py").unlink()
    result = compared(file, on_disk(tmp_path, {"net.py/code.py": F}))
    assert (result.hidden, result.stale) == (1, [])


def test_all_files_come_back_in_their_order(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    files = on_disk(tmp_path, {"a.py": F, "b.py": TOP, "c.py": TWO})[::-1]
    write(file, files[1:])
    result = compared(file, files)
    assert result.files == [files[0], files[1], replace(files[2], findings=())]


@pytest.mark.parametrize("name", ["net.py", "./net.py", "../src/net.py", "{}/src/net.py", "ln.py"])
def test_a_file_is_known_by_all_its_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    file = tmp_path / "conf" / "baseline.json"
    file.parent.mkdir()
    files = on_disk(tmp_path, {"src/net.py": F})
    (tmp_path / "src" / "ln.py").symlink_to("net.py")
    write(file, files)
    assert [entry["path"] for entry in content(file)] == ["../src/net.py"]
    monkeypatch.chdir(tmp_path / "src")
    text = files[0].text
    now = [checked(Path(name.format(tmp_path)), text)]
    for known in (file, Path("../conf/baseline.json")):
        result = compared(known, now)
        assert (flagged(result.files), result.hidden, result.stale) == ([], 1, [])
    assert write(Path("../conf/baseline.json"), now) == 1
    assert [entry["path"] for entry in content(file)] == ["../src/net.py"]


def test_a_file_with_two_names_is_one_file(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    files = on_disk(tmp_path, {"net.py": F})
    (tmp_path / "ln.py").symlink_to("net.py")
    twice = [*files, checked(tmp_path / "ln.py", F)]
    assert write(file, twice) == 1
    assert flagged(compared(file, twice).files) == []
    more = F + function("g", MISTAKE)
    twice = [checked(tmp_path / name, more) for name in ("net.py", "ln.py")]
    assert flagged(compared(file, twice).files) == [("net.py", 6), ("ln.py", 6)]


def test_a_baseline_with_two_names_is_one_baseline(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    link = tmp_path / "link.json"
    link.symlink_to("conf/baseline.json")
    write(link, on_disk(tmp_path, {"net.py": F}))
    assert link.is_symlink()
    assert [entry["path"] for entry in content(tmp_path / "conf/baseline.json")] == ["../net.py"]
    assert read(link) == read(tmp_path / "conf/baseline.json")
    assert compared(link, on_disk(tmp_path, {"net.py": F})).hidden == 1


def test_a_project_may_move(tmp_path: Path) -> None:
    write(tmp_path / "a" / "baseline.json", on_disk(tmp_path / "a", {"src/net.py": F}))
    (tmp_path / "a").rename(tmp_path / "b")
    files = [checked(tmp_path / "b" / "src" / "net.py", F)]
    assert compared(tmp_path / "b" / "baseline.json", files).hidden == 1


def test_another_drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def relpath(path: Path, start: Path) -> str:
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    file = tmp_path / "baseline.json"
    files = on_disk(tmp_path, {"net.py": F})
    monkeypatch.setattr(os.path, "relpath", relpath)
    write(file, files)
    assert [entry["path"] for entry in content(file)] == [(tmp_path / "net.py").as_posix()]
    assert compared(file, files).hidden == 1
    assert (compared(file, []).hidden, compared(file, []).stale) == (0, [])


def test_what_was_not_checked_is_neither_stale_nor_dropped(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    write(file, on_disk(tmp_path, {"a.py": TWO, "b.py": F, "gone.py": NET}))
    before = content(file)
    (tmp_path / "gone.py").unlink()
    some = on_disk(tmp_path, {"b.py": TOP + F})
    result = compared(file, some)
    assert (flagged(result.files), result.hidden) == ([], 1)
    assert [entry.path for entry in result.stale] == ["gone.py"]
    assert write(file, some) == 3
    assert content(file) == before[:3]
    assert compared(file, on_disk(tmp_path, {"a.py": TWO})).hidden == 2


def test_equal_entries_are_all_kept(tmp_path: Path) -> None:
    """Two mistakes in a line have entries that are the same in everything."""
    file = tmp_path / "baseline.json"
    (net,) = on_disk(tmp_path, {"net.py": TOP + function("f", f"{MISTAKE}; {MISTAKE}")})
    assert len(net.findings) == 2
    assert write(file, [net]) == 2
    assert write(file, on_disk(tmp_path, {"other.py": TOP})) == 2
    one = replace(net, findings=net.findings[:1])
    assert (compared(file, [one]).hidden, len(compared(file, [one]).stale)) == (1, 1)


def test_rules_that_did_not_run_are_neither_stale_nor_dropped(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    (net,) = on_disk(tmp_path, {"net.py": F})
    (finding,) = net.findings
    write(file, [replace(net, findings=(finding, replace(finding, code="NNX401")))])
    nothing = [replace(net, findings=())]
    stale = read(file).without_known(nothing, {"NNX307", "NNX101"}).stale
    assert [entry.code for entry in stale] == ["NNX307"]
    assert write(file, nothing, {"NNX307", "NNX101"}) == 1
    assert [entry["code"] for entry in content(file)] == ["NNX401"]
    (tmp_path / "net.py").unlink()
    assert read(file).without_known([], {"NNX307"}).stale == []
    assert len(read(file).without_known([]).stale) == 1


@pytest.mark.parametrize("code", ["NNX000", "NNX001"])
def test_what_is_no_rule_is_never_hidden(tmp_path: Path, code: str) -> None:
    file = tmp_path / "baseline.json"
    (net,) = on_disk(tmp_path, {"net.py": F})
    said = Finding(Span(Position(2, 0), Position(2, 0)), code, "something about line 2")
    both = replace(net, findings=(said, *net.findings))
    assert write(file, [both]) == 1
    assert [entry["code"] for entry in content(file)] == ["NNX307"]
    entry = Entry("net.py", 2, code, "f", "def f(model):")
    by_hand = Baseline(tmp_path, (entry, *read(file).entries))
    result = by_hand.without_known([both])
    assert (result.files, result.hidden) == ([replace(net, findings=(said,))], 1)


def test_entries_of_what_cannot_be_analysed_stay(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    write(file, on_disk(tmp_path, {"net.py": TWO, "other.py": F}))
    broken = on_disk(tmp_path, {"net.py": TWO + "def (\n", "other.py": TOP})
    assert [f.code for f in broken[0].findings] == ["NNX000"]
    result = compared(file, broken)
    assert [entry.path for entry in result.stale] == ["other.py"]
    assert result.files == broken
    assert write(file, broken) == 2
    assert compared(file, on_disk(tmp_path, {"net.py": TWO})).hidden == 2


@pytest.mark.parametrize(
    ("text", "line", "scope"),
    [
        ("x", 1, ""),
        ("def f():\n  x\ny", 1, "f"),
        ("def f():\n  x\ny", 2, "f"),
        ("def f():\n  x\ny", 3, ""),
        ("class A:\n  x", 2, "A"),
        ("class A:\n  async def f():\n    x\n  y", 3, "A.f"),
        ("class A:\n  async def f():\n    x\n  y", 4, "A"),
        ("class A:\n  class B:\n    def f(): x", 3, "A.B.f"),
        ("def f():\n  def g():\n    class A:\n      x", 4, "f.<locals>.g.<locals>.A"),
        ("class A:\n  @d(\n    x)\n  @e\n  def f(): y", 2, "A.f"),
        ("@d\nclass A: x", 1, "A"),
        ("if a:\n  b\nelse:\n  for c in d:\n    def f():\n      x", 6, "f"),
        ("try: a\nexcept B:\n  def f(): x", 3, "f"),
        ("match a:\n  case b:\n    def f(): x", 3, "f"),
        ("def f():\r  x", 2, "f"),
        ("def f():\n  '''\n\x0c\u2028x'''\n  y\nz", 4, "f"),
        ("def f():\n  '''\n\x0c\u2028x'''\n  y\nz", 5, ""),
        ("def f():\n  x\n  (", 2, ""),
        ("def f():\n  x\0", 2, ""),
    ],
)
def test_scopes(tmp_path: Path, text: str, line: int, scope: str) -> None:
    finding = Finding(Span(Position(line, 0), Position(line, 1)), "NNX307", "")
    file = tmp_path / "baseline.json"
    write(file, [Checked(tmp_path / "net.py", text, (finding,))])
    assert [entry["scope"] for entry in content(file)] == [scope]


def test_thousands_of_branches_have_a_scope(tmp_path: Path) -> None:
    branches = "".join(f"    elif a == {number}:\n        pass\n" for number in range(2000))
    text = f"def f(a):\n    if a:\n        pass\n{branches}        def g(): x\n"
    line = text.count("\n")
    finding = Finding(Span(Position(line, 0), Position(line, 1)), "NNX307", "")
    file = tmp_path / "baseline.json"
    write(file, [Checked(tmp_path / "net.py", text, (finding,))])
    assert [entry["scope"] for entry in content(file)] == ["f.<locals>.g"]


@pytest.mark.parametrize(
    ("text", "place", "source"),
    [
        ("a; b = 1 ; c", (1, 3), "b = 1"),
        ("a; b = 1 ; c", (1, 7), "b = 1"),
        ("a = [\n  1]; b", (2, 3), "a = [ 1]"),
        ("a = [\n  1]; b", (2, 4), "1]; b"),
        ("a\nb = [\n\t1,\r\n\n  2]  # c \nd\n", (3, 1), "b = [ 1, 2]"),
        ("f(a,# b\nc)", (2, 0), "f(a, c)"),
        ("f(a,# b\rc)", (2, 0), "f(a, c)"),
        ("f('''a\n  # b\n''')", (1, 0), "f('''a # b ''')"),
        ("f('é', 'λ'); g(  # é\n  x)", (1, 13), "g( x)"),
        ("if a:  # b\n\n    # c\n    d", (1, 3), "if a:"),
        ("if a: b", (1, 3), "if a:"),
        ("if a: b", (1, 6), "b"),
        ("if a:\n  b\nelif c: d", (3, 5), "elif c:"),
        ("for a in b:\n  c\nelse: d", (3, 6), "d"),
        ("try:\n  a\nexcept (B,\n  C): d\nfinally: e", (4, 2), "except (B, C):"),
        ("match a:\n  case b if c: d", (2, 15), "d"),
        ("match a:\n  case b: c\n  case d if e: f  # g", (3, 12), "case d if e: f"),
        ("class A(B,\n  C):\n  @d\n  def f(): x", (1, 6), "class A(B, C):"),
        ("class A(B,\n  C):\n  @d\n  def f(): x", (3, 3), "@d"),
        ("class A(B,\n  C):\n  @d\n  def f(): x", (4, 2), "def f():"),
        ("@(  # a\n  b)\n@ c\nasync def f(): x", (2, 2), "@( b"),
        ("@(  # a\n  b)\n@ c\nasync def f(): x", (3, 0), "@ c"),
        ("@(  # a\n  b)\n@ c\nasync def f(): x", (4, 0), "async def f():"),
        # What no statement holds.
        ("# a\nb", (1, 0), ""),
        ("'a'  # b\n\nc", (2, 0), ""),
        ("if a:\n  b\nelse:  # c\n  d", (3, 0), "else:"),
        # What is not Python.
        ("a  b (  # c\n", (1, 0), "a b ("),
    ],
)
def test_the_source_is_the_statement(
    tmp_path: Path, text: str, place: tuple[int, int], source: str
) -> None:
    here = Position(*place)
    finding = Finding(Span(here, replace(here, column=here.column + 1)), "NNX307", "")
    file = tmp_path / "baseline.json"
    write(file, [Checked(tmp_path / "net.py", text, (finding,))])
    assert [entry["source"] for entry in content(file)] == [source]


def test_a_statement_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a table of thousands of models would take hours."""
    read_so_far = []
    tokens = tokenize.generate_tokens

    def counted(readline: Callable[[], str]) -> Iterator[tokenize.TokenInfo]:
        read_so_far.append(readline)
        return tokens(readline)

    text = "x = [\n" + "f(),\n" * 9 + "]\ny\n"
    findings = tuple(
        Finding(Span(Position(line, 0), Position(line, 1)), "NNX307", "") for line in range(2, 13)
    )
    monkeypatch.setattr("tokenize.generate_tokens", counted)
    write(tmp_path / "baseline.json", [Checked(tmp_path / "net.py", text, findings)])
    assert len(read_so_far) == 2


def test_without_statements_the_source_is_all_lines_of_the_span(tmp_path: Path) -> None:
    text = "a\n  b = [\n\t1,\r\n\n  2]  # c \nd\n"
    finding = Finding(Span(Position(2, 4), Position(5, 1)), "NNX307", "")
    file = tmp_path / "baseline.json"
    write(file, [Checked(tmp_path / "net.py", text, (finding,))])
    assert [entry["source"] for entry in content(file)] == ["b = [ 1, 2]"]


def test_a_long_source_is_cut_and_stays_unlike_others(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    span = Span(Position(1, 0), Position(1, 1))

    def long(end: str) -> list[Checked]:
        return [Checked(tmp_path / "net.py", "x" * 300 + end, (Finding(span, "NNX307", ""),))]

    write(file, long("a"))
    (entry,) = content(file)
    assert entry["source"].startswith("x" * 150)
    assert len(entry["source"]) <= 200
    assert compared(file, long("a")).hidden == 1
    assert compared(file, long("b")).hidden == 0
    exact = [Checked(tmp_path / "net.py", "y" * 200, (Finding(span, "NNX307", ""),))]
    write(file, exact)
    assert content(file)[0]["source"] == "y" * 200


def test_what_is_written(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    text = TOP + method("Größe", "call", f"{MISTAKE}, 'λ\t\\n'  # why") + function("f", MISTAKE)
    files = on_disk(tmp_path, {"pkg/größe.py": text, "pkg/a.py": F})
    assert write(file, files[::-1]) == 3
    assert (
        file.read_bytes().decode()
        == """\
{
  "version": 1,
  "findings": [
    {
      "path": "pkg/a.py",
      "line": 3,
      "code": "NNX307",
      "scope": "f",
      "source": "nnx.view(model, deterministic=True)"
    },
    {
      "path": "pkg/größe.py",
      "line": 4,
      "code": "NNX307",
      "scope": "Größe.call",
      "source": "nnx.view(model, deterministic=True), 'λ \\\\n'"
    },
    {
      "path": "pkg/größe.py",
      "line": 6,
      "code": "NNX307",
      "scope": "f",
      "source": "nnx.view(model, deterministic=True)"
    }
  ]
}
"""
    )
    assert len(content(file)) == 3
    assert sorted(os.listdir(tmp_path)) == ["baseline.json", "pkg"]


def test_an_empty_baseline(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    assert write(file, []) == 0
    assert content(file) == []
    assert read(file) == Baseline(Path(os.path.realpath(tmp_path)), ())


def test_lone_surrogates(tmp_path: Path) -> None:
    """Names of files that are not UTF-8 have them, and some encodings of source."""
    file = tmp_path / "baseline.json"
    findings = (Finding(Span(Position(1, 0), Position(1, 1)), "NNX307", ""),)
    files = [
        Checked(tmp_path / "a\udcff.py", "x = '\ud83d'", findings),
        Checked(tmp_path / "b.py", "\ud83d" * 300, findings),
    ]
    assert write(file, files) == 2
    assert r'"a\udcff.py"' in file.read_text(encoding="utf-8")
    result = compared(file, files)
    assert (flagged(result.files), result.hidden, result.stale) == ([], 2, [])
    assert len(compared(file, []).stale) == 2


def test_entries_of_a_merged_file_are_put_in_order(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    files = on_disk(tmp_path, {"a.py": F, "b.py": TWO})
    write(file, files)
    entries = read(file).entries
    whole = {"version": 1, "findings": content(file)[::-1]}
    file.write_text(json.dumps(whole), encoding="utf-8-sig")
    assert read(file).entries == entries


GOOD = {"path": "a.py", "line": 1, "code": "NNX307", "scope": "", "source": "x"}


BROKEN = '{\n"version": 1,\n"findings": [\n'


def put(file: Path, data: object) -> None:
    text = data if isinstance(data, bytes | str) else json.dumps(data)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("", ": empty"),
        ("\ufeff \n", ": empty"),
        (BROKEN, ":4: not JSON: Expecting value"),
        (BROKEN + "}", ":4: not JSON: Expecting value"),
        ("\ufeff " + BROKEN, ":4: not JSON: Expecting value"),
        (BROKEN + '{"source": "x = \'=======\'"', ":4: not JSON: Expecting ',' delimiter"),
        (BROKEN.encode() + b"\xff", ": not JSON: 'utf-8' codec can't decode byte 0xff"),
        (BROKEN + "[" * 100_000, ": not JSON: maximum recursion depth exceeded"),
        (BROKEN + "1" * 5_000, ": not JSON: Exceeds the limit"),
        ({"version": 2, "findings": []}, ": its version is 2, and only 1 can be read"),
        ({"version": 2, "findings": {}}, ": its version is 2, and only 1 can be read"),
        ({"version": 1, "findings": [GOOD, 4]}, ": finding 2 lacks one of path, line, code, scope"),
        *(
            ({"version": 1, "findings": [GOOD | {name: value}]}, ": finding 1 lacks one of path, ")
            for name, value in {
                "path": None,
                "line": "1",
                "code": 307,
                "scope": None,
                "source": 1,
            }.items()
        ),
        ({"version": 1, "findings": [{"path": "a.py"}]}, ": finding 1 lacks one of path, "),
    ],
)
def test_bad_files(tmp_path: Path, data: object, says: str) -> None:
    file = tmp_path / "baseline.json"
    put(file, data)
    with pytest.raises(BaselineError) as raised:
        read(file)
    message = str(raised.value)
    assert message.startswith(f"{file}{says}")
    assert message.endswith("; write it anew with --write-baseline")
    assert "\n" not in message
    assert write(file, on_disk(tmp_path, {"net.py": F})) == 1
    assert len(content(file)) == 1


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (BROKEN + "<<<<<<< HEAD\n=======\n>>>>>>> other\n", 4),
        (BROKEN + "\r\n||||||| 1a2b3c4\r\n=======\r\n", 5),
        (BROKEN + "=======\n", 4),
        (BROKEN + "{}\n>>>>>>> other\n", 5),
        (f"<<<<<<< HEAD\n{BROKEN}", 1),
        (f"\ufeff\n<<<<<<< HEAD\n{BROKEN}", 2),
    ],
)
def test_merge_conflicts(tmp_path: Path, data: str, line: int) -> None:
    file = tmp_path / "baseline.json"
    put(file, data)
    todo = "merge conflict markers; take one side, then --write-baseline"
    with pytest.raises(BaselineError) as raised:
        read(file)
    assert str(raised.value) == f"{file}:{line}: {todo}"
    assert write(file, on_disk(tmp_path, {"net.py": F})) == 1
    assert len(content(file)) == 1


@pytest.mark.parametrize(
    "data",
    [
        '[project]\nname = "net"\nversion = "1"\n',
        '{"version": version, "names": names}\n',
        'print({"version": 1, "findings": []})\n',
        "<<<<<<< HEAD\nimport a\n=======\nimport b\n>>>>>>> other\n",
        "x",
        '{"version": ',
        '{"findings": [',
        b"\xff",
        b"\0",
        "[" * 100_000,
        "1" * 5_000,
        [],
        {},
        "null",
        GOOD,
        {"version": 1},
        {"version": 2},
        {"findings": []},
        {"version": 1, "findings": {}},
        # That is a report, `--format json`.
        {"version": "0.1.0", "findings": []},
        {"version": None, "findings": []},
    ],
)
def test_files_of_another_kind_are_neither_read_nor_overwritten(
    tmp_path: Path, data: object
) -> None:
    file = tmp_path / "pyproject.toml"
    put(file, data)
    before = file.read_bytes()
    message = f"{file} is not a baseline; name another file, or delete it"
    with pytest.raises(BaselineError) as raised:
        read(file)
    assert str(raised.value) == message
    with pytest.raises(BaselineError) as raised:
        write(file, [])
    assert str(raised.value) == message
    assert file.read_bytes() == before


def test_what_cannot_be_read_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder that one may write to, one can replace what one must not read."""
    file = tmp_path / "baseline.json"
    put(file, "mine")

    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(BaselineError) as raised:
        write(file, [])
    assert str(raised.value) == f"{file}: cannot be read: Permission denied"
    assert file.read_text() == "mine"


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no such thing here")
def test_a_device_is_no_empty_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flake8_nnx_mode.atomic.replace", lambda file, data: None)
    with pytest.raises(BaselineError, match="/dev/null is not a baseline"):
        write(Path("/dev/null"), [])


def test_a_good_file_is_read(tmp_path: Path) -> None:
    """What the bad ones are variations of."""
    file = tmp_path / "baseline.json"
    file.write_text(json.dumps({"version": 1, "findings": [GOOD]}))
    assert read(file).entries == (Entry("a.py", 1, "NNX307", "", "x"),)


def test_there_is_no_file(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    with pytest.raises(BaselineError) as raised:
        read(file)
    assert str(raised.value) == f"{file}: no such file; write it with --write-baseline"


def test_a_file_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(BaselineError) as raised:
        read(tmp_path)
    assert str(raised.value) == f"{tmp_path}: cannot be read: Is a directory"
    nowhere = tmp_path / "nowhere" / "baseline.json"
    with pytest.raises(BaselineError) as raised:
        write(nowhere, [])
    assert str(raised.value) == f"{nowhere}: cannot be written: No such file or directory"
    assert os.listdir(tmp_path) == []


def test_writing_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "baseline.json"
    write(file, on_disk(tmp_path, {"net.py": F}))
    before = file.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("flake8_nnx_mode.atomic.os.fsync", full)
    with pytest.raises(BaselineError) as raised:
        write(file, [])
    assert str(raised.value) == f"{file}: cannot be written: No space left on device"
    assert file.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["baseline.json", "net.py"]


LINES = st.sampled_from(
    ["def f():", "class A:", "    def g():", "    x", "        x", "y", "", "é\udcff", "z" * 300]
)
FINDINGS = st.builds(
    lambda line, more, column, code: Finding(
        Span(Position(line, column), Position(line + more, column + 1)), code, "message"
    ),
    st.integers(1, 12),
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from(["NNX101", "NNX307"]),
)
FILES = st.dictionaries(
    st.sampled_from(["a.py", "b.py", "pkg/a.py"]),
    st.tuples(
        st.lists(LINES, max_size=12).map("\n".join),
        st.sets(FINDINGS, max_size=12).map(sorted).map(tuple),
    ),
)
Files = dict[str, tuple[str, tuple[Finding, ...]]]


def as_checked(folder: Path, files: Files) -> list[Checked]:
    return [Checked(folder / name, text, findings) for name, (text, findings) in files.items()]


def total(files: Sequence[Checked]) -> int:
    return sum(len(file.findings) for file in files)


@given(FILES, st.data())
def test_a_baseline_hides_what_it_was_written_from(
    tmp_path_factory: pytest.TempPathFactory, given_files: Files, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("any")
    file = folder / "baseline.json"
    files = as_checked(folder, given_files)
    assert write(file, files) == total(files)
    first = file.read_bytes()
    result = compared(file, files)
    assert (total(result.files), result.hidden, result.stale) == (0, total(files), [])
    write(file, files[::-1])
    assert file.read_bytes() == first

    one_more = data.draw(FINDINGS)
    number = data.draw(st.integers(0, len(files)))
    if number < len(files) and one_more not in files[number].findings:
        more = (*files[number].findings, one_more)
        files[number] = replace(files[number], findings=tuple(sorted(more)))
        result = compared(file, files)
        assert (total(result.files), result.stale) == (1, [])


@given(FILES, FILES)
def test_each_entry_hides_one_finding_at_most(old: Files, new: Files) -> None:
    folder = Path("/nowhere")
    before, after = as_checked(folder, old), as_checked(folder, new)
    known = Baseline(folder, tuple(Baseline(folder, ()).without_known(before).anew))
    result = known.without_known(after)
    assert result.hidden + total(result.files) == total(after)
    assert result.hidden + len(result.stale) == total(before)
    assert len(result.anew) == total(after)
    anew = Baseline(folder, tuple(result.anew)).without_known(after)
    assert (total(anew.files), anew.stale) == (0, [])


@given(FILES, st.integers(0, 3))
def test_what_moves_down_stays_hidden(files: Files, lines: int) -> None:
    folder = Path("/nowhere")

    def down(place: Position) -> Position:
        return Position(place.line + lines, place.column)

    moved = {
        name: (
            "\n" * lines + text,
            tuple(replace(f, span=Span(down(f.span.start), down(f.span.end))) for f in findings),
        )
        for name, (text, findings) in files.items()
    }
    before = as_checked(folder, files)
    known = Baseline(folder, tuple(Baseline(folder, ()).without_known(before).anew))
    result = known.without_known(as_checked(folder, moved))
    assert (total(result.files), result.hidden) == (0, total(before))
