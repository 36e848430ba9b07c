"""Looking through a data set before training: what it holds, and what is wrong with it."""

from collections import Counter
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console, Group

from stillmotion.data.annotations import Sample, VideoList
from stillmotion.data.check_tables import tables
from stillmotion.data.mirror import Mirror, find_mirror
from stillmotion.data.probe import VideoReport
from stillmotion.data.probing import probe_all
from stillmotion.data.progress import Progress
from stillmotion.data.reading_problems import past_the_end
from stillmotion.data.rows import videos_below
from stillmotion.data.splits import classes_missing, split_by_group
from stillmotion.data.verify import leaks, overlaps
from stillmotion.errors import DataError, Problem

FRACTIONS = {"train": 0.7, "val": 0.15, "test": 0.15}
"""The split that is proposed. Test videos that the list names itself are left where they are."""


@dataclass(frozen=True)
class CheckReport:
    """What `check_videos` found."""

    source: str
    videos: tuple[VideoReport, ...]
    """A report a file, in the order of the list."""
    listing: VideoList | None
    """The labelled videos that were checked; None for a folder without labels."""
    folds: int = 0
    """Propose this many folds, named 0, 1, ... in the place of train, val and test."""

    @property
    def unreadable(self) -> tuple[VideoReport, ...]:
        """Files that do not decode, or not to their end, each with its reason."""
        return tuple(video for video in self.videos if video.reason)

    @cached_property
    def faults(self) -> tuple[Problem, ...]:
        """Segments that are not in their videos."""
        seconds = {v.path: v.duration_seconds for v in self.videos if v.duration_seconds}
        samples = self.listing.samples if self.listing else ()
        timed = [(s, seconds[str(s.path)]) for s in samples if str(s.path) in seconds]
        return tuple(fault for sample, length in timed for fault in past_the_end(sample, length))

    @cached_property
    def duplicates(self) -> tuple[tuple[str, ...], ...]:
        """Paths of files with the same bytes."""
        alike: dict[str, list[str]] = {}
        for video in self.videos:
            if video.sha256:
                alike.setdefault(video.sha256, []).append(video.path)
        return tuple(tuple(paths) for paths in alike.values() if len(paths) > 1)

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many samples each class has, unreadable ones included; empty without labels."""
        if self.listing is None:
            return {}
        counted = Counter(sample.label for sample in self.listing.samples)
        return {name: counted[label] for label, name in enumerate(self.listing.classes)}

    @cached_property
    def mirror(self) -> Mirror | None:
        """What becomes of each class in a mirror, by the classes' names; None without labels."""
        return find_mirror(self.listing.classes) if self.listing else None

    @cached_property
    def proposal(self) -> VideoList | None:
        """The readable samples, split without leaks; None without labels or readable samples."""
        bad = {video.path for video in self.unreadable}
        if self.listing is None:
            return None
        samples = tuple(s for s in self.listing.samples if str(s.path) not in bad)
        if not samples:
            return None
        if self.folds:
            shares = {str(fold): 1 / self.folds for fold in range(self.folds)}
            return split_by_group(replace(self.listing, samples=samples), fractions=shares)
        test = tuple(s for s in samples if s.split == "test")
        rest = replace(self.listing, samples=tuple(s for s in samples if s.split != "test"))
        if not test:
            return split_by_group(rest, fractions=FRACTIONS)
        kept = {name: FRACTIONS[name] for name in ("train", "val")}
        shares = {name: part / sum(kept.values()) for name, part in kept.items()}
        parted = split_by_group(rest, fractions=shares) if rest.samples else rest
        return replace(parted, samples=(*parted.samples, *test))

    @cached_property
    def too_small(self) -> dict[str, tuple[str, ...]]:
        """For each split of the proposal, classes that are too small to have a part in it."""
        return classes_missing(self.proposal) if self.proposal else {}

    @cached_property
    def leaks(self) -> tuple[str, ...]:
        """Videos, copies of them, and groups that are in several of the list's own splits."""
        if self.listing is None:
            return ()
        splits: dict[str, list[Sample]] = {}
        for sample in self.listing.samples:
            splits.setdefault(sample.split or "no split", []).append(sample)
        shared = {problem.place: None for problem in overlaps(splits)}
        return (
            *shared,
            *(name for name in leaks(splits) if name.removeprefix("file ") not in shared),
        )

    def write_list(self, path: str | Path) -> None:
        """Writes the proposal as a list file; see `VideoList.write`.

        Raises:
            DataError: nothing is proposed.
            StorageError: the file cannot be written.
        """
        if self.proposal is None:
            raise DataError(f"{self.source}: no split to write: no readable labelled video")
        self.proposal.write(path)

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "source": self.source,
            "num_videos": len(self.videos),
            "classes": self.counts,
            "unreadable": {video.path: video.reason for video in self.unreadable},
            "duplicates": [list(paths) for paths in self.duplicates],
            "leaks": list(self.leaks),
            "faults": [asdict(fault) for fault in self.faults],
            "too_small": {split: list(names) for split, names in self.too_small.items()},
            "mirror": self.mirror.to_dict() if self.mirror else {},
            "videos": [asdict(video) for video in self.videos],
        }

    def text(self, *, width: int = 100) -> str:
        """The report for people, as plain text."""
        console = Console(file=StringIO(), width=width, force_terminal=False)
        console.print(self)
        assert isinstance(console.file, StringIO)
        return console.file.getvalue()

    def __rich__(self) -> Group:
        return Group(*tables(self))


def check_videos(
    videos: VideoList | str | Path,
    *,
    folds: int = 0,
    workers: int = 2,
    seconds_per_file: float = 60.0,
    on_progress: Progress | None = None,
) -> CheckReport:
    """Decodes every video to its end, and reports.

    Decoding happens in processes of its own: a file over which the decoder hangs or crashes is
    reported like any other.

    Args:
        videos: labelled videos, or a folder of videos whose labels do not matter.
        folds: propose so many folds for cross-validation; 0: train, val and test.
        on_progress: called with how many files are done, and of how many.

    Raises:
        DataError: not a folder, or no videos in it.
    """
    if isinstance(videos, VideoList):
        listing, source = videos, videos.source
        paths = list(dict.fromkeys(sample.path for sample in videos.samples))
    else:
        listing, source = None, str(videos)
        if not Path(videos).is_dir():
            raise DataError(f"{videos}: not a folder")
        paths = videos_below(Path(videos))
    if not paths:
        raise DataError(f"{source}: no videos to check")
    reports = probe_all(
        paths, workers=workers, seconds_per_file=seconds_per_file, on_progress=on_progress
    )
    return CheckReport(source, tuple(reports), listing, folds)
