"""What is measured on: files of public packages, and files made up from the rules' examples."""

import ast
import re
import sys
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from flake8_nnx_mode.rules import registry

ROOT = Path(__file__).resolve().parent.parent
STORE = ROOT / ".ecosystem"


PACKAGES = ("avitai-artifex", "bijx", "google-tunix", "opifex")
"""Packages that are nnx through and through: the bars were set on their files."""


def nnx_files(every: int = 1) -> list[Path]:
    """Each ``every``-th nnx file of ``PACKAGES``, as `tools/ecosystem.py` has unpacked them."""
    folders = [folder for name in PACKAGES for folder in sorted(STORE.glob(f"{name}==*"))]
    files = (path for folder in folders for path in sorted(folder.rglob("*.py")))
    found = [path for path in files if "nnx" in _text(path) and _is_python(path)]
    if not found:
        sys.exit("no nnx files: run tools/ecosystem.py, which downloads the packages")
    return found[::every]


def plain_files(every: int = 1) -> list[Path]:
    """Each ``every``-th file without nnx: the standard library's, without its tests."""
    root = Path(sysconfig.get_path("stdlib"))
    skipped = {"site-packages", "dist-packages", "test", "tests", "lib2to3", "idlelib"}
    files = (p for p in sorted(root.rglob("*.py")) if skipped.isdisjoint(p.relative_to(root).parts))
    return [path for path in [*files][::every] if "nnx" not in _text(path) and _is_python(path)]


def lines(paths: Sequence[Path]) -> int:
    """How many lines files have together."""
    return sum(_text(path).count("\n") for path in paths)


def _is_python(path: Path) -> bool:
    """Whether the Python at hand can read a file."""
    with warnings.catch_warnings(action="ignore"):
        try:
            ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            return False
    return True


def size(paths: Sequence[Path]) -> str:
    """How much that is, in words."""
    return f"{len(paths):,} files, {lines(paths):,} lines"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig", errors="replace")


def good(copies: int) -> str:
    """The GOOD examples of all rules, ``copies`` times, each under names that no other has."""
    texts = (entry.good for _ in range(copies) for entry in registry())
    return _joined(renamed(text, number) for number, text in enumerate(texts))


def bad(count: int, codes: Sequence[str] = ()) -> str:
    """``count`` BAD examples, of rules in turn, each under names that no other has."""
    entries = [entry for entry in registry() if not codes or entry.code in codes]
    texts = (entries[number % len(entries)].bad for number in range(count))
    return _joined(renamed(text, number) for number, text in enumerate(texts))


def chain(depth: int) -> dict[str, str]:
    """A package, file by file: each imports a class from the next and builds on it."""
    files = {"pyproject.toml": "[project]\nname = 'chained'\n", "chained/__init__.py": ""}
    for level in range(depth + 1):
        base = f"Link{level + 1}" if level < depth else "nnx.Module"
        above = f"from chained.link{level + 1} import Link{level + 1}\n" if level < depth else ""
        files[f"chained/link{level}.py"] = f"""\
from flax import nnx
{above}

class Link{level}({base}):
    def __init__(self, *, rngs: nnx.Rngs):
        {"super().__init__(rngs=rngs)" if level < depth else "pass"}
        self.linear{level} = nnx.Linear(4, 4, rngs=rngs)
        self.dropout{level} = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x, *, deterministic: bool = False):
        {"x = super().__call__(x, deterministic=deterministic)" if level < depth else "pass"}
        return self.dropout{level}(self.linear{level}(x), deterministic=deterministic)
"""
    return files


def written(folder: Path, files: dict[str, str]) -> None:
    """Write files below ``folder``."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def renamed(text: str, number: int) -> str:
    """An example with ``number`` in the names that it defines at its top level."""
    for name in re.findall(r"^(?:class|def) (\w+)", text, re.M):
        text = re.sub(rf"\b{name}\b", f"{name}_{number}", text)
    return text


def _joined(texts: Iterator[str]) -> str:
    """Examples as one file, with each import at the top and once."""
    imports: dict[str, None] = {}
    bodies = []
    for text in texts:
        kept = []
        for line in text.splitlines():
            if re.match(r"(?:from [\w.]+ )?import [^(]*$", line):
                imports[line] = None
            else:
                kept.append(line)
        bodies.append("\n".join(kept).strip())
    return "\n".join(imports) + "\n\n\n" + "\n\n\n".join(bodies) + "\n"
