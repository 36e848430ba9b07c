"""The source's pictures with the newest answer on them, as a video."""

from pathlib import Path
from types import TracebackType

import matplotlib
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from stillmotion.data.live import LiveFrame
from stillmotion.data.recording import Recording
from stillmotion.visualise.theme import DARK, percent
from stillmotion.watching.watch import Seen

Picture = UInt8[np.ndarray, "height width 3"]

SHORT_SIDE = 720
"""Pixels of the shorter side at most: what is drawn on and encoded must not cost the answers."""

LONGEST_GAP = 1.0
"""Seconds for which a picture stands still where no other came, at most."""


class Drawing:
    """Writes frames with what is seen in them; a context manager.

    The video has the source's clock: a picture stands until the next one that was not dropped, but
    no longer than a second. It takes the size and the rate of the first frame.

    Args:
        to: an MP4 file, or an address; see `Recording`.
    """

    def __init__(self, to: str | Path, *, top: int = 3) -> None:
        self.to, self.top = to, top
        self._recording: Recording | None = None
        self._size = (0, 0)
        self._written = self._left_out = 0

    def __enter__(self) -> "Drawing":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._recording:
            self._recording.__exit__(kind, error, traceback)

    def add(self, frame: LiveFrame, seen: Seen | None, *, fps: float) -> None:
        """The next frame, and the newest answer if there is one.

        Args:
            fps: frames a second of the source, which the first frame decides.

        Raises:
            StorageError: the file or the address cannot be written to.
        """
        pixels = frame.pixels(short_side=SHORT_SIDE).permute(1, 2, 0).numpy()
        picture = Image.fromarray(pixels)
        if self._recording is None:
            self._size = picture.size
            width, height = picture.size
            recording = Recording(self.to, height=height, width=width, fps=fps)
            self._recording = recording.__enter__()
        if picture.size != self._size:  # a camera may come back with other settings
            picture = picture.resize(self._size)
        drawn = caption(np.asarray(picture), seen, top=self.top)
        for _ in range(self._times(frame.seconds, rate=float(self._recording.rate))):
            self._recording.add(drawn)

    def _times(self, seconds: float, *, rate: float) -> int:
        """How often the picture of this moment is written, so that the video keeps the clock."""
        missing = round(seconds * rate) + 1 - self._written - self._left_out
        times = min(max(0, missing), max(1, round(LONGEST_GAP * rate)))
        self._written += times
        self._left_out += max(0, missing - times)
        return times


def caption(picture: Picture, seen: Seen | None, *, top: int = 3) -> Picture:
    """The answer and the first classes as bars, on a dark band at the lower edge."""
    if seen is None:
        return picture
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image, "RGBA")
    width, height = image.size
    size = max(8, min(width, height) // 24)
    large, small, line, gap = font(size), font(size * 4 // 5), round(1.4 * size), size // 2
    rows = seen.prediction.top(top)
    y = height - line * (len(rows) + 1) - 2 * gap
    pen.rectangle((0, y, width, height), fill=f"{DARK.background}d0")
    y += gap
    ink = DARK.muted if seen.prediction.is_none else DARK.text
    pen.text((gap, y), seen.answer, font=large, fill=ink)
    pen.text((width - gap, y), f"{seen.seconds:.1f} s", font=small, fill=DARK.muted, anchor="ra")
    left, right = width // 2, width - gap - 4 * size
    for name, share in rows:
        y += line
        pen.text((gap, y), name, font=small, fill=DARK.muted)
        pen.rectangle((left, y + 1, left + (right - left) * share, y + size), fill=DARK.series[0])
        pen.text((width - gap, y), percent(share), font=small, fill=DARK.text, anchor="ra")
    return np.array(image)


def font(size: int) -> ImageFont.FreeTypeFont:
    """The font of every picture, which comes with matplotlib; ``size`` in pixels."""
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), size)
