"""Preparing a data set: its lists read, every file opened, the counts laid beside the official
ones, and one manifest written."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from stillmotion.data.annotations import Sample, VideoList
from stillmotion.data.container import open_container
from stillmotion.data.frame_folder import frame_files
from stillmotion.data.manifest import write_manifest
from stillmotion.data.probing import probe_all
from stillmotion.data.sets.data_set import DataSet, Listing
from stillmotion.errors import DataError, Problem, VideoError

MOST_LACKING = 0.05
"""The share of a split that may lack without anybody's asking for it: some videos of Kinetics are
missing everywhere, but a split of which more is missing is another test."""

Progress = Callable[[int, int], None]
"""Called with how many files are done, and of how many."""


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
    unreadable: tuple[Problem, ...]
    """Files that do not open, or with a full decode do not decode to their end."""
    videos: VideoList
    """What can be used."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that is wrong, in the lists and with the files."""
        return (*self.listing.problems, *self.unreadable)

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
            allow_missing: also where more than `MOST_LACKING` of a split's videos cannot be used.

        Raises:
            DataError: nothing can be used, or too much of a split cannot.
            StorageError: the file cannot be written.
        """
        if not len(self.videos):
            raise DataError(
                f"{self.source}: none of {self.splits['all'].listed} listed videos can be used, "
                "so there is nothing to write; is the folder of the videos below it?"
            )
        for name, count in self.splits.items():
            if count.lacking > MOST_LACKING * count.listed and not allow_missing:
                raise DataError(
                    f"{path} was not written: {count.lacking} of {count.listed} {name} videos "
                    f"({count.lacking / count.listed:.1%}) cannot be used, and above "
                    f"{MOST_LACKING:.0%} a score is no longer comparable; mend that, or write the "
                    "rest with --allow_missing"
                )
        write_manifest(self.videos, path)


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
        decode: decode every frame instead of reading headers alone; that takes long.
        seconds_per_file: time limit of decoding one file.
        workers: files that are opened at once.

    Raises:
        DataError: the lists are not there, or are those of another data set.
        ConfigurationError: an unknown protocol.
    """
    name = data_set.protocol(protocol)
    try:
        listing = data_set.read(Path(source), name)
    except DataError as error:
        hint = f"`stillmotion prepare {data_set.name}` shows the files that it needs"
        raise DataError(f"{error}; {hint}") from error
    paths = sorted({sample.path for sample in listing.samples})
    look = partial(_decode_all, seconds=seconds_per_file) if decode else _open_all
    reasons = look(paths, workers=workers, on_progress=on_progress)
    unreadable = tuple(Problem(str(path), "unreadable", why) for path, why in reasons.items())
    videos = VideoList(
        tuple(sample for sample in listing.samples if sample.path not in reasons),
        listing.classes,
        str(source),
        data_set.full_name(name),
        data_set.metric,
        listing.parts,
    )
    return Preparation(data_set, name, Path(source), listing, unreadable, _in_order(videos))


def _in_order(videos: VideoList) -> VideoList:
    """Sorted by path and time, so that equal trees give equal manifests."""

    def place(sample: Sample) -> tuple[str, float]:
        return str(sample.path), sample.start or 0.0

    return replace(videos, samples=tuple(sorted(videos.samples, key=place)))


def _decode_all(
    paths: Sequence[Path], *, seconds: float, workers: int, on_progress: Progress | None
) -> dict[Path, str]:
    """Why files do not decode to their end, in processes of their own."""
    reports = probe_all(
        paths, workers=max(1, workers), seconds_per_file=seconds, on_progress=on_progress
    )
    return {Path(report.path): report.reason for report in reports if report.reason}


def _open_all(
    paths: Sequence[Path], *, workers: int, on_progress: Progress | None
) -> dict[Path, str]:
    """Why files do not open."""
    reasons = {}
    pool = ThreadPoolExecutor(max(1, workers))
    try:
        jobs = {pool.submit(why_closed, path): path for path in paths}
        for done, job in enumerate(as_completed(jobs), start=1):
            if why := job.result():
                reasons[jobs[job]] = why
            if on_progress:
                on_progress(done, len(jobs))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return dict(sorted(reasons.items()))


def why_closed(path: Path) -> str | None:
    """Why a file's header, or a folder's row of frames, cannot be read; None where it can."""
    try:
        if path.is_dir():
            frame_files(path)
        else:
            container, _ = open_container(path, num_threads=1)
            container.close()
    except VideoError as error:
        return str(error).removeprefix(f"{path}: ")
    return None
