"""Frames as they come: from a camera, over a network, or from a file at its own speed.

    with Live("rtsp://door.example/1") as live:
        for frame in live:
            picture = frame.pixels(short_side=256)  # uint8 (3, 256, 455), RGB

A thread decodes, and never waits for whoever takes the frames: it keeps the newest few and drops
the others. What is lost is opened again, after pauses that grow.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from types import TracebackType

import av
from jaxtyping import UInt8
from torch import Tensor

from stillmotion.data.colours import in_rgb
from stillmotion.data.container import explained
from stillmotion.data.decoder import scaled_size
from stillmotion.data.live_clock import LEAP, Clock, pauses
from stillmotion.data.live_queue import Newest
from stillmotion.data.live_source import Connection, source_of
from stillmotion.data.pyav_decoder import orientation_of
from stillmotion.errors import ConfigurationError, VideoError

log = logging.getLogger("stillmotion")

BUFFER = 8
"""Frames that wait at most: a quarter of a second of a usual camera."""

TIMEOUT = 10.0
"""Seconds without a frame after which a source counts as lost."""

RECONNECT = 60.0
"""Seconds of pauses before a lost source is given up."""

FAREWELL = 1.0
"""Seconds that closing waits for the thread, which may be waiting for the network itself."""


@dataclass(frozen=True)
class LiveFrame:
    """One frame of a source; its pixels are converted only when they are asked for."""

    index: int
    """Counted from 0 over all frames that were read, dropped ones too."""
    seconds: float
    """From the first frame, as the source tells it; a lost connection takes as long as it did."""
    arrived: float
    """When it was decoded, on the clock of `time.monotonic`."""
    connection: int
    """How many attempts to open the source again lie before it: another number, another scene."""
    picture: av.VideoFrame

    def pixels(self, *, short_side: int | None = None) -> UInt8[Tensor, "3 height width"]:
        """RGB, upright: as `Video.frames_at` gives it.

        Args:
            short_side: scale down, while converting, to at most this many pixels; None: as it came.

        Raises:
            VideoError: the frame claims colours that cannot be converted.
        """
        stored = self.picture.height, self.picture.width
        height, width = scaled_size(*stored, short_side=short_side)
        with explained(f"frame {self.index}"):
            rgb = in_rgb(self.picture, height=height, width=width, num_threads=1)
        return orientation_of(self.picture).apply(rgb)


class Live:
    """The frames of a source, each once; a context manager, and an iterable inside it.

    Attributes:
        read: frames that were decoded so far.
        damaged: frames that were left out because they were.
        reconnections: attempts to open the source again.
        fps: frames a second, as the source tells once it is open.
        has_end: whether it is a file, or an address that says how long it is; known likewise.

    Args:
        source: "camera", "camera:1", a device, an address that FFmpeg knows, or a file; see
            `live_source.source_of`.
        buffer: frames that wait at most; where more come, the oldest are dropped.
        fast: read what has an end as quickly as frames are taken, dropping none, rather than at
            its own speed.
        timeout: seconds without a frame after which a source counts as lost.
        reconnect: seconds of pauses before a lost source is given up; 0: at once.
        on_notice: told, from another thread, what happens to the connection.

    Raises:
        ConfigurationError: for a camera that must be named otherwise, an empty buffer, or seconds
            that cannot be.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        buffer: int = BUFFER,
        fast: bool = False,
        timeout: float = TIMEOUT,
        reconnect: float = RECONNECT,
        on_notice: Callable[[str], None] = log.warning,
    ) -> None:
        if not (timeout > 0 and reconnect >= 0):
            raise ConfigurationError(
                f"timeout={timeout:g} and reconnect={reconnect:g}: give seconds above 0, and 0 or "
                "more"
            )
        self.source, self.fast, self.on_notice = source_of(source), fast, on_notice
        self.timeout, self.reconnect = timeout, reconnect
        self.read = self.damaged = self.reconnections = 0
        self.fps, self.has_end = 0.0, self.source.is_file
        self._queue: Newest[LiveFrame] = Newest(buffer)
        self._clock = Clock()
        self._stopped = Event()
        self._error: Exception | None = None
        self._thread = Thread(target=self._run, name=f"frames of {self.source.name}", daemon=True)

    @property
    def dropped(self) -> int:
        """Frames that nobody took in time."""
        return self._queue.dropped

    def __enter__(self) -> "Live":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._queue.close()
        self._thread.join(FAREWELL)

    def __iter__(self) -> Iterator[LiveFrame]:
        """Frames as they come, until the source ends.

        Raises:
            VideoError: the source cannot be opened, or is lost for good, with the reason.
        """
        yield from self._queue
        if self._error:
            raise self._error

    def _run(self) -> None:
        """The thread: what goes wrong in it is told to whoever takes the frames."""
        try:
            self._read_again_and_again()
        except Exception as error:
            self._error = error
        finally:
            self._queue.close()

    def _read_again_and_again(self) -> None:
        waits = pauses(self.reconnect)
        while not self._stopped.is_set():
            before = self.read
            try:
                self._read_once()
                return
            except VideoError as error:
                if self.has_end or self.read == 0:
                    raise
                lost = error
            if self.read > before:
                waits = pauses(self.reconnect)
            pause = next(waits, None)
            if pause is None:
                raise VideoError(f"{lost}; given up after {self.reconnect:g} s") from lost
            self.on_notice(f"{lost}; opened again in {pause:g} s")
            self._stopped.wait(pause)
            self.reconnections += 1

    def _read_once(self) -> None:
        """One connection, from its opening until it is stopped, or what has an end has ended.

        Raises:
            VideoError: it cannot be opened, or is lost.
        """
        self._clock.renew()
        damaged, connection = self.damaged, Connection(self.source, timeout=self.timeout)
        try:
            self.fps, self.has_end = connection.fps, connection.has_end
            for stamp, picture in connection.frames():
                self._take(stamp, picture)
                self.damaged = damaged + connection.damaged
                if self._stopped.is_set():
                    return
        finally:
            self.damaged = damaged + connection.damaged
            connection.close()
        if not self.has_end:
            raise VideoError(f"{self.source.name}: the stream ended")
        if self.read == 0:
            why = (
                f"no frame decodes ({self.damaged} damaged)"
                if self.damaged
                else "there are no frames"
            )
            raise VideoError(f"{self.source.name}: {why}")

    def _take(self, stamp: float, picture: av.VideoFrame) -> None:
        leap = inf if self.has_end else LEAP
        seconds = self._clock.at(stamp, now=monotonic(), leap=leap)
        if self.has_end and not self.fast:
            self._stopped.wait(max(0.0, self._clock.began + seconds - monotonic()))
        frame = LiveFrame(self.read, seconds, monotonic(), self.reconnections, picture)
        self._queue.put(frame, patiently=self.has_end and self.fast)
        self.read += 1
