"""How the other side is started in an interpreter that need not have this package installed."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

UNFIT = "!"
"""What a line begins with that says, after the interpreter's name, why it cannot be used."""

NO_MORE_JOBS = ""
"""The line that says that all jobs are sent; the end of the pipe means that the command is gone."""

RUN_JOB = "flake8_nnx_mode.confirm.child:run_job"
CAN_FORK = sys.platform == "linux"
"""macOS has fork, but its system libraries do not survive it."""

# Old Pythons run this too, to say that they are old. The entry '' of sys.path is the current
# folder, whose json.py or jax.py is not the one that is meant.
_BOOTSTRAP = f"""\
import sys
sys.path[:] = [entry for entry in sys.path if entry]
if sys.version_info < (3, 11):
    what = "is Python %d.%d, and flax.nnx needs 3.11 or newer" % sys.version_info[:2]
    sys.stdout.write("{UNFIT}" + what + ": name another interpreter with --python\\n")
    sys.exit()
from importlib.util import module_from_spec, spec_from_file_location
folder, role, options = sys.argv[1:]
del sys.argv[1:]
name = "flake8_nnx_mode"
spec = spec_from_file_location(
    name, folder + "/__init__.py", submodule_search_locations=[folder]
)
sys.modules[name] = module_from_spec(spec)
spec.loader.exec_module(sys.modules[name])
from flake8_nnx_mode.confirm import pool
getattr(pool, role)(options)
"""
_PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Options:
    """What the command tells the other side about how to work."""

    workers: int
    """At most so many files at a time."""
    time_limit: float
    """Seconds of wall time for one finding."""
    scratch: str
    """A folder of our own, for one folder per child."""
    run: str
    """What a child does with its job, as ``module:function``."""
    fork: bool
    """Whether children are forked from a process that has imported jax, or start afresh."""
    limit_memory: bool
    """Off for accelerators: their drivers reserve more address space than any machine has."""

    def encode(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, line: str) -> "Options":
        """What ``encode`` was given."""
        return cls(**json.loads(line))


def command(python: str, role: Literal["pool", "solo"], options: Options) -> list[str]:
    """The command line that starts the other side in the interpreter ``python``."""
    return [python, "-c", _BOOTSTRAP, str(_PACKAGE), role, options.encode()]
