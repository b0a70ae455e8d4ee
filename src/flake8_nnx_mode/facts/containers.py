"""What lists, dicts and keys give when they are indexed, iterated, unpacked and added to."""

from dataclasses import replace
from itertools import count

from flake8_nnx_mode.facts.values import (
    NO_ARGUMENTS,
    UNKNOWN,
    Arguments,
    Boxed,
    Choice,
    Constant,
    Given,
    Items,
    Key,
    Rngs,
    Stream,
    Table,
    Value,
    choose,
    mixed,
    options,
    traits_of,
)
from flake8_nnx_mode.syntax import code

_MOST_ELEMENTS = 64
_numbers = count()


def new_number() -> int:
    """A number that nothing has yet, higher than all before it."""
    return next(_numbers)


def anew(value: Value) -> Value:
    """``value``, if it is a key, as a key of its own."""
    match value:
        case Key():
            return replace(value, number=new_number(), holder=None)
        case Choice(parts):
            return choose(*map(anew, parts))
        case Items(elements, ordered=True):  # what enumerate and zip give
            return Items(tuple(map(anew, elements)), ordered=True)
    return value


def as_key(value: Value) -> Key | None:
    """The key that ``value`` is, where a key is asked for."""
    match value:
        case Key():
            return value
        case Given(name, attribute):
            number = None if attribute else ("given", name)
            return Key("given", attribute=attribute, varies=attribute is None, number=number)
        case Rngs(origin="constant", made=made):
            return Key("constant", varies=False, made=made)
        case Rngs() | Stream():  # where a layer takes either
            return Key("given")
        case Boxed(_, inner):
            return as_key(inner)
        case Items((element,)):  # an array of keys, for a vmapped sampler
            return as_key(element)
    return None


def as_table(value: Value) -> Table | None:
    """The dict that ``value`` is, also where it depends on the path what is in it."""
    tables = [option for option in options(value) if isinstance(option, Table)]
    if len(tables) < len(options(value)):
        return None
    return Table(tuple(dict.fromkeys(item for table in tables for item in table.items)))


def element(value: Value) -> Value:
    """What iterating over ``value`` gives."""
    match value:
        case Items(elements) if elements:
            return anew(choose(*elements))
        case Items() | Table():
            return UNKNOWN
        case Choice(parts):
            return choose(*map(element, parts))
    return mixed(value)


def item(owner: Value, index: Value, *, is_slice: bool) -> Value:
    """``owner[index]``."""
    match owner, index:
        case Rngs(), Constant(str(name)):
            return Stream(name, owner)
        case Rngs(), _:
            return Stream(None, owner)
        case Boxed(_, inner), _:
            return inner
        case Items((Key() as key,)), _ if is_slice:
            return Items((anew(key),))  # other keys of the same array
        case Items(elements), _ if is_slice:
            return Items((choose(*elements),)) if elements else Items(())
        case Items(elements, ordered=True), Constant(int(number)) if (
            -len(elements) <= number < len(elements)
        ):
            return elements[number]
        case Items((Key() as key,)), Constant(number) if key.number is not None:
            return replace(key, number=(key.number, number))
        case Items(), _:
            return _by(element(owner), index)
        case Table(items), Constant(wanted):
            named = [value for key, value in items if key in (wanted, None)]
            return choose(*named) if named else UNKNOWN
        case Table(items), _ if items:
            return _by(choose(*(value for _, value in items)), index)
    return mixed(owner, index)


def _by(value: Value, index: Value) -> Value:
    """``value`` as picked by ``index``: another key each time, if the index varies."""
    match value:
        case Key():
            varies = value.varies or traits_of(index).varies
            return replace(value, varies=varies, number=None, holder=None)
        case Choice(parts):
            return choose(*(_by(part, index) for part in parts))
    return value


def unpack(value: Value, targets: tuple[code.Expression, ...]) -> tuple[Value, ...]:
    """What each of the targets of an unpacking gets."""
    starred = any(isinstance(target, code.Starred) for target in targets)
    match value:
        case Items(elements, ordered=True) if len(elements) == len(targets) and not starred:
            return elements
        case Items((Key(number=number) as key,)) if number is not None and not starred:
            return tuple(replace(key, number=(number, i)) for i in range(len(targets)))
        case Items(elements):
            rest = Items(elements)
            return tuple(rest if isinstance(t, code.Starred) else element(value) for t in targets)
    return (mixed(value),) * len(targets)


def with_element(container: Items | Table, value: Value) -> Value:
    """``container`` after ``value`` was put in somewhere."""
    if isinstance(container, Table):
        pair = (None, value)
        return container if pair in container.items else Table((*container.items, pair))
    if value in container.elements:
        return Items(container.elements)
    if len(container.elements) >= _MOST_ELEMENTS:
        return Items((mixed(*container.elements, value),))
    return Items((*container.elements, value))


def changed(container: Items | Table, *, by: str, args: Arguments = NO_ARGUMENTS) -> Value:
    """``container`` after a method that moves, removes or brings in what is not seen here."""
    if isinstance(container, Table):
        return Table((*container.items, (None, mixed(UNKNOWN, *args.all()))))
    if by in ("reverse", "sort", "pop", "remove", "clear"):
        return Items(container.elements)
    return Items((*container.elements, mixed(UNKNOWN, *args.all())))


def joined(left: Value, right: Value) -> Items | None:
    """``left + right`` for lists and tuples."""
    if not (isinstance(left, Items) and isinstance(right, Items)):
        return None
    together = tuple(dict.fromkeys(left.elements + right.elements))
    return Items(together if len(together) <= _MOST_ELEMENTS else (mixed(*together),))
