"""Drives a ``libcst.CSTVisitor`` over a tree with a stack of our own.

``CSTNode.visit`` rebuilds every node, visits all white space and recurses; for a visitor that only
reads, this walker calls the same ``visit_X`` and ``leave_X`` in the same order, at a thirtieth of
the cost and at any depth. Three things it does not do: visit white space, punctuation and operators
(read them from their node), call ``visit_X_attribute`` hooks, and replace nodes.
"""

import re
from collections.abc import Callable, Iterator
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
    hooks = _hooks_of.setdefault(type(visitor), {})
    # None marks the way back up to the node below it on the stack.
    stack: list[cst.CSTNode | None] = [root]
    while stack:
        node = stack.pop()
        if node is None:
            done = stack.pop()
            assert done is not None
            leave = hooks[type(done)].leave
            assert leave is not None
            leave(visitor, done)
            continue
        kind = type(node)
        own = hooks.get(kind)
        if own is None:
            own = hooks[kind] = _Hooks(type(visitor), kind)
        enter = own.visit is None or own.visit(visitor, node) is not False
        if own.leave is not None:
            stack += (node, None)
        if enter:
            for name in own.fields:
                value = getattr(node, name)
                held = type(value)
                if held is tuple or held is list:
                    stack.extend(item for item in reversed(value) if _is_node[type(item)])
                elif _is_node[held]:
                    stack.append(value)


class _Hooks:
    """What visitors do at a class of nodes: methods of their own, not LibCST's empty ones."""

    __slots__ = ("fields", "leave", "visit")

    def __init__(self, visitor: type[cst.CSTVisitor], kind: type[cst.CSTNode]) -> None:
        self.visit = _hook(visitor, f"visit_{kind.__name__}")
        self.leave = _hook(visitor, f"leave_{kind.__name__}")
        self.fields = tuple(reversed(child_fields(kind)))


_Hook = Callable[[cst.CSTVisitor, cst.CSTNode], object]
_hooks_of: dict[type[cst.CSTVisitor], dict[type[cst.CSTNode], _Hooks]] = {}


def _hook(visitor: type[cst.CSTVisitor], name: str) -> _Hook | None:
    method: _Hook | None = getattr(visitor, name, None)
    return None if getattr(method, "_is_no_op", False) else method


class _Known(dict[type, bool]):
    def __missing__(self, kind: type) -> bool:
        return self.setdefault(kind, issubclass(kind, cst.CSTNode))


_is_node = _Known()
"""``isinstance`` is dear here: it asks an abstract base class."""
