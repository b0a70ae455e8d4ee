"""What the two sides tell each other: plain data, one line of JSON for each."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from flake8_nnx_mode.model import Position, Span

Verdict = Literal["CONFIRMED", "REFUTED", "INCONCLUSIVE"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to build what is run, and how to call it: the arguments of both, as source.

    In them, ``rngs`` is an ``nnx.Rngs`` of distinct named streams, ``train`` the mode that is
    tried, ``key`` a key, and ``x[2, 4]``, ``ids[2, 4]``, ``mask[2, 4]`` are arrays of that shape:
    float32, int32 and bool. The names of the file are there too, and ``jax``, ``jnp``, ``nnx``,
    ``np``. ``...`` stands for an argument that is not known. ``init`` is None where nothing is
    built: the flagged code is a function.
    """

    init: str | None
    call: str | None


@dataclass(frozen=True, slots=True)
class Task:
    """One finding to be confirmed."""

    number: int
    code: str
    oracle: str | None
    """The name of the rule's oracle; None: it has none."""
    span: Span
    fixed: str | None = None
    """The text of the whole file with the rule's fix made."""
    fixed_span: Span | None = None
    """Where in ``fixed`` the finding was."""
    message: str = ""
    """What the finding says, for its script."""


@dataclass(frozen=True, slots=True)
class Job:
    """The findings of one file, and what is needed to run them."""

    path: str
    """Absolute."""
    text: str
    module: str
    """Its name as Python imports it, such as ``pkg.blocks``."""
    roots: tuple[str, ...]
    """Folders for ``sys.path``."""
    flags: dict[str, bool]
    """Mode flag -> whether True means training."""
    pins: dict[str, Recipe]
    """What the user says of a class or function, by its name in the file (``Outer.Inner``)."""
    builds: dict[str, tuple[str, ...]]
    """Constructions of a class that were seen, by the class's name: the arguments as source."""
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Hello:
    """What the other side says once it is ready."""

    python: str
    jax: str
    flax: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was seen of one finding."""

    number: int
    verdict: Verdict
    evidence: str
    """One line, in the reader's words; for INCONCLUSIVE, why."""
    reason: str = ""
    """For INCONCLUSIVE, its kind in one or two words: ``missing module``, ``time``..."""
    fix_verdict: Verdict | None = None
    """What was seen of the fixed code: REFUTED means that the symptom is gone."""
    seconds: float = 0.0
    """Wall time."""
    script: str = ""
    """Python source that shows the same by itself; empty where nothing ran."""


Message = Job | Hello | Outcome


def encode(message: Message) -> str:
    """One line of JSON."""
    return json.dumps({type(message).__name__: asdict(message)})


def decode(line: str) -> Message:
    """What ``encode`` was given.

    Raises:
        ValueError: the line is something else.
    """
    match json.loads(line):
        case {"Job": data}:
            return _job(data)
        case {"Hello": data}:
            return Hello(**data)
        case {"Outcome": data}:
            return Outcome(**data)
    raise ValueError(f"not a message: {line[:80]!r}")


def _job(data: dict[str, Any]) -> Job:
    return Job(
        path=data["path"],
        text=data["text"],
        module=data["module"],
        roots=tuple(data["roots"]),
        flags=data["flags"],
        pins={name: Recipe(**recipe) for name, recipe in data["pins"].items()},
        builds={name: tuple(seen) for name, seen in data["builds"].items()},
        tasks=tuple(_task(task) for task in data["tasks"]),
    )


def _task(data: dict[str, Any]) -> Task:
    return Task(**{**data, "span": _span(data["span"]), "fixed_span": _span(data["fixed_span"])})


def _span(data: Any) -> Any:
    return data and Span(Position(**data["start"]), Position(**data["end"]))
