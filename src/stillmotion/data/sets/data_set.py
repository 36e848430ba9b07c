"""What a known data set is, and what reading one gives."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stillmotion.data.annotations import Sample
from stillmotion.data.manifest import Metric
from stillmotion.data.parts import Part
from stillmotion.errors import ConfigurationError, Problem, unknown


@dataclass(frozen=True)
class Listing:
    """What a data set's own lists say, and which of its videos are there."""

    samples: tuple[Sample, ...]
    """Videos that are there and make sense."""
    classes: tuple[str, ...]
    problems: tuple[Problem, ...]
    """What is wrong with the others, one problem each."""
    listed: Mapping[str, int]
    """How many videos, or parts of videos, the lists name in each split, and in "all"."""
    parts: tuple[Part, ...] = ()
    """What each class combines; mostly nothing."""
    notes: tuple[str, ...] = ()
    """What is worth knowing and is not wrong: splits that are not there, videos that a protocol
    does not use."""


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set that `stillmotion prepare` knows by name."""

    name: str
    what: str
    """In one line, for people."""
    layout: str
    """The files that are expected, drawn as a tree."""
    read: Callable[[Path, str], Listing]
    """Reads the lists in a folder under a protocol ("" where there is only one).

    Raises:
        DataError: the lists are not there, or are those of another data set.
    """
    protocols: tuple[str, ...] = ()
    """Names of its protocols, the usual one first; empty where there is only one."""
    official: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """For each protocol, how many videos its owners state for each split, and for "all"."""
    metric: Metric = "top1"
    """The score that its papers quote."""

    def protocol(self, name: str | None) -> str:
        """The protocol of this name; the usual one for None.

        Raises:
            ConfigurationError: there is no such protocol.
        """
        if name is None:
            return self.protocols[0] if self.protocols else ""
        if not self.protocols:
            raise ConfigurationError(f"{self.name} has one protocol only: leave --protocol out")
        if name not in self.protocols:
            raise ConfigurationError(unknown(f"protocol of {self.name}", name, self.protocols))
        return name

    def full_name(self, protocol: str) -> str:
        """The name with the protocol, as a manifest states it: "ucf101/1"."""
        return f"{self.name}/{protocol}" if protocol else self.name


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
    labels: dict[str | int, int] = {key(name): label for label, name in enumerate(classes)}
    unknown_labels: dict[str | int, str] = {}
    listed: Counter[str] = Counter()
    samples: dict[object, Sample] = {}
    labelled: dict[object, int] = {}
    problems = []
    for entry in entries:
        listed["all"] += 1
        if isinstance(entry, Problem):
            problems.append(entry)
            continue
        if entry.split:
            listed[entry.split] += 1
        label = labels.get(key(entry.label)) if isinstance(entry.label, str) else entry.label
        part = (entry.path, entry.start, entry.end)
        if label is None or not 0 <= label < len(classes):
            told = unknown_labels.get(entry.label) or _unknown_label(entry.label, classes)
            unknown_labels[entry.label] = told
            problems.append(Problem(entry.place, "label", told))
        elif entry.path is None:
            problems.append(Problem(entry.place, "missing", f"no file for {entry.name}"))
        elif not parts and labelled.setdefault(part, label) != label:
            told = f"{entry.name} is {classes[label]!r} here, {classes[labelled[part]]!r} before"
            problems.append(Problem(entry.place, "two labels", told))
        elif (part, label, entry.split) in samples:
            problems.append(Problem(entry.place, "listed twice", entry.name))
        else:
            samples[part, label, entry.split] = _sample(entry, entry.path, label)
    return Listing(
        tuple(samples.values()), classes, tuple(problems), dict(listed), parts, tuple(notes)
    )


def _sample(entry: Entry, path: Path, label: int) -> Sample:
    return Sample(
        path,
        label,
        start=entry.start,
        end=entry.end,
        group=entry.group,
        split=entry.split,
        subject=entry.subject,
        camera=entry.camera,
    )


def _unknown_label(label: str | int, classes: tuple[str, ...]) -> str:
    if isinstance(label, str):
        return unknown("label", label, classes)
    return f"label {label} is out of range: the {len(classes)} classes have indices from 0"
