"""What came of watching, in numbers."""

from time import monotonic

from stillmotion.data.live import Live
from stillmotion.watching.watch import Seen


class Tally:
    """Counts answers and how late they were.

    Attributes:
        answers: how many there were.
        worst: the greatest latency, in seconds.
    """

    def __init__(self, live: Live) -> None:
        self.live = live
        self.answers, self.worst = 0, 0.0
        self._latencies = 0.0
        self._began = monotonic()

    def add(self, seen: Seen) -> None:
        """One more answer."""
        self.answers += 1
        self.worst = max(self.worst, seen.latency_seconds)
        self._latencies += seen.latency_seconds

    @property
    def elapsed(self) -> float:
        """Seconds since counting began."""
        return monotonic() - self._began

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / max(self.elapsed, 1e-9)

    def line(self) -> str:
        """All of it in a line, for people."""
        live, answers = self.live, self.answers
        told = [f"watched {live.source.name} for {self.elapsed:.1f} s: {answers} answers"]
        if answers:
            mean = 1000 * self._latencies / answers
            told[0] += f", {self.rate:.1f} a second"
            told.append(f"latency {mean:.0f} ms on average, {1000 * self.worst:.0f} ms at most")
        told.append(f"{live.read} frames read, {live.dropped} dropped")
        if live.damaged:
            told.append(f"{live.damaged} damaged")
        if live.reconnections:
            told.append(f"opened again {live.reconnections} times")
        return "; ".join(told)
