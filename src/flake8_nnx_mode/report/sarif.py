"""Findings as SARIF 2.1.0, which GitHub code scanning and other viewers read."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from flake8_nnx_mode import __version__
from flake8_nnx_mode.codes import NOT_ANALYSED, OwnCode
from flake8_nnx_mode.confirm.jobs import Outcome, Verdict
from flake8_nnx_mode.model import Finding, Fix, Span
from flake8_nnx_mode.report.names import known
from flake8_nnx_mode.report.rows import Row
from flake8_nnx_mode.report.rule_markdown import page
from flake8_nnx_mode.rules import Entry

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_ROOT = "%SRCROOT%"
_LEVELS: dict[Verdict, str] = {
    "CONFIRMED": "error",
    "INCONCLUSIVE": "warning",
    "REFUTED": "note",
}
_TOPICS = {"0": "analysis", "1": "randomness", "2": "mode", "3": "views", "4": "transforms"}
"""What the hundreds of codes are about."""


def write(rows: Iterable[Row], file: TextIO, *, successful: bool = True) -> None:
    """Write one log with one run to ``file``.

    Args:
        rows: The findings.
        file: Where to write.
        successful: Whether everything that was asked for could be looked at.
    """
    rows = list(rows)
    codes = sorted({row.finding.code for row in rows})
    root = _root()
    run = {
        "tool": {"driver": _driver(codes)},
        "invocations": [{"executionSuccessful": successful}],
        "originalUriBaseIds": {_ROOT: {"uri": f"{root.as_uri().rstrip('/')}/"}},
        "columnKind": "unicodeCodePoints",
        "newlineSequences": ["\r\n", "\r", "\n"],
        "results": [_result(row, codes, root) for row in rows],
    }
    json.dump({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, file, indent=2)
    file.write("\n")


def _root() -> Path:
    """Where paths start: the repository, as GitHub wants it, or the working directory."""
    here = Path.cwd()
    return next((f for f in (here, *here.parents) if (f / ".git").exists()), here)


def _driver(codes: list[str]) -> dict[str, object]:
    return {
        "name": "nnx-mode",
        "fullName": f"flake8-nnx-mode {__version__}",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(known(code)) for code in codes],
    }


def _rule(entry: Entry | OwnCode) -> dict[str, object]:
    level = "error" if entry is NOT_ANALYSED else "warning"
    on = entry.on if isinstance(entry, OwnCode) else entry.rule.on
    what = entry.documentation.partition("## What it does\n")[2].partition("\n\n")[0]
    return {
        "id": entry.code,
        "name": entry.name,
        "shortDescription": {"text": entry.summary},
        "fullDescription": {"text": " ".join(what.split())},
        "help": {"text": entry.documentation, "markdown": page(entry)},
        "defaultConfiguration": {"enabled": on, "level": level},
        "properties": {
            "tags": ["correctness", "flax", _TOPICS[entry.code[3]]],
            "precision": "high",
            "problem.severity": level,
        },
    }


def _result(row: Row, codes: list[str], root: Path) -> dict[str, object]:
    finding, outcome = row.finding, row.outcome
    artifact = _artifact(row.path, root)
    place = {"artifactLocation": artifact, "region": _region(finding.span)}
    result: dict[str, object] = {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": _level(finding, outcome),
        "message": _message(finding.message if outcome is None else _seen(finding, outcome)),
        "locations": [{"physicalLocation": place}],
    }
    if finding.fix is not None:
        result["fixes"] = [_fix(finding, finding.fix, artifact)]
    if outcome is not None:
        result["properties"] = _properties(outcome)
    return result


def _level(finding: Finding, outcome: Outcome | None) -> str:
    if finding.code == NOT_ANALYSED.code:
        return "error"
    return _LEVELS[outcome.verdict] if outcome else "warning"


def _seen(finding: Finding, outcome: Outcome) -> str:
    reason = f" ({outcome.reason})" if outcome.reason else ""
    return f"{finding.message}\n\n{outcome.verdict}{reason}: {outcome.evidence}"


def _properties(outcome: Outcome) -> dict[str, object]:
    properties = {
        "verdict": outcome.verdict,
        "evidence": outcome.evidence,
        "reason": outcome.reason,
        "fixVerdict": outcome.fix_verdict,
        "seconds": round(outcome.seconds, 3),
    }
    return {name: value for name, value in properties.items() if value not in ("", None)}


def _fix(finding: Finding, fix: Fix, artifact: dict[str, str]) -> dict[str, object]:
    replacements = [
        {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.text}}
        for edit in fix.edits
    ]
    return {
        "description": _message(f"{finding.remedy or finding.message} ({fix.applicability})"),
        "artifactChanges": [{"artifactLocation": artifact, "replacements": replacements}],
        "properties": {"applicability": fix.applicability},
    }


def _message(text: str) -> dict[str, str]:
    """What braces stand for in messages are placeholders; as themselves they come in pairs."""
    return {"text": text.replace("{", "{{").replace("}", "}}")}


def _artifact(path: str, root: Path) -> dict[str, str]:
    file = Path(os.path.abspath(path))
    if not file.is_relative_to(root):
        return {"uri": file.as_uri()}
    return {"uri": quote(os.fsencode(file.relative_to(root).as_posix())), "uriBaseId": _ROOT}


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.start.line,
        "startColumn": span.start.column + 1,
        "endLine": span.end.line,
        "endColumn": span.end.column + 1,
    }
