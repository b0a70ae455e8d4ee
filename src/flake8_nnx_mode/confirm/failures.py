"""Why nothing can be said, and what errors of user code mean."""

import re

import jax

from flake8_nnx_mode.confirm.cage import RefusedError
from flake8_nnx_mode.confirm.loading import MissingModuleError

_UNTOLD = re.compile(r"No .(deterministic|use_running_average|decode). argument")
"""What flax says of a layer that nobody told its mode."""
_REFUSED_CALL = re.compile(
    r"\(\) (got an unexpected keyword|got multiple values|missing \d+ required|takes .* positional)"
)
"""What Python says of a call that gives a function what it does not take."""
HOPELESS = (MissingModuleError, ModuleNotFoundError, RefusedError, SystemExit)
"""Errors that no other arguments will mend."""
ASKED = (
    jax.errors.ConcretizationTypeError,
    jax.errors.NonConcreteBooleanIndexError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)
"""Errors of code that asks a traced array for its value."""


class NoVerdictError(Exception):
    """No verdict can be given, and why."""

    def __init__(self, reason: str, why: str) -> None:
        self.reason = reason
        """Its kind, in one or two words."""
        super().__init__(why)


def said(error: BaseException) -> str:
    """An error in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def is_wrong_argument(error: BaseException | None) -> bool:
    """Whether a call was given what it does not take, or not what it needs."""
    if isinstance(error, ValueError):  # flax's own: no `deterministic` argument was provided
        return _UNTOLD.match(str(error)) is not None
    if isinstance(error, AttributeError):  # a mode in the place of an array
        return "'bool' object" in str(error)
    return isinstance(error, TypeError) and _REFUSED_CALL.search(str(error)) is not None


def unknown(error: BaseException, what: str) -> NoVerdictError:
    """Why ``what`` gives no verdict, once it has ended in ``error``."""
    if isinstance(error, NoVerdictError):
        return error
    if isinstance(error, MissingModuleError):
        return NoVerdictError("missing module", str(error))
    if isinstance(error, RefusedError):
        return NoVerdictError("refused", str(error))
    if isinstance(error, ModuleNotFoundError):
        return NoVerdictError("missing module", f"`{error.name}` is not installed here")
    why = f"{what} does not run with any arguments that were tried: {said(error)}"
    return NoVerdictError("does not run", why)
