"""Segments as subtitles: SubRip, which players show over the video."""

from collections.abc import Sequence

from stillmotion.localisation.segment import Segment


def subtitles(found: Sequence[Segment]) -> str:
    """The text of a SubRip file (.srt), to be written as UTF-8: numbered from 1, in their order."""
    return "".join(
        f"{number}\n{stamp(segment.start)} --> {stamp(segment.end)}\n"
        f"{' '.join(segment.label.split())} ({segment.confidence:.0%})\n\n"
        for number, segment in enumerate(found, start=1)
    )


def stamp(seconds: float) -> str:
    """A moment as SubRip writes it, to a millisecond.

    >>> stamp(3725.0625)
    '01:02:05,062'
    """
    whole, milliseconds = divmod(round(1000 * seconds), 1000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02},{milliseconds:03}"
