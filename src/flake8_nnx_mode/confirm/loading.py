"""Brings a slice to life: its imports, its names, under its file's own name."""

import ast
import contextlib
import importlib
import os
import sys
import types
from dataclasses import dataclass, field
from typing import Any

from flake8_nnx_mode.confirm.marks import HANDLE
from flake8_nnx_mode.confirm.teller import Teller


class MissingModuleError(Exception):
    """Something is needed of a module that cannot be imported here."""

    def __init__(self, module: str, why: str) -> None:
        self.module = module
        super().__init__(f"`{module}` cannot be imported: {why}")


class Missing:
    """In the place of a name whose import failed; using it says so, having it does no harm."""

    def __init__(self, module: str, why: str) -> None:
        self.__dict__["_said"] = (module, why)

    def __getattr__(self, name: str) -> "Missing":
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Missing(*self._said)

    def __getitem__(self, item: object) -> "Missing":
        return self

    def __or__(self, other: object) -> "Missing":
        return self

    __ror__ = __or__

    def _raise(self, *args: object, **kwargs: object) -> Any:
        raise MissingModuleError(*self._said)

    __call__ = __iter__ = __bool__ = __len__ = __mro_entries__ = _raise


@dataclass(slots=True)
class Program:
    """A slice that can be run."""

    path: str
    module: str
    tree: ast.Module
    teller: Teller
    as_main: bool
    missing: dict[str, str] = field(default_factory=dict)
    """Modules that could not be imported -> why."""
    _code: types.CodeType | None = None

    def load(self) -> dict[str, Any]:
        """Run it in a namespace of its own, which is returned.

        Raises:
            BaseException: whatever its statements raise; MissingModuleError where one needs what
                could not be imported.
        """
        if self._code is None:
            self._code = compile(_tolerant(self.tree), self.path, "exec", dont_inherit=True)
        name = "__main__" if self.as_main else f"{self.module} (confirm)"
        module = types.ModuleType(name)
        module.__dict__.update(
            {
                "__file__": self.path,
                "__package__": self.module.rpartition(".")[0],
                HANDLE: self.teller,
                _FAILED: self._failed,
            }
        )
        if not self.as_main:
            sys.modules[name] = module  # dataclasses look their own module up
        exec(self._code, module.__dict__)
        return module.__dict__

    def import_ahead(self) -> None:
        """Import whatever the slice may import, before anything is traced.

        What a module computes when it is imported must not become part of a trace.
        """
        self._import_parents()
        imports = [n for n in ast.walk(self.tree) if isinstance(n, ast.Import | ast.ImportFrom)]
        place = {"__package__": self.module.rpartition(".")[0], "__name__": self.module}
        for statement in imports:
            alone = ast.Module([statement], [])
            with contextlib.suppress(Exception, SystemExit):
                exec(compile(alone, self.path, "exec"), dict(place))

    def _import_parents(self) -> None:
        """The packages that the file is in; one that cannot be imported becomes an empty one.

        So a file is not out of reach because the `__init__.py` beside it imports what is missing.
        """
        parts = self.module.split(".")[:-1]
        folder = os.path.dirname(self.path)
        for depth in range(1, len(parts) + 1):
            name = ".".join(parts[:depth])
            try:
                importlib.import_module(name)
            except (Exception, SystemExit):
                package = types.ModuleType(name)
                above = len(parts) - depth - (os.path.basename(self.path) == "__init__.py")
                package.__path__ = [os.path.normpath(os.path.join(folder, *[".."] * max(above, 0)))]
                sys.modules[name] = package

    def _failed(self, module: str) -> Missing:
        """An import failed just now."""
        error = sys.exc_info()[1]
        name = getattr(error, "name", None) or module
        self.missing[name] = str(error)
        return Missing(name, str(error))


_FAILED = "__nnx_confirm_failed__"


def _tolerant(tree: ast.Module) -> ast.Module:
    """The tree, with top-level imports of which a failure matters only where the name is used."""
    body: list[ast.stmt] = []
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                one = ast.Import([alias])
                body.append(_tried(one, alias.asname or alias.name.partition(".")[0], alias.name))
        elif isinstance(statement, ast.ImportFrom) and statement.module != "__future__":
            module = "." * statement.level + (statement.module or "")
            for alias in statement.names:
                part = ast.ImportFrom(statement.module, [alias], statement.level)
                name = None if alias.name == "*" else alias.asname or alias.name
                body.append(_tried(part, name, module))
        else:
            body.append(statement)
            continue
        for new in ast.walk(body[-1]):
            ast.copy_location(new, statement)
    for new in body:
        ast.fix_missing_locations(new)
    return ast.Module(body, [])


def _tried(statement: ast.stmt, name: str | None, module: str) -> ast.stmt:
    failed = ast.Call(ast.Name(_FAILED, ast.Load()), [ast.Constant(module)], [])
    target = ast.Name(name or "_", ast.Store())
    handler = ast.ExceptHandler(
        ast.Name("Exception", ast.Load()), None, [ast.Assign([target], failed)]
    )
    return ast.Try([statement], [handler], [], [])
