"""What is wrong with the files behind a list, as far as it can be known without decoding them."""

from collections.abc import Sequence
from pathlib import Path

from stillmotion.data.annotations import Sample
from stillmotion.data.container import stated_seconds
from stillmotion.data.frame_folder import problems as folder_problems
from stillmotion.data.progress import Progress, in_threads
from stillmotion.data.tar_member import extent_of, split_member
from stillmotion.data.video import open_video
from stillmotion.errors import Problem, VideoError

ROUNDING = 1.0
"""Seconds by which a segment may end after its video: lists round, and the end is cut there."""


def reading_problems(
    samples: Sequence[Sample], *, threads: int = 8, on_progress: Progress | None = None
) -> list[Problem]:
    """Segments past the end, folders with gaps, members of tars that are not there.

    Each file that has segments is opened once; where its header is no proof that they fit, its
    packets are read. Nothing is decoded. Other files are not opened, folders and tars looked into
    alone. The order is that of the samples.
    """
    found = sample_problems(samples, threads=threads, on_progress=on_progress)
    return list(dict.fromkeys(problem for index in sorted(found) for problem in found[index]))


def sample_problems(
    samples: Sequence[Sample],
    *,
    open_all: bool = False,
    threads: int = 8,
    on_progress: Progress | None = None,
) -> dict[int, list[Problem]]:
    """The same for each sample that has a problem, by its index.

    Args:
        open_all: open files without segments, too, by their headers: "unreadable" are those that
            do not open.
    """
    indices: dict[Path, list[int]] = {}
    for index, sample in enumerate(samples):
        indices.setdefault(sample.path, []).append(index)

    def problems_of(path: Path) -> list[list[Problem]]:
        return _of_file(path, [samples[index] for index in indices[path]], open_all)

    found = in_threads(problems_of, indices, threads=threads, on_progress=on_progress)
    return {
        index: problems
        for path, of_each in found.items()
        for index, problems in zip(indices[path], of_each, strict=True)
        if problems
    }


def _of_file(path: Path, samples: Sequence[Sample], open_all: bool) -> list[list[Problem]]:
    """The problems of each of a file's samples."""
    timed = any(sample.start is not None or sample.end is not None for sample in samples)
    try:
        if path.is_dir() and (faults := folder_problems(path)):
            return [faults for _ in samples]
        if member := split_member(path):
            extent_of(*member)
        if not timed and (not open_all or path.is_dir()):
            return [[] for _ in samples]
        stated = None if path.is_dir() else stated_seconds(path)
        if stated is not None and not any(past_the_end(sample, stated) for sample in samples):
            return [[] for _ in samples]
        with open_video(path) as video:
            duration = video.duration_seconds
    except VideoError as error:
        what = str(error).removeprefix(f"{path}: ")
        return [[Problem(str(path), "unreadable", what)] for _ in samples]
    return [past_the_end(sample, duration) for sample in samples]


def past_the_end(sample: Sample, duration: float) -> list[Problem]:
    """Whether a segment is in a video of so many seconds, give or take `ROUNDING` at its end."""
    start, end = sample.start or 0.0, sample.end
    if start < duration and (end is None or end <= duration + ROUNDING):
        return []
    part = f"the part from {start:g} s to {'its end' if end is None else f'{end:g} s'}"
    what = f"{part} is not in the video, which lasts {duration:g} s"
    return [Problem(str(sample.path), "past the end", what)]
