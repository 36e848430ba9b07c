"""A video: frames by index or by moment, decoded only when asked for.

    with open_video("wave.mp4") as video:
        clip = video.frames_at([0, 10, 20], short_side=256).data  # uint8 (3, 3, 256, 341)

Frames are upright (rotation and mirroring that the file asks for are applied) and RGB. Pixels are
taken as square: a sample aspect ratio is not applied. Frames that an edit list hides do not count.

The length is what the packets promise. A frame that does not decode raises a `VideoError` that says
why and how many frames do; other frames remain available (see `PyAVDecoder` for which).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import TracebackType

import torch
from jaxtyping import Float, Int
from torch import Tensor

from stillmotion.data.decoder import Decodable, Decoder, Frame
from stillmotion.data.frame_cache import FrameCache
from stillmotion.data.frame_folder import FRAME_RATE, FrameFolder
from stillmotion.data.pyav_decoder import PyAVDecoder
from stillmotion.data.timeline import Timeline
from stillmotion.errors import ConfigurationError, VideoError, unknown
from stillmotion.shapes import Frames


@dataclass(frozen=True)
class FrameBatch:
    """Frames of one video, in the order in which they were asked for."""

    data: Frames
    """RGB, uint8."""
    indices: Int[Tensor, " T"]
    """Which frame of the video each is."""
    pts_seconds: Float[Tensor, " T"]
    """When each appears, in seconds from the first frame of the video (float64)."""


class Video:
    """An open video file; a context manager. Made by `open_video`."""

    def __init__(self, path: Path, *, decoder: Decoder) -> None:
        self.path = path
        self._decoder = decoder

    def __len__(self) -> int:
        """How many frames can be asked for."""
        return len(self.timeline)

    def __enter__(self) -> "Video":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            f"Video({str(self.path)!r}, {len(self)} frames, {self.duration_seconds:.2f} s, "
            f"{self.fps:.2f} frames/s)"
        )

    def close(self) -> None:
        """Lets go of the file."""
        self._decoder.close()

    @property
    def timeline(self) -> Timeline:
        """When each frame is shown."""
        return self._decoder.timeline

    @property
    def fps(self) -> float:
        """Frames a second, on average."""
        return self.timeline.fps

    @property
    def duration_seconds(self) -> float:
        """From the first frame's appearance to the end of the last."""
        return self.timeline.duration

    @property
    def is_variable_rate(self) -> bool:
        """Whether frames are unevenly spaced in time."""
        return self.timeline.is_variable_rate

    @property
    def decoder(self) -> str:
        """The library that decodes, and its version."""
        return self._decoder.name

    @property
    def height(self) -> int:
        """Pixels from top to bottom, after rotation. Decodes one frame.

        Raises:
            VideoError: the first frame cannot be decoded.
        """
        return self._decoder.size[0]

    @property
    def width(self) -> int:
        """Pixels from left to right, after rotation. Decodes one frame.

        Raises:
            VideoError: the first frame cannot be decoded.
        """
        return self._decoder.size[1]

    def frames_at(
        self, indices: Sequence[int] | Int[Tensor, " T"], *, short_side: int | None = None
    ) -> FrameBatch:
        """Frames by index in presentation order.

        Args:
            indices: in any order, repeats allowed, at least one; each in [0, len(self)).
            short_side: scale down, while converting to RGB, until the shorter side has this many
                pixels; frames that are smaller already are left alone.

        Raises:
            VideoError: an index is out of range, or a frame cannot be decoded.
        """
        wanted = torch.as_tensor(indices, dtype=torch.long)
        if wanted.numel() == 0:
            raise VideoError(f"{self.path}: no frame was asked for")
        self._refuse_outside(wanted.tolist())
        distinct, places = torch.unique(wanted, return_inverse=True)
        data = self._decode(distinct.tolist(), short_side=short_side)
        return FrameBatch(
            data=data if torch.equal(distinct, wanted) else data[places],
            indices=wanted,
            pts_seconds=torch.tensor(self.timeline.starts, dtype=torch.float64)[wanted],
        )

    def in_turn(
        self, indices: Iterable[int], *, short_side: int | None = None
    ) -> Iterator[tuple[int, Frame]]:
        """Frames one after the other with their indices, rising: none is held, none decoded twice.

        Args:
            indices: in any order; repeats are one frame; each in [0, len(self)).
            short_side: as in `frames_at`.

        Raises:
            VideoError: an index is out of range, or, at its turn, a frame cannot be decoded.
        """
        wanted = sorted(set(indices))
        self._refuse_outside(wanted)
        return zip(wanted, self._decoder.frames(wanted, short_side=short_side), strict=True)

    def frames_played_at(
        self, seconds: Sequence[float], *, short_side: int | None = None
    ) -> FrameBatch:
        """The frames on show at these moments, in seconds from the first frame.

        Raises:
            VideoError: a moment outside [0, duration_seconds), or a frame that cannot be decoded.
        """
        indices = [self.timeline.frame_at(moment) for moment in seconds]
        return self.frames_at(indices, short_side=short_side)

    def decodable(self) -> Decodable:
        """Decodes the whole file, converting nothing, and says how far that goes."""
        return self._decoder.decodable()

    def _refuse_outside(self, indices: Sequence[int]) -> None:
        for index in indices:
            if not 0 <= index < len(self):
                raise VideoError(
                    f"{self.path}: there is no frame {index}: the video has {len(self)} frames"
                )

    def _decode(self, indices: list[int], *, short_side: int | None) -> Frames:
        """Into one tensor as they come, so that no second copy of the frames is held."""
        data: Tensor | None = None
        for place, frame in enumerate(self._decoder.frames(indices, short_side=short_side)):
            if data is None:
                data = torch.empty((len(indices), *frame.shape), dtype=torch.uint8)
            data[place] = frame
        assert data is not None
        return data


def open_video(
    path: str | Path,
    *,
    decoder: str = "auto",
    num_threads: int = 1,
    rate: float = FRAME_RATE,
    cache: FrameCache | None = None,
) -> Video:
    """Opens a video and reads its packets, decoding nothing.

    Args:
        path: a file, a member of an uncompressed tar ("shard.tar/wave/0.mp4"), or a folder of
            numbered images.
        decoder: "auto" (PyAV), "pyav", or "torchcodec" where `available_decoders` lists it.
        num_threads: threads that decode; 1 suits data workers, of which there are several.
        rate: frames a second of a folder of images; files know their own.
        cache: where decoded frames are kept and looked for.

    Raises:
        VideoError: the file is missing, empty, damaged, encrypted, not a video or without frames,
            or claims more than `container.MAX_PIXELS` pixels a frame; a folder lacks frames or
            holds two series; a tar is refused.
        ConfigurationError: an unknown decoder, or one that does not load.
    """
    path = Path(path)
    make = _decoder_class(decoder)

    def opened() -> Decoder:
        if path.is_dir():
            return FrameFolder(path, rate=rate)
        return make(path, num_threads=num_threads)

    if cache is None:
        return Video(path, decoder=opened())
    origin = f"images, {float(rate)} a second" if path.is_dir() else make.__name__
    return Video(path, decoder=cache.decoder(path, opened, origin=origin))


def _decoder_class(name: str) -> type[Decoder]:
    if name in ("auto", "pyav"):
        return PyAVDecoder
    if name != "torchcodec":
        raise ConfigurationError(unknown("decoder", name, ["auto", "pyav", "torchcodec"]))
    state = available_decoders()[name]
    if state.startswith("not available"):
        raise ConfigurationError(f'torchcodec is {state}; decoder="auto" uses PyAV')
    from stillmotion.data.torchcodec_decoder import TorchcodecDecoder

    return TorchcodecDecoder


@cache
def available_decoders() -> dict[str, str]:
    """Each decoder's version, or why it is not available; torchcodec is probed by loading it."""
    found = {"pyav": import_module("av").__version__}
    try:
        import_module("torchcodec.decoders")
        found["torchcodec"] = import_module("torchcodec").__version__
    # Its shared libraries fail in many ways: FFmpeg absent, another torch, a missing DLL.
    except (ImportError, RuntimeError, OSError) as error:
        found["torchcodec"] = f"not available: {str(error).strip().splitlines()[0]}"
    return found
