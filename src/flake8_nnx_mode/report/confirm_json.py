"""What ``nnx-mode confirm`` saw, for programs; ``docs/confirm.schema.json`` describes it."""

import json
from typing import TextIO

from flake8_nnx_mode import __version__
from flake8_nnx_mode.confirm.results import Result, Results
from flake8_nnx_mode.report import places


def write(results: Results, file: TextIO) -> None:
    """Write one object to ``file``."""
    hello = results.hello
    whole = {
        "versions": {
            "flake8-nnx-mode": __version__,
            "python": hello and hello.python,
            "jax": hello and hello.jax,
            "flax": hello and hello.flax,
        },
        "findings": [_finding(result) for result in results.found],
        "errors": list(results.problems),
        "interrupted": results.interrupted,
        "seconds": round(results.seconds, 3),
    }
    json.dump(whole, file, indent=2)
    file.write("\n")


def _finding(result: Result) -> dict[str, object]:
    outcome = result.outcome
    return {
        "path": result.path,
        **places.fields(result.finding.span),
        "code": result.finding.code,
        "message": result.finding.message,
        "verdict": outcome.verdict,
        "evidence": outcome.evidence,
        "reason": outcome.reason,
        "fix": result.finding.fix and result.finding.fix.applicability,
        "fix_verdict": outcome.fix_verdict,
        "seconds": round(outcome.seconds, 3),
        "repro": result.repro,
    }
