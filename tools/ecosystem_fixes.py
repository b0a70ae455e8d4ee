"""Makes every fix in copies of public packages, and checks what becomes of them.

Each file still parses, each mended finding is gone, none is new, a second run changes nothing.
"""

import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from ecosystem import lint, packages, unpacked

ALL = ("--isolated", "--no-respect-gitignore", "--extend-select", "NNX1,NNX2,NNX3,NNX4")
Found = dict[Path, Counter[str]]


def fix(folder: Path, *options: str) -> list[str]:
    """Run the command; returns what it says is left."""
    command = [sys.executable, "-m", "flake8_nnx_mode", "fix", "--write", *ALL, *options]
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True)
    if done.returncode not in (0, 1) or "Traceback" in done.stderr:
        raise RuntimeError(done.stderr)
    return done.stderr.splitlines()


def texts(folder: Path) -> dict[Path, bytes]:
    """What each file holds."""
    return {file: file.read_bytes() for file in sorted(folder.rglob("*.py"))}


def findings(folder: Path) -> Found:
    """How often each code is reported in each file; what does not parse has NNX000."""
    return {file: Counter(code for _, code in lint(file)) for file in texts(folder)}


def check(requirement: str, option: tuple[str, ...]) -> tuple[Counter[str], list[str]]:
    """What was mended in a copy of a package, and what is wrong with that."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "copy"
        shutil.copytree(unpacked(requirement), copy)
        before, old = findings(copy), texts(copy)
        fix(copy, *option)
        after, new = findings(copy), texts(copy)
        left = fix(copy, *option)
        problems = [
            f"{file}: changed again" for file, text in texts(copy).items() if text != new[file]
        ]
        mended: Counter[str] = Counter()
        for file in before:
            problems += [f"{file}: new: {code}" for code in after[file] - before[file]]
            mended += before[file] - after[file]
            if old[file] != new[file] and after[file].total() >= before[file].total():
                problems.append(f"{file}: changed, and nothing is mended")
        problems += [line for line in left if "with its fix" in line]
        return mended, [problem.replace(f"{copy}/", f"{requirement}: ") for problem in problems]


def main() -> int:
    """Run the check."""
    bad = False
    for option in ((), ("--unsafe",)):
        total: Counter[str] = Counter()
        for requirement in packages():
            mended, problems = check(requirement, option)
            total += mended
            for problem in problems:
                bad = True
                print(problem)
        counts = ", ".join(f"{n} {code}" for code, n in sorted(total.items())) or "nothing"
        print(f"{' '.join(option) or 'safe only'}: {counts} mended")
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
