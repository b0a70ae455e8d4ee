"""Views and other changes of models in a file, and what else is done to the same models."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from flake8_nnx_mode.facts.events import LocalRun, ModelChange, root_of
from flake8_nnx_mode.facts.models import Part, attributes, keywords, models
from flake8_nnx_mode.facts.modules import ClassFacts, decorator_names
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import (
    ClassDefinition,
    Constant,
    FunctionDefinition,
    Instance,
    Method,
    SelfObject,
    Setting,
    Value,
    each_guard,
    options,
)
from flake8_nnx_mode.syntax.book import Anchor
from flake8_nnx_mode.syntax.outline import Function

_WALKS = re.compile(r"\biter_(?:modules|children|graph)\b|\bnnx\.Module\.eval\b")
_GROWS = re.compile(
    r"\biter_(?:modules|children|graph)\b|\bsetattr\("
    r"|(?<!self)\.(?!set_view\b)\w+(?:\[[^]\n]*\])*[ ]*=(?!=)"
    r"|\w\.\w+\.(?:append|extend|insert|update|setdefault)\("
    r"|\.(?:append|extend|insert)\([^()\n]*\bn\w+\."
)
"""What may change the layers that a model holds, in the text of a function."""
_SETS_MODES = ("eval", "train", "set_attributes", "view", "with_attributes")


@dataclass(frozen=True, slots=True)
class Changed:
    """A change of a model, in a function of the file at hand."""

    change: ModelChange
    function: Function
    owner: ClassFacts | None


def changes(project: Project, *names: str) -> Iterator[Changed]:
    """Views and other changes of models in the file at hand, of these kinds.

    Where an error is expected or caught, they are left out.
    """
    for changed in project.remember(changes, lambda: tuple(_changes(project))):
        if changed.change.by in names:
            yield changed


def _changes(project: Project) -> Iterator[Changed]:
    words = ["set_attributes"]
    for name in ("view", "with_attributes", "recursive_map"):
        words += project.names_for(f"flax.nnx.{name}")
    for function, owner in project.functions():
        if project.book.mentions(function, *words):
            for change in project.facts(function, owner).models_changed:
                if not any(guard.excused for guard in each_guard(change.guards)):
                    yield Changed(change, function, owner)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a function given to ``nnx.recursive_map`` returns."""

    name: str
    """What it is called; empty for a lambda."""
    returns: tuple[Value, ...]
    ends: bool
    """Whether it returns nothing on some path: by ``return`` alone, or at its end."""

    changes: bool
    """Whether it is known to change a node, or to do nothing at all."""

    @property
    def may_only_look(self) -> bool:
        """Whether it may be there to look at the nodes, and return each as it is."""
        made = any(isinstance(o, Instance) for value in self.returns for o in options(value))
        return not (made or self.changes)


def applied(project: Project, changed: Changed) -> Applied | None:
    """The function that ``nnx.recursive_map`` applies; None where it is not known."""
    match changed.change.applies:
        case LocalRun() as run:
            known = run.ran and not run.decorated
            changes = run.changes_argument or run.trivial
            of_run = Applied(run.name, tuple(run.returns), run.ends, changes)
            return of_run if known else None
        case FunctionDefinition(_, outline) as function:
            facts = project.facts_of(function)
            name, known = outline.name, decorator_names(outline) <= {"staticmethod"}
        case Method(SelfObject(), name) if changed.owner is not None:
            found = changed.owner.find_method(name)
            if found is None:
                return None
            facts = changed.owner.facts(found[1], found[0])
            known = not found[1].decorators
        case _:
            return None
    if not (known and facts.known):
        return None
    return Applied(name, tuple(facts.returns), facts.ends, facts.changes_argument)


def is_in_test(project: Project, changed: Changed) -> bool:
    """Whether it stands in a test, which may be about just that."""
    return changed.function.name.startswith("test") or project.is_for_tests("")


def settings_of(value: Value) -> tuple[Setting, ...]:
    """What was done to the modes of a model before."""
    return tuple(s for o in options(value) if isinstance(o, Instance) for s in o.settings)


def may_be_set(project: Project, changed: Changed, mode: str) -> bool:
    """Whether ``mode`` is set as well, before or after, for the model or the view of it."""
    change, facts = changed.change, project.facts(changed.function, changed.owner)
    text = _scope_text(project, changed)
    if _WALKS.search(text) or re.search(rf"\.{mode}\s*=(?!=)|setattr\([^()]*\b{mode}\b", text):
        return True
    if any(guard.of_class or mode in guard.names for guard in each_guard(change.guards)):
        return True
    if text is project.book.text:
        root = re.escape(change.label.partition(".")[0])
        if re.search(rf"\b{root}\.(?:eval|set_attributes)\(", text):
            return True
    after = (s for model, s in facts.settings if change.setting in settings_of(model))
    return any(setting.may_set(mode) for setting in (*settings_of(change.model), *after))


def passes_on(project: Project, changed: Changed, mode: str) -> bool:
    """Whether setting other modes of the model may set ``mode`` too, by code of the project."""
    for parts in models(project, changed.change.model, changed.owner):
        for part in parts.found:
            if isinstance(part.of, str):
                continue
            facts = project.class_facts(part.of)
            for definition in facts.ancestry.classes:
                if changed.change.by in definition.outline.scope.bindings:
                    return True  # its own `set_attributes`
                function = definition.outline.methods.get("set_view")
                if function is not None and definition.book.mentions(function, mode, *_SETS_MODES):
                    return True
    return False


def unknown_names(project: Project, changed: Changed) -> Iterator[tuple[str, Anchor]]:
    """The keywords of a view, or the attributes, that no module of the model has, and where."""
    known = _known_names(project, changed)
    if known is None or changed.change.setting is None:
        return
    for name, _ in changed.change.setting.modes:
        argument = changed.change.node.argument(name, None)
        if name not in known and argument is not None:
            yield name, Anchor(changed.change.anchor.chapter, argument.at)


def _known_names(project: Project, changed: Changed) -> frozenset[str] | None:
    """The keywords, or attributes, that a model has; None where that is not known."""
    change = changed.change
    found = models(project, change.model, changed.owner)
    strict = change.args.get("raise_if_not_found") in (None, Constant(value=True))
    altered = any(not setting.modes for setting in settings_of(change.model))
    if not found or not strict or altered or change.args.open:
        return None
    if not all(parts.complete for parts in found) or _may_be_another(project, changed):
        return None
    if any(guard.of_class or guard.strings for guard in each_guard(change.guards)):
        return None  # `if isinstance(model, ...)`, `if hasattr(model, "noisy")`
    if _GROWS.search(_scope_text(project, changed)):
        return None
    if change.by != "view":
        return frozenset().union(*map(attributes, found))
    known: frozenset[str] = frozenset()
    for part in (part for parts in found for part in parts.found):
        taken = keywords(project, part)
        if taken is None or _is_patched(project, part):
            return None
        known |= taken
    return known


def _may_be_another(project: Project, changed: Changed) -> bool:
    """Whether a model that was not built here may be of a subclass with other layers."""
    for option in options(changed.change.model):
        match option:
            case SelfObject():
                facts = changed.owner
            case Instance(ClassDefinition() as of, made=None):
                facts = project.class_facts(of)
            case _:
                continue
        if facts is None or facts.is_template or len(facts.family) > len(facts.ancestry.classes):
            return True
    return False


def _scope_text(project: Project, changed: Changed) -> str:
    """The text that may do more to a model: of the function, its class, or the file."""
    root = root_of(changed.change.label)
    function, owner, book = changed.function, changed.owner, project.book
    if owner is not None and root in ("self", ""):
        return project.text_around(function, owner)
    outside = root in book.outline.module.bindings and root not in function.scope.bindings
    if outside and function is not book.script:
        return book.text  # a variable of the file
    return book.text_of(function)


def _is_patched(project: Project, part: Part) -> bool:
    """Whether the file at hand gives a class another ``set_view``."""
    if isinstance(part.of, str) or "set_view" not in project.assigned_from_outside(project.book):
        return False
    names = "|".join(d.outline.name for d in project.class_facts(part.of).ancestry.classes)
    return re.search(rf"\b(?:{names})\.set_view\s*=", project.book.text) is not None
