"""What was found in one video, for programs and for people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from stillmotion.localisation.segment import Segment
from stillmotion.localisation.smoothing import strongest
from stillmotion.localisation.subrip import clock
from stillmotion.localisation.track import Track
from stillmotion.rejection import NONE

COLUMNS = ("video", "start", "end", "label", "confidence")
"""Of a CSV file of segments; what `read_truth` reads, and how sure each is."""


@dataclass(frozen=True)
class Located:
    """The segments of one video, and the track that they were found in."""

    path: Path
    track: Track
    segments: list[Segment]
    threshold: float = 0.0
    """The least probability that a segment needed."""

    def shown(self, *, top: int) -> Track:
        """The track of the few classes to show: those of the segments, then the strongest."""
        seconds: dict[str, float] = {}
        for segment in self.segments:
            seconds[segment.label] = seconds.get(segment.label, 0.0) + segment.seconds
        longest = sorted(seconds, key=lambda label: -seconds[label])[:top]
        return strongest(self.track, most=top, first=longest)

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row of a CSV file for each segment."""
        for segment in self.segments:
            yield {"video": str(self.path)} | segment.to_dict()

    def to_dict(self, *, top: int) -> dict[str, Any]:
        """JSON-able: the segments, and the probabilities of the few classes to show."""
        shown = self.shown(top=top)
        return {
            "video": str(self.path),
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
        """The segments for people, and the time between them."""
        table = Table(box=None, pad_edge=False)
        for name, side in {"from": "right", "to": "right", "what": "left", "sure": "right"}.items():
            table.add_column(name, justify=side)  # type: ignore[arg-type]
        reached = 0.0
        for segment in self.segments:
            if segment.start > reached:
                table.add_row(clock(reached), clock(segment.start), NONE, "", style="dim")
            sure = f"{segment.confidence:.0%}"
            table.add_row(clock(segment.start), clock(segment.end), Text(segment.label), sure)
            reached = max(reached, segment.end)
        if reached < self.track.seconds:
            table.add_row(clock(reached), clock(self.track.seconds), NONE, "", style="dim")
        return table


def picture_of(located: Located, *, truth: Sequence[Segment] | None, top: int) -> bytes:
    """Scores and segments as a PNG, with those that people know below."""
    from stillmotion.visualise.theme import LIGHT
    from stillmotion.visualise.timeline import timeline_picture

    shown = located.shown(top=top)
    figure = timeline_picture(
        shown.centres,
        shown.probabilities,
        shown.class_names,
        seconds=shown.seconds,
        found=[(s.start, s.end, s.label) for s in located.segments],
        known=None if truth is None else [(s.start, s.end, s.label) for s in truth],
        threshold=located.threshold,
        title=located.path.name,
    )
    return LIGHT.png(figure)
