"""Linting by paths: nothing is raised, what is wrong has a place, processes change nothing."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flake8_nnx_mode.engine import FolderSettings
from flake8_nnx_mode.lint import Checked, Linter, check_all
from flake8_nnx_mode.model import Finding
from flake8_nnx_mode.selection import Selection
from flake8_nnx_mode.syntax.text import decoded

FORK = pytest.mark.skipif(
    multiprocessing.get_start_method() != "fork", reason="what is patched is so in forks only"
)
HEAD = "from flax import nnx\n"
NET = f"{HEAD}model = nnx.Dropout(0.5, rngs=nnx.Rngs(0))\nnnx.view(model, deterministic=True)\n"
"""One NNX307."""


def a_linter(*selections: Selection) -> Linter:
    return Linter(FolderSettings({}, "here"), selections)


def only(data: bytes | str) -> Finding:
    """The one finding in a file that holds ``data``."""
    data = data.encode() if isinstance(data, str) else data
    (finding,) = a_linter().check(Path("/nowhere/code.py"), data).findings
    return finding


def wrong(data: bytes | str) -> tuple[int, int, str]:
    """Line and column of the one NNX000, as Python counts them, and what it says."""
    finding = only(data)
    assert finding.code == "NNX000"
    assert finding.span.start == finding.span.end
    return finding.span.start.line, finding.span.start.column, finding.message


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("def (\n", 2, 4, "cannot parse this file: invalid syntax"),
        ("x = 'é'; y = '名'; def\n", 2, 18, "invalid syntax"),
        ("if 1:\n        x\n    y\n", 4, 5, "unindent does not match"),
        ("x = (\n\ny = 1\n", 2, 4, "'(' was never closed"),
        ("x = '''\n\n", 2, 4, "unterminated triple-quoted string"),
        (f"x = 1\ny = {'(' * 300}1{')' * 300}\n", 3, 204, "too many nested parentheses"),
        ("x = 1\nab\0c = 2\n", 3, 2, "there is a null byte in it; remove it"),
        ("x = 'é名\0'\n", 2, 7, "there is a null byte in it; remove it"),
        ("def (\n\0", 3, 0, "there is a null byte in it; remove it"),
        (f"x = {'1' * 5000}\n", 2, 0, "Exceeds the limit"),
    ],
)
def test_syntax_errors(text: str, line: int, column: int, says: str) -> None:
    at_line, at_column, message = wrong(HEAD + text)
    assert message.startswith(f"Python 3.{sys.version_info.minor}, which runs the linter, cannot")
    assert says in message
    assert at_line == line
    if sys.version_info < (3, 12) or "(" * 9 not in text:  # later ones count brackets otherwise
        assert at_column == column


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_pythons(end: str) -> None:
    text = f"{HEAD}x = '\x0b\x0c\u2028\x85'\ndef (\n".replace("\n", end)
    assert wrong(text)[:2] == (3, 4)
    assert wrong("\ufeff" + text)[:2] == (3, 4)


@pytest.mark.parametrize(
    ("data", "line", "column", "says"),
    [
        (b"# nnx \xff\n", 1, 6, "utf-8 has no such byte as 0xff"),
        (b"# nnx\n# \xe4\n", 2, 2, "utf-8 has no such byte as 0xe4"),
        (b"# nnx\n\n\n\nx = '\xe4'\n", 5, 5, "utf-8 has no such byte as 0xe4"),
        # Columns are characters, of which some are several bytes.
        ("# nnx\n\n\nx = 'é名'; y = '".encode() + b"\xe4'\n", 4, 15, "no such byte as 0xe4"),
        (b"\xef\xbb\xbf# nnx\r\n# \xe4", 2, 2, "utf-8 has no such byte as 0xe4"),
        (b"# nnx \xc3", 1, 6, "utf-8 has no such byte as 0xc3"),
        (b"# coding: ascii\n# nnx\nx = '\xc3\xa9'\n", 3, 5, "ascii has no such byte as 0xc3"),
        (b"# coding: cp1252\n# nnx\nx = '\xe9\x81'\n", 3, 6, "has no such byte as 0x81"),
        (b"# coding: utf-9\n# nnx\n", 1, 0, "unknown encoding: utf-9"),
        (b"# coding: hex\n# nnx\n", 1, 0, "'hex' is not a text encoding"),
        (b"\xef\xbb\xbf# coding: latin-1\n# nnx\n", 1, 0, "encoding problem: utf-8"),
        ("import flax.nnx\n".encode("utf-16"), 1, 0, "utf-8 has no such byte as 0xff"),
        ("import flax.nnx\n".encode("utf-32"), 1, 0, "utf-8 has no such byte as 0xff"),
    ],
)
def test_encodings(data: bytes, line: int, column: int, says: str) -> None:
    at_line, at_column, message = wrong(data)
    assert (at_line, at_column) == (line, column)
    assert message.startswith("this file cannot be decoded: ")
    assert says in message
    assert "save it as UTF-8" in message


@pytest.mark.parametrize("name", ["idna", "punycode", "undefined", "utf-7", "unicode_escape"])
def test_encodings_that_nobody_uses(name: str) -> None:
    checked = a_linter().check(
        Path("code.py"), f"# coding: {name}\nfrom flax import nnx\n".encode()
    )
    assert {finding.code for finding in checked.findings} <= {"NNX000"}


def test_what_is_not_about_nnx_is_not_looked_at() -> None:
    linter = a_linter()
    for data in (b"def (\n", b"\xff\n", b"x\0\n", "x\n".encode("utf-16"), b"# coding: hex\n", b""):
        assert linter.check(Path("code.py"), data) == Checked(Path("code.py"), "", ())


def test_latin_1_is_read() -> None:
    text = f"# coding: latin-1\n{NET}".replace("nnx.view", "é = 'ü'; nnx.view")
    assert only(text.encode("latin-1")) == only(text.replace("latin-1", "utf-8"))


DEEP = {
    "minus": "-" * 30_000 + "1",
    "attributes": "a" + ".b" * 30_000,
    "calls": "a" + ".b()" * 30_000,
    "sum": "1" + "+1" * 30_000,
}


@pytest.mark.parametrize("deep", DEEP)
@pytest.mark.parametrize(
    ("before", "line", "after"),
    [
        ("x = 1\ny = ", 3, "\nz = 1\n"),
        ("", 2, ""),
        ("'''\ntext\n'''\ny = ", 5, "\n"),
        ("x = [\n    1,\n]\n(\n    ", 5, "\n)\n"),
        ("x = 1\ndef f():\n    return 1\n\n\ndef g():\n    x = 1\n    return ", 7, "\nz = 1\n"),
        ("if x:\n    y = 1\nelse:\n    y = ", 2, "\n"),
        ("try:\n    y = 1\nexcept E:\n    y = ", 2, "\nfinally:\n    x\n"),
        ("x = 1\n@one\n@two(", 3, "\n)\nclass A:\n    pass\n"),
        ("async def f():\n    return ", 2, "\n"),
    ],
)
def test_what_is_nested_too_deeply(before: str, line: int, after: str, deep: str) -> None:
    """``ast`` raises MemoryError or RecursionError there, and says no place."""
    at_line, at_column, message = wrong(HEAD + before + DEEP[deep] + after)
    assert (at_line, at_column) == (line, 0)
    assert "cannot parse what is here: it is nested too deeply; split it up" in message


def test_a_long_chain_of_branches() -> None:
    text = f"{HEAD}x = 1\nif x:\n    y = 1\n" + "elif x:\n    y = 1\n" * 30_000
    assert wrong(text)[:2] == (3, 0)


def test_what_is_deep_but_not_too_deep() -> None:
    text = f"{NET}x = [{'[' * 150}{']' * 150}]\ny = a{'.b()' * 150}\nz = 1{'+1' * 300}\n"
    assert only(text).code == "NNX307"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "file").touch()
    linter = a_linter()

    def says(path: Path) -> str:
        checked = linter.check(path)
        (finding,) = checked.findings
        assert (checked.path, checked.text) == (path, "")
        assert (finding.code, finding.span.start.line) == ("NNX000", 1)
        return finding.message

    start = "this file cannot be read: "
    assert says(tmp_path / "gone.py") == f"{start}No such file or directory"
    assert says(tmp_path / "file" / "x.py") == f"{start}Not a directory"
    assert says(tmp_path / ("x" * 300)) == f"{start}File name too long"
    assert says(tmp_path / "folder.py").startswith(start)


AS_NOBODY = """
import sys
from pathlib import Path
from flake8_nnx_mode.engine import FolderSettings
from flake8_nnx_mode.lint import Linter
for finding in Linter(FolderSettings({}, "here")).check(Path(sys.argv[1])).findings:
    print(finding.code, finding.message)
"""


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    if not hasattr(os, "geteuid"):
        pytest.skip("Windows has no such files")
    file = tmp_path / "shut.py"
    file.write_text(NET)
    file.chmod(0)
    become: list[str] = []
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    if os.geteuid() == 0:  # may read everything
        become = ["setpriv", "--reuid=65534", "--clear-groups", "--"]
        needed = [*become, sys.executable, "-c", "import flake8, libcst"]
        if shutil.which("setpriv") is None or subprocess.run(needed, env=env).returncode:
            pytest.skip("nobody else may run this Python, or read its packages")
        for folder in (tmp_path, *tmp_path.parents):
            folder.chmod(0o755)
            if folder.name.startswith("pytest-of-"):
                break
    done = subprocess.run(
        [*become, sys.executable, "-c", AS_NOBODY, file], capture_output=True, text=True, env=env
    )
    assert done.stderr == ""
    assert done.stdout == "NNX000 this file cannot be read: Permission denied\n"


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[tool.nnx-mode]\ncolour = 'red'\n", "[tool.nnx-mode]: unknown setting 'colour'"),
        ("[tool.nnx-mode]\nselect = ['NNX9']\n", "select: there is no rule NNX9"),
        ("[tool.nnx-mode\n", "not valid TOML: "),
        ("nnx-mode = " + "[" * 5000, "not valid TOML: "),
        ("[tool]\nnnx-mode = 4\n", "[tool.nnx-mode] is not a table"),
    ],
)
def test_a_bad_pyproject_beside_the_file(tmp_path: Path, toml: str, says: str) -> None:
    (tmp_path / "pyproject.toml").write_text(toml)
    (finding,) = a_linter().check(tmp_path / "net.py", NET.encode()).findings
    assert (finding.code, finding.span.start.line) == ("NNX000", 1)
    assert says in finding.message
    assert a_linter().codes(tmp_path / "net.py") == frozenset()


def test_the_pyproject_is_that_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the path leads through another project."""
    for name in ("mine", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "net.py").write_text(NET)
    (tmp_path / "mine" / "pyproject.toml").write_text("[tool.nnx-mode]\nignore = ['NNX3']\n")
    monkeypatch.chdir(tmp_path / "mine")
    assert a_linter().check(Path("net.py")).findings == ()
    assert len(a_linter().check(Path("../other/net.py")).findings) == 1
    monkeypatch.chdir(tmp_path / "other")
    assert a_linter().check(Path("../mine/net.py")).findings == ()
    assert a_linter().check(Path("../other/../mine/net.py")).findings == ()


def test_nnx000_can_be_ignored(tmp_path: Path) -> None:
    for data in (b"def (\n# nnx", b"# nnx \xff"):
        for ignore in ("NNX000", "NNX0", "NNX"):
            assert a_linter(Selection(ignore=(ignore,))).check(Path("x.py"), data).findings == ()
        assert len(a_linter(Selection(select=("NNX1",))).check(Path("x.py"), data).findings) == 1
        (tmp_path / "pyproject.toml").write_text(
            "[tool.nnx-mode]\nper-file-ignores = {'bad/*' = ['NNX000']}\n"
        )
        assert a_linter().check(tmp_path / "bad" / "x.py", data).findings == ()
        assert len(a_linter().check(tmp_path / "x.py", data).findings) == 1


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Sixty files: with findings, without, broken, gone."""
    root = tmp_path_factory.mktemp("many")
    paths = []
    for number in range(60):
        path = root / f"f{number:02}.py"
        text = ("\n" * number + NET, "import os\n", "# nnx\n", f"{HEAD}def (\n")[number % 4]
        if number != 30:
            path.write_text(text)
        paths.append(path)
    return paths


def test_processes_change_nothing(many: list[Path]) -> None:
    alone = list(check_all(a_linter(), many, 1))
    assert [checked.path for checked in alone] == many
    assert sum(bool(checked.findings) for checked in alone) == 31
    for jobs in (2, 3, 100):
        assert list(check_all(a_linter(), many, jobs)) == alone
    backwards = many[::-1]
    assert list(check_all(a_linter(), backwards, 2)) == alone[::-1]


def test_no_files() -> None:
    assert list(check_all(a_linter(), [], 4)) == []


def test_nobody_wants_the_rest(many: list[Path]) -> None:
    checked = check_all(a_linter(), many * 5, 2)
    assert next(checked).path == many[0]
    checked.close()  # type: ignore[attr-defined]


@FORK
@pytest.mark.parametrize("killers", [[0], [33], [59], [7, 8, 40]])
def test_a_process_that_dies_costs_its_file_alone(
    many: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killers: list[int]
) -> None:
    wanted = list(check_all(a_linter(), many, 1))
    paths = list(many)
    for number in killers:
        paths[number] = tmp_path / f"killer{number}.py"
        paths[number].write_text("# nnx killer\n")

    def dies(data: bytes) -> str:
        if b"killer" in data:
            os._exit(1)
        return decoded(data)

    monkeypatch.setattr("flake8_nnx_mode.lint.decoded", dies)
    found = list(check_all(a_linter(), paths, 2))
    for number in killers:
        (finding,) = found[number].findings
        assert finding.code == "NNX000"
        assert finding.message == "the process that analysed this file died; please report it"
        assert (found[number].path, finding.span.start.line) == (paths[number], 1)
        found[number] = wanted[number]
    assert found == wanted


SLOW = """
import os, time
from flake8_nnx_mode import lint
from flake8_nnx_mode.cli.main import main
real = lint._check
def slow(path):
    if path.name == "f00.py":
        os.write(2, b"begun\\n")
        time.sleep(30)
    return real(path)
lint._check = slow
main()
"""


@FORK
def test_ctrl_c_ends_it(many: list[Path]) -> None:
    """As a terminal sends it: to all processes, those at work and those that wait for some."""
    folder = str(many[0].parent)
    command = [sys.executable, "-c", SLOW, "check", "--isolated", "-j4", folder]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "begun\n"
        time.sleep(1)
        begun = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        try:
            out, err = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert (out, err, process.returncode) == ("", "", 130)
    assert time.monotonic() - begun < 10
