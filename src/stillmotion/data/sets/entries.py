"""From the entries of a data set's lists to samples: files that are there, classes that are known.

What is wrong is collected, entry by entry, so that a person sees all of it at once.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from stillmotion.data.annotations import Sample
from stillmotion.data.parts import Part
from stillmotion.data.sets.data_set import Listing
from stillmotion.errors import Problem, unknown


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One video as a list names it."""

    place: str
    """Where it is listed, for people."""
    path: Path | None
    """Its file, or folder of frames; None where there is none."""
    name: str
    """How the list names it."""
    label: str | int
    split: str | None
    start: float | None = None
    end: float | None = None
    group: str | None = None
    subject: str | None = None
    camera: str | None = None


def listing(
    entries: Iterable[Entry | Problem],
    *,
    classes: tuple[str, ...],
    key: Callable[[str], str] = str,
    parts: tuple[Part, ...] = (),
    notes: Iterable[str] = (),
) -> Listing:
    """The samples of all entries that are there and whose class is known.

    Args:
        entries: what a list says, or what is wrong with one of its lines.
        key: what two spellings of a class have in common.
        parts: what each class combines. Only then may one part of a video have several classes:
            one may open a door and hold a cup.
    """
    resolver = _Resolver(classes, key=key, exclusive=not parts)
    listed: Counter[str] = Counter()
    samples, problems = [], []
    for entry in entries:
        listed["all"] += 1
        if isinstance(entry, Problem):
            problems.append(entry)
            continue
        if entry.split:
            listed[entry.split] += 1
        resolved = resolver.resolve(entry)
        if isinstance(resolved, Sample):
            samples.append(resolved)
        else:
            problems.append(resolved)
    return Listing(tuple(samples), classes, tuple(problems), dict(listed), parts, tuple(notes))


class _Resolver:
    """Knows the classes, and what was listed before."""

    def __init__(
        self, classes: tuple[str, ...], *, key: Callable[[str], str], exclusive: bool
    ) -> None:
        self._classes = classes
        self._key = key
        self._exclusive = exclusive
        self._labels = {key(name): label for label, name in enumerate(classes)}
        self._unknown: dict[str | int, str] = {}
        self._label_of: dict[object, int] = {}
        self._seen: set[object] = set()

    def resolve(self, entry: Entry) -> Sample | Problem:
        """The entry's sample, or the first thing that is wrong with it."""
        label = self._index(entry.label)
        if label is None or not 0 <= label < len(self._classes):
            return Problem(entry.place, "label", self._unknown_label(entry.label))
        if entry.path is None:
            return Problem(entry.place, "missing", f"no file for {entry.name}")
        part = (entry.path, entry.start, entry.end)
        earlier = self._label_of.setdefault(part, label)
        if self._exclusive and earlier != label:
            names = f"{self._classes[label]!r} here and {self._classes[earlier]!r} before"
            return Problem(entry.place, "two labels", f"{entry.name} is {names}")
        if (part, label, entry.split) in self._seen:
            return Problem(entry.place, "listed twice", entry.name)
        self._seen.add((part, label, entry.split))
        return Sample(
            entry.path,
            label,
            start=entry.start,
            end=entry.end,
            group=entry.group,
            split=entry.split,
            subject=entry.subject,
            camera=entry.camera,
        )

    def _index(self, label: str | int) -> int | None:
        return self._labels.get(self._key(label)) if isinstance(label, str) else label

    def _unknown_label(self, label: str | int) -> str:
        """What is wrong with a label; searched for once, since thousands of lines may have it."""
        if label not in self._unknown:
            self._unknown[label] = (
                unknown("label", label, self._classes)
                if isinstance(label, str)
                else f"label {label} is out of range: the {len(self._classes)} classes count from 0"
            )
        return self._unknown[label]
