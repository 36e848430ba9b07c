"""From what a user names to runs over the same videos."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path

import torch

from stillmotion.errors import DataError, some
from stillmotion.saved_scores import SavedScores, Video, read_scores

SCORES = "evaluation_scores.safetensors"
"""What training leaves in a run's directory."""


Entry = tuple[Video, int]
"""A video, or a part of one; and which of its labels, where it has several: one may open a door
and hold a cup."""


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
    rows = {run.name: rows_by_entry(run.scores) for run in runs}
    if not common:
        refuse_others(rows)
    shared = set.intersection(*(set(own) for own in rows.values()))
    if not shared:
        raise DataError("no video was scored by all of the runs; do their lists share a folder?")
    order = [entry for entry in rows[first.name] if entry in shared]
    chosen = [
        Run(run.name, only_rows(run.scores, [rows[run.name][entry] for entry in order]))
        for run in runs
    ]
    for run in chosen[1:]:
        refuse_other_labels(run, chosen[0])
    return chosen


def rows_by_entry(scores: SavedScores) -> dict[Entry, int]:
    """The row of each entry, in the order of the rows.

    Several labels of one part are told apart by their order as classes, whatever their rows'.
    """
    seen: Counter[Video] = Counter()
    entries: dict[int, Entry] = {}
    for row in scores.labels.argsort(stable=True).tolist():
        video = scores.videos[row]
        entries[row] = video, seen[video]
        seen[video] += 1
    return {entries[row]: row for row in sorted(entries)}


def refuse_others(rows: Mapping[str, Mapping[Entry, int]]) -> None:
    """Every run must have what any of them has scored."""
    for (name, own), (other, known) in permutations(rows.items(), 2):
        if missing := [name_of(video) for video, nth in own if (video, nth) not in known]:
            raise DataError(
                f"{other} has not scored {len(missing)} of the {len(own)} videos of {name}: "
                f"{some(missing)}. Compare on those that all have scored: --common"
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


def only_rows(scores: SavedScores, rows: Sequence[int]) -> SavedScores:
    """The scores in these rows, in this order."""
    index = torch.tensor(rows)
    return replace(
        scores,
        videos=tuple(scores.videos[row] for row in rows),
        labels=scores.labels[index],
        probabilities=scores.probabilities[index],
        logits=scores.logits[index],
    )


def name_of(video: Video) -> str:
    """A video or its part, for people."""
    path, start, end = video
    times = [f"{seconds:g} s" for seconds in (start, end) if seconds is not None]
    return f"{path} ({' to '.join(times)})" if times else path
