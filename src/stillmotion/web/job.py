"""One job, and whose turn it is among several."""

import secrets
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from stillmotion.web.schemas import ENDED, Fault, Result, State, VideoTold

CANCELLED = Fault(code="cancelled", reason="the job was cancelled")
STOPPED = Fault(code="stopping", reason="the service stopped")


@dataclass(eq=False, kw_only=True)
class Job:
    """One video and the models that are asked about it.

    Only `Book` changes the state; progress and results come from whoever works at the job.
    """

    path: Path
    """Of the video."""
    is_upload: bool
    """Whether the file goes when the job is forgotten."""
    video: VideoTold
    models: tuple[str, ...]
    window: float | None
    """Seconds that a model sees at once; None: as each was trained."""
    stride: float | None
    """Seconds from one window to the next; None: half a window."""
    wants_flow: bool
    client: str = ""
    """Who asks: an address."""
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    state: State = "queued"
    progress: float = 0.0
    error: Fault | None = None
    results: tuple[Result, ...] = ()
    flows: dict[str, bytes] = field(default_factory=dict)
    """By model, `FlowTold` as JSON: made once, and small."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Whoever works at the job ends when this is set."""
    ended_at: float = 0.0
    """On the monotonic clock."""
    turn: int = 0
    """At which its client was served last, or came: how many jobs were taken until then."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED


def in_turn(waiting: Sequence[Job]) -> list[Job]:
    """A round of one job of each client after the other.

    In a round that client comes first that was served the longest ago.

    Args:
        waiting: the first that came first; those of one client have one turn.
    """
    turns = {job.client: job.turn for job in waiting}
    clients = sorted(turns, key=lambda client: turns[client])
    lines = [[job for job in waiting if job.client == client] for client in clients]
    return [job for a_round in zip_longest(*lines) for job in a_round if job is not None]


def discard(job: Job) -> None:
    """Removes the video of a job, if it was uploaded and nobody has it open (Windows)."""
    if job.is_upload:
        with suppress(PermissionError):
            job.path.unlink(missing_ok=True)
