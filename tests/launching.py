"""Several processes on this machine, as a launcher or a person begins them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from multiprocessing import get_context

import torch
from accelerate import Accelerator
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from plain import environment
from stillmotion.answering import answer
from stillmotion.cli import main
from stillmotion.data.dataset import collate
from stillmotion.nn.feature_norm import FeatureNorm, count_clips
from stillmotion.training import loop, train
from stillmotion.training.log import RunLog
from stillmotion.training.sharding import frozen_bytes, in_step

LIMIT = 300
"""Seconds after which nothing is waited for any more; only what hangs comes near."""


class Launched:
    """Processes that know of each other, begun one by one: no launcher watches over them.

    They are forks of one that has imported all they need, which is quick.

    Args:
        function: what each runs; its return value is the exit status. Can be imported by its name.
        folder: for what each prints.
    """

    def __init__(self, function, *arguments, processes, folder):
        context = get_context("forkserver")
        context.set_forkserver_preload(["stillmotion.training", "stillmotion.cli"])
        self.folder, port = folder, str(free_port())
        folder.mkdir(parents=True, exist_ok=True)
        self.processes = []
        for rank in range(processes):
            told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes}
            told |= {"LOCAL_WORLD_SIZE": processes, "MASTER_ADDR": "localhost"}
            told |= {"MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
            self.processes.append(
                context.Process(target=begin, args=(function, arguments, told, folder))
            )
        for process in self.processes:
            process.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.join()

    def ends(self):
        """Exit statuses, in the order of ranks."""
        last = time.monotonic() + LIMIT
        for process in self.processes:
            process.join(timeout=last - time.monotonic())
        return [process.exitcode for process in self.processes]

    def said(self, kind="err"):
        """What all of them wrote to standard error, or to standard output (out)."""
        return "".join(path.read_text() for path in sorted(self.folder.glob(f"*.{kind}")))


def begin(function, arguments, told, folder):
    """What a process does: it learns who it is, and runs."""
    os.environ.update({name: str(value) for name, value in told.items()})
    for stream, kind in ((sys.stdout, "out"), (sys.stderr, "err")):
        path = os.open(folder / f"{told['RANK']}.{kind}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        stream.flush()
        os.dup2(path, stream.fileno())
    sys.exit(function(*arguments))


def command_line(*arguments):
    """`stillmotion ...` in each process; {rank} stands for its number."""
    return main([str(argument).format(rank=os.environ["RANK"]) for argument in arguments])


def together(function, *arguments, processes, folder):
    """What they print, when all of them end well; without what torch 2.8's gloo greets with."""
    with Launched(function, *arguments, processes=processes, folder=folder) as launched:
        statuses = launched.ends()
    assert set(statuses) == {0}, launched.said()
    lines = launched.said("out").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("[Gloo] Rank "))


def torchrun(*arguments, processes=2):
    """`stillmotion ...` under torch's launcher."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "stillmotion", *map(str, arguments)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_port():
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


class Sent(TorchDispatchMode):
    """Counts the bytes that processes exchange while it is entered, by kind of exchange."""

    def __init__(self):
        super().__init__()
        self.bytes = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace in ("c10d", "_c10d_functional"):
            tensors = args[0] if isinstance(args[0], list | tuple) else [args[0]]
            self.bytes[func.__name__] += sum(t.nbytes for t in tree_leaves(tensors))
        return func(*args, **(kwargs or {}))


def train_counting(recipe):
    """Train a recipe; print which files were written, and the bytes sent for and in each batch."""
    written, sessions, told, prepare = [], [], Sent(), loop.prepare
    sent = Sent()

    def note_written(event, told):
        if event == "open" and isinstance(told[2], int) and told[2] & (os.O_WRONLY | os.O_RDWR):
            written.append(str(told[0]))

    def prepare_noting(*parts):
        sessions.append(prepare(*parts))
        return sessions[0]

    def counting(function, counter):
        def counted(*parts):
            with counter:
                return function(*parts)

        return counted

    sys.addaudithook(note_written)
    loop.prepare = prepare_noting
    loop.ready, loop.take_step = counting(loop.ready, told), counting(loop.take_step, sent)
    run = loop.train(recipe)
    trained = [p.numel() for p in run.model.parameters() if p.requires_grad]
    found = {
        "written": written,
        "told": told.bytes,
        "sent": sent.bytes,
        "trained": sum(trained),
        "tensors": len(trained),
        "idle": sessions[0].accelerator.ddp_handler.find_unused_parameters,
        "batches": recipe.training.epochs * len(sessions[0].batches),
        "steps": sessions[0].schedule.last_epoch,
    }
    print(json.dumps(found))


def train_quietly(recipe, *, resume=False):
    """Train a recipe."""
    train(recipe, resume=resume, quiet=True)


def resume_quietly(recipe):
    """Go on with it."""
    train_quietly(recipe, resume=True)


def train_until(recipe, epoch):
    """Train a recipe; every process vanishes as this epoch begins."""
    whole = RunLog.batches

    def batches(self, loader, meter, title):
        if title == f"epoch {epoch}":
            os._exit(0)
        yield from whole(self, loader, meter, title)

    RunLog.batches = batches
    train_quietly(recipe)


def train_whole_and_divided(whole, divided):
    """Train both; print the bytes of frozen weights that this process held, and which videos it was
    told of where some processes have more batches than others."""
    held = []
    for recipe in (whole, divided):
        model = train(recipe, quiet=True).model
        held.append(frozen_bytes(model))
    accelerator, rank = Accelerator(), int(os.environ["RANK"])
    views = torch.zeros(1, 2, 3, 64, 64, dtype=torch.uint8)
    own = [{"clip": views, "label": 0, "index": 10 * rank + i} for i in range(1 + 2 * rank)]
    batches = in_step([collate([item]) for item in own], model, accelerator)
    answered = answer(model, batches, accelerator=accelerator).index
    print(json.dumps({"whole": held[0], "divided": held[1], "answered": answered}))


def normalise(parts, weights):
    """This process's part of features (none: a blank one), normalised; and their gradient."""
    Accelerator()
    norm, part = FeatureNorm(3, affine=False), parts[int(os.environ["RANK"])]
    count_clips(norm, counted=part is not None)
    x = torch.zeros(2, 3, requires_grad=True) if part is None else part.requires_grad_()
    said = norm(x)
    (0 * said.sum() if part is None else (said * weights[: len(x)]).sum()).backward()
    statistics = [norm.running_mean.tolist(), norm.running_var.tolist()]
    print(json.dumps([said.tolist(), x.grad.tolist(), statistics]))


def train_and_die(rank, batch, *arguments):
    """`stillmotion train ...`, in which one process is killed before a batch of the first epoch."""
    whole = RunLog.batches

    def batches(self, loader, meter, title):
        for number, each in enumerate(whole(self, loader, meter, title)):
            if number == batch and os.environ["RANK"] == str(rank):
                os.kill(os.getpid(), signal.SIGKILL)
            yield each

    RunLog.batches = batches
    return command_line("train", *arguments)
