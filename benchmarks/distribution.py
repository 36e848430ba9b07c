"""What each of several processes holds and sends, with the frozen weights whole and divided.

    python benchmarks/distribution.py                1, 2 and 4 processes of one thread, gloo

ViT-B/16 with random weights and AdaptFormer, 400 classes; each process has a clip of two frames.
"Resident" is what a new process grows by, as the system counts it: until its model stands, and at
the peak of a step. On fewer cores than processes, the times are not those of as many machines.
"""

import gc
import multiprocessing
import os
import socket
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import timm
import torch
import torch.distributed as dist
from accelerate import Accelerator
from torch.utils._python_dispatch import TorchDispatchMode

import stillmotion
from harness import arguments, report, timed
from stillmotion.settings import Training
from stillmotion.training.optimisation import Objective, build_optimizer
from stillmotion.training.sharding import divide, frozen_bytes, prepare_objective

FRAMES, CLASSES = 2, 400


class Sent(TorchDispatchMode):
    """Counts the bytes that this process gathers of others, and averages, while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.gathered = self.averaged = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.c10d._allgather_base_.default:
            whole, own = args[:2]
            self.gathered += whole.nbytes - own.nbytes
        elif func is torch.ops.c10d.allreduce_.default:
            self.averaged += sum(tensor.nbytes for tensor in args[0])
        return func(*args, **(kwargs or {}))


def resident() -> int:
    """Bytes of memory that this process has now."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak_resident(run: Callable[[], None]) -> int:
    """The most bytes of memory that this process has during a run."""
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far (Linux, proc(5))
    run()
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def learner(name: str, way: str) -> tuple[Callable[[], None], int]:
    """A training step on a made-up clip, and the bytes of frozen weights that stay."""
    accelerator = Accelerator(cpu=True)
    torch.manual_seed(0)
    image_model = timm.create_model(name, pretrained=False)
    method = stillmotion.AdaptFormer()
    model = stillmotion.adapt(image_model, method, num_classes=CLASSES, num_frames=FRAMES)
    del image_model
    options = Training(shard_backbone=way == "divided")
    if options.shard_backbone:
        divide(model, options, accelerator)
    optimizer = build_optimizer(model, options, processes=1)
    objective = prepare_objective(Objective(model), accelerator).train()
    clip = torch.rand(1, FRAMES, 3, *model.backbone.image_size)
    label = torch.zeros(1, dtype=torch.long)

    def step() -> None:
        objective(clip, label)[0].backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step, frozen_bytes(model)


def measured(name: str, way: str, *, rounds: int) -> dict[str, float]:
    """What this process holds, sends and takes, while others run the same."""
    before = resident()
    step, frozen = learner(name, way)
    grown = resident() - before
    step()
    with Sent() as sent:
        step()
    return {
        "frozen": frozen,
        "resident": grown,
        "peak": peak_resident(step) - before,
        "gathered": sent.gathered,
        "averaged": sent.averaged,
        "seconds": min(timed(step) for _ in range(rounds)),
    }


def one_of(processes: int, port: int, name: str, way: str, rounds: int, rank: int) -> dict:
    """What one process of so many measures."""
    torch.set_num_threads(1)
    os.environ |= {"LOCAL_RANK": str(rank)}
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(processes)}
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    found = measured(name, way, rounds=rounds)
    if dist.is_initialized():
        dist.destroy_process_group()
    return found


def worst(name: str, way: str, *, processes: int, rounds: int) -> dict[str, float]:
    """The most that any of so many processes holds, sends and takes."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    one = partial(one_of, processes, port, name, way, rounds)
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        rows = pool.map(one, range(processes), chunksize=1)
    return {key: max(row[key] for row in rows) for key in rows[0]}


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    options = arguments(__doc__).parse_args(given)
    rows = []
    for processes in (1,) if options.quick else (1, 2, 4):
        for way in ("whole", "divided"):
            if options.quick:
                found = measured("test_vit", way, rounds=1)
            else:
                name = "vit_base_patch16_224"
                found = worst(name, way, processes=processes, rounds=options.rounds)
            rows.append(
                {
                    "processes": processes,
                    "frozen weights": way,
                    "MB of them": found["frozen"] / 1e6,
                    "MB resident": found["resident"] / 1e6,
                    "MB at the peak": found["peak"] / 1e6,
                    "MB gathered a step": found["gathered"] / 1e6,
                    "MB of gradients a step": found["averaged"] / 1e6,
                    "seconds a step": found["seconds"],
                }
            )
    note = (
        "One process divides nothing. Each figure is of the process with the most of it; gathered "
        f"is what it receives of the others; seconds are the quickest of {options.rounds} steps."
    )
    report("distribution", rows, notes=[note], out=options.out)


if __name__ == "__main__":
    main()
