"""The processes of one run: which of them speaks, and what becomes of the others when one ends.

Where one process fails, the sockets to it close, and the next exchange with it fails in all others.
So they all end; but only one of them says why: a mistake that every process meets is said once, and
those that only lost another process say nothing where that one has spoken.
"""

import os
import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from accelerate import Accelerator
    from torch.distributed import Store

JOIN = timedelta(seconds=60)
"""How long a process that failed before the others knew of it waits for them."""
LINGER = 5.0
"""Seconds that the process which keeps the common notes waits for the last one to read them."""

LOST = (
    "another process of this run ended without a word: it was killed (for want of memory?), or its "
    "machine has gone. What is saved is kept: begin again with --resume"
)


def count() -> int:
    """How many processes the run has, as its launcher says and Accelerate reads it: whoever has no
    LOCAL_RANK is alone."""
    has_place = os.environ.get("LOCAL_RANK", "-1") != "-1"
    return int(os.environ.get("WORLD_SIZE", "1")) if has_place else 1


def join(**options: Any) -> "Accelerator":
    """Accelerate's view of this run, with all of its processes, which compute on processors where
    there are no GPUs: Accelerate itself would then take each process for a run of its own.

    Args:
        options: of `accelerate.Accelerator`.
    """
    from accelerate import Accelerator

    return Accelerator(cpu=without_gpus(), **options)


def without_gpus() -> bool:
    """Whether several processes were begun where torch finds no GPU."""
    import torch

    return count() > 1 and not (torch.cuda.is_available() or torch.xpu.is_available())


def is_main() -> bool:
    """Whether this process is the one that writes and prints."""
    return count() == 1 or os.environ.get("RANK", "0") == "0"


def is_loss(error: RuntimeError) -> bool:
    """Whether an error means that another process has gone."""
    if count() == 1:
        return False
    from torch.distributed import DistError

    return isinstance(error, DistError) or "gloo" in str(error)


def first_to_tell() -> bool:
    """Whether this process, which is about to end, is the one that says why.

    In doubt it is: where the others cannot be reached.
    """
    if count() == 1:
        return True
    try:
        store = _common_store()
        first = store.add("stillmotion/told", 1) == 1
    except (RuntimeError, ValueError):  # the second: no group was made, or its address is none
        return True
    with suppress(RuntimeError):
        _leave(store)
    return first


def _common_store() -> "Store":
    """What all processes can read and write, be they in the midst of training or not there yet."""
    import torch.distributed
    from accelerate import PartialState

    if not torch.distributed.is_initialized():
        PartialState(cpu=without_gpus(), timeout=JOIN)
    return torch.distributed.distributed_c10d._get_default_store()


def _leave(store: "Store") -> None:
    """Let go of the others; the one that keeps the store waits until they have been there."""
    import torch.distributed

    with suppress(RuntimeError):
        torch.distributed.destroy_process_group()
    gone, last = store.add("stillmotion/gone", 1), time.monotonic() + LINGER
    is_keeper = is_main() and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    while is_keeper and gone < count() and time.monotonic() < last:
        time.sleep(0.05)
        gone = store.add("stillmotion/gone", 0)
