"""The runner of the confirmation, given code that does what it should not."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent

import pytest

from flake8_nnx_mode.confirm.jobs import Hello, Job, Outcome, Task
from flake8_nnx_mode.confirm.processes import remove
from flake8_nnx_mode.confirm.runner import Runner, RunnerError
from flake8_nnx_mode.model import Position, Span

if find_spec("flax") is None:  # not imported: the tests' own process need not wait for jax
    pytest.skip("needs flax", allow_module_level=True)
if sys.platform != "linux":
    pytest.skip("what is left behind is looked up in /proc", allow_module_level=True)

TESTS = Path(__file__).parent
LIMIT = 1.5
GOOD = "import jax; assert jax.numpy.ones is not None"
_numbers = itertools.count(1)
_SPAN = Span(Position(1, 0), Position(1, 1))


def job(*snippets: str) -> Job:
    """A file with a finding for each of the snippets."""
    texts = (dedent(snippet) for snippet in snippets)
    tasks = tuple(Task(next(_numbers), "NNX101", None, _SPAN, text) for text in texts)
    return Job("/nowhere/code.py", "", "code", (), {}, {}, {}, tasks)


def runner(python: Path | None = None, *, limit: float = LIMIT, fork: bool = True) -> Runner:
    return Runner(python, workers=2, time_limit=limit, run="hostile:run", fork=fork)


def until(condition: Callable[[], bool], what: str, seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def processes(mark: Path) -> set[int]:
    """All that were started with ``mark`` in their environment, and what they started."""
    found = set()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if str(mark).encode() in environment.read_bytes():
                found.add(int(environment.parent.name))
        except OSError:  # it has ended, or is another user's
            pass
    return found


@contextmanager
def nothing_left(place: Path) -> Iterator[None]:
    """All that is started inside is gone afterwards, with its files."""
    place.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(place))
        patch.setattr("tempfile.tempdir", str(place))
        patch.setenv("PYTHONPATH", str(TESTS))
        yield
        until(lambda: not processes(place), "a process is left")
        assert not list(place.iterdir())


class Station:
    """A runner for many tests; ``ask`` also sees to it that nothing is left of what it ran."""

    def __init__(self, runner: Runner, place: Path) -> None:
        self._runner = runner
        self._place = place
        self._outcomes: Iterator[Hello | Outcome] | None = None

    def ask(self, *jobs: Job) -> list[Outcome]:
        """The outcomes of all findings of ``jobs``, in order."""
        for one in jobs:
            self._runner.submit(one)
        if self._outcomes is None:
            self._outcomes = self._runner.outcomes()
            assert isinstance(next(self._outcomes), Hello)
        wanted = [task.number for one in jobs for task in one.tasks]
        found: dict[int, Outcome] = {}
        while found.keys() != set(wanted):
            outcome = next(self._outcomes)
            assert isinstance(outcome, Outcome)
            assert outcome.number in wanted
            assert outcome.number not in found
            found[outcome.number] = outcome
        until(lambda: processes(self._place) == {self._runner.pid}, "a process is left")
        until(self._is_empty, "a file is left")
        return [found[number] for number in wanted]

    def alone(self, snippet: str) -> Outcome:
        """The outcome of a file's only finding."""
        return self.ask(job(snippet))[0]

    def among_others(self, snippet: str) -> Outcome:
        """The outcome of a finding between others, which must come to no harm."""
        before, outcome, after, elsewhere = self.ask(job(GOOD, snippet, GOOD), job(GOOD))
        for other in (before, after, elsewhere):
            assert (other.verdict, other.evidence) == ("REFUTED", "fine")
        return outcome

    def _is_empty(self) -> bool:
        return [path.name for path in self._place.glob("nnx-mode-*/*")] == ["stderr"]


def _unprivileged_python(folder: Path) -> Path:
    """An interpreter that runs as nobody, who may read everything: else it found no library."""
    setpriv = shutil.which("setpriv")
    if os.getuid() != 0 or setpriv is None:
        pytest.skip("needs root and setpriv")
    only = "-all,+dac_read_search"
    python = folder / "python"
    python.write_text(
        f"#!/bin/sh\nchmod 777 $TMPDIR/nnx-mode-*\nexec {setpriv} --reuid 65534 --regid 65534"
        f" --clear-groups --inh-caps {only} --ambient-caps {only} --bounding-set {only}"
        f' {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    return python


@pytest.fixture(scope="module", params=["as oneself", "unprivileged"])
def station(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Station]:
    folder = tmp_path_factory.mktemp("station")
    python = _unprivileged_python(folder) if request.param == "unprivileged" else None
    place = folder / "tmp"
    with nothing_left(place), runner(python) as shared:
        yield Station(shared, place)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that is not the scratch folder, which everybody may write to."""
    folder = tmp_path / "outside"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "file").write_text("precious")
    (folder / "file").chmod(0o666)
    return folder


def test_user(station: Station, request: pytest.FixtureRequest) -> None:
    wanted = 65534 if "unprivileged" in request.node.name else os.getuid()
    assert station.alone(f"import os; assert os.getuid() == {wanted}").verdict == "REFUTED"


@pytest.mark.parametrize("loop", ["while True: pass", "sum(range(10**15))"])
def test_endless_loop(station: Station, loop: str) -> None:
    outcome = station.alone(loop)
    assert (outcome.verdict, outcome.reason) == ("INCONCLUSIVE", "time")
    assert outcome.evidence == "ran longer than 1.5 s"
    assert outcome.seconds >= LIMIT


def test_endless_loop_that_swallows_everything(station: Station) -> None:
    outcome = station.among_others("""
        import signal, time
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        while True:
            try:
                time.sleep(1)
            except BaseException:
                pass
        """)
    assert outcome.evidence == "ran longer than 1.5 s"


@pytest.mark.parametrize(
    "bomb",
    [
        "bytearray(1 << 45)",
        "import numpy\nhoard = []\nwhile True: hoard.append(numpy.empty(1 << 26))",
        "from threading import *\nwhile True: Thread(target=Event().wait).start()",
    ],
)
def test_memory_bomb(station: Station, bomb: str) -> None:
    outcome = station.among_others(bomb)
    assert "MemoryError" in outcome.evidence or "can't start new thread" in outcome.evidence


def test_memory_bomb_that_nobody_catches(station: Station) -> None:
    outcome = station.among_others("""
        import os
        os.write(2, b"terminate called after throwing 'std::bad_alloc'\\n")
        os.abort()
        """)
    assert (outcome.reason, outcome.evidence) == ("memory", "needed more than 4 GB of memory")


def test_fork_bomb(station: Station) -> None:
    outcome = station.among_others("import os\nwhile True: os.fork()")
    assert outcome.evidence.startswith("RefusedError: the code tried to start a process")


def test_processes_that_get_away_from_the_hook_are_killed(station: Station) -> None:
    outcome = station.among_others("""
        import ctypes, os, time
        libc = ctypes.CDLL(None)
        for escape in (False, True) * 3:
            if libc.fork() == 0:
                if escape:
                    os.setsid()
                    libc.fork()
                while True:
                    time.sleep(1)
        """)
    assert outcome.verdict == "REFUTED"


@pytest.mark.parametrize("number", [1, 2])
def test_gigabyte_of_output(station: Station, number: int) -> None:
    outcome = station.among_others(f"""
        import os
        for _ in range(1 << 10):
            rest = bytes(1 << 20)
            while rest:
                rest = rest[os.write({number}, rest):]
        """)
    assert outcome.evidence in ("fine", "ran longer than 1.5 s")


@pytest.mark.parametrize("code", [0, 3])
def test_os_exit(station: Station, code: int) -> None:
    outcome = station.among_others(f"import os; os._exit({code})")
    assert (outcome.verdict, outcome.reason) == ("INCONCLUSIVE", "exit")
    assert outcome.evidence == f"ended by os._exit({code})"


def test_sys_exit(station: Station) -> None:
    outcome = station.among_others("import sys; sys.exit('enough')")
    assert (outcome.reason, outcome.evidence) == ("exit", "ended by sys.exit('enough')")


def test_keyboard_interrupt(station: Station) -> None:
    assert station.among_others("raise KeyboardInterrupt").evidence == "KeyboardInterrupt"


@pytest.mark.parametrize(
    ("crash", "words"),
    [
        ("import ctypes; ctypes.string_at(0)", 'SIGSEGV: File "'),
        ("import os; os.write(2, b'F0 Check failed: x\\n'); os.abort()", "SIGABRT: F0 Check f"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "SIGTERM"),
        ("import ctypes; f = lambda: f(ctypes.CFUNCTYPE(None)(f)()); f()", None),
    ],
)
def test_crash(station: Station, crash: str, words: str | None) -> None:
    outcome = station.among_others(crash)
    assert outcome.verdict == "INCONCLUSIVE"
    if words is not None:
        assert outcome.reason == "crash"
        assert outcome.evidence.startswith(f"Python was killed by {words}")


def test_changes_outside_the_scratch_folder(station: Station, outside: Path) -> None:
    file = outside / "file"
    changes = f"""
        os.remove({str(file)!r})
        os.unlink("file", dir_fd=os.open({str(outside)!r}, os.O_RDONLY))
        shutil.rmtree({str(outside)!r})
        os.rmdir({str(outside)!r})
        open({str(file)!r}, "w")
        open({str(file)!r}, "rb+")
        open({os.path.relpath(file, "/")!r}, os.chdir("/") or "a")
        pathlib.Path({str(outside)!r}, "new").write_text("x")
        pathlib.Path({str(file)!r}).touch()
        os.open("new", os.O_WRONLY | os.O_CREAT, dir_fd=os.open({str(outside)!r}, os.O_RDONLY))
        os.open({os.fsencode(outside / "new")!r}, os.O_WRONLY | os.O_CREAT)
        os.symlink({str(outside)!r}, "link") or open("link/new", "w")
        os.symlink({str(file)!r}, "link") or open("link", "w")
        os.link({str(file)!r}, "hard")
        os.symlink("x", {str(outside / "new")!r})
        os.mkdir({str(outside / "new")!r})
        os.makedirs({str(outside / "new" / "newer")!r})
        os.rename({str(file)!r}, "mine")
        open("mine", "w") and os.replace("mine", {str(file)!r})
        shutil.move({str(file)!r}, {str(outside / "new")!r})
        os.truncate({str(file)!r}, 0)
        os.chmod({str(file)!r}, 0)
        os.chmod(os.open({str(file)!r}, os.O_RDONLY), 0)
        os.utime({str(file)!r}, (0, 0))
        sqlite3.connect({str(outside / "new")!r})
        """
    imports = "import os, pathlib, shutil, sqlite3; "
    snippets = [imports + line.strip() for line in dedent(changes).strip().splitlines()]
    state = file.stat()
    for snippet, outcome in zip(snippets, station.ask(job(*snippets)), strict=True):
        assert outcome.evidence.startswith("RefusedError: the code tried to"), snippet
    assert [path.name for path in outside.iterdir()] == ["file"]
    assert file.read_text() == "precious"
    assert (file.stat().st_mode, file.stat().st_mtime) == (state.st_mode, state.st_mtime)


def test_what_is_allowed(station: Station, outside: Path) -> None:
    allowed = f"""
        open("here", "w").write("x")
        open(os.path.expanduser("~/here"), "a").write("x")
        os.rename("here", "there") or os.chmod("there", 0) or os.remove("there")
        os.makedirs("a/b/c") or shutil.rmtree("a")
        tempfile.mkdtemp() and tempfile.NamedTemporaryFile().write(b"x")
        open(os.devnull, "w").write("x")
        open("/dev/stderr", "w").write("x")
        print("x", file=sys.stderr) or print("x") or sys.stdout.flush()
        os.makedirs({str(outside)!r}, exist_ok=True)
        open({str(outside / "file")!r}).read() == "precious" or 1 / 0
        os.listdir({str(outside)!r})
        asyncio.run(asyncio.sleep(0))
        sqlite3.connect(":memory:")
        threading.Thread(target=print).start()
        os.kill(os.getppid(), 0)
        platform.uname().processor
        sys.stdin.read() == "" or 1 / 0
        socket.gethostname()
        """
    imports = "import asyncio, os, platform, shutil, socket, sqlite3, sys, tempfile, threading\n"
    snippets = [imports + line.strip() for line in dedent(allowed).strip().splitlines()]
    for snippet, outcome in zip(snippets, station.ask(job(*snippets)), strict=True):
        assert outcome.evidence == "fine", snippet


def test_errors_that_are_the_code_s_own(station: Station, outside: Path) -> None:
    outcome = station.alone(f"import os; os.remove({str(outside / 'missing')!r})")
    assert outcome.evidence.startswith("FileNotFoundError")
    assert outcome.reason == ""


@pytest.mark.parametrize(
    ("use", "what"),
    [
        ("socket.socket()", "open a socket"),
        ("socket.create_connection(('127.0.0.1', 9))", "look up a host"),
        ("urllib.request.urlopen('http://localhost:9')", "look up a host"),
        ("socket.socket(socket.AF_UNIX).bind('here')", "use a socket"),
    ],
)
def test_sockets(station: Station, use: str, what: str) -> None:
    outcome = station.among_others(f"import socket, urllib.request; {use}")
    assert f"the code tried to {what}, which is refused" in outcome.evidence


@pytest.mark.parametrize(
    "start",
    [
        "os.system('true')",
        "subprocess.run(['true'])",
        "os.execv('/bin/true', ['true'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "pty.spawn('true')",
        "multiprocessing.get_context('spawn').Process(target=print).start()",
        "multiprocessing.get_context('fork').Process(target=print).start()",
        "concurrent.futures.ProcessPoolExecutor().submit(print).result()",
    ],
)
def test_starting_processes(station: Station, start: str) -> None:
    imports = "import concurrent.futures, multiprocessing, os, pty, subprocess"
    outcome = station.alone(f"{imports}; {start}")
    assert "the code tried to start a process, which is refused" in outcome.evidence


@pytest.mark.parametrize("call", ["os.kill(os.getppid(), 9)", "os.killpg(os.getpgid(1), 9)"])
def test_signals_to_others(station: Station, call: str) -> None:
    assert (
        "tried to send a signal to process" in station.among_others(f"import os; {call}").evidence
    )


def test_what_was_refused_is_known_even_if_the_error_was_swallowed(station: Station) -> None:
    swallowed = """
        import os
        try:
            os.fork()
        except Exception:
            pass
        """
    outcomes = station.ask(job(swallowed, GOOD))
    assert [outcome.verdict for outcome in outcomes] == ["REFUTED"] * 2
    assert [outcome.reason for outcome in outcomes] == ["start a process", ""]


@pytest.mark.parametrize(
    "trick",
    [
        "import sys; sys.stdout = sys.stderr = sys.stdin = None",
        "import os; [os.close(number) for number in range(3)]",
        "import os; os.write = os._exit = os.path.realpath = os.path.isabs = None",
        "import sys; sys.setrecursionlimit(60)",
        "import os; os.write(1, b'{}'); os.write(2, b'{}')",
        "import os; os.remove(os.getcwd()) if os.rmdir(os.getcwd()) else None",
    ],
)
def test_tricks(station: Station, trick: str) -> None:
    assert station.among_others(trick).verdict == "REFUTED"


def test_writing_to_every_open_file(station: Station) -> None:
    outcome = station.among_others("""
        import os
        for number in range(3, 50):
            try:
                for text in (b'{"Outcome": {}}', b'{"Outcome": 1}', b'{"Job": {}}', b"[]", b"{"):
                    os.write(number, text + b"\\n")
                os.write(number, bytes(1 << 25) + b"\\n")
            except OSError:
                pass
        """)
    assert outcome.verdict == "REFUTED"


def test_closing_every_open_file(station: Station) -> None:
    assert station.among_others("import os; os.closerange(0, 50)").verdict == "INCONCLUSIVE"


def test_breaking_what_answers_are_made_with(station: Station) -> None:
    assert station.among_others("import json; json.dumps = None").verdict == "INCONCLUSIVE"


def test_patching_jax_harms_no_other_file(station: Station) -> None:
    patch = "import jax; jax.numpy.ones = None"
    outcomes = station.ask(job(patch), *(job(GOOD) for _ in range(6)))
    assert [outcome.verdict for outcome in outcomes] == ["REFUTED"] * 7


def test_a_death_is_not_blamed_on_another_finding(station: Station) -> None:
    late = "import os, threading; threading.Timer(0.3, os._exit, [1]).start()"
    innocent = "import time; time.sleep(0.8)"
    outcomes = station.ask(job(late, innocent, GOOD))
    assert [outcome.evidence for outcome in outcomes] == ["fine"] * 3


def test_the_clock_restarts_with_each_finding(station: Station) -> None:
    outcomes = station.ask(job(*["import time; time.sleep(0.6)"] * 4))
    assert [outcome.evidence for outcome in outcomes] == ["fine"] * 4


def test_a_scratch_folder_that_is_hard_to_remove(station: Station) -> None:
    outcome = station.alone("""
        import os
        os.makedirs("locked/inner")
        os.chmod("locked/inner", 0)
        os.chmod("locked", 0)
        """)
    assert outcome.evidence == "fine"


def test_a_folder_nested_deeper_than_python_likes(tmp_path: Path) -> None:
    deep = tmp_path / "deep"
    deep.joinpath(*["d"] * 150).mkdir(parents=True)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(120)
    try:
        remove(str(deep))
    finally:
        sys.setrecursionlimit(limit)
    assert not deep.exists()


def test_no_bytecode(station: Station, outside: Path) -> None:
    (outside / "some_module.py").write_text("x = 1\n")
    outcome = station.alone(f"import sys; sys.path.insert(0, {str(outside)!r}); import some_module")
    assert (outcome.evidence, outcome.reason) == ("fine", "")
    assert not (outside / "__pycache__").exists()


def test_limits(station: Station) -> None:
    outcome = station.alone("""
        import resource as r
        assert r.getrlimit(r.RLIMIT_CORE) == (0, 0)
        assert 4 << 30 < r.getrlimit(r.RLIMIT_AS)[0] < 64 << 30
        assert 0 < r.getrlimit(r.RLIMIT_CPU)[0] < 1000
        assert r.getrlimit(r.RLIMIT_NOFILE)[0] <= 1024
        try:
            open("big", "wb").write(bytes(1 << 29))
        except OSError as error:
            assert "too large" in str(error)
        else:
            assert False
        """)
    assert outcome.evidence == "fine"


def test_a_hopeless_file_is_given_up(tmp_path: Path) -> None:
    with nothing_left(tmp_path / "tmp"), runner(limit=0.25) as own:
        own.submit(job(*["while True: pass"] * 12))
        own.submit(job("pass"))
        own.finish()
        outcomes = [outcome for outcome in own.outcomes() if isinstance(outcome, Outcome)]
    evidence = [outcome.evidence for outcome in sorted(outcomes, key=lambda one: one.number)]
    assert evidence[0] == "ran longer than 0.25 s"
    assert evidence[-2] == "not run: 5 findings of this file before it ran longer than 0.25 s"
    assert evidence[-1] == "fine"


def test_fresh_processes_do_the_same(tmp_path: Path) -> None:
    with nothing_left(tmp_path / "tmp"), runner(fork=False) as own:
        own.submit(job("print('x' * 100); import os; os.fork()", "import os; os._exit(3)"))
        own.submit(job("while True: pass"))
        own.finish()
        outcomes = [outcome for outcome in own.outcomes() if isinstance(outcome, Outcome)]
    evidence = [outcome.evidence for outcome in sorted(outcomes, key=lambda one: one.number)]
    assert "tried to start a process" in evidence[0]
    assert evidence[1:] == ["ended by os._exit(3)", "ran longer than 1.5 s"]


_COMMAND = """
import sys
from test_confirm_pool import job, runner
with runner(limit=100, fork=sys.argv[1] == "True") as own:
    own.submit(job("while True: pass"))
    own.submit(job("pass"))
    try:
        for outcome in own.outcomes():
            print(type(outcome).__name__, flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.parametrize(
    ("number", "fork"), [(signal.SIGINT, True), (signal.SIGKILL, True), (signal.SIGINT, False)]
)
def test_the_command_is_stopped(tmp_path: Path, number: signal.Signals, fork: bool) -> None:
    with (
        nothing_left(tmp_path / "tmp"),
        subprocess.Popen(
            [sys.executable, "-c", _COMMAND, str(fork)], stdout=subprocess.PIPE, text=True
        ) as command,
    ):
        assert command.stdout is not None
        assert [command.stdout.readline() for _ in range(2)] == ["Hello\n", "Outcome\n"]
        assert len(processes(tmp_path / "tmp")) >= 3
        command.send_signal(number)
        stopped = command.stdout.read()
    assert stopped == ("interrupted\n" if number == signal.SIGINT else "")


def test_leaving_early(tmp_path: Path) -> None:
    with nothing_left(tmp_path / "tmp"):
        with runner() as own:
            own.start()
        with runner():
            pass
        with runner() as own:
            own.submit(job(*["while True: pass"] * 3))
            until(lambda: len(processes(tmp_path / "tmp")) == 2, "no child has started")


def test_the_pool_is_killed(tmp_path: Path) -> None:
    with nothing_left(tmp_path / "tmp"), runner(limit=100) as own:
        own.submit(job("while True: pass"))
        outcomes = own.outcomes()
        assert isinstance(next(outcomes), Hello)
        assert own.pid is not None
        os.kill(own.pid, signal.SIGKILL)
        (outcome,) = outcomes
    assert isinstance(outcome, Outcome)
    assert (outcome.verdict, outcome.reason) == ("INCONCLUSIVE", "process")


def test_modules_in_the_current_folder_are_not_taken_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("jax", "json", "flake8_nnx_mode", "selectors"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    monkeypatch.chdir(tmp_path)
    with nothing_left(tmp_path / "tmp"), runner() as own:
        own.submit(job("import os; assert 'nnx-mode-' in os.getcwd()"))
        own.finish()
        _, outcome = own.outcomes()
    assert isinstance(outcome, Outcome)
    assert outcome.evidence == "fine"


def _interpreter(folder: Path, text: str) -> Path:
    python = folder / "python"
    python.write_text(f"#!/bin/sh\n{text}\n")
    python.chmod(0o755)
    return python


def _refusal(place: Path, python: Path) -> str:
    with nothing_left(place), runner(python) as own:
        try:
            own.submit(job("pass"))
            list(own.outcomes())
        except RunnerError as error:
            return str(error)
    pytest.fail("nothing was refused")


def test_interpreter_without_jax(tmp_path: Path) -> None:
    python = _interpreter(tmp_path, f'exec {sys.executable} -I -S "$@"')
    message = _refusal(tmp_path / "tmp", python)
    assert message == (
        f"{python} has no jax: install it there, or name the interpreter that has it with --python"
    )


def test_interpreter_without_flax(tmp_path: Path) -> None:
    (tmp_path / "jax.py").touch()
    python = _interpreter(tmp_path, f'PYTHONPATH={tmp_path} exec {sys.executable} -S "$@"')
    assert _refusal(tmp_path / "tmp", python).startswith(f"{python} has no flax: install")


def test_interpreter_with_a_flax_without_nnx(tmp_path: Path) -> None:
    (tmp_path / "jax.py").touch()
    (tmp_path / "flax").mkdir()
    (tmp_path / "flax/__init__.py").touch()
    python = _interpreter(tmp_path, f'PYTHONPATH={tmp_path} exec {sys.executable} -S "$@"')
    assert _refusal(tmp_path / "tmp", python).startswith(f"{python} has no flax.nnx: install")


def test_interpreter_with_a_broken_jax(tmp_path: Path) -> None:
    (tmp_path / "jax.py").write_text("print('noise')\nraise ImportError('no jaxlib')")
    python = _interpreter(tmp_path, f'PYTHONPATH={tmp_path} exec {sys.executable} -S "$@"')
    message = _refusal(tmp_path / "tmp", python)
    assert message.startswith(f"{python} cannot import jax (ImportError: no jaxlib): mend that")


def test_interpreter_that_is_none(tmp_path: Path) -> None:
    python = _interpreter(tmp_path, "echo hello; echo 'unknown option -c' >&2; exit 2")
    message = _refusal(tmp_path / "tmp", python)
    assert message.startswith(f"{python} did not start as a Python does: unknown option -c")


def test_old_interpreter(tmp_path: Path) -> None:
    python = next((Path(found) for n in (7, 8, 9, 10) if (found := _old_python(n))), None)
    if python is None:
        pytest.skip("there is no old Python")
    message = _refusal(tmp_path / "tmp", python)
    assert " is Python 3." in message
    assert ", and flax.nnx needs 3.11 or newer: name another" in message


def _old_python(minor: int) -> str | None:
    found = shutil.which(f"python3.{minor}")
    works = found and not subprocess.run([found, "-c", ""], capture_output=True).returncode
    return found if works else None


def test_interpreter_that_does_not_exist(tmp_path: Path) -> None:
    message = _refusal(tmp_path / "tmp", tmp_path / "missing")
    assert message.startswith(f"there is no interpreter {tmp_path / 'missing'}")


def test_interpreter_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").touch()
    message = _refusal(tmp_path / "tmp", tmp_path)
    assert message.endswith(f"is a folder; did you mean {tmp_path / 'bin/python'}?")
