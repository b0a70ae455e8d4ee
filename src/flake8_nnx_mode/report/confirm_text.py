"""What ``nnx-mode confirm`` saw, for people."""

import shlex
from collections import Counter
from collections.abc import Iterator
from typing import TextIO

from rich.text import Text

from flake8_nnx_mode.confirm.jobs import Verdict
from flake8_nnx_mode.confirm.results import Result, Results
from flake8_nnx_mode.report.terminal import console
from flake8_nnx_mode.report.wording import one_line, plural

_COLOURS: dict[Verdict, str] = {
    "CONFIRMED": "bold red",
    "REFUTED": "bold green",
    "INCONCLUSIVE": "bold yellow",
}
_FIXES: dict[Verdict, str] = {
    "REFUTED": "with the fix the symptom is gone",
    "CONFIRMED": "with the fix the symptom is still there",
    "INCONCLUSIVE": "whether the fix removes it could not be seen",
}


def write(results: Results, file: TextIO) -> None:
    """Write to ``file``: coloured on a terminal, unless NO_COLOR says otherwise."""
    out = console(file)
    for result in results.found:
        out.print(_headline(result), soft_wrap=True)
        for line in _details(result):
            out.print(Text(f"    {one_line(line)}"), soft_wrap=True)
    if results.found:
        out.print()
    for line in _summary(results):
        out.print(Text(line), soft_wrap=True)


def _headline(result: Result) -> Text:
    verdict = result.outcome.verdict
    return Text.assemble(
        (one_line(result.place), "bold"),
        f": {result.finding.code} ",
        (verdict, _COLOURS[verdict]),
        f" {one_line(result.finding.message)}",
    )


def _details(result: Result) -> Iterator[str]:
    outcome = result.outcome
    if outcome.verdict == "INCONCLUSIVE":
        yield f"{outcome.reason}: {outcome.evidence}" if outcome.reason else outcome.evidence
    else:
        yield outcome.evidence
    if outcome.verdict == "CONFIRMED" and outcome.fix_verdict is not None:
        yield _FIXES[outcome.fix_verdict]
    if result.repro is not None:
        yield f"to see it: python {shlex.quote(str(result.repro))}"


def _summary(results: Results) -> Iterator[str]:
    if results.found:
        yield f"{plural(len(results.found), 'finding')}: {', '.join(_counts(results))}"
    else:
        yield "No findings in what could be read." if results.problems else "No findings."
    if results.interrupted:
        yield "Interrupted: this is what was seen until then."
    hello = results.hello
    ran = f"Python {hello.python}, jax {hello.jax}, flax {hello.flax}; " if hello else ""
    yield f"{ran}{results.seconds:.1f} s"


def _counts(results: Results) -> Iterator[str]:
    verdicts = Counter(result.outcome.verdict for result in results.found)
    for verdict in _COLOURS:
        if verdicts[verdict]:
            yield f"{verdicts[verdict]} {verdict.lower()}{_reasons(results, verdict)}"
    confirmed = [r.outcome for r in results.found if r.outcome.verdict == "CONFIRMED"]
    fixes = Counter(outcome.fix_verdict for outcome in confirmed if outcome.fix_verdict)
    if fixes:
        yield f"{fixes['REFUTED']} of {plural(fixes.total(), 'fix')} seen to help"


def _reasons(results: Results, verdict: Verdict) -> str:
    reasons = Counter(
        result.outcome.reason
        for result in results.found
        if result.outcome.verdict == verdict and result.outcome.reason
    )
    return f" ({', '.join(f'{n} {reason}' for reason, n in reasons.most_common())})" * bool(reasons)
