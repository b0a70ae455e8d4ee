"""``nnx-mode confirm``: lints, runs what is flagged on JAX, and says what was seen."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

import click

from flake8_nnx_mode.cli.progress import progress

if TYPE_CHECKING:
    from flake8_nnx_mode.confirm.plan import Shard
    from flake8_nnx_mode.confirm.results import Results
    from flake8_nnx_mode.confirm.run import Runs
    from flake8_nnx_mode.engine import Selection

FailOn = Literal["any", "confirmed", "never"]
_NOT_DONE = 2
_INTERRUPTED = 130


def _codes(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    """``("NNX1,NNX203", "NNX3")`` -> the three."""
    from flake8_nnx_mode.engine import NOT_ANALYSED, check_prefixes
    from flake8_nnx_mode.settings import SettingsError

    prefixes = tuple(p for value in values for p in re.split(r"[\s,]+", value) if p)
    try:
        check_prefixes((p for p in prefixes if not NOT_ANALYSED.startswith(p)), "codes")
    except SettingsError as error:
        raise click.BadParameter(str(error)) from None
    return prefixes


def _shard(ctx: click.Context, param: click.Parameter, value: str | None) -> "Shard | None":
    if value is None:
        return None
    from flake8_nnx_mode.confirm.plan import Shard

    match = re.fullmatch(r"0*([1-9]\d{0,8})/0*([1-9]\d{0,8})", value, re.ASCII)
    if match is None or int(match[1]) > int(match[2]):
        raise click.BadParameter(f"{value!r} is not I/N, a part and how many there are, as in 1/4")
    return Shard(int(match[1]), int(match[2]))


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--select",
    multiple=True,
    metavar="CODES",
    callback=_codes,
    help="Only rules with these codes, or beginnings of codes; comma-separated.",
)
@click.option(
    "--extend-select",
    multiple=True,
    metavar="CODES",
    callback=_codes,
    help="These rules too, such as ones that are off by default.",
)
@click.option("--ignore", multiple=True, metavar="CODES", callback=_codes, help="Not these rules.")
@click.option(
    "--python",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="The interpreter that has the project's jax and flax.  [default: the one running this]",
)
@click.option(
    "--platforms",
    default="cpu",
    show_default=True,
    metavar="NAMES",
    help="What JAX may use: JAX_PLATFORMS for the run; empty leaves it as it is.",
)
@click.option(
    "--time-limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="SECONDS",
    help="How long one finding may take.",
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many files run at a time.  [default: one for each processor]",
)
@click.option(
    "--shard",
    metavar="I/N",
    callback=_shard,
    help="Only the I-th of N parts of the findings, for N machines.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people or for programs.",
)
@click.option(
    "-o",
    "--output-file",
    "output",
    type=click.File("w", encoding="utf-8", errors="backslashreplace", lazy=False),
    default="-",
    help="Where to write the report.  [default: standard output]",
)
@click.option(
    "--repro",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a script for each finding there that shows the same by itself.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["any", "confirmed", "never"]),
    default="any",
    show_default=True,
    help="Exit with 1 if there is any finding, only if one is confirmed, or never.",
)
@click.pass_context
def confirm(
    ctx: click.Context,
    paths: tuple[Path, ...],
    select: tuple[str, ...],
    extend_select: tuple[str, ...],
    ignore: tuple[str, ...],
    python: Path | None,
    platforms: str,
    time_limit: int,
    jobs: int | None,
    shard: "Shard | None",
    form: Literal["text", "json"],
    output: TextIO,
    repro: Path | None,
    fail_on: FailOn,
) -> None:
    """Lint, run each flagged class or function on JAX, and say what was seen.

    PATHS are files, and folders to look for Python files in.

    Unlike linting this runs code: that of the flagged classes and functions, and the modules they
    import. A verdict is CONFIRMED, REFUTED or INCONCLUSIVE, with what was seen in a line.

    Exit status: 0 for no findings (see --fail-on), 1 for some, 2 if something could not be done.
    """
    from flake8_nnx_mode.engine import Selection

    runner = _runner(python, jobs or _processors(), time_limit, platforms)
    results = _results(paths, Selection(select, extend_select, ignore), runner, shard)
    if repro is not None:
        results = _with_scripts(results, repro)
    _write(results, form, output)
    for problem in results.problems:
        click.echo(f"error: {problem}", err=True)
    ctx.exit(_status(results, fail_on))


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows cannot be asked
        return os.cpu_count() or 1


def _runner(python: Path | None, workers: int, time_limit: float, platforms: str) -> "Runs":
    from flake8_nnx_mode.confirm.runner import Runner

    return Runner(python, workers=workers, time_limit=time_limit, platforms=platforms)


def _results(
    paths: Sequence[Path], selection: "Selection", runner: "Runs", shard: "Shard | None"
) -> "Results":
    from flake8_nnx_mode.confirm.plan import Planner
    from flake8_nnx_mode.confirm.run import run

    with progress("Running") as watch:
        return run(Planner(selection), paths, runner, shard, watch)


def _with_scripts(results: "Results", folder: Path) -> "Results":
    from flake8_nnx_mode.report import repro

    try:
        return replace(results, found=list(repro.write(results.found, folder)))
    except OSError as error:
        problem = f"--repro: {error.filename or folder}: {error.strerror}"
        return replace(results, problems=[*results.problems, problem])


def _write(results: "Results", form: Literal["text", "json"], output: TextIO) -> None:
    from flake8_nnx_mode.report import confirm_json, confirm_text

    (confirm_json if form == "json" else confirm_text).write(results, output)


def _status(results: "Results", fail_on: FailOn) -> int:
    if results.interrupted:
        return _INTERRUPTED
    if results.problems:
        return _NOT_DONE
    if fail_on == "never":
        return 0
    confirmed = any(result.outcome.verdict == "CONFIRMED" for result in results.found)
    return int(confirmed if fail_on == "confirmed" else bool(results.found))
