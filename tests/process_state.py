"""What a process holds and says, as Linux tells it: memory, descriptors, its standard error."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def standard_error(file: Path) -> Iterator[Path]:
    """The standard error of this process, and of those it starts, goes to a file."""
    kept = os.dup(2)
    with file.open("ab") as target:
        os.dup2(target.fileno(), 2)
    try:
        yield file
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def descriptors() -> int:
    """How many are open; those of objects that nobody holds any more do not count."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def resident_mib() -> int:
    """Memory that this process has now."""
    return in_mib("VmRSS")


def highest_mib() -> int:
    """The most that it had since `forget_highest`."""
    return in_mib("VmHWM")


def in_mib(what: str) -> int:
    """A line of the system's account of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) // 1024


def forget_highest() -> None:
    """The highest memory counts from now on."""
    Path("/proc/self/clear_refs").write_text("5")
