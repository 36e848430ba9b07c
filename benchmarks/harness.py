"""What the benchmarks share: runs that take turns, what they hold in memory, tables that are kept.

Every script prints tables and writes each as benchmarks/results/NAME-DEVICE.json, with the command
and the machine; `python benchmarks/page.py` brings them into docs/performance.md.
"""

import argparse
import json
import logging
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler tells of its own comings and goings

import torch
from torch.profiler import ProfilerActivity, profile

from stillmotion.methods import AMFlow

RESULTS = Path(__file__).parent / "results"
GPU = "GPU: "
"""What the targets begin with that are for a GPU alone."""
PARALLEL = replace(AMFlow.small(), placement="parallel")
"""AM Flow `small` with adapters beside the frozen sub-layers: gradients cross four blocks."""
PEAK_FLOPS = {"H200": 989e12, "H100": 989e12, "A100": 312e12}
"""Dense bfloat16 operations a second, from NVIDIA's data sheets (SXM)."""


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """The options that every script has; ``doc`` is its own docstring.

    Warnings are not shown from then on: speed does not depend on weights, random ones are meant.
    """
    logging.getLogger("stillmotion").setLevel(logging.ERROR)
    parser = Arguments(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    quick = "tiny sizes, written to a new temporary folder: does the script work?"
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument(
        "--rounds", type=positive, default=5, help="how often each run takes its turn"
    )
    parser.add_argument("--threads", type=int, default=1, help="that compute, on the CPU")
    parser.add_argument("--out", type=Path, default=None, help="folder of the JSON files")
    return parser


class Arguments(argparse.ArgumentParser):
    """Refuses a GPU that is not there, and keeps what tiny sizes gave out of the results."""

    def parse_args(self, *given: Any) -> argparse.Namespace:  # type: ignore[override]
        options = super().parse_args(*given)
        if options.device == "cuda" and not torch.cuda.is_available():
            self.error("--device cuda: torch finds no GPU here")
        if options.quick:
            print("tiny sizes: neither times nor verdicts mean anything")
        if options.out is None:
            options.out = Path(tempfile.mkdtemp(prefix="quick-")) if options.quick else RESULTS
        return options


def positive(text: str) -> int:
    """A whole number from 1 up."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def take_turns(
    runs: Mapping[str, Callable[[], object]], *, rounds: int, warmup: int = 1, device: str = "cpu"
) -> dict[str, list[float]]:
    """Seconds of each run, round by round: what else the machine does meets all of them.

    Every other round goes backwards, so that no run always follows the same one.
    """
    for _ in range(warmup):
        for run in runs.values():
            run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds):
        for name in list(runs)[:: -1 if turn % 2 else 1]:
            seconds[name].append(timed(runs[name], device=device))
    return seconds


def timed(run: Callable[[], object], *, device: str = "cpu") -> float:
    """Seconds of one run, until the device has done all of it."""
    synchronise(device)
    started = time.perf_counter()
    run()
    synchronise(device)
    return time.perf_counter() - started


def synchronise(device: str) -> None:
    """Wait for the device."""
    if device == "cuda":
        torch.cuda.synchronize()


def ratio(seconds: Mapping[str, Sequence[float]], one: str, other: str) -> float:
    """The median over rounds of one run's time over another's in the same round."""
    pairs = zip(seconds[one], seconds[other], strict=True)
    return statistics.median(a / b for a, b in pairs)


def peak_bytes(run: Callable[[], object], *, device: str = "cpu") -> int:
    """The most bytes that tensors took at once during a run, above what they took before it.

    On the CPU from every allocation that torch's profiler saw; on a GPU from torch's own count.
    """
    if device == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        run()
    events = seen.profiler.kineto_results.events()  # type: ignore[union-attr]
    changes = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    held = most = 0
    for _, change in changes:
        held += change
        most = max(most, held)
    return most


@dataclass(frozen=True)
class Target:
    """A figure that must be reached, and the one that was measured; None: not measured here."""

    what: str
    limit: float
    measured: float | None
    better: Literal["lower", "higher"] = "lower"
    unit: str = "x"

    @property
    def verdict(self) -> str:
        """Reached, missed, or not measured."""
        if self.measured is None:
            return "not measured"
        sign = 1 if self.better == "lower" else -1
        return "reached" if sign * self.measured <= sign * self.limit else "missed"

    def row(self) -> dict[str, object]:
        """As a row of a table."""
        bound = "at most" if self.better == "lower" else "at least"
        measured = "" if self.measured is None else f"{written(self.measured)} {self.unit}"
        return {
            "target": self.what,
            "asked": f"{bound} {written(self.limit)} {self.unit}",
            "measured": measured,
            "verdict": self.verdict,
        }


def report(
    name: str,
    rows: Sequence[Mapping[str, object]],
    *,
    targets: Sequence[Target] = (),
    notes: Sequence[str] = (),
    counted: bool = False,
    device: str = "cpu",
    out: Path | None = None,
) -> None:
    """Print rows, targets and notes, and keep them as ``out``/NAME-DEVICE.json.

    Args:
        counted: the figures are the same on every machine.
    """
    told = {
        "name": name,
        "command": " ".join(["python", "benchmarks/" + Path(sys.argv[0]).name, *sys.argv[1:]]),
        "machine": None if counted else machine(device),
        "rows": [dict(row) for row in rows],
        "targets": [asdict(target) for target in targets],
        "notes": list(notes),
    }
    print(f"\n{name}\n")
    print(markdown(rows))
    if targets:
        print("\n" + markdown([target.row() for target in targets]))
    for note in notes:
        print(f"\n{note}")
    path = (out or RESULTS) / f"{name}-{device}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=2) + "\n")


def machine(device: str) -> dict[str, Any]:
    """What the figures were measured on, without names of machines or paths."""
    processor = processor_name()
    if device == "cuda":
        processor = torch.cuda.get_device_name()
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "day": time.strftime("%Y-%m-%d"),
    }


def processor_name() -> str:
    """The model of the CPU where Linux tells it, else its architecture."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def markdown(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows with the same keys as a Markdown table; what is None was not measured."""
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns)]
    lines += [[written(row[column]) for column in columns] for row in rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def refreshed(page: str, kind: str, told: Callable[[str], str]) -> str:
    """A page with fresh text between its marks `<!-- KIND WHAT -->` and `<!-- end -->`."""

    def fresh(mark: re.Match[str]) -> str:
        return f"{mark['begin']}\n{told(mark['what'])}\n{mark['end']}"

    marks = rf"(?P<begin><!-- {kind} ?(?P<what>[^<>\n]*?) -->)\n.*?(?P<end><!-- end -->)"
    return re.sub(marks, fresh, page, flags=re.DOTALL)


def written(value: object) -> str:
    """A number with three significant digits; None as what it means."""
    if value is None:
        return "not measured"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)
