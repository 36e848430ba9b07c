"""Clips as pictures: a film strip (PNG), and a small animation (WebP or GIF)."""

import io
from typing import Literal

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from stillmotion.errors import ClipError

Clip = UInt8[np.ndarray, "T 3 height width"]
"""RGB frames, as data sets and models hold them."""

Pictures = UInt8[np.ndarray, "T height width 3"]
"""RGB frames, as pictures are held."""

REST = 700
"""Milliseconds that an animation rests on its first and last frame: where it begins is seen."""


def as_pictures(clip: Clip) -> Pictures:
    """Channels last.

    Raises:
        ClipError: the clip has no frame.
    """
    if len(clip) == 0:
        raise ClipError("a clip of 0 frames cannot be shown")
    return np.ascontiguousarray(clip.transpose(0, 2, 3, 1))


def evenly(length: int, count: int) -> Int[np.ndarray, " n"]:
    """At most ``count`` of ``length`` frame numbers, evenly spaced, the first and last included."""
    return np.linspace(0, length - 1, min(count, length)).round().astype(int)


def strip(pictures: Pictures, *, gap: int = 2) -> UInt8[np.ndarray, "height wide 4"]:
    """Frames beside each other; RGBA, clear between them."""
    solid = np.full((*pictures.shape[:3], 1), 255, dtype=np.uint8)
    tiles = np.concatenate([pictures, solid], axis=-1)
    tiles = np.pad(tiles, ((0, 0), (0, 0), (0, gap), (0, 0)))
    row = np.concatenate(list(tiles), axis=1)
    return row[:, : row.shape[1] - gap]


def film_strip(
    clip: Clip, *, num_frames: int = 8, height: int = 80, form: Literal["png", "webp"] = "png"
) -> bytes:
    """Evenly spaced frames beside each other.

    Args:
        num_frames: at most so many.
        height: of the strip, in pixels.
        form: ``png`` keeps every pixel, ``webp`` is a fifth of its size.

    Raises:
        ClipError: the clip has no frame.
    """
    shown = as_pictures(clip)[evenly(len(clip), num_frames)]
    return encode(strip(resized(shown, height=height)), form=form)


def animation(
    clip: Clip,
    *,
    height: int = 120,
    frames_per_second: float = 12.0,
    form: Literal["webp", "gif"] = "webp",
) -> bytes:
    """The clip in a loop that rests on its first and last frame.

    Args:
        height: in pixels.
        form: ``webp`` is a third of a ``gif`` and keeps all colours.

    Raises:
        ClipError: the clip has no frame.
    """
    frames = [Image.fromarray(f) for f in resized(as_pictures(clip), height=height)]
    durations = [round(1000 / frames_per_second)] * len(frames)
    durations[0] = durations[-1] = REST
    file = io.BytesIO()
    frames[0].save(
        file,
        format=form.upper(),
        save_all=True,
        append_images=frames[1:],
        duration=durations,
        loop=0,
        **({"quality": 70, "method": 4} if form == "webp" else {"optimize": True}),
    )
    return file.getvalue()


def resized(
    pictures: Pictures, *, height: int, smooth: bool = True
) -> UInt8[np.ndarray, "T tall wide 3"]:
    """Frames of another height, at the same proportions; not smooth: in squares."""
    width = max(1, round(height * pictures.shape[2] / pictures.shape[1]))
    how = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    return np.stack([np.asarray(Image.fromarray(p).resize((width, height), how)) for p in pictures])


def encode(
    picture: UInt8[np.ndarray, "height width channels"], *, form: Literal["png", "webp"] = "png"
) -> bytes:
    """RGB or RGBA pixels as the bytes of an image file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format=form.upper(), quality=82)
    return file.getvalue()
