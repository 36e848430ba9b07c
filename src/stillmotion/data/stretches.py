"""Which wanted frames are decoded in one go, and from which keyframe."""

from bisect import bisect_right
from collections.abc import Sequence


def stretches(indices: Sequence[int], *, keyframes: Sequence[int]) -> list[tuple[int, list[int]]]:
    """Keyframes at which decoding begins, each with the wanted frames that are decoded from it.

    A stretch goes on until a keyframe lies closer before the next wanted frame than the frame that
    would be decoded next: from there on, beginning anew takes fewer frames than going on.

    Args:
        indices: wanted frames, rising and without repeats.
        keyframes: frames at which decoding can begin, rising; the first is 0.

    >>> stretches([2, 5, 13, 40], keyframes=[0, 12, 24, 36])
    [(0, [2, 5]), (12, [13]), (36, [40])]
    """
    parts: list[tuple[int, list[int]]] = []
    for index in indices:
        keyframe = keyframes[bisect_right(keyframes, index) - 1]
        if not parts or keyframe > parts[-1][1][-1] + 1:
            parts.append((keyframe, []))
        parts[-1][1].append(index)
    return parts
