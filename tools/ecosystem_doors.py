"""Lints the public packages through both doors, flake8 and ``nnx-mode check``, and compares.

Run from the project's root: ``python tools/ecosystem_doors.py`` (three minutes). Findings that
``# noqa`` comments silence are compared as well, by a second run that disregards them.
"""

import re
import subprocess
import sys

from ecosystem import STORE, packages, unpacked

RULES = ("--isolated", "--extend-select", "NNX1,NNX2,NNX3,NNX4")
DOORS = {
    "flake8": ("flake8", "--select", "NNX,E9", *RULES),
    "nnx-mode check": ("flake8_nnx_mode", "check", "--format", "concise", *RULES),
}
_LINE = re.compile(r"(.+?:\d+:\d+: (?:NNX|E9)\d+) ")


def findings(door: str, *options: str) -> set[str]:
    """What is reported, as ``path:line:column: code``."""
    folders = [str(unpacked(requirement)) for requirement in packages()]
    command = [sys.executable, "-m", *DOORS[door], *options, *folders]
    done = subprocess.run(command, cwd=STORE, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr)
    return {found[1] for line in done.stdout.splitlines() if (found := _LINE.match(line))}


def main() -> int:
    """Compare."""
    differ = False
    seen: dict[str, set[str]] = {}
    for options in ((), ("--disable-noqa",)):
        first, second = (findings(door, *options) for door in DOORS)
        broken = {place.split(":")[0] for place in first if " E9" in place}
        # What Python cannot parse is E999 for flake8, which then asks no plugin.
        first = {place for place in first if " E9" not in place}
        second = {place for place in second if place.split(":")[0] not in broken}
        seen[" ".join(options)] = first
        print(f"{' '.join(options) or 'as it is'}: {len(first)} findings, {len(second)} findings")
        for place in sorted(first ^ second):
            differ = True
            print(f"only {'flake8' if place in first else 'nnx-mode'}: {place}")
    silenced = len(seen["--disable-noqa"]) - len(seen[""])
    print(f"{silenced} findings are silenced by # noqa")
    return int(differ)


if __name__ == "__main__":
    sys.exit(main())
