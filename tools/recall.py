"""The recall harness: break what is right in real code, and count how often the linter says so.

Run from the project's root, with the project installed::

    python tools/recall.py                       # the tuning half of the packages, all rules
    python tools/recall.py --rule NNX201 --list  # one rule, with its misses
    python tools/recall.py --half held-out       # the other half: for the end only

A mutator (``mutators.py``) finds a good idiom in a file and breaks it; one mutant at a time is
linted in place of the file. Where real code has too few such places, small good classes
(``plants.txt``) are appended to real files and broken there, and real modules are given a broken
method or function more (``mutators_views.py``). Nothing is written to disk.
"""

import argparse
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from itertools import zip_longest
from pathlib import Path

import ecosystem
import mutators
import mutators_views  # noqa: F401 (registers its own)
from flake8_nnx_mode import rules
from flake8_nnx_mode.codes import NOT_ANALYSED
from mutators import Mutant
from sources import Package, dead_lines

HALVES = ("tuning", "held-out")
ENOUGH = 30
"""A rule with fewer real sites than this gets planted ones."""
_NOT_OURS = re.compile(r"(^|/)(tests?|testing)/|(^|/)(test_[^/]*|[^/]*_test|conftest)\.py$")


@dataclass(frozen=True, slots=True)
class Site:
    """A mutant, and where it comes from. The text is set where it is not that of the file."""

    package: str
    mutant: Mutant
    planted: bool = False
    text: str | None = None

    @property
    def real(self) -> bool:
        """Whether what is broken was there."""
        return not self.planted and not self.mutant.added


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the linter said of a mutant."""

    site: Site
    caught: bool
    counts: bool
    """False if the file has the same finding before: nothing can be learned there."""
    instead: tuple[str, ...]
    """Other codes that appeared in the file."""


def folders(also: Iterable[Path]) -> dict[str, Path]:
    """The packages to break: those of the ecosystem check, and further folders of packages."""
    found = {name: ecosystem.unpacked(name) for name in ecosystem.packages()}
    for extra in also:
        for folder in sorted(extra.iterdir()):
            if folder.is_dir():
                found.setdefault(folder.name, folder)
    return {name: folder for name, folder in found.items() if not name.startswith("flax==")}


def files(folder: Path) -> list[Path]:
    """The files that could hold a site."""
    return [
        path
        for path in sorted(folder.rglob("*.py"))
        if not _NOT_OURS.search(path.relative_to(folder).as_posix())
        and "nnx" in path.read_text(encoding="utf-8", errors="ignore")
    ]


def half(packages: dict[str, Path], wanted: str) -> dict[str, Path]:
    """One half of the packages: from the one with most to break they go back and forth.

    Further packages (``--also``) are dealt after those of the list, and so change nothing there.
    """
    listed = set(ecosystem.packages())
    weights = {name: _weight(folder) for name, folder in packages.items()}
    order = sorted(packages, key=lambda name: (name not in listed, -weights[name], name))
    back_and_forth = (0, 1, 1, 0)
    return {
        name: packages[name]
        for at, name in enumerate(order)
        if wanted in ("both", HALVES[back_and_forth[at % 4]])
    }


_IDIOMS = re.compile(
    r"rngs\.\w+\(\)|\b(train|training|deterministic|use_running_average)=(not )?[a-z]"
)


def _weight(folder: Path) -> int:
    """About how many draws and modes that are handed on a package holds."""
    texts = [path.read_text(encoding="utf-8", errors="ignore") for path in files(folder)]
    return sum(len(_IDIOMS.findall(text)) for text in texts)


def sites(job: tuple[str, Path, frozenset[str]]) -> list[Site]:
    """All mutants of the wanted rules in a package."""
    name, folder, codes = job
    package = Package(folder)
    found = []
    for path in files(folder):
        source = package.at(path)
        if source is not None:
            dead = dead_lines(source.tree)
            found += [
                Site(name, mutant)
                for mutant in mutators.mutants(source, codes)
                if mutant.accepted[0] not in dead
            ]
    return found


def sample(found: list[Site], most: int, seed: str) -> list[Site]:
    """At most so many, spread over mutators, files and packages; the same for the same seed."""
    generator = random.Random(seed)
    by_package: dict[str, list[Site]] = defaultdict(list)
    for site in generator.sample(found, len(found)):
        by_package[site.package].append(site)
    for own in by_package.values():
        seen: Counter[tuple[str, ...]] = Counter()
        ranks = {}
        for site in own:
            kind, path = site.mutant.kind, str(site.mutant.path)
            ranks[site] = (seen[kind, path], seen[kind,])
            seen.update([(kind, path), (kind,)])
        own.sort(key=lambda site: ranks[site])
    quarter = max(1, most // 4)
    columns = [by_package[name] for name in sorted(by_package)]
    first = _in_turn([own[:quarter] for own in columns])
    rest = _in_turn([own[quarter:] for own in columns])
    return [*first, *rest][:most]


def _in_turn(columns: list[list[Site]]) -> Iterator[Site]:
    return (site for row in zip_longest(*columns) for site in row if site is not None)


def planted(packages: dict[str, Path], code: str, most: int, seed: str) -> list[Site]:
    """Small good classes at the end of real files, each broken."""
    own = [plant for plant in mutators.plants() if plant.code == code]
    hosts = _hosts(tuple(packages.items()))
    if not own or not hosts:
        return []
    generator = random.Random(seed)
    found = []
    for at in range(max(most, len(own))):
        plant = own[at % len(own)]
        name, path = generator.choice(hosts)
        text = path.read_text(encoding="utf-8")
        good, first = mutators.plant_in(text, plant.good, plant.bad)
        bad, _ = mutators.plant_in(text, plant.bad, plant.good)
        accepted = (first + plant.accepted[0], first + plant.accepted[1])
        start = len(bad) - len(bad.split("\n", first - 1)[-1])
        edit = (start, len(good), bad[start:])
        mutant = Mutant(code, path, (edit,), accepted, "planted", f"planted: {plant.title}")
        found.append(Site(name, mutant, planted=True, text=good))
    return found


@cache
def _hosts(packages: tuple[tuple[str, Path], ...]) -> list[tuple[str, Path]]:
    """Files of nnx modules, not too long, a few from each package."""
    found = []
    for name, folder in packages:
        own = []
        package = Package(folder)
        for path in files(folder):
            if path.stat().st_size < 20_000 and (source := package.at(path)):
                taken = {"rngs", "key"} & {*source.globals, *source.imports}
                if source.alias("flax.nnx") and not taken:
                    own.append((name, path))
        found += own[:5]
    return found


_lint_before = cache(ecosystem.lint_text)


def judge(site: Site) -> Outcome:
    """Lint a mutant."""
    mutant = site.mutant
    text = site.text
    if text is None:
        text = mutant.path.read_text(encoding="utf-8")
    broken = mutant.apply(text)
    before, after = _lint_before(mutant.path, text), ecosystem.lint_text(mutant.path, broken)
    first, last = mutant.accepted
    if not site.planted:
        counts = not any(code == mutant.code and first <= line <= last for line, code in before)
        first, last = mutant.lines(text)
    else:
        start = text.count("\n", 0, mutant.edits[0][0]) + 1
        counts = not any(code == mutant.code and line >= start for line, code in before)
    there = [code for line, code in after if first <= line <= last]
    new = Counter(code for _, code in after) - Counter(code for _, code in before)
    failed = {code for _, code in after} & {NOT_ANALYSED.code}
    instead = tuple(sorted({*new, *failed} - {mutant.code}))
    return Outcome(replace(site, text=None), mutant.code in there, counts, instead)


def report(outcomes: list[Outcome], codes: list[str], found: Counter[str]) -> None:
    """The table."""
    known = set(rules.codes())
    print("| code | real caught / injected | planted caught / injected | misses |")
    print("|---|---|---|---|")
    for code in codes:
        cells = []
        own = [each for each in outcomes if each.site.mutant.code == code and each.counts]
        for is_planted in (False, True):
            kind = [each for each in own if each.site.real != is_planted]
            caught = sum(each.caught for each in kind)
            cell = f"{caught} / {len(kind)} ({caught / len(kind):.0%})" if kind else "-"
            if not is_planted and found[code] > len(kind):
                cell += f" of {found[code]} sites"
            cells.append(cell)
        misses = sum(not each.caught for each in own)
        note = "" if code in known else " (no such rule yet)"
        print(f"| {code} | {cells[0]} | {cells[1]} | {misses}{note} |")


def count(every: list[Site], codes: list[str]) -> None:
    """Where the sites are."""
    print("| code | sites | by mutator | by package |\n|---|---|---|---|")
    for code in codes:
        own = [site for site in every if site.mutant.code == code]
        kinds = Counter(site.mutant.kind for site in own).most_common(6)
        names = Counter(site.package for site in own).most_common(6)
        cells = [", ".join(f"{name} {number}" for name, number in part) for part in (kinds, names)]
        print(f"| {code} | {len(own)} | {cells[0]} | {cells[1]} |")


def show(outcomes: list[Outcome], roots: dict[str, Path], wanted: int, *, hits: bool) -> None:
    """The misses, the first of each rule in full."""
    shown: Counter[str] = Counter()
    for outcome in outcomes:
        if outcome.caught != hits or not outcome.counts:
            continue
        site, mutant = outcome.site, outcome.site.mutant
        path = mutant.path.relative_to(roots[site.package]).as_posix()
        instead = f" [instead: {', '.join(outcome.instead)}]" if outcome.instead else ""
        word = "caught" if hits else "missed"
        print(
            f"{word}: {mutant.code} {site.package} {path}:{mutant.accepted[0]}",
            f"{mutant.what}{instead}",
        )
        shown[mutant.code] += 1
        if shown[mutant.code] <= wanted:
            text = mutant.path.read_text(encoding="utf-8")
            if site.planted:
                print(_indented(mutant.edits[0][2]))
            else:
                print(_around(text, mutant))


def _around(text: str, mutant: Mutant) -> str:
    lines = mutant.apply(text).split("\n")
    first, last = mutant.lines(text)
    return _indented("\n".join(lines[max(0, first - 3) : last + 2]))


def _indented(text: str) -> str:
    return "".join(f"    | {line}\n" for line in text.strip("\n").split("\n"))


def main() -> int:
    """Run the harness."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--half", choices=[*HALVES, "both"], default="tuning")
    parser.add_argument("--rule", action="append", default=[], help="a code, or the start of one")
    parser.add_argument("--most", type=int, default=60, help="mutants per rule")
    parser.add_argument("--seed", default="nnx", help="for the sample")
    parser.add_argument("--also", type=Path, action="append", default=[], help="more packages")
    parser.add_argument("--list", action="store_true", help="list the misses")
    parser.add_argument(
        "--show", type=int, default=0, metavar="N", help="print N misses of a rule in full"
    )
    parser.add_argument("--count", action="store_true", help="only count sites, lint nothing")
    parser.add_argument("--hits", action="store_true", help="list or print what was caught instead")
    options = parser.parse_args()
    known = {code for code, _ in mutators.MUTATORS} | {plant.code for plant in mutators.plants()}
    codes = sorted(c for c in known if c.startswith(tuple(options.rule) or "NNX"))
    packages = half(folders(options.also), options.half)
    rules.registry()  # imported before the workers start, so that they share one state of the code
    with ProcessPoolExecutor(2) as pool:
        jobs = [(name, folder, frozenset(codes)) for name, folder in packages.items()]
        every = [site for found in pool.map(sites, jobs) for site in found]
        if options.count:
            count(every, codes)
            return 0
        counts = Counter(site.mutant.code for site in every if site.real)
        chosen = []
        for code in codes:
            seed = f"{options.seed} {code}"
            own = [site for site in every if site.mutant.code == code]
            real = sample([site for site in own if site.real], options.most, seed)
            chosen += real
            if len(real) < ENOUGH:
                enough = min(ENOUGH, options.most)
                chosen += sample([site for site in own if not site.real], enough, seed)
                chosen += planted(packages, code, enough, seed)
        chosen.sort(key=lambda site: (str(site.mutant.path), site.mutant.code))
        outcomes = list(pool.map(judge, chosen, chunksize=8))
    outcomes.sort(key=lambda each: (each.site.mutant.code, each.site.planted))
    report(outcomes, codes, counts)
    print(f"\n{options.half}: {', '.join(sorted(packages))}")
    failed = sum(NOT_ANALYSED.code in each.instead for each in outcomes)
    if failed:
        print(f"the linter could not analyse {failed} mutants (NNX000): do not trust this table")
    spoiled = [each for each in outcomes if each.site.planted and not each.counts]
    for each in spoiled:
        print(f"good plant reported: {each.site.mutant.code} {each.site.mutant.what}")
    if options.list or options.show:
        show(outcomes, packages, options.show, hits=options.hits)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
