"""The codes of the linter itself, which no rule has: what it says of its own work."""

from dataclasses import dataclass

from flake8_nnx_mode.model import Applicability


@dataclass(frozen=True, slots=True)
class OwnCode:
    """One of them, documented as rules are."""

    code: str
    name: str
    on: bool
    """Whether it is reported unless told otherwise."""
    fix: Applicability | None
    """What its fixes are, where it offers any."""
    documentation: str

    @property
    def summary(self) -> str:
        """The first line of its documentation."""
        return self.documentation.partition("\n")[0]


NOT_ANALYSED = OwnCode(
    "NNX000",
    "not-analysed",
    on=True,
    fix=None,
    documentation="""\
A file or a function could not be analysed.

## What it does
Says that something was not checked, and why: a syntax error, a file that cannot be read or
decoded, a setting that is wrong, code that LibCST cannot read, or an error of the linter itself.

## Why it is bad
No finding does not mean no mistake there. The rest of the file, and all other files, are still
checked as far as that is possible.

## How to fix
The message says what stands in the way. Code that is newer than the Python that runs the linter
needs a newer Python. An error of the linter itself should please be reported.

## When it stays silent
For mistakes of syntax and the like in a file that has none of the words in the setting `markers`:
it is not looked at.""",
)

UNUSED_NOQA = OwnCode(
    "NNX001",
    "unused-noqa",
    on=False,
    fix="safe",
    documentation="""\
A `# noqa: NNX...` comment silences nothing.

## What it does
Reports a code of this linter in a `# noqa` comment where there is no such finding to silence, or
that is not in capitals, which flake8 does not heed. Only `nnx-mode check --unused-noqa` does so.

## Why it is bad
The comment speaks of a mistake that is not there, and would silence the next real one in its
line.

## How to fix
Remove the code, or the whole comment if nothing else is in it; the fix does so, and is safe. Write
a code in capitals.

## When it stays silent
For a `# noqa` without codes, for codes of other linters, and for rules that were not run.""",
)

OWN = (NOT_ANALYSED, UNUSED_NOQA)
"""All of them, by code."""
