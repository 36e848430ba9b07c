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
    """Parts of videos that are in two splits, also as copies of a file under another name.

    Args:
        content: what `told_apart` says of all videos, where that is known already.
    """
    if content is None:
        content = told_apart(sample.path for samples in splits.values() for sample in samples)
    seen: dict[Content, list[tuple[str, Sample]]] = {}
    for split, samples in splits.items():
        for sample in samples:
            seen.setdefault(content[sample.path], []).append((split, sample))
    return [problem for alike in seen.values() for problem in _meetings(alike)]


def _meetings(alike: Sequence[tuple[str, Sample]]) -> Iterator[Problem]:
    """A problem for each part of one video that begins while one of another split goes on."""
    last_to_end: dict[str, Sample] = {}
    for split, sample in sorted(alike, key=lambda used: used[1].start or 0.0):
        for other_split, other in last_to_end.items():
            if other_split != split and _end(other) > (sample.start or 0.0):
                what = _words(other_split, other, split, sample)
                yield Problem(str(sample.path), "in two splits", what)
                break
        last_to_end[split] = max(last_to_end.get(split, sample), sample, key=_end)


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
