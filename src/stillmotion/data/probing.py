"""Many videos probed at once, in processes that are killed when they hang and replaced."""

import json
import queue
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Timer
from types import TracebackType

from stillmotion.data.probe import VideoReport
from stillmotion.data.progress import Progress

PROBE = (sys.executable, "-m", "stillmotion.data.probe")


class Prober:
    """One process that probes one file after another; a context manager.

    Args:
        seconds_per_file: a file that takes longer is reported, and the process killed.
        command: the program that answers; see `stillmotion.data.probe`.
    """

    def __init__(self, *, seconds_per_file: float, command: Sequence[str] = PROBE) -> None:
        self._seconds_per_file = seconds_per_file
        self._command = command
        self._process: subprocess.Popen[str] | None = None
        self._is_closed = False
        self._lock = Lock()

    def __enter__(self) -> "Prober":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kills the process, whatever it is doing; no other is started."""
        with self._lock:
            self._is_closed = True
            if self._process:
                _end(self._process)

    def probe(self, path: Path) -> VideoReport:
        """Probes one file, and says so if the process hangs or crashes over it.

        Raises:
            RuntimeError: the process does not start, or this prober is closed.
        """
        process = self._running()
        assert process.stdin
        assert process.stdout
        late = Event()

        def give_up() -> None:
            late.set()
            process.kill()

        timer = Timer(self._seconds_per_file, give_up)
        timer.start()
        try:
            process.stdin.write(json.dumps(str(path)) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            timer.cancel()
        if answer.endswith("\n"):
            return VideoReport(**json.loads(answer))
        status = process.wait()
        reason = f"the decoder crashed (status {status})"
        if late.is_set():
            reason = f"decoding did not end within {self._seconds_per_file:g} s"
        return VideoReport(path=str(path), reason=reason)

    def _running(self) -> subprocess.Popen[str]:
        """The process, started or replaced if need be, and ready."""
        if self._process and self._process.poll() is None:
            return self._process
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the prober is closed")
            if self._process:
                _end(self._process)
            self._process = process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
            )
        assert process.stdout
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"{' '.join(self._command)} does not start")
        return process


def probe_all(
    paths: Sequence[Path],
    *,
    workers: int = 2,
    seconds_per_file: float = 60.0,
    on_progress: Progress | None = None,
    command: Sequence[str] = PROBE,
) -> list[VideoReport]:
    """Probes files in several processes; the reports are in the order of the paths.

    However it ends, an interrupt from the keyboard included, no process is left behind.
    """
    probers = [
        Prober(seconds_per_file=seconds_per_file, command=command)
        for _ in range(min(workers, len(paths)))
    ]
    idle: queue.SimpleQueue[Prober] = queue.SimpleQueue()
    for prober in probers:
        idle.put(prober)

    def probe_with_an_idle_one(path: Path) -> VideoReport:
        prober = idle.get()
        try:
            return prober.probe(path)
        finally:
            idle.put(prober)

    pool = ThreadPoolExecutor(max(1, len(probers)))
    try:
        jobs: list[Future[VideoReport]] = [
            pool.submit(probe_with_an_idle_one, path) for path in paths
        ]
        for done, job in enumerate(as_completed(jobs), start=1):
            job.result()
            if on_progress:
                on_progress(done, len(jobs))
        return [job.result() for job in jobs]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for prober in probers:
            prober.close()
        pool.shutdown(wait=True)


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        # Closing flushes what the dead process will not read.
        with suppress(BrokenPipeError):
            if pipe:
                pipe.close()
