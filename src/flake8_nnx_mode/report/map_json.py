"""The tree of a model, for programs; ``docs/map.schema.json`` describes it."""

import json
from collections.abc import Sequence
from typing import TextIO

from flake8_nnx_mode import __version__
from flake8_nnx_mode.facts.tree import Layer, LayerCall, LayerFinding, ModeFlag, Place, Told
from flake8_nnx_mode.model import Position
from flake8_nnx_mode.report.map_shared import shown
from flake8_nnx_mode.report.names import known


def write(models: Sequence[Layer], file: TextIO) -> None:
    """Write one object to ``file``."""
    json.dump({"version": __version__, "models": described(models)}, file, indent=2)
    file.write("\n")


def described(models: Sequence[Layer]) -> list[dict[str, object]]:
    """``models`` as the schema has them; what is empty or not known is null."""
    whole: list[dict[str, object]] = []
    left = [(layer, whole) for layer in reversed(models)]
    while left:
        layer, siblings = left.pop()
        children: list[dict[str, object]] = []
        siblings.append({**_layer(layer), "children": children})
        left += [(child, children) for child in reversed(layer.children)]
    return whole


def _layer(layer: Layer) -> dict[str, object]:
    return {
        "name": layer.name,
        "class": layer.of or None,
        "module": layer.module or None,
        "kind": layer.kind,
        "defined": layer.defined and _place(layer.defined),
        "built": layer.built and _place(layer.built),
        "maybe": layer.maybe,
        "flags": [_flag(flag) for flag in layer.flags],
        "calls": [_call(call) for call in layer.calls],
        "called": layer.called,
        "streams": list(layer.streams),
        "view": None if layer.view is None else list(layer.view),
        "note": layer.note or None,
        "findings": [_finding(finding) for finding in layer.findings],
    }


def _place(place: Place) -> dict[str, object]:
    return {"path": shown(place.path), **_position(place.start)}


def _position(position: Position) -> dict[str, object]:
    return {"line": position.line, "column": position.column + 1}


def _flag(flag: ModeFlag) -> dict[str, object]:
    return {
        "name": flag.name,
        "means": flag.means,
        "by": flag.by,
        "default": flag.default or None,
        "used": flag.used,
    }


def _call(call: LayerCall) -> dict[str, object]:
    return {
        "method": call.method,
        "calls": call.calls,
        "place": _place(call.place),
        "end": _position(call.end),
        "told": [_told(told) for told in call.told],
    }


def _told(told: Told) -> dict[str, object]:
    return {
        "flag": told.flag,
        "how": told.how,
        "text": told.text or None,
        "sources": list(told.sources),
    }


def _finding(finding: LayerFinding) -> dict[str, object]:
    return {
        "code": finding.code,
        "name": known(finding.code).name,
        "message": finding.message,
        "place": _place(finding.place),
    }
