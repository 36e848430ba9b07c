"""Videos to clips as `stillmotion predict` reads them, with PyAV and numpy alone.

Lies beside run.py, which says how it is used. The same frames and the same crops; where the decoder
does not resize by itself, a colour may be rounded to a neighbouring level.
"""

from bisect import bisect_right
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer

OPTIONS = {
    "protocol_whitelist": "file",  # a playlist must not make the decoder open something else
    "format_whitelist": "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,apng,ivf,nut,mxf,"
    "dv,rm,m4v,h264,hevc,mjpeg,yuv4mpegpipe,webp_pipe",
    "max_pixels": str(2**26),
}


class UnreadableError(Exception):
    """A video that cannot be read, with the reason."""


def read(path: Path, *, sampling: dict[str, Any], views: dict[str, Any], size: int) -> Any:
    """The views of a video, uint8 (views, T, 3, size, size).

    Args:
        sampling: how a clip is drawn, as model.json says.
        views: which clips and crops there are, likewise.
        size: pixels along each side of a crop.

    Raises:
        UnreadableError: with the reason.
    """
    try:
        stamps, last, unit, are_exact = timeline(path)
        shown = ticks(stamps, last, unit)
        clips = clip_indices(len(shown), sampling, views["clips"], views["spread"])
        numbers = [[shown[tick] for tick in clip] for clip in clips]
        wanted = sorted({number for clip in numbers for number in clip})
        side = views["short_side"] or size if views["interpolation"] == "bilinear" else None
        frames = decoded(path, wanted, stamps if are_exact else None, side)
    except (av.FFmpegError, OSError, ValueError, IndexError, MemoryError) as error:
        raise UnreadableError(getattr(error, "strerror", None) or str(error)) from error
    place = {number: at for at, number in enumerate(wanted)}
    each = [frames[[place[number] for number in clip]] for clip in numbers]
    return np.concatenate([crops(clip, views, size) for clip in each])


def opened(path: Path) -> tuple[Any, Any]:
    """The file and its first stream of moving pictures; cover art is passed over."""
    container: Any = av.open(str(path.absolute()), metadata_errors="replace", options=OPTIONS)
    pictures = av.stream.Disposition.attached_pic
    streams = [s for s in container.streams.video if not s.disposition & pictures]
    if not streams or streams[0].codec_context is None:
        raise UnreadableError("there is no video stream that can be decoded")
    streams[0].codec_context.options = {"max_pixels": OPTIONS["max_pixels"]}
    return container, streams[0]


def timeline(path: Path) -> tuple[list[int], int, float, bool]:
    """When frames are shown, in units of the file's clock.

    Returns:
        Timestamps, how long the last frame is shown, seconds in a unit, and whether frames are
        known by their timestamps (else by their number).
    """
    container, stream = opened(path)
    with container:
        shown = [p for p in container.demux(stream) if p.size and not p.is_discard]
        unit = float(stream.time_base or 0) or 1 / float(stream.guessed_rate or 25)
        listed = [p.pts for p in shown]
        has_stamps = container.format.name != "avi"
        hides = stream.codec_context.codec.name == "vp8"  # packets that are never shown
        last = max(shown, key=lambda p: p.pts or 0).duration or 0 if shown else 0
        encrypted = any(p.has_sidedata("encryption_info") for p in shown)
    if encrypted or not shown:
        raise UnreadableError("the video is encrypted" if encrypted else "there are no frames")
    known = sorted({pts for pts in listed if pts is not None})
    step = usual(known)
    if has_stamps and not hides and len(known) == len(listed):
        return known, last or step, unit, True
    found, promised = decoded_stamps(path), len(listed)
    distinct = sorted({pts for pts, _ in found if pts is not None})
    if not has_stamps or len(distinct) < len(found):
        distinct = [step * number for number in range(max(1, len(found)))]
    if found and found[-1][1]:  # damaged: what was promised after it counts, and is then refused
        distinct += [distinct[-1] + step * (k + 1) for k in range(promised - len(distinct))]
    return distinct, usual(distinct), unit, False


def decoded_stamps(path: Path) -> list[tuple[int | None, bool]]:
    """The timestamp of every frame that decodes, and whether damage follows the last."""
    stamps: list[tuple[int | None, bool]] = []
    container, stream = opened(path)
    with container:
        try:
            stamps.extend((frame.pts, False) for frame in container.decode(stream))
        except av.FFmpegError:
            stamps[-1:] = [(stamps[-1][0], True)] if stamps else []
    if not stamps:
        raise UnreadableError("not one frame can be decoded")
    return stamps


def usual(stamps: list[int]) -> int:
    """The usual distance between timestamps."""
    steps = [late - early for early, late in pairwise(stamps)]
    return max(1, round(median(steps))) if steps else 1


def ticks(stamps: list[int], last: int, unit: float) -> list[int]:
    """The frame on show at each of as many even moments as there are frames."""
    starts = [(stamp - stamps[0]) * unit for stamp in stamps]
    steps = [late - early for early, late in pairwise(starts)]
    usual_step = median(steps) if steps else 0.0
    tolerance = max(2 * unit, 0.002, usual_step / 10)
    if all(abs(step - usual_step) <= tolerance for step in steps):
        return list(range(len(starts)))
    rate = len(starts) / ((stamps[-1] + last - stamps[0]) * unit)
    return [bisect_right(starts, (tick + 0.5) / rate) - 1 for tick in range(len(starts))]


def decoded(path: Path, wanted: list[int], stamps: list[int] | None, side: int | None) -> Any:
    """RGB frames by number, rising; decoded to ``side`` pixels along their shorter side."""
    places = None if stamps is None else {stamp: place for place, stamp in enumerate(stamps)}
    missing, found = set(wanted), []
    container, stream = opened(path)
    with container, closing(container.decode(stream)) as frames:
        for position, frame in enumerate(frames):
            number = position if places is None else places.get(frame.pts)
            if number not in missing:
                continue
            if frame.is_corrupt:
                raise UnreadableError(f"frame {number} is damaged")
            missing.remove(number)
            found.append(upright(frame, side))
            if not missing:
                return np.stack(found)
    raise UnreadableError(f"frame {min(missing)} cannot be decoded")


def upright(frame: Any, side: int | None) -> Any:
    """The pixels (H, W, 3) as they should be seen: scaled, then turned as the file says."""
    height, width = frame.height, frame.width
    if side is not None and min(height, width) > side:
        scale = side / min(height, width)
        height, width = max(1, round(height * scale)), max(1, round(width * scale))
    pixels = frame.to_ndarray(format="rgb24", width=width, height=height)
    # `frame.side_data` and the frame would hold each other until Python looks for such circles.
    matrix = SideDataContainer(frame).get("DISPLAYMATRIX")  # type: ignore[call-arg]
    if matrix is None:
        return pixels
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32).astype(np.int64)
    if abs(b) + abs(c) > abs(a) + abs(d):
        pixels, across, down = pixels.swapaxes(0, 1), c < 0, b < 0
    else:
        across, down = a < 0, d < 0
    pixels = pixels[::-1] if down else pixels
    return pixels[:, ::-1] if across else pixels


def clip_indices(length: int, sampling: dict[str, Any], clips: int, spread: str) -> list[list[int]]:
    """Which ticks make each clip of a test."""
    frames, loops = sampling["num_frames"], sampling["short"] == "loop"
    span = (frames - 1) * sampling["stride"] + 1 if sampling["kind"] == "dense" else frames
    if length < span and sampling["short"] == "error":
        raise UnreadableError(f"the video has {length} frames and the clip spans {span}")
    if sampling["kind"] == "dense":
        steps = [step * sampling["stride"] for step in range(frames)]
        starts = clip_starts(length, frames, sampling["stride"], clips, spread)
        chosen = [[start + step for step in steps] for start in starts]
        return [[i % length if loops else min(i, length - 1) for i in clip] for clip in chosen]
    if length < frames and loops:
        return [[i % length for i in range(frames)]] * clips
    if sampling["kind"] == "frame_uniform":
        size = (length - 1) / frames
        bounds = [round(segment * size) for segment in range(frames + 1)]
        if clips == 1:
            return [[(first + last) // 2 for first, last in pairwise(bounds)]]
        shifts = [int((clip + 1) * (size / (clips + 1))) for clip in range(clips)]
        return [[first + shift for first in bounds[:-1]] for shift in shifts]
    if length < frames:
        return [centres(length, frames)] * clips
    every = centres(length, clips * frames)
    return [every[clip::clips] for clip in range(clips)]


def clip_starts(length: int, frames: int, stride: int, clips: int, spread: str) -> list[int]:
    """Where dense clips begin."""
    room = max(0, length - (frames - 1) * stride - 1)
    if spread == "middles":
        choices = max(0, length - frames * stride + 1)
        return [(2 * clip + 1) * choices // (2 * clips) for clip in range(clips)]
    if spread == "starts":
        return [clip * room // clips for clip in range(clips)]
    return [clip * room // (clips - 1) for clip in range(clips)] if clips > 1 else [room // 2]


def centres(length: int, count: int) -> list[int]:
    """The centres of so many equal segments, the same from either end."""
    half = [(2 * i + 1) * length // (2 * count) for i in range((count + 1) // 2)]
    return half + [length - 1 - i for i in half[: count // 2]][::-1]


def crops(frames: Any, views: dict[str, Any], size: int) -> Any:
    """Squares of every frame: (T, H, W, 3) to (crops, T, 3, size, size)."""
    frames = resized(frames, views["short_side"] or size, views["interpolation"])
    top, left = frames.shape[1] - size, frames.shape[2] - size
    count, longest = views["crops"], max(top, left)
    if count == 10:
        corners = [(0, 0), (0, left), (top, 0), (top, left), (top // 2, left // 2)]
    elif views["spread"] != "starts" and count == 1:
        corners = [(top // 2, left // 2)]
    else:
        even = views["spread"] != "starts"
        along = [0, longest // 2, longest] if even else [longest * i // count for i in range(count)]
        corners = [(i, left // 2) if top > left else (top // 2, i) for i in along]
    squares = [frames[:, y : y + size, x : x + size] for y, x in corners]
    squares += [square[:, :, ::-1] for square in squares] if count == 10 else []
    return np.stack(squares).transpose(0, 1, 4, 2, 3)


def resized(frames: Any, side: int, interpolation: str) -> Any:
    """Frames whose shorter side has ``side`` pixels, with antialiasing."""
    height, width = frames.shape[1:3]
    short, long = sorted((height, width))
    if short == side:
        return frames
    longer = int(side * long / short)
    high, wide = (side, longer) if height <= width else (longer, side)
    for axis, target in ((2, wide), (1, high)):
        weights = resizing(frames.shape[axis], target, interpolation)
        moved = np.moveaxis(frames.astype(np.float32), axis, -1) @ weights.T
        frames = np.moveaxis(np.floor(moved + 0.5).clip(0, 255).astype(np.uint8), -1, axis)
    return frames


def resizing(length: int, target: int, interpolation: str) -> Any:
    """The matrix (target, length) that resizes a line: a filter as wide as a pixel becomes."""
    scale = length / target
    wide = max(scale, 1.0)
    middles = (np.arange(target)[:, None] + 0.5) * scale
    x = np.abs((np.arange(length) + 0.5 - middles) / wide)
    if interpolation == "bilinear":
        weights = np.clip(1 - x, 0, None)
    else:  # Keys' cubic, a = -1/2
        near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
        weights = np.where(x < 1, near, np.where(x < 2, far, 0.0))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
