"""Runtime confirmation: what is planned from paths, settings and comments."""

import ast
from pathlib import Path

import pytest

from conftest import FIXTURES, ROOT, lint
from flake8_nnx_mode.confirm import plan
from flake8_nnx_mode.confirm.builds import Builds
from flake8_nnx_mode.confirm.jobs import Job, Recipe, decode, encode
from flake8_nnx_mode.confirm.plan import Planner, Shard, sharded
from flake8_nnx_mode.engine import FolderSettings
from flake8_nnx_mode.files import Finder
from flake8_nnx_mode.fixes.apply import applied, moved
from flake8_nnx_mode.lint import Linter
from flake8_nnx_mode.model import Edit, Fix, Position, Span
from flake8_nnx_mode.selection import Selection

NET = """\
from flax import nnx
import jax


class Net(nnx.Module):
    def __init__(self, features, *, rngs: nnx.Rngs):
        self.key = rngs.dropout()

    def __call__(self, x, train):
        return x + jax.random.normal(self.key, x.shape) if train else x


def step(x):
    return x + jax.random.normal(jax.random.key(0), x.shape)
"""


@pytest.fixture(autouse=True)
def _oracles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "oracle_of", lambda code: None if code == "NNX305" else "noise")


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def a_planner(selection: Selection) -> Planner:
    settings = FolderSettings({}, "here")
    return Planner(Linter(settings, (selection,)), Finder(settings))


def planned(*paths: Path, selection: Selection | None = None) -> tuple[list[Job], list[str]]:
    planner = a_planner(selection or Selection())
    jobs = [planner.job(b, 0) for b in planner.batches(planner.sources(paths))]
    return [job for job in jobs if job is not None], planner.problems


def only_job(path: Path) -> Job:
    jobs, problems = planned(path)
    assert problems == []
    (job,) = jobs
    return job


def test_a_job_says_all_that_the_other_side_needs(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "pyproject.toml": "[tool.nnx-mode]\nmode-flags = ['noisy:train']\n",
            "src/pkg/__init__.py": "",
            "src/pkg/net.py": NET,
        },
    )
    job = only_job(tmp_path / "src")
    assert job.path == str(tmp_path / "src/pkg/net.py")
    assert job.text == NET
    assert job.module == "pkg.net"
    assert job.roots == (str(tmp_path / "src"), str(tmp_path))
    assert job.flags["noisy"] is True
    assert job.flags["deterministic"] is False
    (task,) = job.tasks
    assert (task.code, task.oracle, task.span.start.line) == ("NNX101", "noise", 10)
    assert decode(encode(job)) == job


@pytest.mark.parametrize(
    ("files", "target", "module", "start"),
    [
        ({"setup.py": ""}, "train.py", "train", "."),
        ({"setup.py": ""}, "scripts/train.py", "train", "scripts"),
        ({"setup.py": "", "lib/a/__init__.py": ""}, "lib/a/net.py", "a.net", "lib"),
        ({"a/__init__.py": "", "a/b/__init__.py": ""}, "a/b/__init__.py", "a.b", "."),
        ({"a/b/__init__.py": ""}, "a/b/net.py", "b.net", "a"),
    ],
)
def test_module_names(
    tmp_path: Path, files: dict[str, str], target: str, module: str, start: str
) -> None:
    write(tmp_path, {**files, target: NET})
    job = only_job(tmp_path / target)
    assert job.module == module
    assert job.roots[0] == str(tmp_path / start)


def test_a_package_without_init_is_named_from_the_root(tmp_path: Path) -> None:
    write(tmp_path, {"setup.py": "", "src/ns/net.py": f"from .other import x\n{NET}"})
    job = only_job(tmp_path / "src/ns/net.py")
    assert (job.module, job.roots[0]) == ("ns.net", str(tmp_path / "src"))


def test_each_fix_alone() -> None:
    file = FIXTURES / "nnx204.py"
    job = only_job(file)
    tasks = [task for task in job.tasks if task.fixed is not None]
    assert len(tasks) >= 20
    for task in tasks:
        assert task.fixed is not None
        assert task.fixed_span is not None
        left = [(f.code, f.span) for f in lint(task.fixed, file, selection=Selection())]
        assert len(left) == len(job.tasks) - 1
        assert (task.code, task.fixed_span) not in left
        assert task.fixed_span.start.line == task.span.start.line


def test_comments_pin(tmp_path: Path) -> None:
    text = NET + (
        "# nnx-confirm: Net(4, rngs=rngs)(x[2, 4], train=train)\n"
        "y = 1  # a note  # nnx-confirm: step(x[2, 4])\n"
        "text = '''\n# nnx-confirm: step(nonsense)\n'''\n"
    )
    job = only_job(write(tmp_path, {"net.py": text}) / "net.py")
    assert job.pins == {
        "Net": Recipe("4, rngs=rngs", "x[2, 4], train=train"),
        "step": Recipe(None, "x[2, 4]"),
    }


def test_the_table_pins_and_comments_win(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "pyproject.toml": (
                "[tool.nnx-mode.confirm.'net:Net']\n"
                "init = '8, rngs=rngs'\n"
                "call = 'x[2, 8], train=train'\n"
                "[tool.nnx-mode.confirm]\n"
                "'net:Outer.Inner' = {init = ''}\n"
                "'other:Unseen' = {init = '1'}\n"
            ),
            "net.py": f"{NET}# nnx-confirm: Net(4, rngs=rngs)\nclass Outer:\n class Inner: ...\n",
        },
    )
    assert only_job(tmp_path / "net.py").pins == {
        "Net": Recipe("4, rngs=rngs", "x[2, 8], train=train"),
        "Outer.Inner": Recipe("", None),
    }


@pytest.mark.parametrize(
    ("comment", "says"),
    [
        ("Net(4,, 5)", "cannot be read: 'Net(4,, 5)'; write how the class is built and called"),
        ("", "cannot be read: ''"),
        ("4", "cannot be read: '4'"),
        ("Gone(4)", "the file has no class or function `Gone`; it has Net, step"),
        ("step(1)(2)", "`step` is a function: nothing is built"),
        ("Net(4)\n# nnx-confirm: Net(5)", "`Net` has such a comment already"),
    ],
)
def test_bad_comments_are_named_and_nothing_stops(tmp_path: Path, comment: str, says: str) -> None:
    write(tmp_path, {"a.py": f"{NET}# nnx-confirm: {comment}\n", "b.py": NET})
    jobs, (problem,) = planned(tmp_path)
    line = 16 if "\n" in comment else 15
    assert problem.startswith(f"{tmp_path / 'a.py'}:{line}: nnx-confirm: {says}")
    assert len(jobs) == 2


@pytest.mark.parametrize(
    ("table", "line", "says"),
    [
        ("['net:Net']\ncall = 'x'\ninit = '4,, 5'", 3, "init takes the arguments of a call as a"),
        ("['net:Net']\ninit = '1)(2'", 2, "init takes the arguments of a call as a string"),
        ("['net:Net']\ninit = 4", 2, 'such as init = "4, rngs=rngs"; not 4'),
        ("['net:Net']\nbuild = '4'", 2, "unknown name 'build'; known are init and call"),
        ("['net:step']\ninit = '4'", 1, "`step` is a function"),
        ("['net:Gone']\ninit = '4'", 1, "the file has no class or function `Gone`"),
        ("['Net']\ninit = '4'", 1, 'is not "module:Class"'),
        ("]\n'net:Net' = '4'", 2, "is not a table; write init"),
    ],
)
def test_bad_entries_are_named_and_nothing_stops(
    tmp_path: Path, table: str, line: int, says: str
) -> None:
    file = tmp_path / "pyproject.toml"
    dotted = "" if table.startswith("]") else "."
    table = table.replace("['", "'").replace("']", "']") if dotted else table
    write(tmp_path, {"pyproject.toml": f"[tool.nnx-mode.confirm{dotted}{table}\n", "net.py": NET})
    jobs, (problem,) = planned(tmp_path)
    assert problem.startswith(f"{file}:{line}: [tool.nnx-mode.confirm] ")
    assert says in problem
    assert len(jobs) == 1


def test_confirm_is_a_table(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": "[tool.nnx-mode]\nconfirm = 4\n", "net.py": NET})
    assert planned(tmp_path)[1] == [
        f"{tmp_path / 'pyproject.toml'}: [tool.nnx-mode.confirm] is not a table"
    ]


def test_builds_are_those_of_the_project(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "setup.py": "",
            "net.py": NET,
            "a.py": "from net import Net as N\nimport net\nnet.Net(4, rngs=rngs)\nN(4, rngs=key)\n",
            "b/c.py": (
                "Net(width, activation=nnx.relu, shape=(1, -2 * 3), **more)\n"
                "Net(*many)\nNet()\nNet(f(1), rngs=nnx.Rngs(0))\n"
            ),
            "d.py": "class Net: ...\nNet('another one')\n",
            "e.py": "Net( is not Python\n",
            ".hidden/f.py": "Net('hidden')\n",
        },
    )
    assert only_job(tmp_path / "net.py").builds == {
        "Net": (
            "4, rngs=...",
            "..., activation=nnx.relu, shape=(1, -2 * 3)",
            "",
            "..., rngs=...",
        )
    }


def test_at_most_eight_builds(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "".join(f"Net({number})\n" for number in range(20)) + "Net(19)\n"})
    found = Builds().of("Net", tmp_path / "net.py", [tmp_path])
    assert found == ("19", "0", "1", "2", "3", "4", "5", "6")


def test_what_cannot_be_read_is_said_and_the_rest_is_planned(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "bad/net.py": NET,
            "bad/pyproject.toml": "[tool.nnx-mode]\nmarker = 4\n",
            "broken.py": f"{NET}def (\n",
            "good.py": NET,
        },
    )
    (tmp_path / "latin.py").write_bytes(b"# nnx \xe4\n")
    jobs, problems = planned(tmp_path)
    assert [job.module for job in jobs] == ["good"]
    assert len(problems) == 3
    assert "unknown setting 'marker'" in problems[0]
    assert problems[1].startswith(f"{tmp_path / 'latin.py'}: this file cannot be decoded: ")
    assert problems[2].startswith(f"{tmp_path / 'broken.py'}:15: Python 3.")


def test_shards_are_parts() -> None:
    planner = a_planner(Selection(select=("NNX1", "NNX3")))
    files = [FIXTURES / f"nnx{number}.py" for number in (101, 103, 105, 106, 304)]
    batches = list(planner.batches(planner.sources(files)))
    classes = {
        batch.source.path: [
            n for n in ast.parse(batch.source.text).body if isinstance(n, ast.ClassDef)
        ]
        for batch in batches
    }
    for count in (1, 2, 3, 7, 100):
        parts = [sharded(batches, Shard(number, count)) for number in range(1, count + 1)]
        found = [[(b.source.path, f) for b in part for f in b.findings] for part in parts]
        everything = [(b.source.path, f) for b in batches for f in b.findings]
        assert [finding for part in found for finding in part] == everything
        if count < 10:
            sizes = [len(part) for part in found]
            assert max(sizes) - min(sizes) < len(everything) / 5
        owners: dict[tuple[Path, int], set[int]] = {}
        for number, part in enumerate(found):
            for path, finding in part:
                for node in classes[path]:
                    if node.lineno <= finding.span.start.line <= (node.end_lineno or 0):
                        owners.setdefault((path, node.lineno), set()).add(number)
        assert len(owners) > 50
        assert all(len(numbers) == 1 for numbers in owners.values())


@pytest.mark.parametrize(
    ("edits", "text"),
    [
        ([(0, 1, "ABC")], "span"),
        ([(0, 0, "first\n")], "span"),
        ([(2, 2, "f(")], "span"),
        ([(6, 6, ")")], "span"),
        ([(2, 2, "f("), (6, 6, ")")], "span"),
        ([(3, 3, "--")], "s--pan"),
        ([(2, 6, "other")], "other"),
        ([(2, 6, "")], ""),
        ([(1, 3, "XY")], "XYpan"),
        ([(5, 8, "XY")], "spaXY"),
        ([(0, 9, "all\nof it")], "all\nof it"),
        ([(0, 1, ""), (3, 4, "PPP"), (8, 9, "")], "sPPPan"),
    ],
)
def test_a_span_moves_with_a_fix(edits: list[tuple[int, int, str]], text: str) -> None:
    def span(start: int, end: int) -> Span:
        return Span(Position(1, start), Position(1, end))

    line = "x=span+10"
    fix = Fix("safe", tuple(Edit(span(start, end), new) for start, end, new in edits))
    after = moved(span(2, 6), line, fix)
    lines = applied(line, [fix])[0].splitlines(keepends=True) or [""]
    first = sum(map(len, lines[: after.start.line - 1])) + after.start.column
    last = sum(map(len, lines[: after.end.line - 1])) + after.end.column
    assert "".join(lines)[first:last] == text


def test_planning_needs_no_jax() -> None:
    import subprocess
    import sys

    code = "import sys, flake8_nnx_mode.confirm.plan; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
