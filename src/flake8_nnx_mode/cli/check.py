"""``nnx-mode check``: lints files, and reports what it finds in several formats."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

import click

from flake8_nnx_mode.cli.inputs import Inputs, input_options
from flake8_nnx_mode.cli.options import (
    ConfigError,
    LintOptions,
    format_option,
    lint_options,
    output_option,
    version_option,
)

if TYPE_CHECKING:
    from flake8_nnx_mode.lint import Checked, Linter

Format = Literal["text", "concise", "json", "github", "sarif"]


def _not_here(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        raise click.UsageError("`nnx-mode fix --write` mends; `nnx-mode fix` shows a diff first")


@click.command(short_help="Lint files.")
@format_option(
    "text",
    "concise",
    "json",
    "github",
    "sarif",
    what="With the code, in one line each, for programs, for GitHub's annotations, or as SARIF.",
)
@output_option
@click.option("--statistics", is_flag=True, help="Count findings by rule instead.")
@click.option("-e", "--exit-zero", is_flag=True, help="Exit with 0 even if there are findings.")
@click.option(
    "--unused-noqa", is_flag=True, help="Report `# noqa: NNX...` comments that silence nothing."
)
@click.option(
    "--baseline",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Report only what is not in this file.",
)
@click.option(
    "--write-baseline", is_flag=True, help="Write what is found to the baseline, report nothing."
)
@click.option("--fix", is_flag=True, hidden=True, expose_value=False, callback=_not_here)
@input_options
@lint_options
@version_option
@click.pass_context
def check(
    ctx: click.Context,
    options: LintOptions,
    inputs: Inputs,
    form: Format,
    output: TextIO,
    statistics: bool,
    exit_zero: bool,
    unused_noqa: bool,
    baseline: Path | None,
    write_baseline: bool,
) -> None:
    """Lint files, without running any of their code.

    PATHS are files, folders to look for Python files in, or - for standard input; by default the
    working directory.

    Exit status: 0 for no findings, 1 for some, 2 if the command could not be understood or the
    report not be written.
    """
    if write_baseline and baseline is None:
        raise click.UsageError("--write-baseline needs --baseline FILE, the file to write")
    if statistics and form in ("github", "sarif"):
        raise click.UsageError(f"--statistics are text or json, not {form}")
    linter, finder = options.tools(unused_noqa=unused_noqa)
    files = list(inputs.checked(linter, finder))
    if baseline is not None:
        files = _beyond(baseline, files, linter, write=write_baseline)
    found = [file for file in files if file.findings]
    _report(found, form, output, statistics=statistics)
    output.flush()
    ctx.exit(0 if exit_zero or not found else 1)


def _beyond(
    file: Path, files: "Sequence[Checked]", linter: "Linter", *, write: bool
) -> "list[Checked]":
    """What the baseline does not have; with ``write`` it is written first."""
    from flake8_nnx_mode import baseline
    from flake8_nnx_mode.report.wording import plural

    ran = {code for checked in files for code in linter.codes(checked.path)}
    try:
        if write:
            entries = baseline.write(file, files, ran)
            click.echo(f"{file}: {plural(entries, 'entry')} written", err=True)
        compared = baseline.read(file).without_known(files, ran)
    except baseline.BaselineError as error:
        raise ConfigError(str(error)) from None
    if compared.hidden and not write:
        click.echo(f"{file}: {plural(compared.hidden, 'finding')} hidden", err=True)
    if compared.stale:
        stale = f"{plural(len(compared.stale), 'entry')} no longer needed"
        click.echo(f"{file}: {stale}; --write-baseline takes them out", err=True)
    return compared.files


def _report(files: "Sequence[Checked]", form: Format, output: TextIO, *, statistics: bool) -> None:
    # One room each: what the others import is not imported.
    if statistics:
        from flake8_nnx_mode.report import statistics as counts

        (counts.write_json if form == "json" else counts.write)(files, output)
    elif form == "text":
        from flake8_nnx_mode.report import check_text

        check_text.write(files, output)
    elif form == "concise":
        from flake8_nnx_mode.report import check_concise

        check_concise.write(files, output)
    elif form == "json":
        from flake8_nnx_mode.report import check_json

        check_json.write(files, output)
    elif form == "github":
        from flake8_nnx_mode.report import github
        from flake8_nnx_mode.report.rows import checked

        github.write(checked(files), output)
    else:
        from flake8_nnx_mode.report import sarif
        from flake8_nnx_mode.report.rows import checked

        sarif.write(checked(files), output)
