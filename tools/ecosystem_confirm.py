"""Runs ``nnx-mode confirm`` over the public packages, and compares with what was judged by hand.

Run from the project's root, with the project installed, after ``tools/ecosystem.py``::

    python tools/ecosystem_confirm.py --python ../eco/bin/python            # and compare
    python tools/ecosystem_confirm.py --python ../eco/bin/python --pinned   # with our pins
    python tools/ecosystem_confirm.py ... --update                          # write the record anew

``--python`` names an interpreter with jax, flax and what the packages need; the packages themselves
need not be installed. Each is copied to a folder of its own, whose pyproject.toml has the pins
of ``tools/ecosystem_confirm_pins.toml``. Exit status: 0 if verdicts and record agree and all
CONFIRMED and REFUTED are judged right, or 1.
"""

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

from ecosystem import packages, unpacked
from flake8_nnx_mode import rules

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "tools" / "ecosystem_confirm_record.tsv"
PINS = ROOT / "tools" / "ecosystem_confirm_pins.toml"
VERDICTS = ("CONFIRMED", "REFUTED", "INCONCLUSIVE")
COLUMNS = ("package", "path", "line", "code", "verdict", "pinned", "judged", "why")
UNRESOLVED = ("missing module",)
"""Reasons that say that an import failed."""

Place = tuple[str, str, str, str]
"""Package, path, line, code."""


def copied(folder: Path, *, pinned: bool) -> None:
    """Put every package into ``folder``, as a project of its own."""
    pins = tomllib.loads(PINS.read_text(encoding="utf-8")) if pinned and PINS.exists() else {}
    for requirement in packages():
        target = folder / requirement
        shutil.copytree(unpacked(requirement), target)
        lines = ["[project]", 'name = "package"', "[tool.nnx-mode.confirm]"]
        for name, recipe in pins.get(requirement.partition("==")[0], {}).items():
            given = ", ".join(f"{part} = {json.dumps(text)}" for part, text in recipe.items())
            lines.append(f"{json.dumps(name)} = {{{given}}}")
        (target / "pyproject.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def confirmed(folder: Path, python: str) -> list[dict[str, Any]]:
    """What the command says of all rules that have an oracle."""
    entries = rules.registry()
    asked = ",".join(entry.code for entry in entries if entry.rule.oracle is not None)
    ignored = ",".join(entry.code for entry in entries if entry.rule.oracle is None)
    found: list[dict[str, Any]] = []
    for requirement in packages():  # each as the project it is
        report = folder / f"{requirement}.json"
        command = [sys.executable, "-m", "flake8_nnx_mode", "confirm", "--python", python]
        command += ["--extend-select", asked, "--ignore", ignored]
        command += ["--format", "json", "--fail-on", "never", "--output-file", str(report), "."]
        subprocess.run(command, check=False, cwd=folder / requirement)
        for finding in json.loads(report.read_text(encoding="utf-8"))["findings"]:
            found.append({**finding, "package": requirement})
    return found


def place(finding: dict[str, Any]) -> Place:
    """Where a finding is."""
    path = Path(finding["path"]).as_posix()
    return finding["package"], path, str(finding["line"]), finding["code"]


def record() -> dict[tuple[Place, str], dict[str, str]]:
    """What was judged, by place and by whether pins were used."""
    if not RECORD.exists():
        return {}
    with RECORD.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {((r["package"], r["path"], r["line"], r["code"]), r["pinned"]): r for r in rows}


def write(rows: dict[tuple[Place, str], dict[str, str]]) -> None:
    """Write the record."""
    with RECORD.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[key] for key in sorted(rows))


def table(found: list[dict[str, Any]]) -> None:
    """Print the verdicts of each rule, and why there was none."""
    counts = Counter((f["code"], f["verdict"]) for f in found)
    print("| code | CONFIRMED | REFUTED | INCONCLUSIVE |\n|---|---|---|---|")
    for code in sorted({f["code"] for f in found}):
        print(f"| {code} | " + " | ".join(str(counts[code, v]) for v in VERDICTS) + " |")
    reasons = Counter(f["reason"] for f in found if f["verdict"] == "INCONCLUSIVE")
    print("\n| INCONCLUSIVE, because | findings |\n|---|---|")
    for reason, count in reasons.most_common():
        print(f"| {reason} | {count} |")
    resolved = [f for f in found if f["reason"] not in UNRESOLVED]
    open_ = sum(f["verdict"] == "INCONCLUSIVE" for f in resolved)
    share = open_ / max(len(resolved), 1)
    print(f"\n{open_} of {len(resolved)} findings whose imports resolve: {share:.0%} INCONCLUSIVE")


def main() -> int:
    """Run; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", required=True, help="the interpreter that has jax and flax")
    parser.add_argument("--pinned", action="store_true", help="with our pins")
    parser.add_argument("--update", action="store_true", help="write differences into the record")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        copied(Path(name), pinned=options.pinned)
        found = confirmed(Path(name), str(Path(options.python).absolute()))
    table(found)
    if any(finding["reason"] == "not run" for finding in found):
        print("the run ended early: nothing is compared")
        return 1
    pinned = "pinned" if options.pinned else ""
    old = record()
    new = {key: row for key, row in old.items() if key[1] != pinned}
    wrong = 0
    for finding in found:
        key = place(finding), pinned
        was = old.get(key)
        row = dict(zip(COLUMNS, [*key[0], finding["verdict"], pinned, "", ""], strict=True))
        if was is not None and was["verdict"] == finding["verdict"]:
            row |= {"judged": was["judged"], "why": was["why"]}
        elif finding["verdict"] == "INCONCLUSIVE":
            row["why"] = finding["reason"]
        new[key] = row
        changed = was is None or was["verdict"] != finding["verdict"]
        unjudged = finding["verdict"] != "INCONCLUSIVE" and row["judged"] != "right"
        if changed or unjudged:
            wrong += 1
            print(*key[0], finding["verdict"], row["judged"] or "unjudged", finding["evidence"])
    for key in (k for k in old if k[1] == pinned and k not in new):
        wrong += 1
        print(*key[0], "is not found any more")
    if options.update:
        write(new)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
