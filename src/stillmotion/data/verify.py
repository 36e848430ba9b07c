"""What would spoil a run or its score, before anything trains.

The same part of the same video on both sides makes a score a memory test; it is refused. Videos of
one group (a person, a scene, a recording) on both sides may; it is told.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from itertools import combinations

from stillmotion.data.annotations import Sample
from stillmotion.data.contents import told_apart
from stillmotion.data.reading_problems import Progress, reading_problems
from stillmotion.errors import Problem, ProblemsError, some

log = logging.getLogger("stillmotion")

Splits = Mapping[str, Sequence[Sample]]
"""The samples of each split, by its name."""


def refuse_faults(
    samples: Sequence[Sample], source: str, *, on_progress: Progress | None = None
) -> None:
    """What no training could make sense of: segments past the end, folders with gaps.

    Files that cannot be read are not refused here: they are counted as they come.

    Raises:
        ProblemsError: all of it.
    """
    found = reading_problems(samples, on_progress=on_progress)
    if faults := [problem for problem in found if problem.kind != "unreadable"]:
        raise ProblemsError(source, faults)


def refuse_overlap(splits: Splits, source: str, *, allowed: bool) -> None:
    """What is trained on cannot be scored; groups on both sides are told of.

    Raises:
        ProblemsError: a video, or a copy of it, is in two splits, and this is not allowed.
    """
    problems = overlaps(splits)
    if problems and not allowed:
        raise ProblemsError(source, problems)
    if problems:
        log.warning("%d videos are in two splits: this score is no test", len(problems))
    if found := leaks(splits):
        log.warning("%s: %s", source, _leaks_in_words(found))


def overlaps(splits: Splits) -> list[Problem]:
    """Parts of videos that are in two splits, also as copies of a file under another name."""
    content = told_apart(sample.path for samples in splits.values() for sample in samples)
    seen: dict[object, list[tuple[str, Sample]]] = {}
    for split, samples in splits.items():
        for sample in samples:
            seen.setdefault(content[sample.path], []).append((split, sample))
    return [
        Problem(str(other.path), "in two splits", _words(split, sample, other_split, other))
        for alike in seen.values()
        if len({split for split, _ in alike}) > 1
        for (split, sample), (other_split, other) in combinations(alike, 2)
        if split != other_split and _share_time(sample, other)
    ]


def leaks(splits: Splits) -> dict[str, tuple[str, ...]]:
    """Groups, and files cut into segments, that are in several splits; and in which."""
    found: dict[str, set[str]] = {}
    for split, samples in splits.items():
        for sample in samples:
            found.setdefault(f"file {sample.path}", set()).add(split)
            if sample.group is not None:
                found.setdefault(f"group {sample.group}", set()).add(split)
    return {name: tuple(sorted(where)) for name, where in found.items() if len(where) > 1}


def _leaks_in_words(found: Mapping[str, tuple[str, ...]]) -> str:
    """One line on what `leaks` found."""
    told = [f"{name} ({' and '.join(where)})" for name, where in found.items()]
    return (
        f"{len(told)} groups or files are in more than one split, so scores may be too good: "
        f"{some(told, show=3)}. `stillmotion check DATA --out LIST` proposes a split without leaks"
    )


def _words(split: str, sample: Sample, other_split: str, other: Sample) -> str:
    copy = "" if sample.path == other.path else f", as a copy of {sample.path}"
    return (
        f"in {split} and in {other_split}{copy}; take it out of one "
        "(videos.allow_overlap=true scores it all the same)"
    )


def _share_time(sample: Sample, other: Sample) -> bool:
    """Whether two parts of one video have a moment in common."""
    first, last = (max(s.start or 0.0 for s in (sample, other)), min(map(_end, (sample, other))))
    return first < last


def _end(sample: Sample) -> float:
    return math.inf if sample.end is None else sample.end
