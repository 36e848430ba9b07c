"""Which frames of which files are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reading.numbered import write_numbered
from stillmotion.data.decoder import scaled_size

FPS = 25
SHORT_SIDE = 256


@dataclass(frozen=True)
class Case:
    """A file, and how many of its frames are wanted."""

    height: int
    width: int
    seconds: int
    keyframe_every: int
    num_frames: int

    @property
    def file(self) -> str:
        """Its name."""
        return f"{self.width}x{self.height}-{self.seconds}s-{self.keyframe_every}.mp4"

    @property
    def indices(self) -> list[int]:
        """The middles of equal parts."""
        length = self.seconds * FPS
        return [int((part + 0.5) * length / self.num_frames) for part in range(self.num_frames)]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the frames that are asked for."""
        return scaled_size(self.height, self.width, short_side=SHORT_SIDE)

    def row(self) -> dict[str, object]:
        """How the case begins its row of a table."""
        return {
            "file": f"{self.width}x{self.height}, {self.seconds} s",
            "keyframe every": self.keyframe_every,
            "frames": self.num_frames,
        }


FULL = [
    Case(height, width, seconds, keyframe_every, num_frames)
    for height, width in ((256, 340), (1080, 1920))
    for seconds in (10, 60)
    for keyframe_every in (12, 250)
    for num_frames in (8, 16)
    # Sixteen frames of that file lie in all of its stretches, as eight do: minutes for nothing new.
    if (height, seconds, keyframe_every, num_frames) != (1080, 60, 250, 16)
]
SEVERAL = [
    *(case for case in FULL if case.num_frames == 8 and case.height == 256),
    Case(1080, 1920, 10, 12, 8),
]
"""What several processes read."""
LOADED = [Case(256, 340, 10, 12, 8), Case(1080, 1920, 10, 12, 8)]
"""What the training loader reads."""
QUICK = [Case(256, 340, 1, 12, 4)]


def write_files(cases: Sequence[Case], folder: Path) -> None:
    """Every file that the cases name, once."""
    for case in {case.file: case for case in cases}.values():
        write_numbered(
            folder / case.file,
            height=case.height,
            width=case.width,
            num_frames=case.seconds * FPS,
            fps=FPS,
            keyframe_every=case.keyframe_every,
        )
