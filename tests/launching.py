"""Several processes on this machine, as a launcher or a person begins them."""

import socket
import subprocess
import sys
import time
from contextlib import ExitStack

from plain import environment

LIMIT = 120
"""Seconds after which processes that did not end are waited for no more; none should come near."""

COMMAND = "import sys; from stillmotion.cli import main; sys.exit(main(sys.argv[1:]))"
"""The command line, as Python code."""


class Launched:
    """Processes that know of each other, begun one by one: no launcher watches over them."""

    def __init__(self, code, *arguments, processes, **changes):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = str(free.getsockname()[1])
        everyone = {
            "WORLD_SIZE": str(processes),
            "LOCAL_WORLD_SIZE": str(processes),
            "MASTER_ADDR": "localhost",
            "MASTER_PORT": port,
            "ACCELERATE_USE_CPU": "true",
            **changes,
        }
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-c", code, *map(str, arguments)],
                env=environment(**everyone, RANK=str(rank), LOCAL_RANK=str(rank)),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(processes)
        ]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.communicate()

    def ends(self):
        """Exit statuses, and what was printed and complained, of all processes together."""
        last = time.monotonic() + LIMIT
        said = [p.communicate(timeout=last - time.monotonic()) for p in self.processes]
        outs, errors = zip(*said, strict=True)
        return [p.returncode for p in self.processes], "".join(outs), "".join(errors)


def together(code, *arguments, processes, **changes):
    """What they print, when all of them end well."""
    with Launched(code, *arguments, processes=processes, **changes) as launched:
        statuses, out, error = launched.ends()
    assert set(statuses) == {0}, error
    return out


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
