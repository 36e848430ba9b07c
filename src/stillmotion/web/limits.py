"""How much may be asked of the service."""

from dataclasses import dataclass

from stillmotion.fields import check_types, within


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of every request and every job.

    Raises:
        ConfigurationError: a value of another type, or below what makes sense.
    """

    max_bytes: int = 256 * 2**20
    """Of a video's file."""
    max_seconds: float = 600.0
    """Of a video's length."""
    max_pixels: int = 4096 * 2304
    """In a frame."""
    max_frames: int = 100_000
    """In a video."""
    connections: int = 256
    """Open at once; for one more, one of the address that has the most is closed."""
    request_seconds: float = 10.0
    """In which a connection must say what it asks for."""
    answer_seconds: float = 60.0
    """In which it must take more of an answer that does not fit the network."""
    queue: int = 16
    """Jobs that wait or run at once, uploads in progress among them; more are turned away."""
    queue_each: int = 4
    """Of these, jobs of one client, known by its address."""
    at_once: int = 2
    """Jobs whose videos are decoded at the same time, in a process each."""
    time_limit_seconds: float = 600.0
    """Of one job's work, and of its decoding process's own computing time."""
    max_windows: int = 5000
    """At which one model looks in one video."""
    upload_seconds: float = 300.0
    """In which a video must have arrived."""
    upload_bytes_per_second: int = 16 * 2**10
    """At which it must arrive, after ten seconds: who is slower holds a place for nothing."""
    open_seconds: float = 30.0
    """In which it must then open."""
    decode_gib: float = 2.0
    """Memory that a decoding process may take, where the system can tell it so."""
    keep_seconds: float = 900.0
    """After this, a job that has ended is forgotten, with its video."""
    keep_jobs: int = 32
    """Jobs that have ended and are not forgotten; the oldest goes first."""
    grace_seconds: float = 20.0
    """In which accepted jobs may end once the service is told to stop."""

    def __post_init__(self) -> None:
        check_types(self, "limits")
        within(self, "max_bytes", "max_pixels", "max_frames", "max_windows", least=1)
        within(self, "connections", "queue", "queue_each", "at_once", "keep_jobs", least=1)
        within(self, "request_seconds", "answer_seconds", least=0.01)
        within(
            self, "max_seconds", "time_limit_seconds", "upload_seconds", "open_seconds", least=0.01
        )
        within(self, "decode_gib", least=0.01)
        within(self, "upload_bytes_per_second", least=0)
        within(self, "keep_seconds", "grace_seconds", least=0)
