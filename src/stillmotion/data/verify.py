"""What would spoil a run or its score, before anything trains.

The same part of the same video on both sides makes a score a memory test; it is refused. Videos of
one group (a person, a scene, a recording) on both sides may; it is told.
"""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from stillmotion.data.annotations import Sample
from stillmotion.data.contents import Content, told_apart
from stillmotion.data.progress import Progress
from stillmotion.data.reading_problems import reading_problems
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


def refuse_overlap(
    splits: Splits, source: str, *, allowed: bool, content: Mapping[Path, Content] | None = None
) -> None:
    """What is trained on cannot be scored; groups on both sides are told of.

    Args:
        content: see `overlaps`.

    Raises:
        ProblemsError: a video, or a copy of it, is in two splits, and this is not allowed.
    """
    problems = overlaps(splits, content=content)
    if problems and not allowed:
        raise ProblemsError(source, problems)
    if problems:
        log.warning("%d videos are in two splits: this score is no test", len(problems))
    if found := leaks(splits):
        log.warning("%s: %s", source, _leaks_in_words(found))


def overlaps(splits: Splits, *, content: Mapping[Path, Content] | None = None) -> list[Problem]:
    """Parts of videos that are in two splits, also as copies of a file under another name: one
    problem for each part that shares a moment with an earlier one of another split.

    Args:
        content: what `told_apart` says of all videos, where that is known already.
    """
    if content is None:
        content = told_apart(sample.path for samples in splits.values() for sample in samples)
    alike: dict[Content, list[tuple[str, Sample]]] = {}
    for split, samples in splits.items():
        for sample in samples:
            alike.setdefault(content[sample.path], []).append((split, sample))
    return [problem for parts in alike.values() for problem in _overlaps_of(parts)]


def _overlaps_of(parts: list[tuple[str, Sample]]) -> Iterator[Problem]:
    """Of parts of one video, those that begin before one of another split has ended.

    They are gone through as they begin; of each split the part that ends last is remembered.
    """
    latest: dict[str, Sample] = {}
    for split, sample in sorted(parts, key=lambda part: part[1].start or 0.0):
        others = [(s, other) for s, other in latest.items() if s != split]
        met = next(((s, o) for s, o in others if _end(o) > (sample.start or 0.0)), None)
        if met:
            yield Problem(str(sample.path), "in two splits", _words(*met, split, sample))
        if split not in latest or _end(sample) > _end(latest[split]):
            latest[split] = sample


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


def _end(sample: Sample) -> float:
    return math.inf if sample.end is None else sample.end
