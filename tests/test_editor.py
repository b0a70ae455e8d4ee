"""flake8 in editors: in python-lsp-server over a real LSP session, and as their plugins call it."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import pytest
from cattrs import Converter
from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient
from pygls.protocol import default_converter

from conftest import ROOT

_T = TypeVar("_T")

DOCS = (ROOT / "docs" / "editors.md").read_text(encoding="utf-8")
SCRIPTS = Path(sys.executable).parent
PATH = os.pathsep.join((str(SCRIPTS), os.environ.get("PATH", "")))
ENV = {**os.environ, "PATH": PATH, "PYTHONUTF8": "1"}

BASE = """\
from flax import nnx


class Base(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.drop = nnx.Dropout(0.5, rngs=rngs)
"""
NET = """\
from flax import nnx

from .base import Base


class Net(Base):
    def __init__(self, rngs: nnx.Rngs):
        super().__init__(rngs)

    def __call__(self, x, train: bool):
        return self.drop(x)
"""
"""Has a mistake, as is known to those who know its base."""
CALL = "self.drop(x)"
MENDED = "self.drop(x, deterministic=not train)"


def blocks(language: str) -> list[str]:
    """The code blocks of docs/editors.md in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCS, re.S | re.M)


VSCODE, PYLSP = map(json.loads, blocks("json"))


def _converter() -> Converter:
    """That of pygls; lsprotocol 2025.0.0 cannot read what pylsp says of notebooks (its #462)."""
    converter: Converter = default_converter()  # type: ignore[no-untyped-call]
    converter.register_structure_hook(
        lsp.InitializeResult, lambda *_: lsp.InitializeResult(lsp.ServerCapabilities())
    )
    return converter


class Editor:
    """An editor with one folder open, and with what ``pylsp`` says of the files in it."""

    def __init__(self, root: Path, settings: dict[str, Any], *, at_start: bool = False) -> None:
        """Prepare one.

        Args:
            root: The folder that is open.
            settings: What the user has set.
            at_start: Send them as initialization options, not as a change of configuration.
        """
        self._root = root
        self._settings = settings
        self._at_start = at_start
        self._buffers: dict[str, tuple[int, str]] = {}
        self.shown: dict[str, list[lsp.Diagnostic]] = {}
        self._runner = asyncio.Runner()
        self._published: asyncio.Queue[lsp.PublishDiagnosticsParams] = asyncio.Queue()
        self._unread: dict[tuple[str, int | None], list[lsp.Diagnostic]] = {}
        self._client = LanguageClient("tests", "1", converter_factory=_converter)

        def publish(params: lsp.PublishDiagnosticsParams) -> None:
            self._published.put_nowait(params)

        self._client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(publish)

    def __enter__(self) -> Self:
        self._run(self._start())
        return self

    def __exit__(self, *exception: object) -> None:
        self._run(self._stop())
        self._runner.close()

    def _run(self, step: Coroutine[Any, Any, _T]) -> _T:
        return self._runner.run(asyncio.wait_for(step, 120))

    async def _start(self) -> None:
        # Nothing may depend on where the server was started.
        await self._client.start_io(sys.executable, "-m", "pylsp", env=ENV, cwd=ROOT.anchor)
        await self._client.initialize_async(
            lsp.InitializeParams(
                capabilities=lsp.ClientCapabilities(),
                process_id=os.getpid(),
                root_uri=self._root.as_uri(),
                initialization_options=self._settings if self._at_start else None,
            )
        )
        self._client.initialized(lsp.InitializedParams())
        if not self._at_start:
            self._client.workspace_did_change_configuration(
                lsp.DidChangeConfigurationParams(self._settings)
            )

    async def _stop(self) -> None:
        await self._client.shutdown_async(None)
        self._client.exit(None)
        await self._client.stop()  # type: ignore[no-untyped-call]

    def open(self, uri: str, text: str) -> None:
        """Show ``text`` as what the file holds, whatever it does hold."""
        self._buffers[uri] = 1, text
        self._client.text_document_did_open(
            lsp.DidOpenTextDocumentParams(lsp.TextDocumentItem(uri, "python", 1, text))
        )

    def type(self, uri: str, old: str, new: str) -> None:
        """Replace a piece of the text."""
        version, text = self._buffers[uri]
        before, _, after = text.partition(old)
        self._buffers[uri] = version + 1, before + new + after
        place = lsp.Range(_end(before), _end(before + old))
        self._client.text_document_did_change(
            lsp.DidChangeTextDocumentParams(
                lsp.VersionedTextDocumentIdentifier(version + 1, uri),
                [lsp.TextDocumentContentChangePartial(place, new)],
            )
        )

    def close(self) -> None:
        """Close all buffers, unsaved."""
        for uri in self._buffers:
            identifier = lsp.TextDocumentIdentifier(uri)
            self._client.text_document_did_close(lsp.DidCloseTextDocumentParams(identifier))
        self._buffers.clear()
        self.shown.clear()

    def tell_of_change(self, file: Path) -> None:
        """A file has changed on disk."""
        event = lsp.FileEvent(file.as_uri(), lsp.FileChangeType.Changed)
        self._client.workspace_did_change_watched_files(lsp.DidChangeWatchedFilesParams([event]))

    def said(self, uri: str) -> list[str]:
        """What is said of a buffer next: codes and places, which count from 0.

        Codes of other plugins, which may be installed beside ours, are left out.
        """
        self.shown[uri] = self._run(self._next(uri))
        starts = [(str(shown.code), shown.range.start) for shown in self.shown[uri]]
        return [
            f"{code} {start.line}:{start.character}"
            for code, start in starts
            if code.startswith(("NNX", "E999"))
        ]

    async def _next(self, uri: str) -> list[lsp.Diagnostic]:
        wanted = uri, self._buffers[uri][0]
        while wanted not in self._unread:
            said = await self._published.get()
            self._unread[said.uri, said.version] = list(said.diagnostics)
        return self._unread.pop(wanted)


def _end(text: str) -> lsp.Position:
    lines = text.split("\n")
    return lsp.Position(len(lines) - 1, len(lines[-1]))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a package, of which ``net.py`` is empty so far, and one in a folder of it."""
    root = tmp_path_factory.mktemp("project")
    (root / "setup.cfg").write_text("[flake8]\nper-file-ignores = pkg/quiet.py:NNX201\n")
    for package in (root / "pkg", root / "inner" / "pkg"):
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "base.py").write_text(BASE)
        (package / "net.py").touch()
    settings = '[tool.nnx-mode]\nmode-flags = ["noisy:train"]\n'
    (root / "inner" / "pyproject.toml").write_text(settings)
    return root


@pytest.fixture(scope="module")
def running(root: Path) -> Iterator[Editor]:
    with Editor(root, PYLSP) as editor:
        yield editor


@pytest.fixture
def editor(running: Editor) -> Iterator[Editor]:
    yield running
    running.close()


def test_a_mistake_comes_moves_and_goes(root: Path, editor: Editor) -> None:
    net = (root / "pkg" / "net.py").as_uri()
    editor.open(net, NET)
    assert editor.said(net) == ["NNX201 10:15"]
    editor.type(net, "class Net", "# What it is for\n# and why.\nclass Net")
    assert editor.said(net) == ["NNX201 12:15"]
    editor.type(net, CALL, MENDED)
    assert editor.said(net) == []
    editor.type(net, MENDED, CALL)
    assert editor.said(net) == ["NNX201 12:15"]


def test_what_a_diagnostic_says(root: Path, editor: Editor) -> None:
    net = (root / "pkg" / "net.py").as_uri()
    editor.open(net, NET)
    assert editor.said(net) == ["NNX201 10:15"]
    (found,) = (shown for shown in editor.shown[net] if shown.code == "NNX201")
    assert found.source == "flake8"
    assert found.severity == lsp.DiagnosticSeverity.Warning
    assert found.message.startswith("NNX201 `self.drop` is not told the mode")
    assert found.message.endswith("; add `deterministic=not train`")
    assert found.range.start == lsp.Position(10, 15)
    assert found.range.end.line == 10


def test_half_typed_text(root: Path, editor: Editor) -> None:
    net = (root / "pkg" / "net.py").as_uri()
    editor.open(net, NET.replace(CALL, "self.drop("))
    (said,) = editor.said(net)
    assert said.startswith("E999 ")
    editor.type(net, "self.drop(\n", f"{CALL}\n")
    assert editor.said(net) == ["NNX201 10:15"]


def test_other_files_count_as_they_are_on_disk(root: Path, editor: Editor) -> None:
    net, file = (root / "pkg" / "net.py").as_uri(), root / "pkg" / "changing.py"
    file.write_text(BASE)
    harmless = BASE.replace("nnx.Dropout(0.5, ", "nnx.Linear(2, 2, ")
    editor.open(file.as_uri(), harmless)
    editor.open(net, NET.replace(".base", ".changing"))
    assert editor.said(net) == ["NNX201 10:15"]
    assert editor.said(file.as_uri()) == []
    file.write_text(harmless)
    editor.tell_of_change(file)
    assert "NNX201 10:15" not in editor.said(net)


def test_files_that_are_not_on_disk(root: Path, editor: Editor) -> None:
    new = (root / "pkg" / "new.py").as_uri()
    deep = (root / "pkg" / "no_folder" / "new.py").as_uri()
    nameless = "untitled:Untitled-1"
    outside = Path("/elsewhere/net.py").absolute().as_uri()
    alone = BASE + NET.partition("Base\n")[2]
    editor.open(new, NET)
    editor.open(deep, NET.replace(".base", "..base"))
    editor.open(nameless, alone)
    editor.open(outside, alone)
    assert editor.said(new) == ["NNX201 10:15"]
    assert editor.said(deep) == ["NNX201 10:15"]
    assert editor.said(nameless) == ["NNX201 13:15"]
    assert editor.said(outside) == ["NNX201 13:15"]
    # Their imports lead nowhere, and what is unknown is not reported.
    editor.type(nameless, alone, NET)
    editor.type(outside, alone, NET)
    assert editor.said(nameless) == []
    assert editor.said(outside) == []


def test_settings_and_noqa(root: Path, editor: Editor) -> None:
    noisy = NET.replace("train: bool", "noisy: bool")
    inner = (root / "inner" / "pkg" / "net.py").as_uri()
    around = (root / "pkg" / "net.py").as_uri()
    quiet = (root / "pkg" / "quiet.py").as_uri()
    editor.open(inner, noisy)
    editor.open(around, noisy)
    editor.open(quiet, NET)
    assert editor.said(inner) == ["NNX201 10:15"]
    assert "NNX201 10:15" not in editor.said(around)
    assert editor.said(quiet) == []
    editor.type(inner, CALL, f"{CALL}  # noqa: NNX201")
    assert editor.said(inner) == []


def test_settings_given_at_the_start(root: Path) -> None:
    with Editor(root, PYLSP, at_start=True) as editor:
        net = (root / "pkg" / "net.py").as_uri()
        editor.open(net, NET)
        assert editor.said(net) == ["NNX201 10:15"]


def test_what_is_documented_for_editors_is_what_the_tests_use() -> None:
    (lua,) = re.findall(r"settings = (\{.*\}),\n\}\)", blocks("lua")[0], re.S)
    lua = re.sub(r"(\w+) =", r'"\1":', lua)
    assert json.loads(re.sub(r",(\s*\})", r"\1", lua)) == PYLSP
    (lisp,) = re.findall(r"'(\(:pylsp .*\))\)", blocks("elisp")[0], re.S)
    words = {"(": "{", ")": "},", "t": "true,", ":json-false": "false,"}
    tokens = re.findall(r"[()]|[^\s()]+", lisp)
    as_json = "".join(words.get(token, f'"{token[1:]}":') for token in tokens)
    assert json.loads(re.sub(r",(?=\}|$)", "", as_json)) == PYLSP
    assert VSCODE["flake8.importStrategy"] == "fromEnvironment"


class Route(NamedTuple):
    """How an editor's plugin runs a linter on FILE, and how it reads the output."""

    command: str
    pattern: str


ROUTES = {
    "VS Code": Route(
        "flake8 --format='%(row)d,%(col)d,%(code).1s,%(code)s:%(text)s' FILE",
        r"(?P<line>\d+),(?P<column>-?\d+),(?P<type>\w+),(?P<code>\w+\d+):[^\r\n]*",
    ),
    # Extensions like it, and itself for the cells of notebooks, hand over the text.
    "VS Code, text": Route(
        "flake8 --format='%(row)d,%(col)d,%(code).1s,%(code)s:%(text)s'"
        " --stdin-display-name FILE -",
        r"(?P<line>\d+),(?P<column>-?\d+),(?P<type>\w+),(?P<code>\w+\d+):[^\r\n]*",
    ),
    "nvim-lint": Route(
        "flake8 --format=%(path)s:%(row)d:%(col)d:%(code)s:%(text)s --no-show-source"
        " --stdin-display-name FILE -",
        r"[^:\n]+:(?P<line>\d+):(?P<column>\d+):(?P<code>\w+):.+",
    ),
    "ALE": Route(
        "flake8 --stdin-display-name FILE -",
        r"(?m)^[a-zA-Z]?:?[^:\n]+:(?P<line>\d+):?(?P<column>\d+)?: (?P<code>[^\W_]+) .*$",
    ),
    "flycheck": Route(
        "flake8 --format=default --stdin-display-name=FILE -",
        r"(?m)^(?P<path>[^:\n]+):(?P<line>\d+):(?:(?P<column>\d+):)? (?P<code>[a-zA-Z]+\d+) .+$",
    ),
    "none-ls": Route(
        "flake8 --format default --stdin-display-name FILE -",
        r":(?P<line>\d+):(?P<column>\d+): (?P<code>[A-Z]\w+) .*",
    ),
}


def _in_pycharm() -> Route:
    cells = dict(re.findall(r"^\| ([A-Z][\w ()]+) \| `(.*?)` \|$", DOCS, re.M))
    program = cells["Program"].removeprefix("$PyInterpreterDirectory$/")
    arguments = cells["Arguments"].replace("$FilePath$", "FILE")
    pattern = re.escape(cells["Output filters (advanced options)"])
    for macro, group in {
        "FILE_PATH": r"(?P<path>[^:\n]+)",
        "LINE": r"(?P<line>\d+)",
        "COLUMN": r"(?P<column>\d+)",
        "MESSAGE": r"(?P<code>\w+)\b.*",
    }.items():
        pattern = pattern.replace(re.escape(f"${macro}$"), group)
    return Route(f"{program} {arguments}", f"(?m)^{pattern}$")


@pytest.mark.parametrize("name", [*ROUTES, "PyCharm"])
def test_the_command_lines_of_editors(name: str, root: Path, tmp_path: Path) -> None:
    route = _in_pycharm() if name == "PyCharm" else ROUTES[name]
    file = root / "pkg" / f"{name}.py"
    reads_buffer = route.command.endswith(" -")
    if not reads_buffer:
        file.write_text(NET)
    # Quotes are no shell's: VS Code has them around its format.
    program, *args = (arg.replace("FILE", str(file)) for arg in route.command.split(" "))
    done = subprocess.run(
        [str(SCRIPTS / program), *args],
        input=NET if reads_buffer else None,
        capture_output=True,
        cwd=root,
        env=ENV,
        encoding="utf-8",
        timeout=120,
    )
    assert done.stderr == ""
    found = [match.groupdict() for match in re.finditer(route.pattern, done.stdout)]
    ours = [one for one in found if one["code"].startswith("NNX")]
    places = [(one["code"], one["line"], one["column"]) for one in ours]
    assert places == [("NNX201", "11", "16")], done.stdout
    assert ours[0].get("path") in (None, str(file))
