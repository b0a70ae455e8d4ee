"""LibCST -> ``code``: a visitor that turns each node into plain data on its way back up.

Each ``leave_X`` reads what its children became, so that the order in which a driver visits siblings
does not matter, and nothing here recurses.
"""

from collections.abc import Iterable, Iterator, Sequence

import libcst as cst

from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.walker import children

_NOTHING = code.Constant(...)


class Lowering(cst.CSTVisitor):
    """Lowers a ``FunctionDef`` and everything in it; ask ``function(node)`` afterwards."""

    def __init__(self) -> None:
        self.nodes: list[cst.CSTNode] = []
        """What ``at`` counts: the nodes that became something, in the order in which they did."""
        self._expressions: dict[int, code.Expression] = {}
        self._statements: dict[int, tuple[code.Statement, ...]] = {}
        self._blocks: dict[int, code.Block] = {}
        self._clauses: dict[int, tuple[code.Clause, ...]] = {}
        self._cases: dict[int, code.Case] = {}

    def function(self, node: cst.FunctionDef) -> code.DefineFunction:
        """What ``node``, which was visited, became."""
        (lowered,) = self._statements[id(node)]
        assert isinstance(lowered, code.DefineFunction)
        return lowered

    def script(self, module: cst.Module) -> code.DefineFunction:
        """The statements of ``module``, which was visited, as if they were a function's body."""
        return code.DefineFunction("", (), (), (), code.Block(self._statements_of(module.body)))

    def _at(self, node: cst.CSTNode) -> code.At:
        self.nodes.append(node)
        return len(self.nodes) - 1

    # -- reading children ------------------------------------------------------------------

    def _of(self, node: cst.CSTNode | None) -> code.Expression:
        return _NOTHING if node is None else self._expressions.get(id(node), _NOTHING)

    def _all(self, nodes: Iterable[cst.CSTNode | None]) -> tuple[code.Expression, ...]:
        return tuple(self._of(node) for node in nodes if node is not None)

    def _block(self, node: cst.CSTNode | None) -> code.Block:
        return self._blocks[id(node)]

    def _orelse(self, node: cst.Else | cst.Finally | None) -> code.Block | None:
        return None if node is None else self._block(node.body)

    def _operation(self, node: cst.CSTNode, *operands: cst.CSTNode | None) -> None:
        operator = type(getattr(node, "operator", node)).__name__
        self._expressions[id(node)] = code.Operation(operator, self._all(operands), self._at(node))

    def _statement(self, node: cst.CSTNode, *statements: code.Statement) -> None:
        self._statements[id(node)] = statements

    # -- names and constants ---------------------------------------------------------------

    def leave_Name(self, original_node: cst.Name) -> None:
        match original_node.value:
            case "None":
                self._constant(original_node, None)
            case "True":
                self._constant(original_node, True)
            case "False":
                self._constant(original_node, False)
            case name:
                self._expressions[id(original_node)] = code.Name(name, self._at(original_node))

    def _constant(self, node: cst.CSTNode, value: object) -> None:
        self._expressions[id(node)] = code.Constant(value, self._at(node))

    def leave_Integer(self, original_node: cst.Integer) -> None:
        self._constant(original_node, _number(original_node))

    def leave_Float(self, original_node: cst.Float) -> None:
        self._constant(original_node, _number(original_node))

    def leave_Imaginary(self, original_node: cst.Imaginary) -> None:
        self._constant(original_node, _number(original_node))

    def leave_SimpleString(self, original_node: cst.SimpleString) -> None:
        self._constant(original_node, _string(original_node))

    def leave_ConcatenatedString(self, original_node: cst.ConcatenatedString) -> None:
        self._operation(original_node, original_node.left, original_node.right)

    def leave_FormattedString(self, original_node: cst.FormattedString) -> None:
        self._operation(original_node, *original_node.parts)

    def leave_FormattedStringText(self, original_node: cst.FormattedStringText) -> None:
        self._constant(original_node, original_node.value)

    def leave_FormattedStringExpression(self, original_node: cst.FormattedStringExpression) -> None:
        self._operation(original_node, original_node.expression, *(original_node.format_spec or ()))

    def leave_TemplatedString(self, original_node: cst.TemplatedString) -> None:
        self._operation(original_node, *original_node.parts)

    def leave_TemplatedStringExpression(self, original_node: cst.TemplatedStringExpression) -> None:
        self._operation(original_node, original_node.expression, *(original_node.format_spec or ()))

    # -- expressions -----------------------------------------------------------------------

    def leave_Attribute(self, original_node: cst.Attribute) -> None:
        self._expressions[id(original_node)] = code.Attribute(
            self._of(original_node.value), original_node.attr.value, self._at(original_node)
        )

    def leave_Call(self, original_node: cst.Call) -> None:
        self._expressions[id(original_node)] = code.Call(
            self._of(original_node.func),
            tuple(
                code.Argument(
                    self._of(arg.value),
                    arg.keyword.value if arg.keyword else None,
                    arg.star,
                    self._at(arg),
                )
                for arg in original_node.args
            ),
            self._at(original_node),
        )

    def leave_UnaryOperation(self, original_node: cst.UnaryOperation) -> None:
        if isinstance(original_node.operator, cst.Not):
            self._expressions[id(original_node)] = code.Not(
                self._of(original_node.expression), self._at(original_node)
            )
        else:
            self._operation(original_node, original_node.expression)

    def leave_BooleanOperation(self, original_node: cst.BooleanOperation) -> None:
        self._expressions[id(original_node)] = code.Either(
            "and" if isinstance(original_node.operator, cst.And) else "or",
            self._all((original_node.left, original_node.right)),
            self._at(original_node),
        )

    def leave_BinaryOperation(self, original_node: cst.BinaryOperation) -> None:
        self._operation(original_node, original_node.left, original_node.right)

    def leave_Comparison(self, original_node: cst.Comparison) -> None:
        self._expressions[id(original_node)] = code.Compare(
            self._of(original_node.left),
            tuple(
                (type(target.operator).__name__, self._of(target.comparator))
                for target in original_node.comparisons
            ),
            self._at(original_node),
        )

    def leave_IfExp(self, original_node: cst.IfExp) -> None:
        self._expressions[id(original_node)] = code.IfElse(
            self._of(original_node.test),
            self._of(original_node.body),
            self._of(original_node.orelse),
            self._at(original_node),
        )

    def leave_Await(self, original_node: cst.Await) -> None:
        self._operation(original_node, original_node.expression)

    def leave_Yield(self, original_node: cst.Yield) -> None:
        value = original_node.value
        self._operation(original_node, value.item if isinstance(value, cst.From) else value)

    def leave_NamedExpr(self, original_node: cst.NamedExpr) -> None:
        self._expressions[id(original_node)] = code.Walrus(
            self._of(original_node.target), self._of(original_node.value), self._at(original_node)
        )

    def leave_StarredElement(self, original_node: cst.StarredElement) -> None:
        self._expressions[id(original_node)] = code.Starred(
            self._of(original_node.value), self._at(original_node)
        )

    def leave_Tuple(self, original_node: cst.Tuple) -> None:
        self._display(original_node, original_node.elements)

    def leave_List(self, original_node: cst.List) -> None:
        self._display(original_node, original_node.elements)

    def leave_Set(self, original_node: cst.Set) -> None:
        self._display(original_node, original_node.elements)

    def _display(self, node: cst.CSTNode, elements: Sequence[cst.BaseElement]) -> None:
        self._expressions[id(node)] = code.Display(
            self._all(e if isinstance(e, cst.StarredElement) else e.value for e in elements),
            self._at(node),
        )

    def leave_Dict(self, original_node: cst.Dict) -> None:
        self._expressions[id(original_node)] = code.DictDisplay(
            tuple(
                (
                    self._of(element.key) if isinstance(element, cst.DictElement) else None,
                    self._of(element.value),
                )
                for element in original_node.elements
            ),
            self._at(original_node),
        )

    def leave_Subscript(self, original_node: cst.Subscript) -> None:
        indices: list[code.Expression] = []
        for element in original_node.slice:
            inner = element.slice
            if isinstance(inner, cst.Index):
                indices.append(self._of(inner.value))
            else:
                assert isinstance(inner, cst.Slice)
                parts = (inner.lower, inner.upper, inner.step)
                indices.append(code.Operation("Slice", self._all(parts), self._at(inner)))
        index = indices[0] if len(indices) == 1 else code.Display(tuple(indices))
        self._expressions[id(original_node)] = code.Subscript(
            self._of(original_node.value), index, self._at(original_node)
        )

    def leave_Lambda(self, original_node: cst.Lambda) -> None:
        names, defaults = self._parameters(original_node.params)
        self._expressions[id(original_node)] = code.Lambda(
            tuple((name, None) for name, _ in names),
            defaults,
            self._of(original_node.body),
            self._at(original_node),
        )

    def leave_CompFor(self, original_node: cst.CompFor) -> None:
        clause = code.Clause(
            self._of(original_node.target),
            self._of(original_node.iter),
            self._all(condition.test for condition in original_node.ifs),
        )
        inner = original_node.inner_for_in
        self._clauses[id(original_node)] = (clause, *(self._clauses[id(inner)] if inner else ()))

    def leave_GeneratorExp(self, original_node: cst.GeneratorExp) -> None:
        self._comprehension(original_node, original_node.for_in, original_node.elt)

    def leave_ListComp(self, original_node: cst.ListComp) -> None:
        self._comprehension(original_node, original_node.for_in, original_node.elt)

    def leave_SetComp(self, original_node: cst.SetComp) -> None:
        self._comprehension(original_node, original_node.for_in, original_node.elt)

    def leave_DictComp(self, original_node: cst.DictComp) -> None:
        self._comprehension(
            original_node, original_node.for_in, original_node.value, original_node.key
        )

    def _comprehension(
        self,
        node: cst.CSTNode,
        for_in: cst.CompFor,
        element: cst.CSTNode,
        key: cst.CSTNode | None = None,
    ) -> None:
        self._expressions[id(node)] = code.Comprehension(
            self._clauses[id(for_in)],
            self._of(element),
            self._of(key) if key is not None else None,
            self._at(node),
        )

    # -- simple statements -----------------------------------------------------------------

    def leave_Expr(self, original_node: cst.Expr) -> None:
        self._statement(
            original_node, code.Evaluate(self._of(original_node.value), self._at(original_node))
        )

    def leave_Assert(self, original_node: cst.Assert) -> None:
        self._statement(
            original_node, code.Assert(self._of(original_node.test), self._at(original_node))
        )

    def leave_Nonlocal(self, original_node: cst.Nonlocal) -> None:
        self._statement(original_node, code.Outer(_names_of(original_node)))

    def leave_Global(self, original_node: cst.Global) -> None:
        self._statement(original_node, code.Outer(_names_of(original_node)))

    def leave_Assign(self, original_node: cst.Assign) -> None:
        targets = self._all(target.target for target in original_node.targets)
        self._statement(
            original_node,
            code.Assign(targets, self._of(original_node.value), at=self._at(original_node)),
        )

    def leave_AnnAssign(self, original_node: cst.AnnAssign) -> None:
        if original_node.value is None:
            self._statement(original_node)
        else:
            target, value = self._of(original_node.target), self._of(original_node.value)
            annotation = self._of(original_node.annotation.annotation)
            self._statement(
                original_node, code.Assign((target,), value, annotation, self._at(original_node))
            )

    def leave_AugAssign(self, original_node: cst.AugAssign) -> None:
        target, value = self._of(original_node.target), self._of(original_node.value)
        self._statement(original_node, code.Augment(target, value, self._at(original_node)))

    def leave_Return(self, original_node: cst.Return) -> None:
        self._leave(original_node, "return", original_node.value)

    def leave_Raise(self, original_node: cst.Raise) -> None:
        self._leave(original_node, "raise", original_node.exc)

    def leave_Break(self, original_node: cst.Break) -> None:
        self._leave(original_node, "break")

    def leave_Continue(self, original_node: cst.Continue) -> None:
        self._leave(original_node, "continue")

    def _leave(self, node: cst.CSTNode, kind: str, *values: cst.CSTNode | None) -> None:
        self._statement(node, code.Leave(kind, self._all(values), self._at(node)))

    def leave_Del(self, original_node: cst.Del) -> None:
        target = self._of(original_node.target)
        targets = target.elements if isinstance(target, code.Display) else (target,)
        self._statement(original_node, code.Delete(targets, self._at(original_node)))

    def leave_Import(self, original_node: cst.Import) -> None:
        imports = []
        for alias in original_node.names:
            module = _dotted(alias.name)
            if alias.asname is None:
                module = module.partition(".")[0]
            imports.append(code.Import(alias.evaluated_alias or module, module, None, 0))
        self._statement(original_node, *imports)

    def leave_ImportFrom(self, original_node: cst.ImportFrom) -> None:
        if isinstance(original_node.names, cst.ImportStar):  # not inside a function
            return
        module = _dotted(original_node.module)
        level = len(original_node.relative)
        self._statement(
            original_node,
            *(
                code.Import(a.evaluated_alias or a.evaluated_name, module, a.evaluated_name, level)
                for a in original_node.names
            ),
        )

    # -- compound statements ---------------------------------------------------------------

    def leave_SimpleStatementLine(self, original_node: cst.SimpleStatementLine) -> None:
        self._statement(original_node, *self._statements_of(original_node.body))

    def leave_SimpleStatementSuite(self, original_node: cst.SimpleStatementSuite) -> None:
        self._blocks[id(original_node)] = code.Block(self._statements_of(original_node.body))

    def leave_IndentedBlock(self, original_node: cst.IndentedBlock) -> None:
        self._blocks[id(original_node)] = code.Block(self._statements_of(original_node.body))

    def _statements_of(self, body: Iterable[cst.CSTNode]) -> tuple[code.Statement, ...]:
        return tuple(s for node in body for s in self._statements.get(id(node), ()))

    def leave_If(self, original_node: cst.If) -> None:
        orelse: code.Block | code.If | None
        if isinstance(original_node.orelse, cst.If):
            (elif_,) = self._statements[id(original_node.orelse)]
            assert isinstance(elif_, code.If)
            orelse = elif_
        else:
            orelse = self._orelse(original_node.orelse)
        self._statement(
            original_node,
            code.If(
                self._of(original_node.test),
                self._block(original_node.body),
                orelse,
                self._at(original_node),
            ),
        )

    def leave_For(self, original_node: cst.For) -> None:
        self._statement(
            original_node,
            code.For(
                self._of(original_node.target),
                self._of(original_node.iter),
                self._block(original_node.body),
                self._orelse(original_node.orelse),
                self._at(original_node),
            ),
        )

    def leave_While(self, original_node: cst.While) -> None:
        self._statement(
            original_node,
            code.While(
                self._of(original_node.test),
                self._block(original_node.body),
                self._orelse(original_node.orelse),
                self._at(original_node),
            ),
        )

    def leave_Try(self, original_node: cst.Try) -> None:
        self._try(original_node)

    def leave_TryStar(self, original_node: cst.TryStar) -> None:
        self._try(original_node)

    def _try(self, node: cst.Try | cst.TryStar) -> None:
        handlers = tuple(
            code.Handler(
                self._of(handler.type) if handler.type else None,
                _bound_name(handler.name),
                self._block(handler.body),
            )
            for handler in node.handlers
        )
        orelse, final = self._orelse(node.orelse), self._orelse(node.finalbody)
        self._statement(
            node, code.Try(self._block(node.body), handlers, orelse, final, self._at(node))
        )

    def leave_With(self, original_node: cst.With) -> None:
        items = tuple(
            (self._of(item.item), self._of(item.asname.name) if item.asname else None)
            for item in original_node.items
        )
        body = self._block(original_node.body)
        self._statement(original_node, code.With(items, body, self._at(original_node)))

    def leave_MatchCase(self, original_node: cst.MatchCase) -> None:
        pattern = original_node.pattern
        self._cases[id(original_node)] = code.Case(
            tuple(_captured_names(pattern)),
            self._of(original_node.guard) if original_node.guard else None,
            self._block(original_node.body),
            isinstance(pattern, cst.MatchAs) and pattern.pattern is None,
        )

    def leave_Match(self, original_node: cst.Match) -> None:
        cases = tuple(self._cases[id(case)] for case in original_node.cases)
        subject = self._of(original_node.subject)
        self._statement(original_node, code.Match(subject, cases, self._at(original_node)))

    def leave_FunctionDef(self, original_node: cst.FunctionDef) -> None:
        names, defaults = self._parameters(original_node.params)
        self._statement(
            original_node,
            code.DefineFunction(
                original_node.name.value,
                self._all(d.decorator for d in original_node.decorators),
                names,
                defaults,
                self._block(original_node.body),
                self._at(original_node),
            ),
        )

    def visit_ClassDef(self, node: cst.ClassDef) -> bool:
        return False  # its methods are chapters of their own

    def leave_ClassDef(self, original_node: cst.ClassDef) -> None:
        self._statement(
            original_node, code.DefineClass(original_node.name.value, self._at(original_node))
        )

    def _parameters(
        self, node: cst.Parameters
    ) -> tuple[tuple[tuple[str, code.Expression | None], ...], tuple[code.Expression, ...]]:
        """Names with annotations, and defaults; ``*args`` and ``**kwargs`` are never of a class."""
        parameters = [*node.posonly_params, *node.params, *node.kwonly_params]
        defaults = self._all(parameter.default for parameter in parameters)
        names: list[tuple[str, code.Expression | None]] = [
            (p.name.value, self._of(p.annotation.annotation) if p.annotation else None)
            for p in parameters
        ]
        for starred in (node.star_arg, node.star_kwarg):
            if isinstance(starred, cst.Param):
                names.append((starred.name.value, None))
        return tuple(names), defaults


def _names_of(node: cst.Nonlocal | cst.Global) -> tuple[str, ...]:
    return tuple(item.name.value for item in node.names)


def _string(node: cst.SimpleString) -> object:
    """As ``evaluated_value``, which has ast parse it."""
    text = node.value
    quotes = text[:3] if text[:3] in ('"""', "'''") else text[:1]
    if quotes[0] in "\"'" and "\\" not in text:
        return text[len(quotes) : -len(quotes)]
    return node.evaluated_value


def _number(node: cst.Integer | cst.Float | cst.Imaginary) -> object:
    """As ``evaluated_value``, which has ast parse it."""
    text = node.value
    try:
        if isinstance(node, cst.Integer):
            return int(text) if text.isdecimal() else int(text, 0)
        return float(text) if isinstance(node, cst.Float) else complex(text)
    except ValueError:  # Python refuses integers of more than 4,300 digits
        return ...


def _dotted(node: cst.BaseExpression | None) -> str:
    names: list[str] = []
    while isinstance(node, cst.Attribute):
        names.append(node.attr.value)
        node = node.value
    if isinstance(node, cst.Name):
        names.append(node.value)
    return ".".join(reversed(names))


def _bound_name(node: cst.AsName | None) -> str | None:
    return node.name.value if node is not None and isinstance(node.name, cst.Name) else None


def _captured_names(pattern: cst.CSTNode) -> Iterator[str]:
    stack = [pattern]
    while stack:
        node = stack.pop()
        if isinstance(node, (cst.MatchAs, cst.MatchStar)) and node.name is not None:
            yield node.name.value
        elif isinstance(node, cst.MatchMapping) and node.rest is not None:
            yield node.rest.value
        stack.extend(children(node))
