"""``nnx-mode fix``: shows what the fixes would change, or makes them."""

from typing import TYPE_CHECKING

import click

from flake8_nnx_mode.cli.inputs import Inputs, input_options
from flake8_nnx_mode.cli.options import LintOptions, lint_options
from flake8_nnx_mode.codes import NOT_ANALYSED

if TYPE_CHECKING:
    from flake8_nnx_mode.fixes.mend import Mended

_NOT_WRITTEN = 2


@click.command(short_help="Mend what can be mended.")
@click.option("--write", is_flag=True, help="Change the files instead of showing a diff.")
@click.option("--unsafe", is_flag=True, help="Make unsafe fixes too; `nnx-mode rules` lists them.")
@click.option("-e", "--exit-zero", is_flag=True, help="Exit with 0 whatever is found.")
@click.option(
    "--unused-noqa", is_flag=True, help="Remove `# noqa: NNX...` comments that silence nothing."
)
@click.option("--diff", is_flag=True, hidden=True, expose_value=False)  # that is what it does
@input_options
@lint_options
@click.pass_context
def fix(
    ctx: click.Context,
    options: LintOptions,
    inputs: Inputs,
    write: bool,
    unsafe: bool,
    exit_zero: bool,
    unused_noqa: bool,
) -> None:
    """Mend what can be mended: show a diff, or --write the files.

    PATHS are files, folders to look for Python files in, or - for standard input, of which --write
    prints the mended text; by default the working directory.

    A safe fix changes the reported mistake only; an unsafe one may change a signature, the numbers
    that a seed gives, or the streams that a model needs. A fix is left out where the file would not
    parse with it, or where anything would be reported that was not.

    Exit status: 0 if there is nothing to mend or, with --write, nothing left; 1 if there is, or a
    file could not be analysed; 2 if one could not be written.
    """
    from flake8_nnx_mode.fixes.mend import Mender

    linter, finder = options.tools(unused_noqa=unused_noqa)
    mender = Mender(linter, unsafe=unsafe)
    run = _Run(inputs, write=write)
    for file in inputs.checked(linter, finder):
        if file.findings or inputs.is_stdin(file.path):
            run.add(mender.mend(file))
    run.finish()
    ctx.exit(run.status(exit_zero=exit_zero))


class _Run:
    """Files, one after the other: what was mended goes out, what is left is told of."""

    def __init__(self, inputs: Inputs, *, write: bool) -> None:
        self._inputs = inputs
        self._write = write
        self._output = click.open_file("-", "w", encoding="utf-8", errors="surrogateescape")
        self._mended = self._left = 0
        self._failed = self._not_analysed = False

    def add(self, mended: "Mended") -> None:
        """One file more."""
        from flake8_nnx_mode.fixes.write import NotWrittenError
        from flake8_nnx_mode.report.wording import one_line

        for left in mended.left:
            self._left += 1
            self._not_analysed |= left.code == NOT_ANALYSED.code
            place = left.place if self._write else mended.place_before(left.place)
            where = f"{mended.path}:{place.line}:{place.column + 1}"
            click.echo(one_line(f"{where}: {left.code} {left.why}"), err=True)
        try:
            self._out(mended)
            self._mended += mended.mended
        except NotWrittenError as error:
            self._failed = True
            self._left += mended.mended
            click.echo(f"error: {mended.path} was not changed: {error}", err=True)

    def _out(self, mended: "Mended") -> None:
        from flake8_nnx_mode.fixes import write
        from flake8_nnx_mode.report import diff

        changed = mended.after != mended.before
        if self._write and self._inputs.is_stdin(mended.path):
            data = self._inputs.stdin or b""
            data = write.encoded(mended.after, data) if changed else data
            click.open_file("-", "wb").write(data)
        elif changed and self._write:
            write.replace(mended.path, mended.before, mended.after)
        elif changed:
            diff.write(mended, self._output)

    def finish(self) -> None:
        """Say how much was done."""
        from flake8_nnx_mode.report.wording import plural

        if not self._mended and not self._left:
            click.echo("All checks passed!", err=True)
        elif self._write:
            found = plural(self._mended + self._left, "error")
            click.echo(f"Found {found} ({self._mended} fixed, {self._left} remaining).", err=True)
        else:
            click.echo(
                f"Would fix {plural(self._mended, 'error')}, {self._left} remaining.", err=True
            )

    def status(self, *, exit_zero: bool) -> int:
        """What the command exits with."""
        if self._failed:
            return _NOT_WRITTEN
        unmended = self._left if self._write else self._mended or self._not_analysed
        return int(not exit_zero and bool(unmended))
