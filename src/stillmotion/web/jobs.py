"""What was asked, how far it is, and how many may ask: the book of jobs."""

import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from stillmotion.web.job import CANCELLED, STOPPED, Job, discard, in_turn
from stillmotion.web.limits import Limits
from stillmotion.web.metrics import Metrics
from stillmotion.web.refusal import refuse
from stillmotion.web.schemas import Fault, JobTold, Result, State


class Book:
    """All jobs, in the order in which they came. Every method may be called from any thread."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self.limits, self.metrics = limits, metrics
        self.is_open = True
        """Whether videos may still begin to arrive."""
        self.over = threading.Event()
        """Set when nothing will be worked at any more."""
        self._jobs: dict[str, Job] = {}
        self._arriving: list[str] = []
        """Whose videos do."""
        self._turns = 0
        """How many jobs were taken."""
        self._changed = threading.Condition()

    @contextmanager
    def place(self, client: str = "") -> Iterator[None]:
        """A place in the queue while a video of a client's arrives.

        Raises:
            RefusalError: 429 where there is none, 503 where the service is stopping.
        """
        self.sweep()  # whoever works at a long job does not, meanwhile
        with self._changed:
            if not self.is_open:
                refuse_stopping()
            if self.under_way() >= self.limits.queue:
                refuse_more(f"{self.limits.queue} jobs")
            if self._arriving.count(client) + len(self._of(client)) >= self.limits.queue_each:
                refuse_more(f"{self.limits.queue_each} jobs of yours")
            self._arriving.append(client)
        try:
            yield
        finally:
            with self._changed:
                self._arriving.remove(client)
                self._changed.notify_all()

    def add(self, job: Job) -> None:
        """Puts a job last; called while its `place` is held.

        Raises:
            RefusalError: 503 where the service stopped meanwhile.
        """
        with self._changed:
            if self.over.is_set():
                refuse_stopping()
            # Who comes, or comes again, is served after all that wait: not before, as if never.
            job.turn = max((own.turn for own in self._of(job.client)), default=self._turns)
            self._jobs[job.id] = job
            self._changed.notify_all()

    def get(self, job_id: str) -> Job:
        """The job of this id.

        Raises:
            RefusalError: 404 where there is none, or no longer.
        """
        with self._changed:
            job = self._jobs.get(job_id)
        if job is None:
            refuse(404, "no_such_job", f"there is no job {job_id!r}, or it was forgotten")
        return job

    def holds(self, path: Path) -> bool:
        """Whether a job is about this file."""
        with self._changed:
            return any(job.path == path for job in self._jobs.values())

    def told(self, job: Job) -> JobTold:
        """The job as it is said over HTTP."""
        with self._changed:
            waiting = self._waiting()
            running = len(self.unfinished()) - len(waiting)
            before = running + waiting.index(job) if job in waiting else 0
            return JobTold(
                id=job.id,
                state=job.state,
                progress=job.progress,
                ahead=before,
                error=job.error,
                video=job.video,
                results=list(job.results),
            )

    def unfinished(self) -> list[Job]:
        """Jobs that wait or run, the first that came first."""
        with self._changed:
            return [job for job in self._jobs.values() if not job.has_ended]

    def under_way(self) -> int:
        """How many jobs wait or run, and videos arrive."""
        with self._changed:
            return len(self._arriving) + len(self.unfinished())

    def last_end(self) -> float:
        """When a job last ended, on the monotonic clock; minus infinity where none has."""
        with self._changed:
            ended = (job.ended_at for job in self._jobs.values() if job.has_ended)
            return max(ended, default=-math.inf)

    def count(self, state: State) -> int:
        """How many of the jobs that are remembered are in a state."""
        with self._changed:
            return sum(job.state == state for job in self._jobs.values())

    def take(self, *, seconds: float) -> Job | None:
        """The next job that waits, now being read; None where none comes in so many seconds.

        Clients take turns, however many jobs each has.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting() or self.over.is_set(), timeout=seconds)
            job = next(iter(self._waiting()), None)
            if job is not None:
                self._turns += 1
                for own in self._of(job.client):
                    own.turn = self._turns
                job.state = "reading"
            return job

    def scoring(self, job: Job) -> None:
        """The job's first clips are there."""
        with self._changed:
            if not job.has_ended:
                job.state = "scoring"

    def end(
        self, job: Job, state: State, *, error: Fault | None = None, results: Sequence[Result] = ()
    ) -> None:
        """Ends a job, unless it has ended already."""
        with self._changed:
            if not job.has_ended:
                job.results, job.error, job.ended_at = tuple(results), error, time.monotonic()
                job.progress = 1.0 if state == "done" else job.progress
                job.state = state
                self.metrics.add("jobs_ended_total", state=state)
            job.stop.set()
            self._changed.notify_all()

    def remove(self, job: Job) -> None:
        """Cancels a job that has not ended, whose video then goes, and forgets one that has."""
        if job.has_ended:
            self._forget(job)
        else:
            self.end(job, "cancelled", error=CANCELLED)
        self.sweep()

    def sweep(self) -> None:
        """Forgets jobs that ended long ago, and the oldest where there are too many.

        Of those that were cancelled, the video goes at once.
        """
        with self._changed:
            ended = sorted((j for j in self._jobs.values() if j.has_ended), key=_when_ended)
        latest = time.monotonic() - self.limits.keep_seconds
        spare = len(ended) - self.limits.keep_jobs
        for place, job in enumerate(ended):
            if place < spare or job.ended_at < latest:
                self._forget(job)
            elif job.state == "cancelled":
                discard(job)

    def close(self) -> None:
        """Takes no more jobs; those that are there, and those whose video arrives, go on."""
        with self._changed:
            self.is_open = False

    def wait(self, *, seconds: float) -> bool:
        """Whether nothing is under way any more, at the latest after so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self.under_way(), timeout=seconds)

    def stop(self) -> None:
        """Cancels what has not ended; nothing will be worked at any more."""
        with self._changed:
            self.is_open = False
            self.over.set()
            for job in self.unfinished():
                self.end(job, "cancelled", error=STOPPED)
            self._changed.notify_all()

    def _waiting(self) -> list[Job]:
        """Jobs in the order in which they are taken, if no others come."""
        return in_turn([job for job in self._jobs.values() if job.state == "queued"])

    def _of(self, client: str) -> list[Job]:
        """A client's jobs that wait or run."""
        return [job for job in self.unfinished() if job.client == client]

    def _forget(self, job: Job) -> None:
        with self._changed:
            self._jobs.pop(job.id, None)
        discard(job)


def refuse_more(jobs: str) -> NoReturn:
    """Refuse a job beyond those that may be there.

    Raises:
        RefusalError: 429, always.
    """
    text = f"{jobs} wait or run already; try again in a few seconds"
    refuse(429, "queue_full", text, retry_seconds=5)


def refuse_stopping() -> NoReturn:
    """Refuse a job that nobody would work at.

    Raises:
        RefusalError: 503, always.
    """
    refuse(503, "stopping", "the service is stopping and takes no more jobs")


def _when_ended(job: Job) -> float:
    return job.ended_at
