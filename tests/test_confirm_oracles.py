"""Oracles on real JAX: what is wrong is confirmed, what is right is refuted."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from conftest import EXAMPLES, FIXTURES, ROOT, lint, same_place
from flake8_nnx_mode.confirm.child import examine
from flake8_nnx_mode.confirm.failures import NoVerdictError
from flake8_nnx_mode.confirm.jobs import Job
from flake8_nnx_mode.confirm.oracles import Seen, registry
from flake8_nnx_mode.fixes.apply import applied, moved
from flake8_nnx_mode.model import Position, Span
from flake8_nnx_mode.rules import Entry
from flake8_nnx_mode.rules import registry as rules
from flake8_nnx_mode.settings import Settings

CONFIRMABLE = [entry for entry in rules() if entry.rule.oracle is not None]
MUST_HAVE_ONE = (
    *(f"NNX10{n}" for n in range(1, 9)),
    *(f"NNX20{n}" for n in range(1, 9)),
    *("NNX210", "NNX301", "NNX302", "NNX303", "NNX304", "NNX306", "NNX307", "NNX308", "NNX401"),
)
UNCLEAR = ROOT / "tests" / "confirm_unclear.txt"


def seen(entry: Entry, text: str, span: Span) -> Seen:
    flags = dict(Settings().mode_flags)
    job = Job("/nowhere/code.py", text, "code", (), flags, {}, {}, ())
    return examine(job, registry()[entry.rule.oracle or ""], text, span, {})


def test_rules_and_oracles_know_each_other() -> None:
    assert {entry.rule.oracle for entry in CONFIRMABLE} == set(registry())
    assert {entry.code for entry in CONFIRMABLE} >= set(MUST_HAVE_ONE)


@pytest.mark.parametrize("entry", CONFIRMABLE, ids=lambda e: e.code)
def test_bad_is_confirmed_and_good_refuted(entry: Entry) -> None:
    (finding,) = (f for f in lint(entry.bad) if f.code == entry.code)
    bad = seen(entry, entry.bad, finding.span)
    assert bad.verdict == "CONFIRMED", bad
    good = seen(entry, entry.good, same_place(entry.bad, entry.good, finding.span))
    assert good.verdict == "REFUTED", good
    if finding.fix is not None:
        text, _ = applied(entry.bad, [finding.fix])
        fixed = seen(entry, text, moved(finding.span, entry.bad, finding.fix))
        assert fixed.verdict == "REFUTED", fixed


def run(paths: Sequence[Path], *options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "flake8_nnx_mode", "confirm", "--format", "json"]
    opt_in = ",".join(entry.code for entry in CONFIRMABLE if not entry.rule.on)
    command += ["--select", "NNX", "--extend-select", opt_in, "--fail-on", "never", *options]
    done = subprocess.run([*command, *map(str, paths)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_the_examples_are_confirmed() -> None:
    found = run([EXAMPLES])["findings"]
    assert len(found) > 5
    assert {f["verdict"] for f in found} == {"CONFIRMED"}
    assert {f["fix_verdict"] for f in found} == {"REFUTED", None}


def test_no_verdict_over_the_fixtures_is_wrong() -> None:
    """Every finding of the fixtures is a mistake; what may stay unclear is listed, with the reason.

    It takes a minute or two: some 700 findings, with their fixed versions.
    """
    found = run([FIXTURES])["findings"]
    known = {entry.code for entry in CONFIRMABLE}
    found = [f for f in found if f["code"] in known]
    assert len(found) > 600
    assert [_place(f) for f in found if f["verdict"] == "REFUTED"] == []
    assert [_place(f) for f in found if f["fix_verdict"] == "CONFIRMED"] == []
    unclear = {f"{_place(f)} {f['reason']}" for f in found if f["verdict"] == "INCONCLUSIVE"}
    assert sorted(unclear - set(UNCLEAR.read_text().splitlines())) == []


def _place(finding: dict[str, Any]) -> str:
    return f"{Path(finding['path']).name}:{finding['line']} {finding['code']}"


def test_an_unclear_case_says_so() -> None:
    text = "import nowhere\nfrom flax import nnx\n\n\nclass A(nowhere.B):\n    pass\n"
    entry = next(entry for entry in CONFIRMABLE if entry.code == "NNX101")
    with pytest.raises(NoVerdictError, match="`nowhere` cannot be imported") as caught:
        seen(entry, text, Span(Position(6, 4), Position(6, 8)))
    assert caught.value.reason == "missing module"
