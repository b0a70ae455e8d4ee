"""What users say about how to build and call their code: in comments, and in pyproject.toml."""

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from flake8_nnx_mode.confirm.jobs import Recipe
from flake8_nnx_mode.settings import CONFIRM, SettingsError, Table
from flake8_nnx_mode.syntax.outline import Outline
from flake8_nnx_mode.syntax.text import LineTable

_COMMENT = re.compile(r"#\s*nnx-confirm\s*:(.*)")
_TABLE = f"[tool.nnx-mode.{CONFIRM}]"
_EXAMPLES = {"init": 'init = "4, rngs=rngs"', "call": 'call = "x[2, 4], train=train"'}


class PinError(Exception):
    """A pin that cannot be used; the message says why, and what to write."""


def read_pins(
    path: Path, text: str, module: str, outline: Outline, found: Table | None
) -> tuple[dict[str, Recipe], list[str]]:
    """What is pinned for the classes and functions of a file, and what is wrong with the rest.

    Args:
        path: The file, as users write it.
        text: What it holds.
        module: Its name as Python imports it.
        outline: Its outline.
        found: Where its settings stand.

    Returns:
        Recipes by the name of the class or function, where comments win over pyproject.toml; and a
        message for each pin that cannot be used.
    """
    names = _Names(outline)
    errors: list[str] = []
    pins: dict[str, Recipe] = {}
    try:
        table = _Table(found)
    except SettingsError as error:
        return {}, [str(error)]
    for key, given in table.entries.items():
        try:
            place, name = _key(key)
            if place == module:
                pins[name] = names.checked(name, _table_recipe(given))
        except PinError as error:
            errors.append(f"{table.place(key, *error.args[1:])}: {error.args[0]}")
    commented: dict[str, Recipe] = {}
    for line, source in _comments(text):
        try:
            name, recipe = names.of_comment(source)
            if name in commented:
                raise PinError(f"`{name}` has such a comment already; keep one of them")
            commented[name] = recipe
        except PinError as error:
            errors.append(f"{path}:{line}: nnx-confirm: {error.args[0]}")
    for name, recipe in commented.items():
        old = pins.get(name, recipe)
        init = old.init if recipe.init is None else recipe.init
        pins[name] = Recipe(init, old.call if recipe.call is None else recipe.call)
    return pins, errors


def arguments(call: ast.Call) -> str:
    """The arguments of a call as source."""
    given = [ast.unparse(argument) for argument in call.args]
    for keyword in call.keywords:
        value = ast.unparse(keyword.value)
        given.append(f"{keyword.arg}={value}" if keyword.arg else f"**{value}")
    return ", ".join(given)


class _Names:
    """What can be pinned in a file: its classes, and the functions outside them."""

    def __init__(self, outline: Outline) -> None:
        self.classes = {c.qualname for c in outline.classes}
        self.functions = {f.name for f in outline.functions if f.outer.kind == "module"}

    def checked(self, name: str, recipe: Recipe) -> Recipe:
        """``recipe``, if ``name`` can be built and called in that way."""
        if name not in self.classes | self.functions:
            known = ", ".join(sorted(self.classes | self.functions)) or "none"
            raise PinError(f"the file has no class or function `{name}`; it has {known}")
        if name in self.functions and recipe.init is not None:
            raise PinError(f"`{name}` is a function: nothing is built; pin only how it is called")
        return recipe

    def of_comment(self, source: str) -> tuple[str, Recipe]:
        """What ``Class(...)(...)``, ``Class(...)`` or ``function(...)`` pins, and for what."""
        match _expression(source):
            case ast.Call(func=ast.Call(func=named) as building) as calling:
                recipe = Recipe(arguments(building), arguments(calling))
            case ast.Call(func=named) as only if ast.unparse(named) in self.functions:
                recipe = Recipe(None, arguments(only))
            case ast.Call(func=named) as only:
                recipe = Recipe(arguments(only), None)
            case _:
                raise PinError(
                    f"cannot be read: {source.strip()!r}; write how the class is built and called,"
                    " such as Net(4, rngs=rngs)(x[2, 4]), or function(x[2, 4])"
                )
        name = ast.unparse(named)
        return name, self.checked(name, recipe)


def _expression(source: str) -> ast.expr | None:
    try:
        return ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return None


def _comments(text: str) -> Iterator[tuple[int, str]]:
    """The line and the source of each ``# nnx-confirm:`` comment."""
    if "nnx-confirm" not in text:
        return
    try:
        for token in tokenize.generate_tokens(iter(LineTable(text).all()).__next__):
            if token.type == tokenize.COMMENT and (found := _COMMENT.search(token.string)):
                yield token.start[0], found[1]
    except (tokenize.TokenError, SyntaxError):
        return  # linting said what is wrong with the file


class _Table:
    """[tool.nnx-mode.confirm] beside the settings for a file."""

    def __init__(self, found: Table | None) -> None:
        """Read it.

        Raises:
            SettingsError: it is no table.
        """
        self.entries: dict[str, object] = {}
        if found is None:
            return
        self._file, settings = found
        given = settings.get(CONFIRM, {})
        if not isinstance(given, dict):
            raise SettingsError(f"{self._file}: {_TABLE} is not a table")
        self.entries = given

    def place(self, key: str, option: str = "") -> str:
        """``file:line`` of an entry, or of one option in it."""
        lines = self._file.read_text(encoding="utf-8").splitlines()
        first = next((n for n, line in enumerate(lines, 1) if key in line), 1)
        for number, line in enumerate(lines[first:], first + 1):
            if line.lstrip().startswith("[") or not option:
                break
            if re.match(rf"\s*{re.escape(option)}\s*=", line):
                first = number
                break
        return f"{self._file}:{first}: {_TABLE} {key!r}"


def _key(key: str) -> tuple[str, str]:
    module, colon, name = key.partition(":")
    if not (colon and module and name):
        raise PinError('is not "module:Class" or "module:function"; write such as "pkg.blocks:Net"')
    return module, name


def _table_recipe(given: object) -> Recipe:
    if not isinstance(given, dict):
        raise PinError(f"is not a table; write {_EXAMPLES['init']} and {_EXAMPLES['call']} in it")
    for option, value in given.items():
        if option not in _EXAMPLES:
            raise PinError(f"unknown name {option!r}; known are init and call", option)
        wrapped = _expression(f"_({value}\n)") if isinstance(value, str) else None
        if not (isinstance(wrapped, ast.Call) and isinstance(wrapped.func, ast.Name)):
            wanted = f"the arguments of a call as a string, such as {_EXAMPLES[option]}"
            raise PinError(f"{option} takes {wanted}; not {value!r}", option)
    return Recipe(given.get("init"), given.get("call"))
