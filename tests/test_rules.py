"""Every rule: its documentation, its examples, its fixture."""

import re
from pathlib import Path

import pytest

from conftest import FIXTURES, ROOT, codes, lint
from flake8_nnx_mode import engine, rules
from flake8_nnx_mode.selection import Selection
from flake8_nnx_mode.settings import Settings

ENTRIES = {entry.code: entry for entry in rules.registry()}
SECTIONS = ["What it does", "Why it is bad", "How to fix", "When it stays silent"]

each_rule = pytest.mark.parametrize("code", ENTRIES)


def test_codes_are_known_without_importing_rules() -> None:
    assert rules.codes() == tuple(ENTRIES)


def test_no_code_or_name_is_taken_twice() -> None:
    assert len(set(rules.codes())) == len(rules.codes())
    names = [entry.name for entry in ENTRIES.values()]
    assert len(set(names)) == len(names)


@each_rule
def test_documentation_has_its_sections(code: str) -> None:
    entry = ENTRIES[code]
    assert re.findall(r"^## (.+)$", entry.documentation, re.M) == SECTIONS
    assert entry.summary.endswith(".")


@each_rule
def test_bad_reports_its_own_code_alone(code: str) -> None:
    assert codes(ENTRIES[code].bad) == [code]


@each_rule
def test_good_reports_nothing(code: str) -> None:
    # NNX212 asks for a style that the other rules do not.
    others = [c for c in codes(ENTRIES[code].good) if c == code or ENTRIES[c].rule.on]
    assert others == []


@each_rule
def test_off_means_off(code: str) -> None:
    entry = ENTRIES[code]
    found = engine.check(Path("/nowhere/code.py"), entry.bad, Settings())
    assert bool(found) == entry.rule.on


@each_rule
def test_message_says_what_to_do_in_one_line(code: str) -> None:
    (finding,) = lint(ENTRIES[code].bad)
    assert "\n" not in finding.message
    assert "; " in finding.message


@each_rule
def test_bad_shows_the_fix_that_the_rule_declares(code: str) -> None:
    (finding,) = lint(ENTRIES[code].bad)
    assert (finding.fix and finding.fix.applicability) == ENTRIES[code].rule.fix


@pytest.mark.parametrize("file", sorted(FIXTURES.rglob("*.py")), ids=lambda file: file.stem)
def test_no_fix_is_safer_than_its_rule_declares(file: Path) -> None:
    less_safe = {"NNX108": "unsafe"}  # a whole `Rngs` may have no default stream
    for finding in lint(file.read_text(encoding="utf-8"), file):
        if finding.fix is not None:
            declared = ENTRIES[finding.code].rule.fix
            assert finding.fix.applicability in (declared, less_safe.get(finding.code))


def expected(text: str) -> list[tuple[int, int, str]]:
    """What the comments of a fixture say: (line, column from 0, code)."""
    return [
        (number, int(column), code)
        for number, line in enumerate(text.split("\n"), 1)
        for code, column in re.findall(r"(NNX\d{3}): (\d+)", line.partition("  # ")[2])
    ]


@each_rule
def test_fixture(code: str) -> None:
    file = FIXTURES / f"{code.lower()}.py"
    text = file.read_text(encoding="utf-8")
    wanted = expected(text)
    found = [
        (f.span.start.line, f.span.start.column, f.code)
        for f in lint(text, file, selection=Selection(extend_select=(code,)))
    ]
    assert found == wanted
    assert {c for _, _, c in wanted} == {code}, "a fixture is about one rule"
    assert len(wanted) >= 3, "a fixture has firing cases"
    silent = text.partition("look-alikes ---")[2]
    definitions = re.findall(r"^(?:class|def|async def) ", silent, re.M)
    assert len(definitions) >= 4, "a fixture has look-alikes"
    assert expected(silent) == []


def test_models_of_other_files() -> None:
    file = FIXTURES / "shop" / "evaluate.py"
    text = file.read_text(encoding="utf-8")
    found = [(f.span.start.line, f.span.start.column, f.code) for f in lint(text, file)]
    assert [one for one in found if one[2] == "NNX308"] == expected(text)
    assert {code for _, _, code in found} == {"NNX308"}


def test_no_fixture_without_a_rule() -> None:
    assert {f.stem.upper() for f in FIXTURES.glob("nnx*.py")} == set(ENTRIES)


def rules_table() -> str:
    rows = ["| code | name | on | fix | what it finds |", "|---|---|---|---|---|"]
    for entry in ENTRIES.values():
        on, fix = "on" if entry.rule.on else "off", entry.rule.fix or "-"
        rows.append(f"| {entry.code} | {entry.name} | {on} | {fix} | {entry.summary} |")
    return "\n".join(rows)


def test_readme_table_is_up_to_date() -> None:
    assert rules_table() in (ROOT / "README.md").read_text(encoding="utf-8")
