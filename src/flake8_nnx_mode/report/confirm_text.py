"""What ``nnx-mode confirm`` saw, for people."""

import shlex
from collections import Counter
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console
from rich.text import Text

from flake8_nnx_mode.confirm.jobs import Verdict
from flake8_nnx_mode.confirm.results import Result, Results

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
    console = Console(file=file, highlight=False)
    for result in results.found:
        console.print(_headline(result), soft_wrap=True)
        for line in _details(result):
            console.print(Text(f"    {_one_line(line)}"), soft_wrap=True)
    if results.found:
        console.print()
    for line in _summary(results):
        console.print(Text(line), soft_wrap=True)


def _headline(result: Result) -> Text:
    verdict = result.outcome.verdict
    return Text.assemble(
        (_one_line(result.place), "bold"),
        f": {result.finding.code} ",
        (verdict, _COLOURS[verdict]),
        f" {_one_line(result.finding.message)}",
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
        yield f"{_plural(len(results.found), 'finding')}: {', '.join(_counts(results))}"
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
        yield f"{fixes['REFUTED']} of {_plural(fixes.total(), 'fix')} seen to help"


def _reasons(results: Results, verdict: Verdict) -> str:
    reasons = Counter(
        result.outcome.reason
        for result in results.found
        if result.outcome.verdict == verdict and result.outcome.reason
    )
    return f" ({', '.join(f'{n} {reason}' for reason, n in reasons.most_common())})" * bool(reasons)


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 'es' if noun.endswith('x') else 's'}"


def _one_line(text: str) -> str:
    """``text`` without what would steer a terminal: some of it comes from the code that ran."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
