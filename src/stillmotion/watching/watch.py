"""The loop between a source and a model."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

from stillmotion.data.live import Live, LiveFrame
from stillmotion.prediction import Prediction
from stillmotion.watching.pace import Pace, usual_pace
from stillmotion.watching.watcher import Watcher


@dataclass(frozen=True)
class Seen:
    """What a model says after a frame."""

    seconds: float
    """The frame's time, from the first of the source."""
    prediction: Prediction
    latency_seconds: float
    """From the frame's arrival, decoded, to the answer."""
    dropped: int
    """Frames of the source that nobody took in time, so far."""

    @property
    def answer(self) -> str:
        """The most probable class, or "none of these"."""
        return self.prediction.answer

    def to_dict(self, *, top: int = 5) -> dict[str, Any]:
        """JSON-able: what `Prediction.to_dict` tells, with when, how late, and frames dropped."""
        return {
            "seconds": round(self.seconds, 3),
            "answer": self.answer,
            **self.prediction.to_dict(top=top),
            "latency_seconds": round(self.latency_seconds, 4),
            "dropped": self.dropped,
        }


def watch(
    watcher: Watcher,
    live: Live,
    *,
    pace: Pace | None = None,
    seconds: float | None = None,
    on_frame: Callable[[LiveFrame, Seen | None], None] | None = None,
) -> Iterator[Seen]:
    """Answers while frames come, one for each frame that is due.

    The model begins anew where the source was lost and opened again: frames after a gap do not
    follow those before it.

    Args:
        live: an open source.
        pace: which frames are shown to the model; None: as in its training.
        seconds: stop before this moment of the source; None: go on.
        on_frame: told each frame that was taken, shown to the model or not, with the newest answer.

    Raises:
        VideoError: the source cannot be opened, or is lost for good.
    """
    pace = pace or usual_pace(watcher.asked.model)
    connection = 0
    newest: Seen | None = None
    for frame in live:
        if seconds is not None and frame.seconds >= seconds:
            return
        if frame.connection != connection:
            connection = frame.connection
            watcher.reset()
            pace.reset()
        if pace.is_due(index=frame.index, seconds=frame.seconds):
            newest = seen_in(frame, watcher, live)
            yield newest
        if on_frame:
            on_frame(frame, newest)


def seen_in(frame: LiveFrame, watcher: Watcher, live: Live) -> Seen:
    """Show a frame to the model."""
    picture = frame.pixels(short_side=watcher.short_side)
    prediction = watcher(picture, seconds=frame.seconds, name=live.source.name)
    return Seen(frame.seconds, prediction, monotonic() - frame.arrived, live.dropped)
