"""Values for code that asks a traced array for one: `int(jnp.sqrt(n))`, `if mask.any():`.

Nothing outside is an input of the outermost trace, so each of its values can be computed from the
equations so far. That takes JAX's own rooms (`jax._src`) and time, so it is only a second try; if
those rooms have changed, there is none. Values inside compiled functions stay unknown.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any


def quiet() -> None:
    """Leave out where traced values come from: each error walks all equations for it."""
    with contextlib.suppress(Exception):
        from jax._src.interpreters import partial_eval

        partial_eval.DynamicJaxprTracer._origin_msg = lambda self: ""  # type: ignore[method-assign]


def tracers_are_data() -> None:
    """Let flax take a traced array that is an attribute for what it is, an array.

    Else it is part of a model's structure, which `nnx.jit` compares.
    """
    with contextlib.suppress(Exception):
        from flax import nnx
        from jax._src.interpreters import partial_eval

        nnx.register_data_type(partial_eval.DynamicJaxprTracer)


@contextlib.contextmanager
def values_on_demand() -> Iterator[None]:
    """While this lasts, values of the outermost trace are computed when they are asked for."""
    try:
        from jax._src.interpreters.partial_eval import DynamicJaxprTracer

        before = DynamicJaxprTracer.to_concrete_value
    except (ImportError, AttributeError):  # another JAX
        yield
        return
    known = _Known()

    def value(tracer: Any) -> Any:
        try:
            return known.value(tracer)
        except Exception:  # then it is as unknown as ever
            return None

    kind: Any = DynamicJaxprTracer
    kind.to_concrete_value = value
    kind.__float__ = _converting(kind.__float__, float, value)  # these two do not ask by themselves
    kind.__complex__ = _converting(kind.__complex__, complex, value)
    try:
        yield
    finally:
        kind.to_concrete_value = before
        del kind.__float__, kind.__complex__  # what it inherits


def _converting(
    general: Callable[[Any], Any], number: Callable[[Any], Any], value: Callable[[Any], Any]
) -> Callable[[Any], Any]:
    def convert(tracer: Any) -> Any:
        known = value(tracer)
        return general(tracer) if known is None else number(known)

    return convert


class _Known:
    """What was computed so far."""

    def __init__(self) -> None:
        self._values: dict[Any, Any] = {}
        self._busy = False

    def value(self, tracer: Any) -> Any:
        """The value of a tracer; None if it depends on inputs of a function."""
        from jax._src import core

        frame = getattr(tracer._trace, "frame", None)
        variable = tracer.val
        if self._busy or frame is None or frame.invars or type(variable) is not core.Var:
            return None
        if variable not in self._values:
            self._busy = True
            try:
                with core.eval_context():
                    self._compute(frame, variable)
            finally:
                self._busy = False
        return self._values[variable]

    def _compute(self, frame: Any, variable: Any) -> None:
        from jax._src import core

        needed, equations = {variable}, []
        for equation in reversed(frame.get_eqns()):
            if any(out in needed and out not in self._values for out in equation.outvars):
                equations.append(equation)
                needed.update(atom for atom in equation.invars if type(atom) is core.Var)
        for equation in reversed(equations):
            args = [self._read(frame, atom) for atom in equation.invars]
            inputs = [core.Var(core.typeof(arg)) for arg in args]
            outs = [out for out in equation.outvars if type(out) is not core.DropVar]
            jaxpr = core.Jaxpr([], inputs, outs, [equation.replace(invars=inputs)])
            self._values.update(zip(outs, core.eval_jaxpr(jaxpr, [], *args), strict=True))

    def _read(self, frame: Any, atom: Any) -> Any:
        if hasattr(atom, "val"):
            return atom.val
        return self._values[atom] if atom in self._values else frame.constvar_to_val[atom]
