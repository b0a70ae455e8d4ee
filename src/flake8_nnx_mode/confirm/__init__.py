"""Runs flagged code on JAX and says whether the mistake is real; only the command opens it.

Two sides, two processes. On this side, ``plan`` and ``runner``: from findings to jobs, and from
jobs to outcomes. On the other, in the project's own interpreter, everything else: those rooms import
the standard library, jax, flax and each other, and nothing that a project need not have.
"""
