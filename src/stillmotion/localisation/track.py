"""What a model says of a video, window by window."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64


@dataclass(frozen=True)
class Track:
    """Class probabilities over time: S windows, K classes."""

    class_names: tuple[str, ...]
    starts: Float64[np.ndarray, " S"]
    """Where each window begins, in seconds from the video's first frame; rising."""
    stops: Float64[np.ndarray, " S"]
    """Where it ends; rising."""
    probabilities: Float32[np.ndarray, "S K"]
    """Of each class in each window, in [0, 1]. A window's add up to 1, save where classes are
    combinations: only those that lead in some window are here."""
    seconds: float
    """Length of the video."""

    def __post_init__(self) -> None:
        assert self.probabilities.shape == (len(self.starts), len(self.class_names))
        assert len(self.stops) == len(self.starts) > 0

    def __len__(self) -> int:
        """How many windows there are."""
        return len(self.starts)

    @property
    def centres(self) -> Float64[np.ndarray, " S"]:
        """The middle of each window, in seconds: the moment of which it tells."""
        return (self.starts + self.stops) / 2
