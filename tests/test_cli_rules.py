"""``nnx-mode rules`` and ``nnx-mode explain``: what they print and return."""

import json
import re
import subprocess
import sys
from typing import Any

import jsonschema
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from command import nnx_mode, on_a_terminal
from conftest import ROOT, codes
from flake8_nnx_mode.cli.main import main
from flake8_nnx_mode.codes import NOT_ANALYSED, OWN, OwnCode
from flake8_nnx_mode.report.rule_markdown import page
from flake8_nnx_mode.rules import Entry, registry

SCHEMA = json.loads((ROOT / "docs" / "rules.schema.json").read_text(encoding="utf-8"))
ENTRIES = {entry.code: entry for entry in registry()}
DOCUMENTED: dict[str, Entry | OwnCode] = {**{own.code: own for own in OWN}, **ENTRIES}
SECTIONS = ["What it does", "Why it is bad", "How to fix", "When it stays silent"]


def run(*args: str) -> Result:
    return CliRunner().invoke(main, args)


def listed(*args: str) -> list[dict[str, Any]]:
    done = run(*args, "--format", "json")
    assert done.exit_code == 0
    whole: list[dict[str, Any]] = json.loads(done.stdout)
    jsonschema.validate(whole, SCHEMA, cls=jsonschema.Draft202012Validator)
    return whole


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


# -- nnx-mode rules ------------------------------------------------------------------------------


def test_a_line_a_rule() -> None:
    done = nnx_mode("rules", COLUMNS="20")
    head, *lines = done.stdout.splitlines()
    assert head.split() == ["code", "name", "on", "fix", "confirm", "what", "it", "finds"]
    rows = [line.split(maxsplit=5) for line in lines]
    assert [row[0] for row in rows] == list(ENTRIES)
    assert rows[0] == ["NNX101", "frozen-key", "on", "unsafe", "yes", ENTRIES["NNX101"].summary]
    assert rows[8] == ["NNX109", "shared-rngs", "off", "unsafe", "no", ENTRIES["NNX109"].summary]
    assert {row[3] for row in rows} == {"safe", "unsafe", "-"}
    (column,) = {line.index(row[5]) for line, row in zip(lines, rows, strict=True)}
    assert head.index("what it finds") == column
    assert "\x1b" not in done.stdout
    assert (done.stderr, done.returncode) == ("", 0)


def test_a_table_fits_the_terminal() -> None:
    lines = without_colours(on_a_terminal(60, "rules")).splitlines()
    assert max(map(len, lines)) <= 60
    assert [line.split()[0] for line in lines if line.startswith("NNX")] == list(ENTRIES)
    column = lines[0].index("what it finds")
    assert lines[1][:column].split() == ["NNX101", "frozen-key", "on", "unsafe", "yes"]
    shown = "".join(line[column:] for line in lines[1:])
    summaries = "".join(entry.summary for entry in ENTRIES.values())
    assert shown.replace(" ", "") == summaries.replace(" ", "")


def test_colours_in_a_pipe_cut_no_line() -> None:
    coloured = nnx_mode("rules", FORCE_COLOR="1", COLUMNS="20").stdout
    assert "\x1b[" in coloured
    assert without_colours(coloured) == nnx_mode("rules").stdout


def test_rules_as_json() -> None:
    whole = listed("rules")
    assert [one["code"] for one in whole] == list(ENTRIES)
    first = whole[0]
    assert first.pop("documentation").startswith(first["summary"] + "\n\n## What it does\n")
    assert codes(first.pop("bad")) == ["NNX101"]
    assert codes(first.pop("good")) == []
    assert first == {
        "code": "NNX101",
        "name": "frozen-key",
        "on": True,
        "fix": "unsafe",
        "oracle": "frozen-key",
        "since": None,
        "summary": "A random key is obtained once and used by every call.",
    }
    by_code = {one["code"]: one for one in whole}
    assert by_code["NNX312"]["since"] == "0.12.6"
    assert by_code["NNX109"]["on"] is False
    assert by_code["NNX106"]["fix"] is None
    assert by_code["NNX212"]["oracle"] is None


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


# -- nnx-mode explain ----------------------------------------------------------------------------


def test_a_page() -> None:
    done = nnx_mode("explain", "NNX101")
    entry = ENTRIES["NNX101"]
    assert done.stdout == (
        "# frozen-key (NNX101)\n"
        "\n"
        "On by default. Where it offers a fix, that is unsafe: `nnx-mode fix --write --unsafe`."
        " `nnx-mode confirm` can show it on JAX.\n"
        "\n"
        f"{entry.documentation}\n"
        "\n"
        "## Example\n"
        "\n"
        f"```python\n{entry.bad.strip()}\n```\n"
        "\n"
        "Use instead:\n"
        "\n"
        f"```python\n{entry.good.strip()}\n```\n"
    )
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (
            "NNX109",
            "Off by default; `--extend-select NNX109` switches it on, or `opt-in = "
            '["NNX109"]` in `[tool.nnx-mode]`.',
        ),
        ("NNX109", "`nnx-mode confirm` cannot show it"),
        ("NNX201", "Where it offers a fix, that is safe: `nnx-mode fix --write`."),
        ("NNX106", "It offers no fix."),
        ("NNX312", "It is about flax 0.12.6 and later."),
    ],
)
def test_a_page_says_how_to_use_its_rule(code: str, says: str) -> None:
    assert says in page(ENTRIES[code]).splitlines()[2]


@pytest.mark.parametrize("code", DOCUMENTED)
def test_every_page_has_its_parts(code: str) -> None:
    entry = DOCUMENTED[code]
    text = page(entry)
    assert text.startswith(f"# {entry.name} ({code})\n")
    sections = re.findall(r"^## (.+)$", text, re.M)
    assert sections == SECTIONS + ["Example"] * (code in ENTRIES)
    assert text.count("```") == 4 * (code in ENTRIES)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_codes_and_names_in_any_case() -> None:
    one, other = page(ENTRIES["NNX101"]), page(ENTRIES["NNX305"])
    assert run("explain", "nnx101").stdout == one
    assert run("explain", "Frozen-Key").stdout == one
    assert run("explain", "nnx305", "frozen-key", "NNX101").stdout == f"{other}\n{one}"


def test_the_codes_of_the_linter_itself() -> None:
    assert codes("nnx (") == [NOT_ANALYSED.code]
    assert not {own.code for own in OWN} & set(ENTRIES)
    assert all(own.summary.endswith(".") for own in OWN)
    done = run("explain", "NNX000", "unused-noqa")
    assert "# not-analysed (NNX000)\n\nA file or a function could not be" in done.stdout
    assert "# unused-noqa (NNX001)\n\nA `# noqa: NNX...` comment" in done.stdout
    whole = listed("explain", "NNX001", "NNX000")
    what = [(one["code"], one["on"], one["fix"]) for one in whole]
    assert what == [("NNX001", False, "safe"), ("NNX000", True, None)]
    assert {one[key] for one in whole for key in ("oracle", "since", "bad", "good")} == {None}


def test_explained_as_json() -> None:
    assert listed("explain", "frozen-key", "NNX301") == [
        one for one in listed("rules") if one["code"] in ("NNX101", "NNX301")
    ]


def test_explained_on_a_terminal() -> None:
    text = on_a_terminal(70, "explain", "NNX101")
    plain = without_colours(text)
    assert plain != text
    assert max(map(len, plain.splitlines())) <= 70
    assert "## " not in plain
    assert "```" not in plain
    assert "self.rngs = rngs.fork()" in plain


def test_force_color_renders_a_page() -> None:
    assert "\x1b[" in nnx_mode("explain", "NNX000", FORCE_COLOR="1").stdout
    assert "\x1b" not in nnx_mode("explain", "NNX000", NO_COLOR="1").stdout


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (
            ["explain", "NNX999"],
            "there is no rule NNX999; did you mean NNX109 or NNX209 or NNX309? `nnx-mode rules`"
            " lists them\n",
        ),
        (["explain", "NNX101", "frozen-kee"], "frozen-kee; did you mean frozen-key or frozen-"),
        (["explain", "E501"], "there is no rule E501; `nnx-mode rules` lists them\n"),
        (["explain"], "Missing argument 'CODE...'"),
        (["explain", "NNX101", "--format", "xml"], "'--format'"),
        (["rules", "--format", "xml"], "'--format'"),
        (["rules", "NNX101"], "unexpected extra argument"),
    ],
)
def test_usage_errors(args: list[str], says: str) -> None:
    done = run(*args)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert says in done.stderr


def test_a_shell_can_complete_codes() -> None:
    shell = ShellComplete(main, {}, "nnx-mode", "_NNX_MODE_COMPLETE")
    found = [item.value for item in shell.get_completions(["explain", "NNX101"], "nnx40")]
    assert found == ["NNX401", "NNX402"]


@pytest.mark.parametrize("verb", ["rules", "explain"])
def test_help_is_cheap(verb: str) -> None:
    dear = "{'libcst', 'jax', 'rich', 'flake8', 'flake8_nnx_mode.rules'}"
    code = (
        "import sys; from flake8_nnx_mode.cli.main import main\n"
        f"main(['{verb}', '--help'], standalone_mode=False)\n"
        f"sys.exit(', '.join({dear} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("Usage: ")
    assert done.stderr == ""


def test_no_verb_parses_code() -> None:
    for args in (["rules"], ["explain", "NNX101"]):
        code = (
            "import sys; from flake8_nnx_mode.cli.main import main\n"
            f"main({args}, standalone_mode=False)\n"
            "sys.exit(', '.join({'libcst', 'jax', 'flake8'} & set(sys.modules)) or 0)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stderr == ""
