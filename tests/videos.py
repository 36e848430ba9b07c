"""Small real videos for tests: frame i is grey, 16 + 10 i, with a white upper left corner."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from torch import Tensor

LEVELS = 24
"""Frames that can be told apart by their grey."""


def write_video(
    path: Path,
    *,
    num_frames: int = 12,
    height: int = 48,
    width: int = 64,
    fps: int = 10,
    codec: str = "libx264",
    pts: Sequence[int] | None = None,
    keyframe_every: int = 250,
    options: dict[str, str] | None = None,
    rotation: int = 0,
    first_level: int = 0,
) -> Path:
    """Writes a video and returns its path.

    Args:
        pts: timestamps in hundredths of a second; by default evenly spaced at `fps`.
        options: for the encoder.
        rotation: degrees anticlockwise by which a player must turn the frames.
        first_level: index that the first frame's grey stands for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stamps = list(pts) if pts else [100 // fps * index for index in range(num_frames)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        stream.height, stream.width = height, width
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 4_000_000
        stream.time_base = stream.codec_context.time_base = Fraction(1, 100)
        stream.gop_size = keyframe_every
        if rotation:
            stream.set_display_rotation(rotation)
        for index, stamp in enumerate(stamps):
            picture = np.full((height, width, 3), 16 + 10 * (index + first_level), np.uint8)
            picture[: height // 4, : width // 4] = 255
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_sound(path: Path) -> Path:
    """Writes a file with nothing but sound."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_classes(
    folder: Path, *, classes: Sequence[str] = ("jump", "wave"), videos_each: int = 2
) -> Path:
    """Writes a folder per class; every video differs from the others."""
    for number, name in enumerate(classes):
        for index in range(videos_each):
            level = number * videos_each + index
            write_video(folder / name / f"{index}.mp4", num_frames=10, first_level=level)
    return folder


def levels(frames: Tensor) -> list[int]:
    """Which frame each of these is, read from its lower right quarter; uint8 (T, 3, H, W)."""
    height, width = frames.shape[-2:]
    quarter = frames[..., height // 2 :, width // 2 :].float()
    return [round((float(frame.mean()) - 16) / 10) for frame in quarter]
