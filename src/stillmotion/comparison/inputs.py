"""From what a user names to runs over the same videos."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from stillmotion.errors import DataError, some
from stillmotion.saved_scores import SavedScores, Video, read_scores

SCORES = "evaluation_scores.safetensors"
"""What training leaves in a run's directory."""


@dataclass(frozen=True, eq=False)
class Run:
    """A model's scores under the name that tells it from the others."""

    name: str
    scores: SavedScores


def read_run(source: str | Path) -> Run:
    """A run's directory, an evaluation (.json), or a file of scores.

    Raises:
        DataError: there are no scores, or they are damaged.
    """
    path = Path(source)
    if path.is_dir():
        path = path / SCORES
    elif path.suffix == ".json":
        path = path.with_name(f"{path.stem}_scores.safetensors")
    if not path.is_file():
        raise DataError(
            f"there are no scores at {source}: no {path}. `stillmotion evaluate` and training "
            "write them beside evaluation.json"
        )
    return Run(str(source), read_scores(path))


def common_videos(runs: Sequence[Run], *, common: bool = False) -> list[Run]:
    """The runs over the same videos in the same order.

    Args:
        common: leave out what not all of them have; otherwise that is refused.

    Raises:
        DataError: fewer than two runs, the same one twice, other classes, other labels, or other
            videos.
    """
    if len({run.name for run in runs}) < max(2, len(runs)):
        raise DataError(f"give two or more different runs, not {', '.join(r.name for r in runs)}")
    first = runs[0]
    for run in runs[1:]:
        if (run.scores.classes, run.scores.parts) != (first.scores.classes, first.scores.parts):
            raise DataError(f"{run.name} and {first.name} were trained on different classes")
    shared = set.intersection(*(set(run.scores.videos) for run in runs))
    if not common:
        for run in runs:
            refuse_others(run, runs)
    if not shared:
        raise DataError("no video was scored by all of the runs; do their lists share a folder?")
    order = [video for video in first.scores.videos if video in shared]
    chosen = [Run(run.name, rows_of(run.scores, order)) for run in runs]
    for run in chosen[1:]:
        refuse_other_labels(run, chosen[0])
    return chosen


def refuse_others(run: Run, runs: Sequence[Run]) -> None:
    """All runs must have every video of this one."""
    for other in runs:
        known = set(other.scores.videos)
        if missing := [video for video in run.scores.videos if video not in known]:
            raise DataError(
                f"{other.name} has not scored {len(missing)} of the {len(run.scores.videos)} "
                f"videos of {run.name}: {some([name_of(video) for video in missing])}. Compare on "
                "those that all have scored: --common"
            )


def refuse_other_labels(run: Run, first: Run) -> None:
    """The truth is one."""
    different = (run.scores.labels != first.scores.labels).nonzero()[:, 0].tolist()
    if different:
        video, names = run.scores.videos[different[0]], run.scores.class_names
        given = [names[int(r.scores.labels[different[0]])] for r in (run, first)]
        raise DataError(
            f"{len(different)} videos have other labels in {run.name} than in {first.name}: "
            f"{name_of(video)} is {given[0]!r} and {given[1]!r}"
        )


def rows_of(scores: SavedScores, videos: Sequence[Video]) -> SavedScores:
    """The scores of these videos, in this order."""
    row = {video: i for i, video in enumerate(scores.videos)}
    index = torch.tensor([row[video] for video in videos])
    return replace(
        scores,
        videos=tuple(videos),
        labels=scores.labels[index],
        probabilities=scores.probabilities[index],
        logits=scores.logits[index],
    )


def name_of(video: Video) -> str:
    """A video or its part, for people."""
    path, start, end = video
    times = [f"{seconds:g} s" for seconds in (start, end) if seconds is not None]
    return f"{path} ({' to '.join(times)})" if times else path
