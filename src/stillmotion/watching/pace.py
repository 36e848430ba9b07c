"""Which frames of a source a model is shown: as many as it was trained on, at best."""

from math import floor, isfinite

from stillmotion.as_trained import sampling_of, usual_seconds_of
from stillmotion.errors import ConfigurationError
from stillmotion.model import VideoClassifier

SLACK = 0.01
"""Part of a step by which a frame may come early: times are rounded on their way."""


class Pace:
    """Every so many frames, or so many frames a second.

    Where frames were dropped, or a source has fewer, the next one there is takes their place:
    nothing is caught up with.

    Args:
        every: frames of the source from one that is shown to the next.
        fps: frames that are shown in a second of the source.
        why: for people: who chose it.

    Raises:
        ConfigurationError: for both or neither of them, or a number that is not above 0.
    """

    def __init__(
        self, *, every: int | None = None, fps: float | None = None, why: str = "as asked for"
    ) -> None:
        given = every if fps is None else fps
        if given is None or (every is not None and fps is not None):
            raise ConfigurationError("give either every, in frames, or fps, in frames a second")
        if not (given > 0 and isfinite(given)):
            raise ConfigurationError(f"a model cannot be shown frames at {given}: give more than 0")
        self.every, self.fps, self.why = every, fps, why
        self.reset()

    def reset(self) -> None:
        """The next frame is shown, whichever it is."""
        self._step = -1

    def is_due(self, *, index: int, seconds: float) -> bool:
        """Whether this frame is shown; ask of each frame once, in their order.

        Args:
            index: of the frame, counted over all frames of the source.
            seconds: its time.
        """
        place = index / self.every if self.every is not None else seconds * (self.fps or 0)
        step = floor(place + SLACK)
        if step <= self._step:
            return False
        self._step = step
        return True

    def line(self) -> str:
        """For people."""
        if self.every is None:
            told = f"{self.fps:.3g} frames a second"
        else:
            told = "every frame" if self.every == 1 else f"one frame in {self.every}"
        return f"{told} ({self.why})"


def usual_pace(model: VideoClassifier) -> Pace:
    """As in training: dense clips took every ``sampling.stride``-th frame.

    Uniform ones were spread over a whole video. How long those were, a checkpoint tells as
    ``usual_seconds``, else `as_trained.USUAL_SECONDS` is taken for it.
    """
    sampling = sampling_of(model)
    if sampling.kind == "dense":
        return Pace(every=sampling.stride, why="the stride of its training")
    seconds, is_known = usual_seconds_of(model)
    known = f"{sampling.num_frames} frames in {seconds:g} s, as long as its training videos"
    unknown = f"length of the training videos unknown, {seconds:g} s assumed: give --fps"
    return Pace(fps=sampling.num_frames / seconds, why=known if is_known else unknown)
