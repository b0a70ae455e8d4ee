"""``# noqa`` means in ``nnx-mode check`` what it means in flake8; and the comments not needed."""

import subprocess
import sys
from pathlib import Path

import pytest

from command import nnx_mode
from conftest import lint
from flake8_nnx_mode.engine import FolderSettings
from flake8_nnx_mode.fixes.apply import applied
from flake8_nnx_mode.lint import Linter
from flake8_nnx_mode.model import Finding
from flake8_nnx_mode.noqa import Comments
from flake8_nnx_mode.selection import Selection

HEAD = "from flax import nnx\nmodel = nnx.Dropout(0.5, rngs=nnx.Rngs(0))\n"
BAD = "nnx.view(model, deterministic=True)"
"""NNX307."""
WORSE = "nnx.view(model, determinstic=True)"
"""NNX307 and, at the keyword, NNX309."""

BEHIND = [  # comments behind BAD
    *("# noqa", "#noqa", "#  noqa", "## noqa", "# NOQA", "# NoQa: NNX307", "# xnoqa", "# noqax"),
    *("# noqa: NNX307", "# noqa:NNX307", "# noqa : NNX307", "# noqa:  NNX307", "# noqa:\tNNX307"),
    *("# noqa: nnx307", "# noqa: Nnx307", "# noqa: NNX3", "# noqa: NNX", "# noqa: N", "# noqa:"),
    *("# noqa: NNX308", "# noqa: NNX3071", "# noqa: NNX307x", "# noqa: xNNX307", "# noqa: NNX0"),
    *("# noqa: E501,NNX307", "# noqa: E501, NNX307", "# noqa: E501 NNX307", "# noqa:E501 , NNX3"),
    *("# noqa: E501,,NNX307", "# noqa:E501;NNX307", "# noqa: E501:NNX307", "# noqa: NNX307,"),
    *("# noqa: NNX307 because of that", "# noqa: NNX307, because", "# noqa: because NNX307"),
    *("# noqa NNX307", "# noqa-NNX307", "# noqa_ : E1", "# noqa: E501NNX307", "# noqa: NNX３"),
    *("# noqa: NNX307 # noqa: E501", "# noqa: E501 # noqa: NNX307", "# noqa: E501  # noqa"),
    *("# type: ignore # noqa: NNX307", "# nosec noqa", "# ruff: noqa", "# ruff: noqa: NNX307"),
    *("# flake8: noqa", "# flake8: noqa: NNX307", "#", "# n\u043eqa", "# \x0b# noqa"),
    *("# \u2028# noqa", "# \x85# noqa", "# noqa: E501\f", "\f# noqa", "# noqa: NNX101,NNX307"),
]
FILES = {
    **{f"behind{n:02}": f"{HEAD}{BAD}  {comment}\n" for n, comment in enumerate(BEHIND)},
    "string": f'{HEAD}x = "# noqa"; {BAD}\n',
    "string_of_lines": f'{HEAD}x = """\n# noqa\n"""; {BAD}\n',
    "behind_a_string_of_lines": f'{HEAD}x = """\n\n"""; {BAD}  # noqa\n',
    "docstring": f'{HEAD}"""\n# noqa: NNX307\n"""\n{BAD}\n',
    "f_string": f'{HEAD}x = f"{{1}}# noqa"; {BAD}\n',
    "f_string_of_lines": f"{HEAD}x = f'''\n{{{WORSE}}}\n'''  # noqa\n",
    "in_an_f_string_of_lines": f"{HEAD}x = f'''# noqa\n{{{WORSE}}}\n'''\n",
    "strings_around": f"{HEAD}x = ('''\na''', {WORSE}, '''\n''')  # noqa: NNX309\n",
    "joined": f"{HEAD}x = 1; \\\n{BAD}  # noqa\n",
    "joined_twice": f"{HEAD}nnx.view(\\\n  model, \\\n  determinstic=True)  # noqa: NNX309\n",
    "call_first": f"{HEAD}nnx.view(  # noqa: NNX307\n    model,\n    determinstic=True,\n)\n",
    "call_within": f"{HEAD}nnx.view(\n    model,\n    determinstic=True,  # noqa: NNX309\n)\n",
    "call_last": f"{HEAD}nnx.view(\n    model,\n    determinstic=True,\n)  # noqa\n",
    "call_code_like": f"{HEAD}nnx.view(  # noqa: E501\n NNX307, determinstic=True)\n",
    "list": f"{HEAD}x = [\n    {WORSE},  # noqa\n    {WORSE},\n]\n",
    "two_in_a_line": f"{HEAD}{BAD}; {WORSE}  # noqa: NNX309\n",
    "line_before": f"{HEAD}# noqa\n{BAD}\n",
    "line_after": f"{HEAD}{BAD}\n# noqa\n",
    "body": f"{HEAD}if 1: {BAD}  # noqa\n",
    "decorator": f"{HEAD}@x  # noqa\ndef f():\n    {WORSE}\n",
    "tabs": f"{HEAD}if 1:\n\t{BAD}\t# noqa:NNX307\n\t{BAD}\n",
    "unicode": f"{HEAD}é = '名'; {BAD}  # ü\nü = {WORSE}  # noqa: NNX307\n",
    "file": f"# flake8: noqa\n{HEAD}{BAD}\n",
    "file_at_end": f"{HEAD}{BAD}\n# flake8: noqa\n",
    "file_within": f"{HEAD}if 1:\n    # flake8: noqa\n    {BAD}\n",
    "file_code": f"# flake8: noqa: E501\n{HEAD}{BAD}\n",
    "file_our_code": f"# flake8: noqa: NNX307\n{HEAD}{BAD}\n",
    "file_equals": f"# FLAKE8=NoQA\n{HEAD}{BAD}\n",
    "file_close": f"#flake8: noqa\n{HEAD}{BAD}\n",
    "file_tight": f"# flake8:noqa\n{HEAD}{BAD}\n",
    "file_wide": f"#  flake8: noqa\n{HEAD}{BAD}\n",
    "file_prose": f"# flake8: noqa because\n{HEAD}{BAD}\n",
    "file_behind_code": f"x = 1  # flake8: noqa\n{HEAD}{BAD}\n",
    "file_in_string": f'"""\n# flake8: noqa\n"""\n{HEAD}{BAD}\n',
    "file_ruff": f"# ruff: noqa\n{HEAD}{BAD}\n",
    "crlf": f"{HEAD}{BAD}  # noqa\n{BAD}  # noqa: NNX309\n".replace("\n", "\r\n"),
    "crlf_string": f"{HEAD}x = '''\n# noqa\n'''; {BAD}\n{BAD}\n".replace("\n", "\r\n"),
    "cr": f"{HEAD}{BAD}  # noqa\n{BAD}\n".replace("\n", "\r"),
    "mixed": f"{HEAD}{BAD}  # noqa: NNX307\r{BAD}\r\n{BAD}  # noqa\n",
    "form_feed": f"{HEAD}\f\n{BAD}  # noqa\n\f{BAD}\n\f# noqa\n",
    "separators": f"{HEAD}x = '\u2028\x85\x0b'; {BAD}  # noqa: NNX307\n{BAD}\n",
    "bom": f"\ufeff{HEAD}{BAD}  # noqa\n{BAD}\n",
    "bom_file": f"\ufeff# flake8: noqa\n{HEAD}{BAD}\n",
    "no_line_end": f"{HEAD}{BAD}\n{BAD}  # noqa: NNX307",
    "no_line_end_of_lines": f"{HEAD}nnx.view(model,\n  determinstic=True)  # noqa",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("noqa")
    for name, text in FILES.items():
        (root / f"of_{name}.py").write_bytes(text.encode())
    latin = f"# coding: latin-1\n{HEAD}x = 'é'; {BAD}  # noqa\nx = 'é'; {BAD}\n"
    (root / "of_latin.py").write_bytes(latin.encode("latin-1"))
    return root


def places(report: str) -> list[str]:
    """`file:line:column: code` of each finding."""
    lines = [line.removeprefix("./") for line in report.splitlines()]
    return sorted(" ".join(line.split(" ")[:2]) for line in lines if ".py:" in line)


@pytest.mark.parametrize("options", [(), ("--disable-noqa",)])
def test_both_commands_report_the_same(folder: Path, options: tuple[str, ...]) -> None:
    by_flake8 = subprocess.run(
        [sys.executable, "-m", "flake8", "--isolated", "-j1", "--select", "NNX", *options, "."],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    done = nnx_mode("check", "--isolated", "--format", "concise", *options, cwd=folder)
    found = places(by_flake8.stdout)
    assert places(done.stdout) == found
    assert by_flake8.stderr == done.stderr == ""
    silent = {f"of_{name}.py" for name in FILES} - {place.partition(":")[0] for place in found}
    if options:
        assert silent == set()
    else:
        assert 30 < len(silent) < len(FILES) - 30


@pytest.mark.parametrize("name", ["behind00", "behind13", "crlf", "cr", "bom", "call_last"])
def test_standard_input_too(folder: Path, name: str) -> None:
    text = FILES[name]
    by_flake8 = subprocess.run(
        [sys.executable, "-m", "flake8", "--isolated", "--select=NNX", "-"],
        input=text.encode(),
        capture_output=True,
    )
    done = nnx_mode("check", "--isolated", "--format", "concise", "-", stdin=text)
    found = [line[len("stdin") :] for line in by_flake8.stdout.decode().splitlines()]
    assert [line[1:] for line in done.stdout.splitlines()[: len(found)]] == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # Nothing is tokenized, so flake8 looks at the line itself; its own E999 goes the same way.
        (f"{HEAD}def (  # noqa\n", []),
        (f"{HEAD}{BAD}  # noqa\ndef (\n", ["NNX000"]),
        (f"{HEAD}x = '''  # noqa\n", []),
        (f"{HEAD}if 1:\n        x\n    y  # noqa\n", []),
        (f"{HEAD}if 1:\n        x  # noqa\n    y\n", ["NNX000"]),
        (f"# flake8: noqa\n{HEAD}def (\n", []),
    ],
)
def test_a_file_that_does_not_parse(tmp_path: Path, text: str, found: list[str]) -> None:
    (tmp_path / "bad.py").write_text(text)
    by_flake8 = subprocess.run(
        [sys.executable, "-m", "flake8", "--isolated", "--select=NNX,E9", tmp_path],
        capture_output=True,
        text=True,
    )
    codes = [line.split()[1] for line in by_flake8.stdout.splitlines()]
    assert [code.replace("E999", "NNX000") for code in codes] == found
    checked = Linter(FolderSettings({}, "here"), (UNUSED,)).check(tmp_path / "bad.py")
    assert [finding.code for finding in checked.findings] == found


UNUSED = Selection(extend_select=("NNX001",))


def test_silenced_findings_are_not_run() -> None:
    def left(comment: str, top: str = "") -> list[str]:
        text = f"{top}{HEAD}{BAD}; {WORSE}{comment}\n"
        found = lint(text, selection=Selection(ignore=("NNX1",)))
        return [finding.code for finding in Comments(text).silence(found)]

    assert left("") == ["NNX307", "NNX307", "NNX309"]
    assert left("  # noqa") == []
    assert left("  # NOQA: NNX307") == ["NNX309"]
    assert left("  # noqa:E1,NNX3") == []
    assert left("  # noqa: NNX102") == left("")
    assert left("", top="# flake8: noqa\n") == []


def unused(text: str, *selections: Selection) -> list[Finding]:
    """NNX001 where all that is on runs, or what is selected."""
    linter = Linter(FolderSettings({}, "here"), (UNUSED, *selections))
    checked = linter.check(Path("/nowhere/code.py"), text.encode())
    return [finding for finding in checked.findings if finding.code == "NNX001"]


def marked(body: str, *selections: Selection) -> list[str]:
    """The text at each NNX001 in ``body``."""
    lines = (HEAD + body).splitlines()
    spans = [finding.span for finding in unused(HEAD + body, *selections)]
    assert all(span.start.line == span.end.line for span in spans)
    return [lines[s.start.line - 1][s.start.column : s.end.column] for s in spans]


@pytest.mark.parametrize(
    ("body", "reported"),
    [
        ("x = 1  # noqa: NNX307\n", ["NNX307"]),
        (f"{BAD}  # noqa: NNX307\n", []),
        (f"{BAD}  # noqa: NNX3\n", []),
        (f"{BAD}  # noqa: NNX308\n", ["NNX308"]),
        (f"{WORSE}  # noqa: NNX307,NNX309\n", []),
        (f"{WORSE}  # noqa: NNX101, NNX307,NNX309, E501\n", ["NNX101"]),
        ("x = 1  # noqa: E501,NNX307 W291 NNX309\n", ["NNX307", "NNX309"]),
        # Codes that there are not, and such as flake8 reads otherwise.
        ("x = 1  # noqa: NNX999\n", ["NNX999"]),
        ("x = 1  # noqa: NNX3071\n", ["NNX3071"]),
        ("x = 1  # noqa: NNX000, NNX001\n", ["NNX000", "NNX001"]),
        (f"{BAD}  # noqa: nnx307\n", ["nnx307"]),
        ("x = 1  # noqa: Nnx307, E501\n", ["Nnx307"]),
        ("x = 1  # noqa: E501NNX307\n", []),
        # No codes, or of others.
        ("x = 1  # noqa\n", []),
        ("x = 1  # noqa : NNX307\n", []),
        ("x = 1  #noqa: NNX307\n", []),
        ("x = 1  # noqa: E501, N801\n", []),
        # A prefix of rules of which some did not run: NNX301 is on, NNX305 off.
        ("x = 1  # noqa: NNX3\n", []),
        ("x = 1  # noqa: NNX305\n", []),
        ("x = 1  # noqa: NNX40\n", ["NNX40"]),
        # What is said twice.
        ("x = 1  # noqa: NNX307, NNX307\n", ["NNX307", "NNX307"]),
        (f"{BAD}  # noqa: NNX307, NNX307\n", []),
        (f"{BAD}  # noqa: NNX3, NNX307\n", []),
        # Strings are none.
        ("x = '# noqa: NNX307'\n", []),
        ("def f():\n    '''Say `# noqa: NNX307`.\n\n    # noqa: NNX307\n    '''\n", []),
        # Strings and backslashes join lines, parentheses do not.
        ("x = (1,  # noqa: NNX307\n     2)\n", ["NNX307"]),
        ("nnx.view(  # noqa: NNX309\n    model,\n    determinstic=True)\n", ["NNX309"]),
        ("nnx.view(\n    model,\n    determinstic=True)  # noqa: NNX309\n", []),
        ("nnx.view(\\\n    model, \\\n    determinstic=True)  # noqa: NNX307, NNX309\n", []),
        (f"x = '''\n\n'''; {BAD}  # noqa: NNX307\n", []),
        (f"{BAD}  # noqa: NNX307\nx = 1  # noqa: NNX307\n", ["NNX307"]),
        (f"{BAD}\n# noqa: NNX307\n", ["NNX307"]),
        # flake8 heeds the first comment in them, or what looks like one.
        (f"x = '''# noqa: E501\n'''; {BAD}  # noqa: NNX307\n", []),
        ("x = 1  # noqa: NNX307 # noqa: NNX309\n", ["NNX307"]),
        # Nothing is silenced, or nothing is known.
        ("x = 1  # noqa: NNX307\n# flake8: noqa\n", []),
        ("x = 1  # noqa: NNX307\ndef 1():\n", []),
        ("x = 1  # noqa: NNX307\ndef (\n", []),
    ],
)
def test_what_is_not_needed(body: str, reported: list[str]) -> None:
    assert marked(body) == reported


def test_rules_that_do_not_run_are_not_known() -> None:
    comment = "x = 1  # noqa: NNX101, NNX212, NNX307\n"
    assert marked(comment) == ["NNX101", "NNX307"]
    assert marked(comment, Selection(select=("NNX3",))) == ["NNX307"]
    assert marked(comment, Selection(ignore=("NNX3",))) == ["NNX101"]
    assert marked(comment, Selection(extend_select=("NNX212",))) == ["NNX101", "NNX212", "NNX307"]
    here = Selection(per_file_ignores=(("code.py", ("NNX1",)),))
    assert marked(comment, here) == ["NNX307"]


def test_a_file_without_nnx_has_such_comments_too() -> None:
    assert len(unused("import jax\nx = 1  # noqa: NNX101\n")) == 1
    assert unused("x = 1  # noqa: E501\n") == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1  # noqa: NNX307\n", "x = 1\n"),
        ("x = 1\t# NoQA:NNX307", "x = 1"),
        ("x = 1  # noqa: NNX307,  \ny = 2\n", "x = 1\ny = 2\n"),
        ("x = 1  # noqa: NNX307\r\ny = 2\r\n", "x = 1\r\ny = 2\r\n"),
        ("x = 1  # noqa: NNX307, E501\n", "x = 1  # noqa: E501\n"),
        ("x = 1  # noqa: E501, NNX307\n", "x = 1  # noqa: E501\n"),
        ("x = 1  # noqa:E501 NNX307,W291 ok\n", "x = 1  # noqa:E501,W291 ok\n"),
        ("x = 1  # noqa: E501, NNX307 for now\n", "x = 1  # noqa: E501 for now\n"),
        ("x = 1  # noqa: NNX307, NNX309, NNX307\n", "x = 1\n"),
        ("é = 'ü'  # ü # noqa: NNX307, E501\n", "é = 'ü'  # ü # noqa: E501\n"),
        (f"{BAD}  # noqa: NNX101, NNX307\n", f"{BAD}  # noqa: NNX307\n"),
        ("if x:\n    # noqa: NNX307\n    y = 1\n", "if x:\n\n    y = 1\n"),
        ("x = (1,  # noqa: NNX307\n     2)  # two\n", "x = (1,\n     2)  # two\n"),
        # Prose may speak of the code: that is for people.
        ("x = 1  # noqa: NNX307 for now\n", "x = 1  # noqa: NNX307 for now\n"),
        ("x = 1  # type: ignore  # noqa: NNX307\n", "x = 1  # type: ignore  # noqa: NNX307\n"),
        (f"{BAD}  # noqa: nnx307\n", f"{BAD}  # noqa: nnx307\n"),
    ],
)
def test_its_fix(before: str, after: str) -> None:
    text = HEAD + before
    for _ in range(4):  # edits that touch each other are made in turn
        fixes = [finding.fix for finding in unused(text) if finding.fix is not None]
        assert all(fix.applicability == "safe" for fix in fixes)
        text, _ = applied(text, fixes)
    assert text == HEAD + after
    assert unused(text) == [] or before == after


def test_a_line_full_of_comments() -> None:
    """From each `noqa` to the end of its line would be a hundred thousand million steps."""
    words = "noqa " * 200_000
    assert list(Comments(f"x = 1  # {words}\ny = 2  # nnx\n").unused(["NNX201"])) == []
    (found,) = Comments(f"x = 1  # {words}\ny = 2  # noqa: NNX201\n").unused(["NNX201"])
    assert found.span.start.line == 2
