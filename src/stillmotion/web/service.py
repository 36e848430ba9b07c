"""Who works at jobs, and when work ends."""

import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from stillmotion.web.hosting import Hosted
from stillmotion.web.jobs import Book
from stillmotion.web.limits import Limits
from stillmotion.web.metrics import Metrics, Values, peak_memory_bytes
from stillmotion.web.process import warm_up
from stillmotion.web.samples import Sample, draw_samples, find_samples
from stillmotion.web.schemas import State
from stillmotion.web.scoring import Scorer
from stillmotion.web.working import Worker

IDLE_SECONDS = 1.0
"""How often a thread without work looks for jobs to forget."""


class Service:
    """Models, the jobs that ask them, and the threads that work at these.

    Args:
        models: by their ids.
        samples: a folder of videos to try; None: some are drawn.

    Raises:
        DataError: no video of that folder is to be taken.
    """

    def __init__(
        self, models: Mapping[str, Hosted], *, limits: Limits, samples: Path | None = None
    ) -> None:
        self.models, self.limits = dict(models), limits
        self.metrics = Metrics()
        self.book = Book(limits, self.metrics)
        self.samples: Sequence[Sample] = () if samples is None else find_samples(samples, limits)
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begins to work."""
        warm_up()
        self._temporary = tempfile.TemporaryDirectory(prefix="stillmotion-")
        self.folder = Path(self._temporary.name)
        self.samples = self.samples or draw_samples(self.folder / "samples")
        self.told = [hosted.told(i, self.models) for i, hosted in self.models.items()]
        self.scorer = Scorer(self.models, self.metrics)
        for number in range(self.limits.at_once):
            thread = threading.Thread(target=self._work, name=f"job {number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def drain(self) -> bool:
        """Takes no more jobs, and lets those that it took, or is taking, end; whether in time.

        What does not is cancelled, and says so.
        """
        self.book.close()
        in_time = self.book.wait(seconds=self.limits.grace_seconds)
        if not in_time:
            self.book.stop()
        return in_time

    def close(self) -> None:
        """Cancels what has not ended, and removes every file."""
        self.book.stop()
        for thread in self._threads:
            thread.join()
        self.scorer.close()
        self._temporary.cleanup()

    def measurements(self) -> str:
        """Counts and what is so just now, for Prometheus."""
        states: tuple[State, ...] = ("queued", "reading", "scoring")
        jobs: Values = {(("state", s),): self.book.count(s) for s in states}
        return self.metrics.text(
            {
                "jobs": ("Jobs that wait or run, by state.", jobs),
                "clips_waiting": ("Clips that wait for a model.", {(): self.scorer.waiting()}),
                "memory_peak_bytes": ("The most memory ever held.", {(): peak_memory_bytes()}),
            }
        )

    def _work(self) -> None:
        while not self.book.over.is_set():
            self.book.sweep()
            job = self.book.take(seconds=IDLE_SECONDS)
            if job is not None:
                asked = {model: self.models[model] for model in job.models}
                Worker(job, asked, self.scorer, self.book, self.limits).work()
