"""What docs/use.md shows, so that what is tested is what is read there."""

import re

from conftest import ROOT

PAGE = (ROOT / "docs" / "use.md").read_text(encoding="utf-8")


def shown(section: str, language: str) -> str:
    """The one block of code in that language under that heading."""
    _, _, rest = PAGE.partition(f"\n## {section}\n")
    text, _, _ = rest.partition("\n## ")
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", text, re.S | re.M)
    assert isinstance(block, str)
    return block
