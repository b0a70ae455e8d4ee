"""Virtual environments, one for each tool that is measured; they are kept for the next time."""

import subprocess
import venv
from pathlib import Path

from samples import ROOT

STORE = ROOT / ".venv-bench"


def python(name: str, *requirements: str) -> str:
    """The Python of the environment ``name``, which holds what pip was told to install."""
    folder = STORE / name
    interpreter = folder / "bin" / "python"
    done = folder / "installed.txt"
    wanted = "\n".join(requirements)
    if not done.is_file() or done.read_text(encoding="utf-8") != wanted:
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *requirements], check=True)
        Path(done).write_text(wanted, encoding="utf-8")
    return str(interpreter)


def ours() -> str:
    """flake8 with this plugin and no other."""
    return python("ours", "-e", str(ROOT))


def flake8() -> str:
    """flake8 with no plugin at all."""
    return python("flake8", "flake8")
