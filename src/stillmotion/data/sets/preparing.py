"""Preparing a data set: its lists read, every file opened, the counts laid beside the official
ones, and one manifest written."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from stillmotion.data.annotations import Sample, VideoList
from stillmotion.data.manifest import write_manifest
from stillmotion.data.probing import probe_all
from stillmotion.data.progress import Progress
from stillmotion.data.reading_problems import sample_problems
from stillmotion.data.sets.data_set import DataSet, Listing
from stillmotion.errors import DataError, Problem

MOST_LACKING = 0.05
"""The share of a split that may lack without anybody's asking for it: some videos of Kinetics are
missing everywhere, but a split of which more is missing is another test. So is a split of which as
much more is there than its owners state."""


@dataclass(frozen=True)
class SplitCount:
    """How many videos of a split there are, in the words of each source."""

    official: int | None
    """As its owners state; None where they do not."""
    listed: int
    """In the lists that were read."""
    usable: int
    """What the manifest holds."""
    sha256: str | None
    """Hash of what the manifest holds; None for nothing."""

    @property
    def lacking(self) -> int:
        """Listed, but missing, unreadable or otherwise of no use."""
        return self.listed - self.usable


@dataclass(frozen=True)
class Preparation:
    """What `prepare` found out; nothing is written yet."""

    data_set: DataSet
    protocol: str
    source: Path
    listing: Listing
    faults: tuple[Problem, ...]
    """Files that do not open, or with a full decode do not decode to their end; folders of frames
    with gaps; segments past the end."""
    videos: VideoList
    """What can be used."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that is wrong, in the lists and with the files."""
        return (*self.listing.problems, *self.faults)

    @cached_property
    def splits(self) -> dict[str, SplitCount]:
        """Each split's counts, in the order in which one trains and tests; "all" at the end."""
        official = self.data_set.official.get(self.protocol, {})
        usable = Counter(sample.split or "all" for sample in self.videos.samples)
        names = {*self.listing.listed, *official} - {"all"}
        order = [name for name in ("train", "val", "test") if name in names]
        counts = {
            name: SplitCount(
                official=official.get(name),
                listed=self.listing.listed.get(name, 0),
                usable=usable[name],
                sha256=self.videos.only(name).sha256 if usable[name] else None,
            )
            for name in [*order, *sorted(names - set(order))]
        }
        total = official.get("all")
        if total is None and counts and all(count.official for count in counts.values()):
            total = sum(count.official or 0 for count in counts.values())
        counts["all"] = SplitCount(
            official=total,
            listed=self.listing.listed.get("all", 0),
            usable=len(self.videos),
            sha256=self.videos.sha256 if len(self.videos) else None,
        )
        return counts

    def write(self, path: str | Path, *, allow_missing: bool = False) -> None:
        """Writes the manifest, whole or not at all.

        Args:
            allow_missing: also where scores are not comparable.

        Raises:
            DataError: nothing can be used, or more than `MOST_LACKING` of a split's videos cannot,
                or their number is as far from the official one.
            StorageError: the file cannot be written.
        """
        if not len(self.videos):
            raise DataError(
                f"{self.source}: none of {self.splits['all'].listed} listed videos can be used, "
                "so there is nothing to write; is the folder of the videos below it?"
            )
        if not allow_missing and (why := self._incomparable()):
            raise DataError(
                f"{path} was not written: {why}, and above {MOST_LACKING:.0%} a score is no longer "
                "comparable; mend that, or write what there is with --allow_missing"
            )
        write_manifest(self.videos, path)

    def _incomparable(self) -> str | None:
        """Why a score on some split would be that of another test; None where it would not.

        A split that no list names is none that anybody is scored on.
        """
        official = self.data_set.official.get(self.protocol, {})
        for name, count in self.splits.items():
            videos = "videos" if name == "all" else f"{name} videos"
            if count.lacking > MOST_LACKING * count.listed:
                share = f"{count.lacking / count.listed:.1%}"
                return f"{count.lacking:,} of {count.listed:,} {videos} ({share}) cannot be used"
            stated = official.get(name)
            if stated and count.listed and abs(count.usable / stated - 1) > MOST_LACKING:
                share = f"{count.usable / stated - 1:+.1%}"
                return (
                    f"{count.usable:,} {videos} can be used where the owners state {stated:,} "
                    f"({share})"
                )
        return None


def prepare(
    data_set: DataSet,
    source: str | Path,
    *,
    protocol: str | None = None,
    decode: bool = False,
    seconds_per_file: float = 60.0,
    workers: int = 4,
    on_progress: Progress | None = None,
) -> Preparation:
    """Reads a data set's lists and opens every file; see `Preparation.write`.

    Args:
        source: the folder with the lists and, somewhere below it, the videos.
        protocol: one of the data set's; None: the usual one.
        decode: decode every frame, too, instead of reading headers alone; that takes long.
        seconds_per_file: time limit of decoding one file.
        workers: files that are opened at once.

    Raises:
        DataError: the lists are not there, are those of another data set, or name one class only.
        ConfigurationError: an unknown protocol.
    """
    name = data_set.protocol(protocol)
    try:
        listing = data_set.read(Path(source), name)
    except DataError as error:
        hint = f"`stillmotion prepare {data_set.name}` shows the files that it needs"
        raise DataError(f"{error}; {hint}") from error
    if len(listing.classes) == 1:
        raise DataError(
            f"{source}: only one class, {listing.classes[0]!r}; a classifier needs two or more"
        )
    found = sample_problems(
        listing.samples, open_all=True, threads=max(1, workers), on_progress=on_progress
    )
    faults = [problem for index in sorted(found) for problem in found[index]]
    usable = [sample for index, sample in enumerate(listing.samples) if index not in found]
    if decode:
        paths = {sample.path for sample in usable}
        broken = _undecodable(paths, seconds_per_file, workers, on_progress)
        faults += broken.values()
        usable = [sample for sample in usable if sample.path not in broken]
    videos = VideoList(
        tuple(sorted(usable, key=_place)),
        listing.classes,
        str(source),
        data_set.full_name(name),
        data_set.metric,
        listing.parts,
    )
    return Preparation(data_set, name, Path(source), listing, tuple(dict.fromkeys(faults)), videos)


def _place(sample: Sample) -> tuple[str, float]:
    """What sorts samples, so that equal trees give equal manifests."""
    return str(sample.path), sample.start or 0.0


def _undecodable(
    paths: Iterable[Path], seconds: float, workers: int, on_progress: Progress | None
) -> dict[Path, Problem]:
    """The files that do not decode to their end; they are decoded in processes of their own."""
    reports = probe_all(
        sorted(paths), workers=max(1, workers), seconds_per_file=seconds, on_progress=on_progress
    )
    return {
        Path(report.path): Problem(report.path, "unreadable", report.reason)
        for report in reports
        if report.reason
    }
