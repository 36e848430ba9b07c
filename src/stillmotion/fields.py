"""Fields of dataclasses that people fill in: their types and ranges, checked when one is made."""

import math
from types import UnionType
from typing import Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from stillmotion.errors import ConfigurationError, unknown


def check_types(part: object, name: str) -> None:
    """Refuse what the annotations do not allow: a misspelt choice would pass for another.

    Raises:
        ConfigurationError: for a value that is not possible, with what is.
    """
    for field, hint in get_type_hints(type(part)).items():
        if not allows(hint, getattr(part, field)):
            raise ConfigurationError(refused(f"{name}.{field}", getattr(part, field), hint))


def allows(hint: Any, value: object) -> bool:
    """Whether a field annotated with ``hint`` may hold this value."""
    kind, options = get_origin(hint), get_args(hint)
    if kind is Literal:
        return value in options
    if kind in (Union, UnionType):
        return any(allows(option, value) for option in options)
    if kind is tuple:
        return isinstance(value, tuple) and allows_items(options, value)
    if hint in (int, float):
        kinds = int if hint is int else int | float
        return isinstance(value, kinds) and not isinstance(value, bool) and is_finite(value)
    return kind is ClassVar or isinstance(value, kind or hint)


def is_finite(value: int | float) -> bool:
    """Whether it can be computed with: whole numbers beyond the largest float cannot."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def allows_items(hints: tuple[Any, ...], values: tuple[object, ...]) -> bool:
    """Whether a tuple may hold these: any number of one kind, or as many as there are kinds."""
    if len(hints) == 2 and hints[1] is ...:
        return all(allows(hints[0], value) for value in values)
    return len(hints) == len(values) and all(map(allows, hints, values))


def refused(field: str, value: object, hint: Any) -> str:
    """The message for a value that is not allowed."""
    if get_origin(hint) is Literal:
        return unknown(field, str(value), map(str, get_args(hint)))
    words = getattr(hint, "__name__", str(hint)) if isinstance(hint, type) else str(hint)
    return f"{field} cannot be {value!r}: it is {words.replace('typing.', '')}"


def within(part: object, *names: str, least: int | float, most: int | None = None) -> None:
    """Refuse numbers of a dataclass that lie out of their range."""
    for name in names:
        value = getattr(part, name)
        most_here = math.inf if most is None else most
        if not isinstance(value, int | float) or not least <= value <= most_here:
            possible = f"at least {least}" if most is None else f"from {least} to {most}"
            where = f"{getattr(part, 'name', type(part).__name__.lower())}.{name}"
            raise ConfigurationError(f"{where} cannot be {value!r}: it is a number, {possible}")
