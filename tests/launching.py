"""Several processes on this machine, as a launcher or a person begins them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from multiprocessing import get_context

from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

from plain import environment
from stillmotion.cli import main
from stillmotion.training import loop
from stillmotion.training.log import RunLog

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
            told |= {"MASTER_PORT": port, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
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
    """What they print, when all of them end well."""
    with Launched(function, *arguments, processes=processes, folder=folder) as launched:
        statuses = launched.ends()
    assert set(statuses) == {0}, launched.said()
    return launched.said("out")


def torchrun(*arguments, processes=2):
    """`stillmotion ...` under torch's launcher."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "stillmotion", *map(str, arguments)],
        env=environment(ACCELERATE_USE_CPU="true"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_port():
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


def train_counting(recipe):
    """Train a recipe; print which files were written, and the bytes of gradients of each step."""
    written, sent, sessions, prepare = [], [], [], loop.prepare

    def note_written(event, told):
        if event == "open" and isinstance(told[2], int) and told[2] & (os.O_WRONLY | os.O_RDWR):
            written.append(str(told[0]))

    def count_sent(step_bytes, bucket):
        step_bytes.append(bucket.buffer().nbytes)
        return allreduce_hook(None, bucket)

    def prepare_counting(*parts):
        session = prepare(*parts)
        if session.accelerator.num_processes > 1:
            session.step.register_comm_hook(sent, count_sent)
        sessions.append(session)
        return session

    sys.addaudithook(note_written)
    loop.prepare = prepare_counting
    run = loop.train(recipe)
    trained = sum(p.numel() for p in run.model.parameters() if p.requires_grad)
    steps = sessions[0].schedule.last_epoch
    print(json.dumps({"written": written, "sent": sent, "trained": trained, "steps": steps}))


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
