"""Counts for a monitor, in the text format of Prometheus.

Source of the format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import os
import threading
from collections import defaultdict
from collections.abc import Mapping
from typing import ClassVar

PREFIX = "stillmotion"
Labels = tuple[tuple[str, str], ...]
Values = Mapping[Labels, int | float]
"""Of one metric, by its labels."""


class Metrics:
    """Counts that only grow; every method may be called from any thread."""

    TOLD: ClassVar = {
        "uploads_total": "Uploads that arrived whole, taken or refused.",
        "upload_bytes_total": "Bytes of these.",
        "refusals_total": "Requests that were refused, by their code.",
        "batches_total": "Batches shown to a model.",
        "clips_total": "Clips shown to a model; clips a batch is the quotient.",
        "work_seconds_total": "Seconds that a model worked.",
        "jobs_ended_total": "Jobs that ended, by how.",
    }
    """What each of them means."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, Labels], float] = defaultdict(float)
        self._lock = threading.Lock()

    def add(self, name: str, amount: int | float = 1, **labels: str) -> None:
        """Adds to one of the counts."""
        assert name in self.TOLD
        with self._lock:
            self._counts[name, tuple(labels.items())] += amount

    def upload(self, size: int) -> None:
        """So many bytes arrived; none where a sample was named."""
        if size:
            self.add("uploads_total")
            self.add("upload_bytes_total", size)

    def batch(self, model: str, kind: str, *, clips: int, seconds: float) -> None:
        """One batch was shown."""
        self.add("batches_total", model=model, kind=kind)
        self.add("clips_total", clips, model=model, kind=kind)
        self.add("work_seconds_total", seconds, model=model, kind=kind)

    def text(self, now: Mapping[str, tuple[str, Values]]) -> str:
        """All counts, and what is so just now: of each, its meaning and its values by labels."""
        with self._lock:
            counts = dict(self._counts)
        lines = []
        for name, meaning in self.TOLD.items():
            values = {labels: v for (of, labels), v in counts.items() if of == name}
            lines += family(name, meaning, "counter", values)
        for name, (meaning, gauges) in now.items():
            lines += family(name, meaning, "gauge", gauges)
        return "\n".join(lines) + "\n"


def family(name: str, meaning: str, kind: str, values: Values) -> list[str]:
    """The lines of one metric."""
    head = [f"# HELP {PREFIX}_{name} {meaning}", f"# TYPE {PREFIX}_{name} {kind}"]
    # All digits of a float: a count that is rounded seems to stand still, and then to leap.
    return head + [
        f"{PREFIX}_{name}{labelled(labels)} {value:.17g}" for labels, value in values.items()
    ]


def labelled(labels: Labels) -> str:
    """Labels in braces, their values escaped; nothing where there are none."""
    escaped = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
    told = ",".join(f'{name}="{value.translate(escaped)}"' for name, value in labels)
    return f"{{{told}}}" if told else ""


def peak_memory_bytes() -> float:
    """The most memory that this process ever held; 0 where the system does not say."""
    if os.name != "posix":
        return 0.0
    import resource
    import sys

    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
