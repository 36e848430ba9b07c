"""Labelled videos: what to learn from, or to be tested on."""

import csv
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

from stillmotion.data.manifest import Metric, name_from, write_manifest
from stillmotion.data.parts import Part
from stillmotion.data.rows import canonical_split
from stillmotion.errors import DataError, unknown
from stillmotion.files import writing

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, as fractions of the frame's width and height."""


@dataclass(frozen=True)
class Sample:
    """A labelled video, or a labelled part of one."""

    path: Path
    """A video file, a member of a tar ("shard.tar/wave/0.mp4"), or a folder of frames."""
    label: int
    """Index into the classes of the list."""
    start: float | None = None
    """Where the action begins, in seconds from the first frame; None: at the start."""
    end: float | None = None
    """Where it ends; None: at the video's end."""
    group: str | None = None
    """What must not be in two splits at once: a person, a scene, a recording."""
    split: str | None = None
    """"train", "val", "test", or any other name that the list gives."""
    subject: str | None = None
    """Who is seen."""
    camera: str | None = None
    """What it was filmed with."""
    box: Box | None = None
    """Where the subject is, in all frames."""

    @property
    def times(self) -> dict[str, float]:
        """Start and end, those that it has."""
        told = {"start": self.start, "end": self.end}
        return {name: seconds for name, seconds in told.items() if seconds is not None}


@dataclass(frozen=True)
class VideoList:
    """Labelled videos and the names of their classes."""

    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    source: str
    """Where it was read from, for people."""
    dataset: str | None = None
    """Name of a known data set and its protocol, such as "smarthome/cv2"."""
    metric: Metric = "top1"
    """The score that the data set's papers quote."""
    parts: tuple[Part, ...] = ()
    """What each class combines: verb and noun. Mostly nothing: classes are then what they are."""

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Where classes are combinations: how many each part has."""
        return tuple(len(part.classes) for part in self.parts)

    @cached_property
    def relative_paths(self) -> tuple[str, ...]:
        """Each sample's path below the deepest folder that holds them all, with slashes."""
        paths = [sample.path.absolute() for sample in self.samples]
        if not paths:
            return ()
        folder = os.path.commonpath([path.parent for path in paths])
        return tuple(path.relative_to(folder).as_posix() for path in paths)

    @cached_property
    def sha256(self) -> str:
        """Hash of the relative paths, label names and times: the same wherever the root is, and
        in whatever order."""
        lines = sorted(
            json.dumps([path, self.classes[sample.label], sample.start, sample.end])
            for path, sample in zip(self.relative_paths, self.samples, strict=True)
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that occur, in order."""
        return tuple(sorted({sample.split for sample in self.samples if sample.split}))

    def only(self, split: str) -> "VideoList":
        """The samples of one split.

        Raises:
            DataError: no sample has it.
        """
        name = canonical_split(split)
        samples = tuple(sample for sample in self.samples if sample.split == name)
        if not samples:
            raise DataError(f"{self.source}: {unknown('split', split, self.splits)}")
        return replace(self, samples=samples)

    def with_classes(self, classes: Sequence[str]) -> "VideoList":
        """The samples of these classes alone, each labelled by its class's place here."""
        place = {name: label for label, name in enumerate(classes)}
        named = ((sample, self.classes[sample.label]) for sample in self.samples)
        samples = tuple(replace(s, label=place[name]) for s, name in named if name in place)
        return replace(self, samples=samples, classes=tuple(classes), parts=())

    def write(self, path: str | Path) -> None:
        """Writes a list that `read_videos` reads: a manifest (.jsonl), else CSV with a header.

        Only a manifest holds the classes' order, and classes without a video. Paths below the
        list's folder are relative to it, others absolute.

        Raises:
            StorageError: the file cannot be written.
        """
        path = Path(path).absolute()
        if path.suffix.lower() == ".jsonl":
            write_manifest(self, path)
            return
        names = [field.name for field in fields(Sample)]
        used = [n for n in names if n in _ALWAYS or any(vars(s)[n] for s in self.samples)]
        with writing(path, "w") as file:
            writer = csv.writer(file)
            writer.writerow(used)
            for sample in self.samples:
                told = vars(sample) | {
                    "path": name_from(path.parent, sample.path),
                    "label": self.classes[sample.label],
                    "box": sample.box and " ".join(map(str, sample.box)),
                }
                writer.writerow([told[name] for name in used])


_ALWAYS = ("path", "label", "start", "end", "group", "split")
"""Columns of every CSV list, also where they are empty."""
