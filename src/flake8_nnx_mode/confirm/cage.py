"""What a child does to itself before it runs anything: limits, a scratch folder, refusals.

It contains accidents. It is no security boundary: C code, and ctypes, walk past the refusals. Only
code that one would run anyway should be confirmed.
"""

import ctypes
import errno
import faulthandler
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable

GIGABYTE = 1 << 30
MEMORY = 4 * GIGABYTE
"""Address space for the code itself; XLA aborts with less."""
_PER_CORE = GIGABYTE // 4  # each thread of XLA's pools reserves a stack and an arena
_FILE_SIZE = GIGABYTE // 4
_OPEN_FILES = 1024
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_DEVICES = frozenset({os.devnull, "/dev/stdout", "/dev/stderr"})

# The code that runs may replace functions of os; the hook keeps those it found.
_dirname, _basename, _join = os.path.dirname, os.path.basename, os.path.join
_realpath, _lexists, _readlink, _getcwd = os.path.realpath, os.path.lexists, os.readlink, os.getcwd
_fsdecode, _getpid = os.fsdecode, os.getpid

if sys.platform == "linux":  # loaded before the fork, once
    _prctl = ctypes.CDLL(None).prctl


class RefusedError(PermissionError):
    """What the code wanted is not allowed here.

    An OSError, since that is what libraries expect of a cache that cannot be written or a host that
    cannot be reached: they go on without. ``take_refusal`` tells of it even if it was caught.
    """

    def __init__(self, what: str) -> None:
        words = f"the code tried to {what}, which is refused while it is confirmed"
        super().__init__(errno.EPERM, words)

    def __str__(self) -> str:
        return str(self.strerror)  # also where somebody has added a file name


_first_refusal: str | None = None


def take_refusal() -> str | None:
    """What was refused first since this was last asked, to be read after "the code tried to"."""
    global _first_refusal
    refusal, _first_refusal = _first_refusal, None
    return refusal


def enter(scratch: str, *, stderr: int, cpu_seconds: int, limit_memory: bool) -> None:
    """Shut this process in; there is no way back.

    Args:
        scratch: An empty folder, the only one that may be written to; becomes the current one.
        stderr: Where file descriptor 2 goes; what is written to 1 is thrown away.
        cpu_seconds: How much CPU time may be used.
        limit_memory: Whether to limit address space.
    """
    if sys.platform != "win32" and os.getsid(0) != os.getpid():
        os.setsid()
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _first_to_go()
    _redirect(stderr)
    faulthandler.enable(2, all_threads=False)
    _move(scratch)
    _limit(cpu_seconds, limit_memory)
    sys.dont_write_bytecode = True
    sys.addaudithook(_hook(_checks(os.path.realpath(scratch))))


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own, so that none gets away."""
    if sys.platform == "linux":
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _first_to_go() -> None:
    """When memory runs out, let the kernel take this process and not its parent or an editor."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")
    except OSError:  # not here: a container may forbid it
        pass


def _redirect(stderr: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    if stderr != 2:
        os.dup2(stderr, 2)
        os.close(stderr)


def _move(scratch: str) -> None:
    os.chdir(scratch)
    names = "HOME USERPROFILE TMPDIR TMP TEMP XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME"
    os.environ.update(dict.fromkeys(names.split(), scratch))
    tempfile.tempdir = scratch


def _limit(cpu_seconds: int, limit_memory: bool) -> None:
    if sys.platform == "win32":
        return
    import resource

    wanted = {
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_FSIZE: _FILE_SIZE,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
    }
    if limit_memory:
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        wanted[resource.RLIMIT_AS] = used + MEMORY + _PER_CORE * (os.cpu_count() or 1)
    for kind, value in wanted.items():
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        # Where the hard limit of CPU time is reached too, the signal is not the one that tells.
        resource.setrlimit(kind, (value, hard if kind == resource.RLIMIT_CPU else value))


_Check = Callable[..., str | None]


def _hook(checks: dict[str, _Check]) -> Callable[[str, tuple[object, ...]], None]:
    def hook(event: str, args: tuple[object, ...]) -> None:
        global _first_refusal
        check = checks.get(event)
        if check is None:
            return
        what = check(*args)
        if what is not None:
            _first_refusal = _first_refusal or what
            raise RefusedError(what)

    return hook


def _checks(scratch: str) -> dict[str, _Check]:
    """Audit event -> what says of its arguments what is wrong with them, if anything is."""
    return _checks_of_files(scratch) | _checks_of_processes() | _checks_of_sockets()


def _checks_of_files(scratch: str) -> dict[str, _Check]:
    inside = scratch + os.sep

    def elsewhere(path: object, dir_fd: object = -1, *, follow: bool = False) -> str | None:
        """The full name of a place outside the scratch folder."""
        if path in _DEVICES:
            return None
        place = _place(path, dir_fd)
        if place is None:
            return None
        folder = _realpath(_dirname(place))
        place = _realpath(place) if follow else _join(folder, _basename(place))
        return None if place == scratch or place.startswith(inside) else place

    def opened(path: object, mode: object, flags: object) -> str | None:
        if not (isinstance(flags, int) and flags & _WRITES) or isinstance(path, int):
            return None
        if mode is None and _is_relative(path):
            # os.open, which may have been given a folder that the event does not tell
            return f"write to {path!r} with os.open, which is only allowed with a full path"
        place = elsewhere(path, follow=True)
        return place and f"write to {place}"

    def made(path: object, *args: object) -> str | None:
        place = elsewhere(path, args[-1])
        # What exists already cannot be made: that error is for the code itself to see.
        return f"make {place}" if place and not _lexists(place) else None

    def removed(path: object, dir_fd: object) -> str | None:
        place = elsewhere(path, dir_fd)
        return f"remove {place}" if place and _lexists(place) else None

    def moved(source: object, target: object, *dir_fds: object) -> str | None:
        for path, dir_fd in zip((source, target), dir_fds, strict=True):
            place = elsewhere(path, dir_fd)
            if place:
                return f"rename {place}"
        return None

    def linked(source: object, target: object, *dir_fds: object) -> str | None:
        # Also the source: writing to the link would change what it is a link to.
        place = moved(source, target, *dir_fds)
        return place and place.replace("rename", "link", 1)

    def changed(path: object, *args: object) -> str | None:
        dir_fd = args[-1] if args else -1
        place = elsewhere(path, dir_fd, follow=True)
        return f"change {place}" if place and _lexists(place) else None

    def changed_here(path: object, *_args: object) -> str | None:
        return changed(path)

    def database(path: object) -> str | None:
        if isinstance(path, str | bytes) and _fsdecode(path) in ("", ":memory:"):
            return None
        return opened(path, "w", os.O_RDWR)

    return {
        "open": opened,
        "os.mkdir": made,
        "os.symlink": lambda _source, target, dir_fd: made(target, dir_fd),
        "os.link": linked,
        "os.remove": removed,
        "os.rmdir": removed,
        "os.rename": moved,
        "os.chmod": changed,
        "os.chown": changed,
        "os.utime": changed,
        "os.truncate": changed_here,
        "os.setxattr": changed_here,
        "os.removexattr": changed_here,
        "os.chflags": changed_here,
        "sqlite3.connect": database,
    }


def _checks_of_processes() -> dict[str, _Check]:
    def started(*_args: object) -> str:
        return "start a process"

    def signalled(pid: object, number: object) -> str | None:
        return None if pid == _getpid() or number == 0 else f"send a signal to process {pid}"

    starts = (
        "os.fork os.forkpty os.exec os.posix_spawn os.spawn os.system os.startfile pty.spawn"
        " subprocess.Popen"
    )
    # multiprocessing calls this without an event; subprocess keeps its own reference, and has one
    if sys.platform != "win32":
        import _posixsubprocess

        def fork_exec(*_args: object) -> None:
            sys.audit("os.posix_spawn")

        vars(_posixsubprocess)["fork_exec"] = fork_exec
    return dict.fromkeys(starts.split(), started) | {
        "os.kill": signalled,
        "os.killpg": lambda group, number: signalled(group, number),
    }


def _checks_of_sockets() -> dict[str, _Check]:
    pairs = getattr(socket, "AF_UNIX", None)

    def opened(_socket: object, family: object, *_args: object) -> str | None:
        # asyncio wakes itself through a pair of these; none of them can be connected or bound
        return None if family == pairs else "open a socket"

    def used(*_args: object) -> str:
        return "use a socket"

    def asked(*_args: object) -> str:
        return "look up a host"

    uses = "bind connect sendto sendmsg"
    lookups = "getaddrinfo gethostbyaddr gethostbyname getnameinfo getservbyname getservbyport"
    return (
        {"socket.__new__": opened}
        | {f"socket.{name}": used for name in uses.split()}
        | {f"socket.{name}": asked for name in lookups.split()}
    )


def _is_relative(path: object) -> bool:
    return not os.path.isabs(_name(path))


def _name(path: object) -> str:
    return _fsdecode(path)  # type: ignore[arg-type]  # an event's path is what os took for one


def _place(path: object, dir_fd: object) -> str | None:
    """The full name of ``path``; None where an open file has none."""
    if isinstance(path, int):
        return _folder(path)
    name = _name(path)
    if os.path.isabs(name):
        return name
    base = _folder(dir_fd) if isinstance(dir_fd, int) and dir_fd >= 0 else _getcwd()
    return _join(base or _getcwd(), name)


def _folder(number: int) -> str | None:
    """What an open file is called; only Linux tells."""
    try:
        name = _readlink(f"/proc/self/fd/{number}")
    except OSError:
        return None
    return name if name.startswith("/") else None
