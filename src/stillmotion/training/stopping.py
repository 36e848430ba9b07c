"""A wish to stop, by Ctrl-C or by SIGTERM (a job that gives way to another), met between two steps.

What was asked to stop saves where it stands, so that ``resume`` goes on from there to the same
result. Whoever cannot wait asks a second time.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from types import FrameType

import torch
from accelerate import Accelerator

from stillmotion.data.dataset import Batch

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """The run was asked to stop, and has saved where it stands.

    Attributes:
        signal: by which it was asked.
    """

    def __init__(self, asked: signal.Signals) -> None:
        super().__init__(asked.name)
        self.signal = asked


class StopRequest:
    """Notes the first of `SIGNALS` while it is entered; a second one acts as it always does.

    One that the process ignores, as in a shell's background job, stays ignored. Only the main
    thread of a process can note signals: elsewhere it never stops anything.

    Attributes:
        received: the signal that came to this process; None: none.
        agreed: the one that all processes know of.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.received: signal.Signals | None = None
        self.agreed: signal.Signals | None = None

    def __enter__(self) -> "StopRequest":
        self._process = os.getpid()
        if threading.current_thread() is threading.main_thread():
            heard = [kind for kind in SIGNALS if signal.getsignal(kind) != signal.SIG_IGN]
            self._before = {kind: signal.signal(kind, self._note) for kind in heard}
        else:
            self._before = {}
        return self

    def __exit__(self, *_: object) -> None:
        for kind, handler in self._before.items():
            signal.signal(kind, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if os.getpid() != self._process:
            return  # a worker of the loader, which the terminal told as well
        self.received = signal.Signals(number)
        signal.signal(number, self._before[self.received])
        if self.accelerator.is_main_process:
            told = "stopping after this step, and saving; again: stop at once"
            print(f"\n{self.received.name}: {told}", file=sys.stderr, flush=True)

    @property
    def flags(self) -> list[float]:
        """Of each of `SIGNALS`, 1 where it came to this process."""
        return [float(self.received == kind) for kind in SIGNALS]

    def agree(self, flags: Sequence[float]) -> None:
        """Take note of the flags of all processes, added up."""
        came = [kind for kind, count in zip(SIGNALS, flags, strict=True) if count > 0]
        self.agreed = max(came, default=None)

    @property
    def is_agreed(self) -> bool:
        """Whether any process was asked to stop, as far as all of them know."""
        if self.accelerator.num_processes == 1:
            self.agree(self.flags)
        return self.agreed is not None

    def asked(self) -> bool:
        """Whether any process was asked to stop by now.

        All of them must ask, as often, and get the same answer.
        """
        if self.accelerator.num_processes > 1:
            flags = torch.tensor(self.flags, device=self.accelerator.device)
            self.agree(self.accelerator.reduce(flags, reduction="sum").tolist())
        return self.is_agreed

    def raise_if_asked(self) -> None:
        """Stop here.

        Raises:
            Stopped: where any process was asked to.
        """
        if self.asked():
            assert self.agreed is not None
            raise Stopped(self.agreed)

    def between(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The same batches, until somebody asks to stop.

        Raises:
            Stopped: then, before the next of them.
        """
        for batch in batches:
            self.raise_if_asked()
            yield batch
