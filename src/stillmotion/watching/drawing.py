"""The source's pictures with the newest answer on them, as a video."""

from pathlib import Path
from types import TracebackType

import matplotlib
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from stillmotion.data.live import Live, LiveFrame
from stillmotion.data.recording import Recording, refuse_target
from stillmotion.visualise.theme import DARK, percent
from stillmotion.watching.watch import Seen

NEAREST = Image.Resampling.NEAREST
Picture = UInt8[np.ndarray, "height width 3"]

MOST, LEAST = 720, 240
"""Pixels of a drawing's shorter side: drawing and encoding must not cost the answers, and words
must be legible. What is smaller is enlarged a whole number of times."""

LONGEST_GAP = 1.0
"""Seconds for which a picture stands still where no other came, at most."""


class Drawing:
    """Writes frames with what is seen in them; a context manager.

    The video has the source's clock: a picture stands until the time of the next one that was not
    dropped, but no longer than a second. Its size and rate are those of the first frame.

    Args:
        to: an MP4 file, or an address; see `Recording`.
        live: the source of the frames, which tells their rate.
        top: classes that are drawn.

    Raises:
        ConfigurationError: for a file of another kind, or one that is there.
    """

    def __init__(self, to: str | Path, live: Live, *, top: int = 3) -> None:
        refuse_target(to)
        self.to, self.live, self.top = to, live, top
        self._recording: Recording | None = None
        self._standing: Picture | None = None
        self._places = 0

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

    def add(self, frame: LiveFrame, seen: Seen | None) -> None:
        """The next frame, and the newest answer if there is one.

        Raises:
            StorageError: the file or the address cannot be written to.
        """
        pixels = frame.pixels(short_side=MOST).permute(1, 2, 0).numpy()
        picture = Image.fromarray(pixels)
        times = -(-LEAST // min(picture.size))
        picture = picture.resize((times * picture.width, times * picture.height), NEAREST)
        recording = self._recording or self._opened(picture)
        size = recording.width, recording.height
        if picture.size != size:  # a camera may come back with other settings
            picture = picture.resize(size)
        drawn = caption(np.asarray(picture), seen, top=self.top)
        self._write(drawn, recording, place=round(frame.seconds * recording.rate))

    def _opened(self, picture: Image.Image) -> Recording:
        self._recording = Recording(
            self.to, height=picture.height, width=picture.width, fps=self.live.fps
        )
        return self._recording.__enter__()

    def _write(self, picture: Picture, recording: Recording, *, place: int) -> None:
        """At its place, counted in frames of the video; the one before stands until there."""
        missing = place - self._places
        if self._standing is not None:
            for _ in range(min(missing, round(LONGEST_GAP * recording.rate) - 1)):
                recording.add(self._standing)
        if missing >= 0:
            recording.add(picture)
            self._places = place + 1
        self._standing = picture


def caption(picture: Picture, seen: Seen | None, *, top: int = 3) -> Picture:
    """The answer and the first classes as bars, on a dark band at the lower edge.

    Args:
        picture: with sides of `LEAST` pixels or more.
    """
    if seen is None:
        return picture
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image, "RGBA")
    width, height = image.size
    size = max(10, min(width, height) // 24)
    large, small, line, gap = font(size), font(size * 5 // 6), round(1.4 * size), size // 2
    rows, how_sure = seen.prediction.top(top), seen.prediction.how_sure
    y = height - line * (len(rows) + 1 + bool(how_sure)) - 2 * gap
    pen.rectangle((0, y, width, height), fill=f"{DARK.background}d8")
    y += gap
    ink = DARK.muted if seen.prediction.is_none else DARK.text
    pen.text((gap, y), seen.answer, font=large, fill=ink)
    pen.text((width - gap, y), f"{seen.seconds:.1f} s", font=small, fill=DARK.muted, anchor="ra")
    if how_sure:
        y += line
        pen.text((gap, y), how_sure, font=small, fill=DARK.muted)
    left, right = width * 5 // 8, width - gap - 4 * size
    for name, share in rows:
        y += line
        pen.text((gap, y), name, font=small, fill=DARK.muted)
        # Over what a long name leaves in the bar's place.
        pen.rectangle((left - gap, y, width, y + line), fill=DARK.background)
        pen.rectangle((left, y + 1, left + (right - left) * share, y + size), fill=DARK.series[0])
        pen.text((width - gap, y), percent(share), font=small, fill=DARK.text, anchor="ra")
    return np.array(image)


def font(size: int) -> ImageFont.FreeTypeFont:
    """The font of every picture, which comes with matplotlib; ``size`` in pixels."""
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), size)
