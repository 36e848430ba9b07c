"""Videos of moving content in which every frame carries its own number."""

from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

BITS = 12
"""The number is a row of so many black and white fields along the upper edge."""
PAN = 96
"""Pixels by which the picture moves about."""


def write_numbered(
    path: Path, *, height: int, width: int, num_frames: int, fps: int, keyframe_every: int
) -> None:
    """H.264 by x264 ("superfast", with its B-frames): a panned texture, and a square that runs."""
    y, u, v = (_texture(height // scale + PAN, width // scale + PAN, scale) for scale in (1, 2, 2))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "superfast"})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.gop_size = keyframe_every
        for number in range(num_frames):
            picture = np.concatenate(
                [
                    _window(part, number, height, width, scale)
                    for part, scale in ((y, 1), (u, 2), (v, 2))
                ]
            )
            luma = picture[: height * width].reshape(height, width)
            _draw(luma, number)
            frame = av.VideoFrame.from_ndarray(picture.reshape(-1, width), format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def numbers_of(frames: Tensor) -> list[int]:
    """The number that each of these frames carries; uint8 (T, 3, height, width)."""
    height, width = frames.shape[-2:]
    field = width / BITS
    columns = [int((place + 0.5) * field) for place in range(BITS)]
    bits = frames[:, 1, height // 16, columns] > 127
    return (bits * 2 ** torch.arange(BITS)).sum(1).tolist()


def _draw(luma: np.ndarray, number: int) -> None:
    height, width = luma.shape
    side = height // 5
    left = number * height // 40 % (width - side)
    luma[height // 2 : height // 2 + side, left : left + side] = 60 + number % 100
    for place in range(BITS):
        fields = slice(place * width // BITS, (place + 1) * width // BITS)
        luma[: height // 8, fields] = 235 if number >> place & 1 else 16


def _texture(height: int, width: int, scale: int) -> np.ndarray:
    """Smooth shapes of all sizes with a little grain."""
    draw = np.random.default_rng(scale)
    down, right = np.mgrid[:height, :width] * scale
    picture = draw.normal(0, 1, (height, width))
    for period in (400, 90, 31, 13):
        a, b = draw.uniform(-1, 1, 2)
        picture += 25 * np.sin((a * down + b * right) * 2 * np.pi / period)
    return (128 + picture).clip(16, 235).astype(np.uint8)


def _window(texture: np.ndarray, number: int, height: int, width: int, scale: int) -> np.ndarray:
    """Where a slow circle has carried the picture, the colours with the brightness."""
    reach = PAN // 2 - 1
    down = int(reach * (1 + np.sin(number / 20))) // scale
    right = int(reach * (1 + np.cos(number / 33))) // scale
    return texture[down : down + height // scale, right : right + width // scale].reshape(-1)
