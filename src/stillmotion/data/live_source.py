"""Where frames come from as they are taken: a camera, an address, a file; and opening it."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from stillmotion.data.container import (
    MAX_PIXELS,
    explained,
    open_container,
    packets_of,
    video_stream,
)
from stillmotion.data.recording import is_address, without_password
from stillmotion.errors import ConfigurationError, VideoError

USUAL_RATE = 25.0
"""Frames a second of a source that does not tell them."""

RATES = (1, 240)
"""What a source may tell of its frames a second; some address streams tell their clock instead."""

PROMPT = {"flags": "low_delay", "analyzeduration": "10000000"}
"""FFmpeg gives frames out at once, and looks at ten seconds of a stream at most to know it: who
joins between two key frames must wait for the next to learn the size of a picture."""


@dataclass(frozen=True)
class Source:
    """What FFmpeg is to open."""

    name: str
    """As it was given, without a password; of a camera, also what that stands for."""
    address: str
    format: str | None = None
    """None: FFmpeg finds out."""
    options: dict[str, str] = field(default_factory=dict)
    is_file: bool = False


def source_of(given: str | Path, *, platform: str = sys.platform) -> Source:
    """What is meant by "camera", "camera:1", "/dev/video0", "rtsp://...", or the path of a file.

    Args:
        platform: as `sys.platform`; cameras are reached by V4L2 on Linux, by AVFoundation on macOS
            and by DirectShow on Windows.

    Raises:
        ConfigurationError: a folder, a camera that must be named here, or one on an unknown system.
    """
    name = str(given)
    kind, _, which = name.partition(":")
    if kind == "camera":
        return camera(name, which, platform=platform)
    if name.startswith("/dev/"):
        return camera(name, name, platform=platform)
    if is_address(name):
        # Over UDP, the usual way of RTSP, lost packets spoil pictures until the next key frame.
        steady = {"rtsp_transport": "tcp"} if kind in ("rtsp", "rtsps") else {}
        return Source(without_password(name), name, options=PROMPT | steady)
    if Path(name).is_dir():
        raise ConfigurationError(f"{name} is a folder: give one file, a camera or an address")
    return Source(name, name, is_file=True)


def camera(name: str, which: str, *, platform: str) -> Source:
    """A camera of this machine by its number, name or device file; the first where none is said."""
    if platform.startswith("linux"):
        device = which if which.startswith("/dev/") else f"/dev/video{which or 0}"
        name = name if name == device else f"{name} ({device})"
        return Source(name, device, format="v4l2", options=PROMPT)
    if platform == "darwin":
        # Most cameras there know 30 frames a second, and not the 29.97 that FFmpeg asks for.
        return Source(name, which or "0", format="avfoundation", options={"framerate": "30"})
    if platform == "win32":
        if not which or which.isdigit():
            raise ConfigurationError(
                f"{name}: Windows knows cameras by name: give camera:NAME; "
                "`ffmpeg -list_devices true -f dshow -i dummy` lists them"
            )
        return Source(name, f"video={which}", format="dshow")
    raise ConfigurationError(f"{name}: it is not known how cameras are reached on {platform}")


class Connection:
    """A source that was opened; close it.

    Attributes:
        has_end: whether it is a file, or an address that says how long it is.
        fps: frames a second, as the source tells.
        damaged: how many frames were left out because they were.

    Args:
        timeout: seconds without a sign of life after which an address or a camera counts as lost.

    Raises:
        VideoError: it cannot be opened, with the reason.
    """

    def __init__(self, source: Source, *, timeout: float) -> None:
        self.source, self.timeout, self.damaged = source, timeout, 0
        self._container, self._stream = self._opened()
        self.has_end = source.is_file or self._container.duration is not None
        rate = float(self._stream.average_rate or self._stream.guessed_rate or 0)
        self.fps = rate if RATES[0] <= rate <= RATES[1] else USUAL_RATE

    def frames(self) -> Iterator[tuple[float, av.VideoFrame]]:
        """Frames as they come, each with its time in seconds on the clock of this connection.

        Raises:
            VideoError: nothing comes any more, with the reason.
        """
        stamp = 0.0
        with explained(self.source.name):
            try:
                for frame in self._decoded():
                    stamp = stamp + 1 / self.fps if frame.time is None else frame.time
                    yield stamp, frame
            except av.error.ExitError as error:
                raise self._silent() from error

    def close(self) -> None:
        """Let go of the source."""
        self._container.close()

    def _opened(self) -> tuple[InputContainer, VideoStream]:
        source = self.source
        if source.is_file:
            return open_container(Path(source.address), num_threads=1)
        with explained(source.name):
            try:
                container = av.open(
                    source.address,
                    format=source.format,
                    options=source.options | {"max_pixels": str(MAX_PIXELS)},
                    timeout=self.timeout,
                    metadata_errors="replace",
                )
            except av.error.ExitError as error:
                raise self._silent() from error
        try:
            stream = video_stream(container, source.name)
        except BaseException:
            container.close()
            raise
        stream.codec_context.thread_type = "SLICE"  # frames side by side would wait for each other
        return container, stream

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Frames that are whole: a stream that is joined begins between two key frames."""
        for packet in packets_of(self._container, self._stream):
            if packet.has_sidedata("encryption_info"):
                raise VideoError(f"{self.source.name}: the video is encrypted")
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                self.damaged += 1
                continue
            self.damaged += sum(frame.is_corrupt for frame in frames)
            yield from (frame for frame in frames if not frame.is_corrupt)

    def _silent(self) -> VideoError:
        return VideoError(f"{self.source.name}: nothing came for {self.timeout:g} s")
