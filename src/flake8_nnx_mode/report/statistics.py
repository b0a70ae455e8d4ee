"""How often ``nnx-mode check`` found what."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import TextIO

from flake8_nnx_mode.lint import Checked
from flake8_nnx_mode.report.names import known
from flake8_nnx_mode.report.summary import MARK, fixable, summary


def write(files: Sequence[Checked], file: TextIO) -> None:
    """Write a table to ``file``, its columns apart by tabs, the most frequent code first.

    ``[*]`` is beside what ``nnx-mode fix --write`` mends, ``[-]`` where it mends only some.
    """
    counts, mended = _counts(files), _mended(files)
    width = max((len(str(count)) for _, count in counts), default=0)
    for code, count in counts:
        mark = MARK if mended[code] == count else "[-]" if mended[code] else "[ ]"
        print(f"{count:>{width}}", code, mark, known(code).name, sep="\t", file=file)
    for line in summary(files):
        print(line, file=file)


def write_json(files: Sequence[Checked], file: TextIO) -> None:
    """Write the same to ``file`` as a list of objects."""
    mended = _mended(files)
    whole = [
        {
            "code": code,
            "name": known(code).name,
            "count": count,
            "fixable": mended[code] == count,
            "fixable_count": mended[code],
        }
        for code, count in _counts(files)
    ]
    json.dump(whole, file, indent=2)
    file.write("\n")


def _counts(files: Sequence[Checked]) -> list[tuple[str, int]]:
    counts = Counter(finding.code for file in files for finding in file.findings)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _mended(files: Sequence[Checked]) -> Counter[str]:
    """How many findings of each code ``nnx-mode fix --write`` mends."""
    return Counter(f.code for file in files for f in file.findings if fixable(f))
