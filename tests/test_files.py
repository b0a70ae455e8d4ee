"""Which files are found: what git ignores, what is excluded, and odd things in folders."""

import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from flake8.main.cli import main as flake8_main
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from command import COMMAND
from flake8_nnx_mode import files, patterns
from flake8_nnx_mode.engine import FolderSettings
from flake8_nnx_mode.files import Finder, python_files

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
GIT = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
NET = "from flax import nnx\nnnx.view(nnx.Dropout(0.5), deterministic=True)\n"


def write(folder: Path, *names: str, **texts: str) -> Path:
    """Empty files, and files with a text; their folders come with them."""
    for name, text in {**dict.fromkeys(names, ""), **texts}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def finder(exclude: tuple[str, ...] = (), *, force: bool = False, gitignore: bool = True) -> Finder:
    return Finder(FolderSettings({}, "here"), exclude, force_exclude=force, gitignore=gitignore)


def found(root: Path, *paths: str, using: Finder | None = None) -> list[str]:
    """What is found in ``paths`` of ``root``, as seen from there."""
    named = [root / path for path in paths or (".",)]
    return [str(file.relative_to(root)) for file in (using or finder()).files(named)]


def test_files_of_folders(tmp_path: Path) -> None:
    wanted = ["a.py", "b/a.py", "b/c/d.py", "z.py"]
    skipped = [
        "a.txt",
        "a.pyi",
        "a.ipynb",
        ".hidden.py",
        ".git/a.py",
        ".tox/a.py",
        "b/__pycache__/a.py",
        "node_modules/a.py",
        "dist/a.py",
        "venv/a.py",
        "env/lib/a.py",
    ]
    write(tmp_path, *wanted, *skipped)
    (tmp_path / "env" / "pyvenv.cfg").touch()
    (tmp_path / "folder.py").mkdir()
    assert found(tmp_path, "z.py", ".", "b") == wanted
    assert found(tmp_path, "a.txt", "dist", ".hidden.py") == [".hidden.py", "a.txt", "dist/a.py"]
    assert found(tmp_path, "gone", "gone.py") == ["gone", "gone.py"]  # reading them says so


def test_a_folder_that_is_called_like_a_file(tmp_path: Path) -> None:
    write(tmp_path, "folder.py/a.py")
    assert found(tmp_path) == found(tmp_path, "folder.py") == ["folder.py/a.py"]


def test_each_file_once_by_the_first_of_its_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "b/x.py", "a.py")
    monkeypatch.chdir(tmp_path / "b")
    names = ["../b/x.py", "x.py", str(tmp_path / "b" / "x.py"), "..", "../a.py"]
    assert list(map(str, finder().files(map(Path, names)))) == ["../a.py", "../b/x.py"]
    assert list(map(str, finder().files([Path()]))) == ["x.py"]


def test_the_order_is_that_of_the_paths(tmp_path: Path) -> None:
    names = ["a-b/x.py", "a.py", "a/b.py", "a/b/c.py", "a_b.py", "A.py", "é.py"]
    write(tmp_path, *names)
    assert found(tmp_path) == sorted(names, key=lambda name: Path(name).parts)
    assert found(tmp_path, *reversed(names)) == found(tmp_path)


def test_what_one_walk_needs_is_a_generator(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "b/c.py")
    assert next(python_files(tmp_path)) == tmp_path / "a.py"


def repository(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "-C", folder, "init", "--quiet"], check=True)
    return folder


def by_git(root: Path) -> list[str]:
    """The Python files of a repository that git does not ignore, tracked or not."""
    listed = subprocess.run(
        ["git", "-C", root, "ls-files", "-z", "--others", "--cached", "--exclude-standard"],
        capture_output=True,
        check=True,
        env={**os.environ, "XDG_CONFIG_HOME": str(root / "none"), "HOME": str(root / "none")},
    )
    names = os.fsdecode(listed.stdout).split("\0")
    return sorted((name for name in names if name.endswith(".py")), key=lambda n: Path(n).parts)


FOLDERS = [
    "",
    *(a + b + c for a in ("a", "b", "lib") for b in ("", "/a", "/b") for c in ("", "/a")),
]
PATTERNS = """a b lib x.py *.py a.py * ** a/ b/ lib/ /a /b/ /x.py a/b a/b/ a/x.py **/a **/x.py a/**
a/**/x.py **/a/** a/* */x.py */ ?.py [ab].py [!a].py [^a].py [ab] /* /*/ **/ a/**/ a/**/*/ /a/**/b
/ // # #a \\#a \\!a l?b l* **a a** [ [] a[ \\ a\\ ! !! *.p[!c] lib/*.py a/**/b/ *** **/*.py b/x.py
a//b /** /**/ ./a a/. ../a *.p\\y x.p[z-a] x.p[x-z] a/? *a* \\* a\\b""".split()
LINES = st.lists(st.sampled_from([*PATTERNS, *(f"!{p}" for p in PATTERNS if p != "/"), "", "a "]))
IGNORES = st.dictionaries(st.sampled_from(FOLDERS), LINES, max_size=3)


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with files at many places."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    root = repository(tmp_path_factory.mktemp("forest"))
    return write(root, *(f"{folder}/{name}.py".lstrip("/") for folder in FOLDERS for name in "abx"))


def ignore(root: Path, ignores: dict[str, list[str]], info: list[str], end: str = "\n") -> None:
    """Write these .gitignore files and no others."""
    for file in root.rglob(".gitignore"):
        file.unlink()
    for folder, lines in ignores.items():
        text = "".join(line + end for line in lines)
        (root / folder / ".gitignore").write_text(text, encoding="utf-8", newline="")
    (root / ".git" / "info" / "exclude").write_text("".join(f"{line}\n" for line in info))
    files._patterns.cache_clear()


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(IGNORES, LINES)
@example({"": ["*", "!*/", "!*.py"]}, [])
@example({"": ["a/**", "!a/x.py"]}, [])
@example({"": ["lib/", "x.py"], "a": ["!lib/"]}, [])
@example({"": ["*.py"], "a": ["!b/"]}, [])
@example({"a": ["!x.py"]}, ["x.py"])
@example({"": ["/*", "!/a", "/a/*", "!/a/b"]}, [])
@example({"": ["**/a/**", "!a/b/**"]}, ["a/**/"])
def test_git_ignores_the_same(forest: Path, ignores: dict[str, list[str]], info: list[str]) -> None:
    ignore(forest, ignores, info)
    assert found(forest) == by_git(forest)


@GIT
@pytest.mark.parametrize("end", ["\r\n", "  \n", "\n\n# said\n"])
def test_line_ends_in_gitignore(forest: Path, end: str) -> None:
    ignore(forest, {"": ["/a", "*b.py", "!/b/b.py"]}, [], end)
    assert found(forest) == by_git(forest)
    assert len(found(forest)) < len(FOLDERS) * 2


@GIT
def test_odd_bytes_in_gitignore(forest: Path) -> None:
    for data in (b"\xef\xbb\xbf/a\n", b"\xff\xfe/\0a\0\n\0", b"\xe9.py\n/a\n", b"/a\r/b"):
        ignore(forest, {}, [])
        (forest / ".gitignore").write_bytes(data)
        assert found(forest) == by_git(forest), data


@GIT
def test_no_warning_for_a_pattern_with_two_brackets(forest: Path) -> None:
    ignore(forest, {"": ["[[a].py"]}, [])
    with warnings.catch_warnings(action="error"):
        assert found(forest) == by_git(forest)


@GIT
def test_a_folder_inside_is_seen_as_from_the_top(forest: Path) -> None:
    ignore(forest, {"": ["/a/b", "x.py"], "lib": ["!x.py"]}, ["b.py"])
    whole = by_git(forest)
    assert found(forest, "lib") == [name for name in whole if name.startswith("lib/")]
    assert found(forest, "a/a", "lib/b") == [
        name for name in whole if name.startswith(("a/a/", "lib/b/"))
    ]


@GIT
def test_what_is_named_is_not_ignored(forest: Path) -> None:
    ignore(forest, {"": ["/a", "a.py"]}, [])
    assert found(forest, "a.py", "a/b/x.py") == ["a/b/x.py", "a.py"]
    inside = found(forest, "a")
    assert "a/x.py" in inside  # the .gitignore that ignores the named folder does not count there
    assert "a/a.py" in inside
    ignore(forest, {"": ["/lib"], "lib": ["a.py"]}, [])
    assert "lib/a.py" not in found(forest, "lib")
    assert "lib/x.py" in found(forest, "lib")


@GIT
def test_tracked_files_are_ignored_too(tmp_path: Path) -> None:
    """git itself goes on with them; ruff and ripgrep do not ask it either."""
    root = write(repository(tmp_path), "a.py", "b.py", **{".gitignore": "a.py\n"})
    subprocess.run(["git", "-C", root, "add", "--force", "a.py"], check=True)
    assert by_git(root) == ["a.py", "b.py"]
    assert found(root) == ["b.py"]
    assert found(root, using=finder(gitignore=False)) == ["a.py", "b.py"]


def test_without_a_repository(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "b/c.py", "b/d.py", **{".gitignore": "a.py\n", "b/.gitignore": "d.py"})
    assert found(tmp_path) == ["b/c.py"]
    assert found(tmp_path, "b") == ["b/c.py"]


@GIT
def test_a_repository_in_a_repository(tmp_path: Path) -> None:
    root = write(repository(tmp_path), "a.py", "sub/a.py", "sub/b.py", **{".gitignore": "a.py\n"})
    repository(root / "sub")
    (root / "sub" / ".gitignore").write_text("b.py\n")
    assert by_git(root / "sub") == ["a.py"]
    assert found(root) == found(root, "sub") == ["sub/a.py"]


@GIT
def test_a_worktree_where_git_is_a_file(tmp_path: Path) -> None:
    root = write(repository(tmp_path / "main"), "a.py", "b/c.py", **{".gitignore": "/b\n"})
    git = ["git", "-C", str(root), "-c", "user.name=A", "-c", "user.email=a@b"]
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "first"], check=True)
    tree = tmp_path / "tree"
    subprocess.run([*git, "worktree", "add", "--quiet", tree], check=True)
    write(tree, "b/c.py", "d/b/e.py")
    assert (tree / ".git").is_file()
    assert found(tree) == by_git(tree) == ["a.py", "d/b/e.py"]
    assert found(tree, "d") == ["d/b/e.py"]


@pytest.mark.parametrize(
    "exclude",
    [
        "gen",
        "gen/",
        "./gen",
        "a.py",
        "./a.py",
        "src/gen",
        "*_pb2.py",
        "src/*",
        "s*,b.py",
        "src/gen/*",
    ],
)
def test_exclude_is_flake8s(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    exclude: str,
) -> None:
    names = ["a.py", "b.py", "gen/a.py", "gen/sub/c.py", "src/gen/a.py", "src/a_pb2.py", "src/b.py"]
    write(tmp_path, **dict.fromkeys(names, NET))
    monkeypatch.chdir(tmp_path)
    flake8_main(["-j1", "--isolated", "--select=NNX", "--exclude", exclude])
    wanted = {line.partition(":")[0] for line in capsys.readouterr().out.splitlines()}
    assert 0 < len(wanted) < len(names)
    anchored = patterns.anchored(exclude.split(","), tmp_path)
    assert {f"./{name}" for name in found(tmp_path, using=finder(anchored))} == wanted


def test_excluded_files_that_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "gen/a.py", "gen/sub/b.py", "src/gen.py", "src/c.py")
    named = ["gen/a.py", "gen/sub", "src/gen.py", "src/c.py"]
    for exclude in (("gen", "gen.py"), (f"{tmp_path}/gen", f"{tmp_path}/src/gen.py")):
        assert found(tmp_path, using=finder(exclude)) == ["src/c.py"]
        assert found(tmp_path, *named, using=finder(exclude)) == [
            "gen/a.py",
            "gen/sub/b.py",
            "src/c.py",
            "src/gen.py",
        ]
        assert found(tmp_path, *named, using=finder(exclude, force=True)) == ["src/c.py"]


def test_a_folder_around_the_project_is_not_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "tests/project/a.py", "tests/project/tests/b.py")
    monkeypatch.chdir(tmp_path / "tests" / "project")
    forced = finder(("tests",), force=True)
    assert list(map(str, forced.files([Path("a.py"), Path("tests/b.py")]))) == ["a.py"]


def test_each_project_of_a_monorepo_excludes_its_own(tmp_path: Path) -> None:
    table = "[tool.nnx-mode]\nexclude = {}\n"
    write(
        tmp_path,
        *("one/gen/a.py", "one/b.py", "two/gen/a.py", "two/b.py", "gen/a.py"),
        **{
            "one/pyproject.toml": table.format("['gen']"),
            "two/pyproject.toml": table.format("['./b.py', 'one/*']"),
        },
    )
    assert found(tmp_path) == ["gen/a.py", "one/b.py", "two/gen/a.py"]


def test_a_bad_pyproject_does_not_hide_its_folder(tmp_path: Path) -> None:
    write(tmp_path, "a/b.py", **{"a/pyproject.toml": "[tool.nnx-mode]\nexclude = 4\n"})
    assert found(tmp_path) == ["a/b.py"]


@POSIX
def test_links(tmp_path: Path) -> None:
    write(tmp_path, "real/a.py")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "b.py").symlink_to(tmp_path / "real" / "a.py")
    (tmp_path / "dangling.py").symlink_to(tmp_path / "gone.py")
    (tmp_path / "circle.py").symlink_to(tmp_path / "circle.py")
    assert found(tmp_path) == ["b.py", "real/a.py"]
    assert found(tmp_path, "linked", "circle.py") == ["circle.py", "linked/a.py"]


@POSIX
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    write(tmp_path, "a.py")
    os.mkfifo(tmp_path / "pipe.py")
    assert found(tmp_path) == ["a.py"]


@POSIX
def test_odd_names(tmp_path: Path) -> None:
    names = [
        "new\nline.py",
        "tab\t.py",
        "back\\slash.py",
        "*.py",
        "[a].py",
        " .py",
        "-.py",
        "ü名.py",
    ]
    try:
        (tmp_path / os.fsdecode(b"bytes\xff.py")).touch()
        names.append(os.fsdecode(b"bytes\xff.py"))
    except OSError:
        pass  # macOS takes no such names
    write(tmp_path, *names, **{".gitignore": "bytes*.txt\n"})
    assert found(tmp_path) == sorted(names)


@POSIX
def test_an_undecodable_name_is_reported(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"bytes\xff.py")).write_text(NET)
    except OSError:
        pytest.skip("macOS takes no such names")
    for form in ("concise", "text", "json", "github", "sarif"):
        done = subprocess.run(
            [*COMMAND, "check", "--format", form, "--isolated", tmp_path], capture_output=True
        )
        assert done.stderr == b""
        assert b"NNX307" in done.stdout
        assert done.returncode == 1


@POSIX
def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    name = tmp_path / ("x" * 300)
    assert finder().files([name]) == [name]


NOTHING = (sys.executable, "-c", "")
AS_NOBODY = """
import sys
from pathlib import Path
from flake8_nnx_mode.engine import FolderSettings, unread
from flake8_nnx_mode.files import Finder
finder = Finder(FolderSettings({}, "here"))
root = Path(sys.argv[1])
for file in finder.files([root, root / "shut" / "a.py"]):
    print(file.relative_to(root))
for folder, error in finder.unlisted.items():
    print(folder.relative_to(root), unread(error).message)
"""


@POSIX
def test_folders_that_may_not_be_read(tmp_path: Path) -> None:
    """`listed` may be listed but not entered, `shut` neither; reading what is named says so."""
    write(tmp_path, "open/a.py", "listed/a.py", "listed/b/c.py", "shut/a.py")
    become: list[str] = []
    modes = {"listed": 0o744, "shut": 0o700}
    if os.geteuid() == 0:  # may read everything
        become = ["setpriv", "--reuid=65534", "--clear-groups", "--"]
        if shutil.which("setpriv") is None or subprocess.run([*become, *NOTHING]).returncode:
            pytest.skip("nobody else may run this Python")
        for folder in (tmp_path, *tmp_path.parents):
            folder.chmod(0o755)
            if folder.name.startswith("pytest-of-"):
                break
    else:
        modes = {"listed": 0o444, "shut": 0}
    for name, mode in modes.items():
        (tmp_path / name).chmod(mode)
    try:
        done = subprocess.run(
            [*become, sys.executable, "-c", AS_NOBODY, tmp_path],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
    finally:
        for name in modes:
            (tmp_path / name).chmod(0o755)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "listed/a.py",
        "open/a.py",
        "shut/a.py",
        "listed/b this file cannot be read: Permission denied",
        "shut this file cannot be read: Permission denied",
    ]


def test_relative_folders_are_not_confused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, ignored in (("one", "a.py"), ("two", "b.py")):
        write(tmp_path / name, "sub/a.py", "sub/b.py", **{"sub/.gitignore": ignored})
        monkeypatch.chdir(tmp_path / name)
        left = {"a.py", "b.py"} - {ignored}
        assert {file.name for file in finder().files([Path()])} == left
