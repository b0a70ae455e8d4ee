"""Runs flagged code on JAX and says whether the mistake is real; only the command opens it.

Two sides, two processes. On the command's side, ``plan``, ``pins``, ``builds``, ``run`` and
``runner``: from findings to jobs, and from outcomes to results. On the other, in the project's own
interpreter, the rest: those rooms import the standard library, jax, flax and each other, and
nothing that a project need not have.
"""
