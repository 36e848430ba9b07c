"""What the decoding process does: it opens files that nobody has looked at before.

It answers through a pipe in JSON and raw pixels, so that nothing it says is unpickled, and it may
be killed at any time: a file that breaks a decoder ends a job, never the service. Bounds on memory
and computing time are the system's own, where it has them.
"""

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stillmotion.data.container import open_container, stated_seconds
from stillmotion.data.sampling import Sampling
from stillmotion.data.video import Video, open_video
from stillmotion.errors import StillmotionError
from stillmotion.localisation.windows import Span, frames_of, window_clips, windows
from stillmotion.prediction import read_views
from stillmotion.settings import Views
from stillmotion.web.limits import Limits
from stillmotion.web.refusal import RefusalError, refuse

Message = tuple[dict[str, Any], Tensor | None]
"""What is said, and a clip that goes with it, uint8 (T, 3, size, size)."""


@dataclass(frozen=True)
class Look:
    """How a model looks at a video; models that look alike share the clips."""

    sampling: Sampling
    image_size: int
    views: Views
    window: float
    stride: float


def inspect(path: Path, limits: Limits) -> Iterator[Message]:
    """What a video is, if it is one and within bounds; its frames but the first stay as they are.

    Raises:
        VideoError: it is no video, or damaged.
        RefusalError: 413, it is too long, too large or has too many frames.
    """
    stated = stated_seconds(path)
    if stated is not None and stated > limits.max_seconds:
        refuse(413, "too_long", f"the video lasts {stated:.0f} s; at most {limits.max_seconds:g}")
    refuse_large(path, limits)
    with open_video(path) as video:
        if video.duration_seconds > limits.max_seconds:
            seconds = f"{video.duration_seconds:.0f} s"
            refuse(413, "too_long", f"the video lasts {seconds}; at most {limits.max_seconds:g}")
        if len(video) > limits.max_frames:
            text = f"the video has {len(video)} frames; at most {limits.max_frames} are taken"
            refuse(413, "too_many_frames", text)
        yield (
            {
                "seconds": video.duration_seconds,
                "fps": video.fps,
                "width": video.width,
                "height": video.height,
            },
            None,
        )


def refuse_large(path: Path, limits: Limits) -> None:
    """Refuse frames that are too large, by what the header says.

    Raises:
        VideoError: as `open_container`.
        RefusalError: 413.
    """
    container, stream = open_container(path, num_threads=1)
    with container:
        width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > limits.max_pixels:
        text = f"frames of {width} x {height} pixels; at most {limits.max_pixels} are taken"
        refuse(413, "too_many_pixels", text)


def read(path: Path, looks: list[Look]) -> Iterator[Message]:
    """All clips of a video, look by look: first those of the whole video, then window by window.

    Raises:
        VideoError, ClipError, ConfigurationError: what cannot be read, and why.
    """
    with open_video(path) as video:
        spans = [
            windows(video.duration_seconds, window=look.window, stride=look.stride)
            for look in looks
        ]
        yield {"windows": [len(of_look) for of_look in spans]}, None
        for number, look in enumerate(looks):
            whole = read_views(
                path, sampling=look.sampling, image_size=look.image_size, views=look.views
            )
            for view in whole:
                yield {"look": number}, view
            clips = window_clips(
                video,
                spans[number],
                sampling=look.sampling,
                image_size=look.image_size,
                views=look.views,
            )
            for span, clip in zip(spans[number], clips, strict=True):
                times = frame_times(video, span, look)
                yield {"look": number, "span": span, "times": times}, clip


def frame_times(video: Video, span: Span, look: Look) -> list[float]:
    """When each frame of a window's clip is shown."""
    indices = frames_of(video, span, sampling=look.sampling, views=look.views)
    return [video.timeline.starts[index] for index in indices]


def serve(
    pipe: Connection, task: Callable[..., Iterator[Message]], path: Path, asked: Any, limits: Limits
) -> None:
    """The whole life of a decoding process: do a task, say all of it, and end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the service's to answer
    torch.set_num_threads(1)
    try:
        bound_resources(limits)
        for told, clip in task(path, asked):
            say(pipe, told, clip)
        say(pipe, {"end": True})
    except BrokenPipeError:
        pass  # nobody listens any longer
    except RefusalError as error:
        say(pipe, {"refused": [error.status, error.fault.code, error.fault.reason]})
    except StillmotionError as error:
        say(pipe, {"refused": [422, "unreadable", str(error).removeprefix(f"{path}: ")]})
    except (MemoryError, RuntimeError) as error:
        if not is_lack_of_memory(error):
            raise
        say(pipe, {"refused": [422, "unreadable", "decoding needs more memory than is allowed"]})


def is_lack_of_memory(error: Exception) -> bool:
    """Whether there was too little; PyTorch says that of the CPU's in words alone."""
    return isinstance(error, MemoryError) or "allocate memory" in str(error)


def say(pipe: Connection, told: dict[str, Any], clip: Tensor | None = None) -> None:
    """One message: JSON, then the pixels where there are some."""
    shape = {} if clip is None else {"shape": list(clip.shape)}
    pipe.send_bytes(json.dumps(told | shape).encode())
    if clip is not None:
        pipe.send_bytes(clip.flatten().numpy().data)


def bound_resources(limits: Limits) -> None:
    """Let the system end this process where it takes too much; Windows has no such bounds."""
    if os.name != "posix":
        return
    import resource

    seconds = int(limits.time_limit_seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    statm = Path("/proc/self/statm")
    if statm.exists():  # elsewhere nobody says what the libraries themselves take already
        taken = int(statm.read_text().split()[0]) * resource.getpagesize()
        most = taken + int(limits.decode_gib * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
