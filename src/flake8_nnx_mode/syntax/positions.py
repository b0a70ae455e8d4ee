"""Where LibCST nodes stand in the text they were parsed from.

LibCST keeps no positions: they come out of generating the code again. ``PositionProvider`` writes
down every node (twice the cost of the parse); here only the wanted ones are kept, as offsets, and
generation stops at the last of them. A test holds the results equal to ``PositionProvider``'s.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import libcst as cst
from libcst._nodes.internal import CodegenState  # private: hence libcst < 2 and the equality test


class _Found(Exception):  # noqa: N818  # a signal, not an error
    """Every wanted node has been generated."""


class _Recorder(CodegenState):
    """Remembers at which token each wanted node starts and ends."""

    def __init__(self, module: cst.Module, wanted: Iterable[cst.CSTNode]) -> None:
        super().__init__(
            default_indent=module.default_indent, default_newline=module.default_newline
        )
        self.wanted = {id(node) for node in wanted}
        self.missing = len(self.wanted)
        self.outer: dict[int, tuple[int, int]] = {}
        self.inner: dict[int, tuple[int, int]] = {}
        self.starts: dict[int, int] = {}

    def before_codegen(self, node: cst.CSTNode) -> None:
        if id(node) in self.wanted:
            self.starts[id(node)] = len(self.tokens)

    def after_codegen(self, node: cst.CSTNode) -> None:
        if id(node) in self.wanted:
            self.outer[id(node)] = (self.starts[id(node)], len(self.tokens))
            self.missing -= 1
            if not self.missing:
                raise _Found

    @contextmanager
    def record_syntactic_position(
        self,
        node: cst.CSTNode,
        *,
        start_node: cst.CSTNode | None = None,
        end_node: cst.CSTNode | None = None,
    ) -> Iterator[None]:
        start = len(self.tokens)
        for edge in (start_node, end_node):
            # Their own positions decide this one's: generated inside, so noted just before.
            if edge is not None and id(node) in self.wanted and id(edge) not in self.wanted:
                self.wanted.add(id(edge))
                self.missing += 1
        yield
        if id(node) in self.wanted:
            end = len(self.tokens)
            first = self._range(start_node)[0] if start_node is not None else start
            last = self._range(end_node)[1] if end_node is not None else end
            self.inner[id(node)] = (first, last)

    def _range(self, node: cst.CSTNode) -> tuple[int, int]:
        return self.inner.get(id(node)) or self.outer[id(node)]


def offsets(
    module: cst.Module, nodes: Iterable[cst.CSTNode], text: str
) -> dict[int, tuple[int, int]] | None:
    """``id(node)`` -> (start, end) in characters of ``text``, which ``module`` was parsed from.

    None if the code that LibCST generates is not that text.
    """
    recorder = _Recorder(module, nodes)
    if not recorder.wanted:
        return {}
    ids = tuple(recorder.wanted)
    try:
        with _deep_recursion():
            module._codegen(recorder)
    except _Found:
        pass
    generated = "".join(recorder.tokens)
    if generated[: len(text)] != text[: len(generated)]:
        return None
    at = [0]
    for token in recorder.tokens:
        at.append(at[-1] + len(token))
    ranges = {**recorder.outer, **recorder.inner}
    return {key: (at[ranges[key][0]], at[ranges[key][1]]) for key in ids if key in ranges}


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Code generation recurses a few frames a level; ast accepts a thousand levels.

    These are Python frames only, which since 3.11 take no C stack.
    """
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 30_000))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
