"""One job for every library that decodes: frames by index, RGB, scaled, in a tensor.

Each opens the file anew, as a data worker does that meets a video once an epoch, decodes in one
thread, and is told the size, so that none has to find it out.
"""

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Literal

import torch
from torch import Tensor

from stillmotion.data.video import open_video

Read = Callable[[str, Sequence[int], tuple[int, int]], Tensor]
"""Path, rising indices, height and width, in the file's aspect: uint8 (T, 3, height, width)."""


def with_stillmotion(path: str, indices: Sequence[int], size: tuple[int, int]) -> Tensor:
    """This library, with PyAV."""
    with open_video(path) as video:
        return video.frames_at(indices, short_side=min(size)).data


def with_torchcodec(
    path: str,
    indices: Sequence[int],
    size: tuple[int, int],
    *,
    seek_mode: Literal["exact", "approximate"],
) -> Tensor:
    """torchcodec. Exact: reads all packets first. Approximate: takes the rate for constant."""
    from torchcodec.decoders import VideoDecoder
    from torchcodec.transforms import Resize

    decoder = VideoDecoder(
        path, num_ffmpeg_threads=1, seek_mode=seek_mode, transforms=[Resize(size)]
    )
    return decoder.get_frames_at(list(indices)).data


def with_decord(path: str, indices: Sequence[int], size: tuple[int, int]) -> Tensor:
    """decord, which scales while it decodes."""
    from decord import VideoReader, bridge

    bridge.set_bridge("torch")
    height, width = size
    reader = VideoReader(path, width=width, height=height, num_threads=1)
    return reader.get_batch(list(indices)).permute(0, 3, 1, 2).contiguous()


def with_opencv(path: str, indices: Sequence[int], size: tuple[int, int], *, seek: bool) -> Tensor:
    """OpenCV. Either goes to each wanted frame, or decodes all and converts the wanted ones."""
    import cv2

    cv2.setNumThreads(1)
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    frames = torch.empty((len(indices), 3, *size), dtype=torch.uint8)
    following = 0
    for place, index in enumerate(indices):
        if seek:
            capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        else:
            for _ in range(following, index):
                capture.grab()
        _, frame = capture.read()
        following = index + 1
        if frame.shape[:2] != size:
            frame = cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA)
        rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        frames[place] = torch.from_numpy(rgb).permute(2, 0, 1)
    return frames


CONTENDERS: dict[str, tuple[str, Read]] = {
    "stillmotion": ("av", with_stillmotion),
    "torchcodec, exact": ("torchcodec.decoders", partial(with_torchcodec, seek_mode="exact")),
    "torchcodec, approximate": (
        "torchcodec.decoders",
        partial(with_torchcodec, seek_mode="approximate"),
    ),
    "decord": ("decord", with_decord),
    "OpenCV, seeking": ("cv2", partial(with_opencv, seek=True)),
    "OpenCV, walking": ("cv2", partial(with_opencv, seek=False)),
}
"""Each contender's module, and how it reads."""


def why_absent(name: str) -> str | None:
    """Why a contender cannot take part; None where it can."""
    try:
        import_module(CONTENDERS[name][0])
    # Shared libraries fail in many ways.
    except (ImportError, OSError, RuntimeError) as error:
        return f"{name}: not installed ({str(error).strip().splitlines()[0]})"
    return None
