"""What a mirror makes of each class: it stays, becomes another one, or cannot be mirrored.

A mirrored video of "swipe left" shows "swipe right"; one of "turn left" shows nothing that a list
without "turn right" has a name for. Names are read as words: underscores, hyphens, CamelCase and
digits part them, so that "leftover" and "upright" are no directions.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rich.table import Table
from rich.text import Text

from stillmotion.data.mirror_file import read_pairs
from stillmotion.errors import some

SIDES = (
    ("left", "right"),
    ("lefts", "rights"),
    ("leftward", "rightward"),
    ("lefthand", "righthand"),
    ("lefthanded", "righthanded"),
    ("clockwise", "counterclockwise"),
)
"""Words that a mirror swaps."""

OPPOSITE = dict(SIDES) | {b: a for a, b in SIDES}

ALIKE = (
    (r"\b(left|right)wards\b", r"\1ward"),
    (r"\b(anti|counter) ?clockwise\b", "counterclockwise"),
    (r"\bccw\b", "counterclockwise"),
    (r"\bcw\b", "clockwise"),
    (r"\b(left (and|or) right|right (and|or) left)\b", "sideways"),
    (r"\bright (out|away|now)\b", r"\1"),
)
"""Different writings of one direction, and what is none: "left and right", "pull it right out"."""


@dataclass(frozen=True)
class Mirror:
    """What becomes of each class in a mirror."""

    classes: tuple[str, ...]
    labels: tuple[int | None, ...]
    """For each class the one that its mirrored videos show; None: they show none of them."""

    def __post_init__(self) -> None:
        assert len(self.labels) == len(self.classes)

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Classes that turn into each other, each pair once."""
        found = enumerate(self.labels)
        return tuple((a, b) for a, b in found if b is not None and a < b)

    @cached_property
    def never(self) -> tuple[int, ...]:
        """Classes whose videos cannot be mirrored."""
        return tuple(label for label, other in enumerate(self.labels) if other is None)

    @property
    def is_plain(self) -> bool:
        """Whether every class stays what it is."""
        return all(label == other for label, other in enumerate(self.labels))

    def line(self) -> str:
        """All of it in a line, for the plan of a run."""
        stay = len(self.classes) - 2 * len(self.pairs) - len(self.never)
        pairs = [f"{self.classes[a]} / {self.classes[b]}" for a, b in self.pairs]
        parts = [f"{stay} classes stay"]
        if pairs:
            parts.append(f"{len(pairs)} pairs swap ({some(pairs, show=2)})")
        if self.never:
            names = some([self.classes[label] for label in self.never], show=2)
            parts.append(f"{len(self.never)} are never mirrored ({names})")
        return ", ".join(parts)

    def to_dict(self) -> dict[str, str | None]:
        """The classes that a mirror changes, and into what; None: they are never mirrored."""
        return {
            self.classes[label]: None if other is None else self.classes[other]
            for label, other in enumerate(self.labels)
            if other != label
        }

    def __rich__(self) -> Table:
        """The classes that a mirror changes, for people."""
        table = Table(title="Mirrored videos", title_justify="left")
        table.add_column("class", overflow="fold")
        table.add_column("in a mirror", overflow="fold")
        for name, other in self.to_dict().items():
            table.add_row(Text(name), Text(other or "no such class: never mirrored"))
        return table


def find_mirror(classes: Sequence[str], file: str | Path | None = None) -> Mirror:
    """What the names of classes say about mirrors, or a file for those that it mentions.

    A class with a direction in its name becomes the class with the opposite direction and otherwise
    the same name; without such a class, or with several, it cannot be mirrored.

    Args:
        file: which classes swap; see `stillmotion.data.mirror_file`.

    Raises:
        DataError: the file cannot be read, names other classes, or contradicts itself.
    """
    spoken = [words(name) for name in classes]
    places: dict[str, list[int]] = {}
    for label, name in enumerate(spoken):
        places.setdefault(name, []).append(label)
    labels: list[int | None] = []
    for label, name in enumerate(spoken):
        other = mirrored(name)
        found = [label] if other == name else places.get(other, [])
        is_clear = len(found) == 1 and (other == name or len(places[name]) == 1)
        labels.append(found[0] if is_clear else None)
    if file is not None:
        for label, other_label in read_pairs(Path(file), classes).items():
            labels[label] = other_label
    for label, partner in enumerate(labels):
        if partner is not None and labels[partner] != label:  # the file gave it to another class
            labels[label] = None
    return Mirror(tuple(classes), tuple(labels))


def words(name: str) -> str:
    """A class name as lower-case words with blanks between, each direction in one writing.

    >>> words("SwipeLeft"), words("move_anti-clockwise")
    ('swipe left', 'move counterclockwise')
    """
    found = re.findall(r"[^\W\d_]+|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))
    told = " ".join(found).lower()
    for writing, word in ALIKE:
        told = re.sub(writing, word, told)
    return told


def mirrored(told: str) -> str:
    """The words of the mirrored action.

    >>> mirrored("pull from left to right")
    'pull from right to left'
    """
    return " ".join(OPPOSITE.get(word, word) for word in told.split())
