"""Odd folders on disk, and what the real commands make of them, run in several ways."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from crash_files import HEAD, NET
from flake8_nnx_mode.codes import NOT_ANALYSED
from flake8_nnx_mode.engine import FolderSettings
from flake8_nnx_mode.files import Finder
from flake8_nnx_mode.lint import Linter, check_all
from flake8_nnx_mode.selection import EVERYTHING

ROOT = Path(__file__).parent.parent
SECONDS = 120.0
"""What a command may take with one of these folders."""
SOURCE = HEAD + NET
WRONG = SOURCE.replace("self.drop(x)", "self.drop(x, train=train)")
_WITHOUT = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
"""Root may read everything; not so without these rights."""


@dataclass
class Tree:
    """A folder that was written, and what is to be said of it."""

    root: Path
    unclear: set[str] = field(default_factory=set)
    """The files that must have an NNX000; no other may have one."""
    prefix: tuple[str, ...] = ()
    """What runs the commands."""

    def write(self, name: str, text: str | bytes) -> Path:
        """Write one of its files."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path


def _links(tree: Tree) -> None:
    """Links to folders around them, to nothing, and to each other."""
    tree.write("inner/net.py", SOURCE + "from loop.net import Net as Same\n")
    (tree.root / "inner" / "up").symlink_to(tree.root)
    (tree.root / "loop").symlink_to("inner")
    (tree.root / "self").symlink_to("self")
    (tree.root / "a.py").symlink_to("b.py")
    (tree.root / "b.py").symlink_to("a.py")
    (tree.root / "nothing.py").symlink_to("nowhere.py")
    (tree.root / "pkg").mkdir()
    (tree.root / "pkg" / "__init__.py").symlink_to("__init__.py")
    tree.write(
        "main.py",
        f"{SOURCE}import a, pkg, self\nfrom nothing import Base\nfrom b import *\n"
        "class More(Base, a.Net, pkg.Net): pass\n",
    )


def _unreadable(tree: Tree) -> None:
    """Files and folders that may not be read."""
    tree.write("shut.py", SOURCE).chmod(0)
    tree.write("folder/net.py", SOURCE)
    tree.write(
        "main.py", SOURCE + "from shut import Base\nimport folder.net\nclass A(Base): pass\n"
    )
    (tree.root / "folder").chmod(0)
    tree.unclear = {"shut.py", "folder"}
    if os.geteuid() == 0:
        tree.prefix = _WITHOUT


def _named_like_files(tree: Tree) -> None:
    """Folders that are called x.py, and a pipe that never ends."""
    tree.write("net.py/__init__.py", SOURCE)
    tree.write("net.py/x.py/inner.py", SOURCE)
    tree.write("net/__init__.py/inner.py", SOURCE)
    tree.write("pyproject.toml", "[tool.nnx-mode]\n")
    os.mkfifo(tree.root / "pipe.py")
    tree.write(
        "main.py",
        f"{SOURCE}import net, pipe\nfrom net import Base\nfrom pipe import Other\n"
        "class More(Base, Other, pipe.Third): pass\n",
    )


def _cycles(tree: Tree) -> None:
    """Files that import and inherit from each other in circles, and a package that has itself."""
    for name, other in ("ab", "bc", "ca"):
        tree.write(
            f"{name}.py",
            f"{HEAD}from {other} import *\nfrom {other} import Net{other} as Base, f{other}\n"
            f"{NET.replace('Net(nnx.Module)', f'Net{name}(Base)')}\n"
            f"def f{name}(m, train): return f{other}(m, train=train)\n",
        )
    itself = "import pkg\nfrom pkg import *\nfrom . import *\nfrom . import pkg, Net as Base\n"
    tree.write("pkg/__init__.py", HEAD + itself + "from .mod import Net\nfrom pkg.pkg import pkg\n")
    tree.write(
        "pkg/mod.py", SOURCE + itself + "from .mod import Net as B2\nclass A(pkg.A, B2): 1\n"
    )


def _deep(tree: Tree) -> None:
    """A class 1,000 files above the last of those that inherit from it."""
    tree.write("m0.py", SOURCE.replace("Net(", "C0("))
    for n in range(1, 1_000):
        tree.write(
            f"m{n}.py", f"from m{n - 1} import C{n - 1}\nclass C{n}(C{n - 1}):\n    x = {n}\n"
        )
    tree.write("net.py", f"{HEAD}from m999 import C999\nm = C999(nnx.Rngs(0))\nm(1, train=True)\n")
    tree.write("far/net.py", HEAD + "from m.m import m\n" * 500 + WRONG)


def _encodings(tree: Tree) -> None:
    """Files as their first lines say, or not, that they are encoded; some import others."""
    text = SOURCE + "name = 'é€'\n"
    for name in ("utf-8", "utf-8-sig", "cp1252", "iso8859-15", "mac-roman", "gb18030"):
        tree.write(f"{name.replace('-', '_')}.py", f"# coding: {name}\n{text}".encode(name))
    tree.write("bare.py", text.encode("cp1252"))
    tree.write("wrong.py", f"# coding: ascii\n{text}")
    tree.write("nonsense.py", f"# coding: nonsense\n{text}")
    tree.write("wide.py", text.encode("utf-16"))
    tree.write("null.py", text + "\0")
    tree.write("lone.py", (SOURCE + "x = '\ud800'\n").encode("utf-8", "surrogatepass"))
    tree.unclear = {f"{name}.py" for name in ("bare", "wrong", "nonsense", "wide", "null", "lone")}
    imports = "".join(f"from {name.stem} import Net as {name.stem}_\n" for name in _listed(tree))
    tree.write("main.py", SOURCE + imports + "class A(cp1252_, bare_, wide_): pass\n")


def _names(tree: Tree) -> None:
    """File names that need care."""
    for name in (
        "-x.py",
        "a b.py",
        "a:1.py",
        "é.py",
        "%s.py",
        "{x}.py",
        "[a].py",
        "x" * 240 + ".py",
    ):
        tree.write(name, WRONG)
    Path(os.fsdecode(os.fsencode(tree.root) + b"/\xff.py")).write_text(WRONG)
    tree.write("line\nend.py", SOURCE)


def _code(tree: Tree) -> None:
    """Much ordinary code, and some that is broken."""
    for folder in ("tests/fixtures", "examples"):
        shutil.copytree(ROOT / folder, tree.root / folder)
    for number in range(8):
        tree.write(f"broken/f{number}.py", SOURCE + "def (\n")
        tree.unclear.add(f"broken/f{number}.py")
        tree.write(f"pkg/m{number}.py", WRONG + f"from .m{(number + 1) % 8} import Net as Other\n")


FOLDERS: dict[str, Callable[[Tree], None]] = {
    "links": _links,
    "unreadable": _unreadable,
    "named like files": _named_like_files,
    "cycles": _cycles,
    "1,000 deep": _deep,
    "encodings": _encodings,
    "names": _names,
    "code": _code,
}


class CommandError(Exception):
    """A command did not do what it should; the message says which, and what it did."""


def complaints(name: str, root: Path) -> Iterator[str]:
    """What is wrong with what the commands make of such a folder, written to ``root``."""
    tree = Tree(root)
    FOLDERS[name](tree)
    if tree.prefix and shutil.which(tree.prefix[0]) is None:
        print(f"  {name}: left out, {tree.prefix[0]} is needed to be less than root")
        return
    try:
        yield from _compared(tree, flake8=name != "names")  # it does not cope with all of them
    except CommandError as error:
        yield str(error)
    yield from _vanishing(tree)


def _compared(tree: Tree, *, flake8: bool) -> Iterator[str]:
    found = _check(tree, 0, "-j1", ".")
    unclear = sorted(row.path for row in found if row.code == NOT_ANALYSED.code)
    if unclear != sorted(tree.unclear):
        yield f"NNX000 for {unclear}, but due for {sorted(tree.unclear)}"
    files = [str(path.relative_to(tree.root)) for path in _listed(tree)]
    if _check(tree, 7, "-j4", ".") != found:
        yield "other findings with four processes and another hash seed"
    listed = [row for row in found if row.path in files]
    if _check(tree, 8, "-j1", "--", *sorted(files, reverse=True)) != listed:
        yield "other findings where files are named, the last first"
    for file in random.Random(0).sample(files, min(len(files), 8)):
        if _check(tree, 9, "--", file) != [row for row in found if row.path == file]:
            yield f"other findings in {file!r} alone"
    clear = {row.place for row in found if row.path not in tree.unclear}
    for jobs in ("-j1", "-j2") if flake8 else ():
        if _flake8(tree, jobs, files) != clear:
            yield f"other findings in flake8 {jobs}"


def _vanishing(tree: Tree) -> Iterator[str]:
    """What becomes of files that were listed, and are then gone."""
    files = sorted(_listed(tree))[:40]
    for path in files[::3]:
        path.chmod(0o600)
        path.unlink()
    linter = Linter(FolderSettings({}, "here"), (EVERYTHING,))
    alone = list(check_all(linter, files, 1))
    for checked in alone[::3]:
        messages = [finding.message for finding in checked.findings]
        if messages != ["this file cannot be read: No such file or directory"]:
            yield f"{checked.path} has vanished, and what is said is {messages}"
    if list(check_all(linter, files, 4)) != alone:
        yield "other findings with four processes where files vanish"


@dataclass(frozen=True)
class Row:
    """A finding, as ``nnx-mode check`` writes it."""

    path: str
    line: int
    column: int
    code: str
    message: str

    @property
    def place(self) -> tuple[str, int, int, str]:
        """What flake8 writes of it too."""
        return self.path, self.line, self.column, self.code


def _check(tree: Tree, hash_seed: int, *arguments: str) -> list[Row]:
    form = ("--isolated", "--select", "NNX", "--format", "json")
    said = _said(tree, hash_seed, "flake8_nnx_mode", "check", *form, *arguments)
    found = json.loads(said)["findings"]
    return [
        Row(*(f[name] for name in ("path", "line", "column", "code", "message"))) for f in found
    ]


def _flake8(tree: Tree, jobs: str, files: list[str]) -> set[tuple[str, int, int, str]]:
    clear = [file for file in files if file not in tree.unclear]  # the others flake8 may read
    form = "--format=%(path)s\t%(row)d\t%(col)d\t%(code)s"
    options = ("--isolated", "--select", "NNX", form, jobs)
    rows = [line.split("\t") for line in _said(tree, 5, "flake8", *options, *clear).splitlines()]
    return {(path, int(line), int(column), code) for path, line, column, code in rows}


def _said(tree: Tree, hash_seed: int, *command: str) -> str:
    """What a module prints that is run as a program.

    Raises:
        CommandError: it crashed, or it does not come to an end.
    """
    with subprocess.Popen(
        (*tree.prefix, sys.executable, "-m", *command),
        cwd=tree.root,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            said, complained = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise CommandError(f"no end: {command}") from None
    if process.returncode not in (0, 1) or b"Traceback" in complained:
        why = complained.decode(errors="replace")[-2000:]
        raise CommandError(f"exit status {process.returncode}: {command}\n{why}")
    return said.decode("utf-8", "surrogateescape")


def _listed(tree: Tree) -> list[Path]:
    """The files that a command would find."""
    shut = [tree.root / name for name in tree.unclear]  # but perhaps not to who asks here
    found = Finder(FolderSettings({}, "here", isolated=True)).files([tree.root])
    return [path for path in found if not any(path.is_relative_to(s) and path != s for s in shut)]
