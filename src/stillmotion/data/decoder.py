"""What a decoder must offer, so that nothing above knows which library decodes."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import UInt8
from torch import Tensor

from stillmotion.data.timeline import Timeline

Frame = UInt8[Tensor, "3 height width"]


@dataclass(frozen=True)
class Decodable:
    """How much of a video decodes."""

    num_frames: int
    """Frames that decode in order from the start, before the first damage."""
    reason: str | None
    """What stopped the decoder; None where every promised frame decodes."""


class Decoder(ABC):
    """One open video file: when its frames are shown, and their pixels."""

    name: str
    """The library and its version, such as "pyav 18.1.0"."""
    timeline: Timeline
    """When each frame that the file promises is shown."""

    @abstractmethod
    def __init__(self, path: Path, *, num_threads: int) -> None:
        """Opens the file and learns its timeline.

        Raises:
            VideoError: the file cannot be read.
        """

    @property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """Height and width of an upright frame, in pixels.

        Raises:
            VideoError: not one frame decodes.
        """

    @abstractmethod
    def frames(self, indices: Sequence[int], *, short_side: int | None) -> Iterator[Frame]:
        """Decodes frames, upright and RGB.

        Args:
            indices: frames in presentation order, rising and without repeats.
            short_side: scale down, while converting, to at most this many pixels; None: as stored.

        Raises:
            VideoError: a frame cannot be decoded.
        """

    @abstractmethod
    def decodable(self) -> Decodable:
        """Decodes the whole file, converting one picture of each kind alone."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of the file."""


def scaled_size(height: int, width: int, *, short_side: int | None) -> tuple[int, int]:
    """Height and width once the shorter is at most `short_side`; never enlarges, keeps the aspect.

    >>> scaled_size(1080, 1920, short_side=256)
    (256, 455)
    """
    if short_side is None or min(height, width) <= short_side:
        return height, width
    scale = short_side / min(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))
