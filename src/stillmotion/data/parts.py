"""Classes that are combinations: an action of EPIC-KITCHENS is a verb and a noun.

Every combination is a class. Its index counts like a number with a digit for each part, the last
one fastest: with 300 nouns, verb 2 and noun 5 are class 605.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from stillmotion.errors import DataError, some


@dataclass(frozen=True)
class Part:
    """One of the things that a class combines, such as its verb."""

    name: str
    classes: tuple[str, ...]


def sizes_of(parts: Iterable[Part]) -> tuple[int, ...]:
    """How many classes each part has; nothing where classes are no combinations."""
    return tuple(len(part.classes) for part in parts)


MOST = 2**18
"""Combinations at most; EPIC-KITCHENS has 29,100."""


def combinations(parts: Iterable[Part]) -> tuple[str, ...]:
    """The names of all classes, in the order of their indices.

    >>> combinations([Part("verb", ("take", "put")), Part("noun", ("cup", "pan"))])
    ('take cup', 'take pan', 'put cup', 'put pan')

    Raises:
        DataError: there are too many: three lists of a thousand names would fill any memory.
    """
    parts = tuple(parts)
    if (count := prod(sizes_of(parts))) > MOST:
        raise DataError(f"{some([part.name for part in parts])} combine to {count:,} classes")
    return tuple(" ".join(names) for names in product(*(part.classes for part in parts)))


def combined(indices: Sequence[int], parts: Sequence[Part]) -> int:
    """The class with these indices, one into each part.

    Raises:
        DataError: an index out of its part's range.
    """
    label = 0
    for index, part in zip(indices, parts, strict=True):
        if not 0 <= index < len(part.classes):
            raise DataError(
                f"{part.name} {index} is out of range: there are {len(part.classes)} of them"
            )
        label = label * len(part.classes) + index
    return label
