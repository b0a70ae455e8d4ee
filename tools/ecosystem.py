"""The ecosystem check: lint public packages, and compare with what was judged by hand.

Run from the project's root, with the project installed::

    python tools/ecosystem.py            # download if need be, lint, compare
    python tools/ecosystem.py --update   # and write new findings into the record, unjudged

Packages are unpacked below ``.ecosystem/``, never installed or imported. The record holds places
and verdicts, no source text. Exit status: 0 if findings and record agree and all are judged, or 1.
"""

import argparse
import csv
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from flake8_nnx_mode import engine, rules
from flake8_nnx_mode.selection import EVERYTHING
from flake8_nnx_mode.settings import Settings

ROOT = Path(__file__).parent.parent
LIST = ROOT / "tools" / "ecosystem.txt"
RECORD = ROOT / "tools" / "ecosystem_record.tsv"
STORE = ROOT / ".ecosystem"
VERDICTS = ("true", "false", "harmless")


class Found(NamedTuple):
    """Where a finding is; two on one line are two equal entries."""

    package: str
    path: str
    line: int
    code: str


class Judged(NamedTuple):
    """One row of the record."""

    found: Found
    verdict: str
    why: str


def packages() -> list[str]:
    """The requirements in the list, pinned."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def unpacked(requirement: str) -> Path:
    """The folder of a package; downloaded and unpacked if it is not there yet."""
    folder = STORE / requirement
    if folder.is_dir():
        return folder
    downloads = STORE / "downloads" / requirement
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--ignore-requires-python", "--dest", str(downloads), requirement]
    subprocess.run(command, check=True)
    (archive,) = downloads.iterdir()
    partial = folder.with_suffix(".partial")
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(partial)
    else:
        with tarfile.open(archive) as tar:
            tar.extractall(partial, filter="data")
    partial.rename(folder)
    return folder


def lint(file: Path) -> list[tuple[int, str]]:
    """(line, code) of all findings in a file; what Python cannot parse has none."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        compile(text, str(file), "exec", dont_inherit=True, flags=0x400)
    except (SyntaxError, ValueError):
        return []
    return lint_text(file, text)


def lint_text(file: Path, text: str) -> list[tuple[int, str]]:
    """(line, code) of what all rules find in ``text``, as if it were what the file holds."""
    found = engine.check(file, text, Settings(), EVERYTHING)
    return [(finding.span.start.line, finding.code) for finding in found]


def findings() -> Iterator[Found]:
    """All findings in all packages."""
    with ProcessPoolExecutor() as pool:
        for requirement in packages():
            folder = unpacked(requirement)
            files = sorted(folder.rglob("*.py"))
            for file, found in zip(files, pool.map(lint, files, chunksize=8), strict=True):
                path = file.relative_to(folder).as_posix()
                yield from (Found(requirement, path, line, code) for line, code in found)


def record() -> list[Judged]:
    """What was judged."""
    with RECORD.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t")
        next(rows)
        return [Judged(Found(a, b, int(c), d), e, f) for a, b, c, d, e, f in rows]


def write(rows: list[Judged]) -> None:
    """Write the record, sorted."""
    with RECORD.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["package", "path", "line", "code", "verdict", "why"])
        writer.writerows((*row.found, row.verdict, row.why) for row in sorted(rows))


def report(found: list[Found], judged: list[Judged]) -> bool:
    """Print counts, precision and differences; whether there is nothing left to do."""
    verdicts: dict[str, Counter[str]] = {}
    pending = Counter(found)
    for row in judged:
        if pending[row.found]:
            pending[row.found] -= 1
            verdicts.setdefault(row.found.code, Counter())[row.verdict] += 1
    on = {entry.code: entry.rule.on for entry in rules.registry()}
    print(f"{len(packages())} packages, {len(found)} findings")
    print("| code | on | true | harmless | false | precision |\n|---|---|---|---|---|---|")
    for code in sorted({*rules.codes(), *(f.code for f in found)}):
        counts = verdicts.get(code, Counter())
        total = sum(counts[verdict] for verdict in VERDICTS)
        precision = f"{(total - counts['false']) / total:.0%}" if total else "-"
        precision += " (unproven)" if total < 5 else ""
        cells = [str(counts[verdict]) for verdict in ("true", "harmless", "false")]
        print(f"| {code} | {'on' if on.get(code, True) else 'off'} |", " | ".join(cells), end="")
        print(f" | {precision} |")
    new = sorted(pending.elements())
    gone = sorted((Counter(row.found for row in judged) - Counter(found)).elements())
    unjudged = [row.found for row in judged if row.verdict not in VERDICTS]
    for title, places in (("new", new), ("gone", gone), ("not judged", unjudged)):
        for place in places:
            print(f"{title}: {place.package} {place.path}:{place.line} {place.code}")
    return not (new or gone or unjudged)


def main() -> int:
    """Run the check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true", help="add new findings to the record")
    update = parser.parse_args().update
    found = list(findings())
    judged = record()
    agrees = report(found, judged)
    if update:
        known = Counter(row.found for row in judged)
        kept = Counter(found)
        rows = [row for row in judged if row.found in kept]
        rows += [Judged(place, "?", "") for place in (kept - known).elements()]
        write(rows)
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main())
