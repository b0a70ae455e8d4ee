"""Mends the mistakes that ``recall.py`` makes in real code, and says what becomes of them.

Run from the project's root: ``python tools/mutant_fixes.py``. Per rule: how many mutants are
reported with a fix, and of these how many are mended, how many of those are then as they were
before they were broken, and how many fixes were refused because they would have done harm.
"""

import sys
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor

import recall
from flake8_nnx_mode import engine
from flake8_nnx_mode.fixes.rounds import fixed
from flake8_nnx_mode.model import Finding
from flake8_nnx_mode.selection import EVERYTHING
from flake8_nnx_mode.settings import Settings

MOST = 60
"""Mutants per rule."""


def mend(site: recall.Site) -> tuple[str, tuple[str, ...], str]:
    """The code, what became of it in words, and where."""
    mutant = site.mutant
    text = mutant.path.read_text(encoding="utf-8") if site.text is None else site.text
    broken = mutant.apply(text)

    def lint(text: str) -> list[Finding]:
        return engine.check(mutant.path, text, Settings(), EVERYTHING)

    before = Counter(f.code for f in lint(text))
    done = fixed(broken, lint, lambda finding: finding.code == mutant.code)
    where = f"{site.package} {mutant.path.name}:{mutant.accepted[0]} {mutant.what}"
    own = [f for f in done.found if f.code == mutant.code]
    if len(own) <= before[mutant.code] or not any(f.fix for f in own):
        return mutant.code, (), where
    said = ["with a fix"]
    if done.refused:
        said += ["refused", *sorted(set(done.refused.values()))]
    if sum(f.code == mutant.code for f in done.left) < len(own):
        said.append("mended")
        if done.text == text:
            said.append("as it was")
    return mutant.code, tuple(said), where


def main() -> int:
    """Run it over all packages."""
    from flake8_nnx_mode.rules import registry

    codes = [entry.code for entry in registry() if entry.rule.fix]
    packages = recall.folders([])
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    with ProcessPoolExecutor() as pool:
        jobs = [(name, folder, frozenset(codes)) for name, folder in packages.items()]
        every = [site for found in pool.map(recall.sites, jobs) for site in found]
        chosen = []
        for code in codes:
            chosen += recall.sample([s for s in every if s.mutant.code == code], MOST, "nnx")
        for code, said, where in pool.map(mend, chosen, chunksize=4):
            counts[code].update(said or ["no fix"])
            if "refused" in said or said == ("with a fix",):
                print(f"{code} {', '.join(said)}: {where}")
    for code in codes:
        print(code, dict(counts[code]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
