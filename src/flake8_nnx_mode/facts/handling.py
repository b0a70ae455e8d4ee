"""What is done to models in a run: views of them, modes that are set, weights that are updated."""

import re

from flake8_nnx_mode.facts.events import (
    FunctionCall,
    LocalRun,
    MethodCall,
    ModelChange,
    Step,
    root_of,
)
from flake8_nnx_mode.facts.flax_api import MODE_SETTERS, MODES_SET_BY_EVAL, VIEW_OPTIONS
from flake8_nnx_mode.facts.state import State
from flake8_nnx_mode.facts.values import (
    ALTERED,
    UNKNOWN,
    Arguments,
    ClassDefinition,
    Constant,
    Given,
    GraphDef,
    Instance,
    Method,
    Opaque,
    SelfObject,
    Setting,
    Symbol,
    Value,
    options,
    told,
)
from flake8_nnx_mode.syntax import code

_GROWS = frozenset({"append", "extend", "insert", "update", "setdefault"})
_ALTERS = re.compile(
    r"\.eval\(|\.train\(|set_attributes|\bdeterministic\b|use_running_average|\bsetattr\("
    r"|iter_modules|iter_children|iter_graph|(?<!self)\.\w+(?:\[[^]\n]*\])*[ ]*=(?!=)"
    r"|\.\w+\.(?:append|extend|insert|setdefault)\("
)
"""What changes modes of a model, or what it holds, in the text of a function."""
_VIEWS = re.compile(r"\b(?:view|with_attributes)\([^()]*\)")
"""What gives another model, and leaves the one that it is given as it is."""
_ALTERS_BY_NAME = re.compile(
    r"(?:set|to|make)_eval|mode|freez|frozen|prepare|inject|replace|swap|add_|attach"
)


class Handling(State):
    """The part of a run that follows what is done to models."""

    def _note_updates(self, called: FunctionCall) -> None:
        """Note which of the models that a function is given it updates, by its text."""
        function = called.function
        text = function.book.text_of(function.outline)
        for index, parameter in function.outline.as_called(bound=False):
            given = called.node.argument(parameter.name, index)
            if given is not None and re.search(rf"\bupdate\(\s*{parameter.name}\b", text):
                self._update(given.value)

    def _update(self, model: code.Expression) -> None:
        """The weights of ``model`` are updated."""
        step = Step(self._identity(model), None, self._loop_number)
        self.facts.steps.append(step)

    def _identity(self, node: code.Expression) -> tuple[str, int]:
        """What the code calls a model, and which time its variable was bound."""
        label = label_of(node)
        return label, self._bound.get(root_of(label), -1)

    def _note_alterations(self, func: Value, args: Arguments, node: code.Call) -> None:
        """Note which models a call may change: in their modes, or in what they hold."""
        if isinstance(func, Symbol | ClassDefinition | Instance):
            return  # functions of libraries, by their names; constructors; modules
        name = last_name(node.func) or ""
        if isinstance(node.func, code.Attribute):
            owner = node.func.value
            grows = name in _GROWS and isinstance(owner, code.Attribute | code.Subscript)
            of_module = isinstance(func, Method) and isinstance(func.receiver, Instance)
            if grows or (of_module and name not in MODE_SETTERS and self._alters(func, name)):
                self._set_modes(owner, ALTERED)
        if any(map(is_module, args.all())) and self._alters(func, name):
            for argument in node.args:
                given = argument.value
                if isinstance(given, code.Name | code.Attribute | code.Subscript):
                    self._set_modes(given, ALTERED)
            for value in args.all():
                self._tell(value, ALTERED)

    def _alters(self, func: Value, name: str) -> bool:
        """Whether a function may change the models that it is given, by its text or its name."""
        text = self._world.text_of(func)
        if text is None:
            return isinstance(func, Opaque | Given) and _ALTERS_BY_NAME.search(name) is not None
        return _ALTERS.search(_VIEWS.sub("", text)) is not None

    def _change_model(
        self,
        by: str,
        model: Value,
        args: Arguments,
        node: code.Call,
        setting: Setting | None = None,
        applies: Value | LocalRun | None = None,
    ) -> None:
        label = label_of(node.func).removesuffix(f".{by}")
        if by != "set_attributes":
            given = node.plain[-1:] if by == "recursive_map" else node.plain[:1]
            label = label_of(given[0].value) if given else ""
        assigned = self._assigned is not None and self._assigned[0] == node.at
        target = self._assigned[1] if self._assigned is not None and assigned else ""
        change = ModelChange(
            by,
            model,
            label,
            args,
            node,
            self._anchor(node.at),
            self._guards,
            node.at in self._statements,
            setting,
            applies,
            target,
        )
        self.facts.models_changed.append(change)

    def _tell(self, model: Value, setting: Setting) -> Value:
        self.facts.settings.append((model, setting))
        return told(model, setting)

    def _set_modes(self, owner: code.Expression, setting: Setting) -> None:
        """Modes of ``owner``, or of a part of it, are set in place."""
        names: list[str] = []
        while isinstance(owner, code.Attribute | code.Subscript):
            names.append(owner.name if isinstance(owner, code.Attribute) else "")
            owner = owner.value
        if not isinstance(owner, code.Name):
            return
        held = self._variables.get(owner.id, UNKNOWN)
        if held != SelfObject():
            self._variables[owner.id] = self._tell(held, of_part(setting) if names else setting)
        elif names and names[-1]:
            kept = self._attributes.get(names[-1], self._kept(names[-1]))
            setting = of_part(setting) if names[1:] else setting
            self._attributes[names[-1]] = self._tell(kept, setting)

    def _call_own(self, receiver: Value, name: str, args: Arguments, node: code.Call) -> None:
        """``self.encode(x)``, ``model.encode(x)``."""
        named = node.func.value if isinstance(node.func, code.Attribute) else node.func
        label = label_of(named)
        called = MethodCall(
            receiver, name, label, args, node, self._guards, *self._came_from(receiver, label)
        )
        self.facts.methods_called.append(called)
        if receiver == SelfObject():
            self.facts.on_self.append(called)

    def _came_from(self, model: Value, label: str) -> tuple[int, bool]:
        """How deep in local functions the name of a model was bound, and whether it was given."""
        root = root_of(label)
        level = self._levels.get(root, 0 if root in self._variables else -1)
        made_here = any(
            isinstance(option, Instance)
            and option.made is not None
            and option.made.anchor.chapter is self._chapter
            for option in options(model)
        )
        level = level if label else self._level
        return level, not made_here or level > 0


def is_module(value: Value) -> bool:
    """Whether it is a module, or may be merged to one."""
    return any(isinstance(option, Instance | GraphDef) for option in options(value))


def setting_of(by: str, args: Arguments) -> Setting:
    """What a view, or a method that sets modes, says of them."""
    modes = tuple((n, v) for n, v in args.keywords if n not in VIEW_OPTIONS)
    if by in ("train", "eval"):
        default = {n: Constant(v == (by == "eval")) for n, v in MODES_SET_BY_EVAL.items()}
        modes = (*default.items(), *modes)
    filters = args.positional[1:] if by in ("view", "with_attributes") else args.positional
    return Setting(modes, args.open or bool(filters) or args.get("only") is not None)


def of_part(setting: Setting) -> Setting:
    """``setting``, made to a part of the model."""
    return Setting(setting.modes, partial=True)


def label_of(node: code.Expression) -> str:
    """What the code calls it: ``self.blocks[...]``; empty if that takes more than names."""
    parts: list[str] = []
    while isinstance(node, code.Attribute | code.Subscript):
        parts.append(f".{node.name}" if isinstance(node, code.Attribute) else "[...]")
        node = node.value
    return "".join([node.id, *reversed(parts)]) if isinstance(node, code.Name) else ""


def last_name(node: code.Expression) -> str | None:
    """``name`` in ``name`` and ``x.y.name``."""
    match node:
        case code.Name(name) | code.Attribute(_, name):
            return name
    return None
