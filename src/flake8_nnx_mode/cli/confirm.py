"""``nnx-mode confirm``: lints, runs what is flagged on JAX, and says what was seen."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

import click

from flake8_nnx_mode.cli.options import LintOptions, format_option, lint_options, output_option
from flake8_nnx_mode.cli.progress import progress

if TYPE_CHECKING:
    from flake8_nnx_mode.confirm.plan import Planner, Shard
    from flake8_nnx_mode.confirm.results import Results
    from flake8_nnx_mode.confirm.run import Runs

Format = Literal["text", "json", "sarif"]
FailOn = Literal["any", "confirmed", "never"]
_NOT_DONE = 2
_INTERRUPTED = 130


def _shard(ctx: click.Context, param: click.Parameter, value: str | None) -> "Shard | None":
    if value is None:
        return None
    from flake8_nnx_mode.confirm.plan import Shard

    match = re.fullmatch(r"0*([1-9]\d{0,8})/0*([1-9]\d{0,8})", value, re.ASCII)
    if match is None or int(match[1]) > int(match[2]):
        raise click.BadParameter(f"{value!r} is not I/N, a part and how many there are, as in 1/4")
    return Shard(int(match[1]), int(match[2]))


@click.command(short_help="Run what is flagged on JAX, and say what was seen.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, readable=False))
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
@format_option(
    "text", "json", "sarif", what="For people, for programs, or as SARIF, with the verdicts."
)
@output_option
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
@lint_options
@click.pass_context
def confirm(
    ctx: click.Context,
    options: LintOptions,
    paths: tuple[Path, ...],
    python: Path | None,
    platforms: str,
    time_limit: int,
    jobs: int | None,
    shard: "Shard | None",
    form: Format,
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
    from flake8_nnx_mode.confirm.plan import Planner
    from flake8_nnx_mode.lint import processors

    planner = Planner(*options.tools())
    runner = _runner(python, jobs or processors(), time_limit, platforms)
    results = _results(paths, planner, runner, shard)
    if repro is not None:
        results = _with_scripts(results, repro)
    _write(results, form, output)
    for problem in results.problems:
        click.echo(f"error: {problem}", err=True)
    ctx.exit(_status(results, fail_on))


def _runner(python: Path | None, workers: int, time_limit: float, platforms: str) -> "Runs":
    from flake8_nnx_mode.confirm.runner import Runner

    return Runner(python, workers=workers, time_limit=time_limit, platforms=platforms)


def _results(
    paths: Sequence[Path], planner: "Planner", runner: "Runs", shard: "Shard | None"
) -> "Results":
    from flake8_nnx_mode.confirm.run import run

    with progress("Running") as watch:
        return run(planner, paths, runner, shard, watch)


def _with_scripts(results: "Results", folder: Path) -> "Results":
    from flake8_nnx_mode.report import repro

    try:
        return replace(results, found=list(repro.write(results.found, folder)))
    except OSError as error:
        problem = f"--repro: {error.filename or folder}: {error.strerror}"
        return replace(results, problems=[*results.problems, problem])


def _write(results: "Results", form: Format, output: TextIO) -> None:
    from flake8_nnx_mode.report import confirm_json, confirm_text, sarif
    from flake8_nnx_mode.report.rows import confirmed

    if form == "sarif":
        complete = not (results.problems or results.interrupted)
        sarif.write(confirmed(results.found), output, successful=complete)
    else:
        (confirm_json if form == "json" else confirm_text).write(results, output)
    output.flush()


def _status(results: "Results", fail_on: FailOn) -> int:
    if results.interrupted:
        return _INTERRUPTED
    if results.problems:
        return _NOT_DONE
    if fail_on == "never":
        return 0
    confirmed = any(result.outcome.verdict == "CONFIRMED" for result in results.found)
    return int(confirmed if fail_on == "confirmed" else bool(results.found))
