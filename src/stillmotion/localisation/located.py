"""What was found in one video, for programs and for people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from stillmotion.data.timeline import clock
from stillmotion.files import readable
from stillmotion.localisation.segment import Segment
from stillmotion.localisation.smoothing import strongest
from stillmotion.localisation.track import Track
from stillmotion.localisation.truth import COLUMNS
from stillmotion.rejection import NONE

FOUND_COLUMNS = (*COLUMNS, "confidence")
"""Of a CSV file of segments that were found: `read_truth` reads it, too."""

MOST_ROWS = 40
"""Of a table in the terminal."""


@dataclass(frozen=True)
class Located:
    """The segments of one video, and the track that they were found in."""

    path: Path
    track: Track
    segments: list[Segment]
    threshold: float = 0.0
    """The least probability that a segment needed."""

    def shown(self, *, top: int, known: Sequence[Segment] = ()) -> Track:
        """The track of the classes to show: all that were found or are known to occur, then the
        strongest, so that there are ``top`` at least."""
        named = {segment.label for segment in (*self.segments, *known)}
        named &= set(self.track.class_names)
        return strongest(self.track, most=max(top, len(named)), first=sorted(named))

    def gaps(self) -> list[tuple[float, float]]:
        """From when to when it is none of the classes, in seconds."""
        found, reached, end = [], 0.0, self.track.seconds
        for start, stop in [*((s.start, s.end) for s in self.segments), (end, end)]:
            if start > reached:
                found.append((reached, start))
            reached = max(reached, stop)
        return found

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row of a CSV file for each segment."""
        for segment in self.segments:
            yield {"video": readable(self.path)} | segment.to_dict()

    def to_dict(self, *, top: int) -> dict[str, Any]:
        """JSON-able: the segments, and the probabilities of the classes to show."""
        shown = self.shown(top=top)
        return {
            "video": readable(self.path),
            "seconds": round(self.track.seconds, 3),
            "threshold": self.threshold,
            "segments": [segment.to_dict() for segment in self.segments],
            "track": {
                "starts": shown.starts.round(3).tolist(),
                "stops": shown.stops.round(3).tolist(),
                "labels": list(shown.class_names),
                "probabilities": shown.probabilities.astype(float).round(4).tolist(),
            },
        }

    def table(self) -> Table:
        """The segments for people, and the time between them; of very many, the first."""
        table = Table(box=None, pad_edge=False)
        for name, side in {"from": "right", "to": "right", "what": "left", "sure": "right"}.items():
            table.add_column(name, justify=side)  # type: ignore[arg-type]
        rows = [(s.start, s.end, Text(s.label), f"{s.confidence:.0%}") for s in self.segments]
        gaps = [(start, end, Text(NONE, "dim"), "") for start, end in self.gaps()]
        if len(rows) + len(gaps) <= MOST_ROWS:
            rows = sorted(rows + gaps, key=lambda row: row[0])
        for start, end, what, sure in rows[:MOST_ROWS]:
            table.add_row(clock(start), clock(end), what, sure)
        if left := len(rows[MOST_ROWS:]):
            table.add_row("", "", f"... and {left:,} more (--csv holds all)", "")
        return table


def picture_of(located: Located, *, truth: Sequence[Segment] | None, top: int) -> bytes:
    """Scores of ``top`` classes or more, and segments with those that people know, as a PNG."""
    from stillmotion.visualise.theme import LIGHT
    from stillmotion.visualise.timeline import timeline_picture

    shown = located.shown(top=top, known=truth or ())
    figure = timeline_picture(
        shown.centres,
        shown.probabilities,
        shown.class_names,
        seconds=shown.seconds,
        found=[(s.start, s.end, s.label) for s in located.segments],
        known=None if truth is None else [(s.start, s.end, s.label) for s in truth],
        threshold=located.threshold,
        title=readable(located.path.name),
    )
    return LIGHT.png(figure)
