"""The decoding process, from outside: started, listened to, and killed when it takes too long."""

import json
import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from stillmotion.web import decoding
from stillmotion.web.decoding import Message
from stillmotion.web.limits import Limits
from stillmotion.web.refusal import CancelledError, refuse

MOST_BYTES = 2**31
"""Of one message."""

LOOK_UP_SECONDS = 0.1
"""How often a reader who waits asks whether it should stop."""

CONTEXT: Any = multiprocessing.get_context(
    "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
)
"""Processes begin without the service's own memory: models, tokens and other people's videos."""


def warm_up() -> None:
    """Load what decoding processes need, once for all of them; they then start in milliseconds.

    They are deaf to SIGTERM, which whoever stops a service often sends to all its processes: the
    service answers it, and kills them when it wants.
    """
    if CONTEXT.get_start_method() == "forkserver":
        from multiprocessing import forkserver, resource_tracker

        CONTEXT.set_forkserver_preload([decoding.__name__])
        resource_tracker.ensure_running()  # else it is started next, and changes the mask
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            forkserver.ensure_running()  # whose children inherit the mask
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def messages(
    task: Callable[..., Iterator[Message]],
    path: Path,
    asked: Any,
    *,
    limits: Limits,
    seconds: float,
    stop: threading.Event,
) -> Iterator[Message]:
    """What a task of `decoding` says of a file, as it comes. The process ends with the iteration.

    It waits for whoever iterates: a few kilobytes are said ahead, so memory stays bounded.

    Args:
        seconds: in which everything must be said.
        stop: ends the iteration when it is set.

    Raises:
        RefusalError: what the task refuses; 422 where the process dies or takes too long.
        CancelledError: ``stop`` was set.
    """
    ours, theirs = CONTEXT.Pipe(duplex=False)
    child = CONTEXT.Process(
        target=decoding.serve, args=(theirs, task, path, asked, limits), daemon=True
    )
    child.start()
    theirs.close()
    deadline = time.monotonic() + seconds
    try:
        while True:
            told = json.loads(receive(ours, child, deadline=deadline, stop=stop))
            if "refused" in told:
                status, code, reason = told["refused"]
                refuse(status, code, reason)
            if "end" in told:
                return
            clip = None
            if "shape" in told:
                pixels = bytearray(receive(ours, child, deadline=deadline, stop=stop))
                clip = torch.frombuffer(pixels, dtype=torch.uint8).view(told["shape"])
            yield told, clip
    finally:
        child.kill()
        child.join()
        child.close()
        ours.close()


def receive(
    pipe: Connection, child: BaseProcess, *, deadline: float, stop: threading.Event
) -> bytes:
    """The next bytes that the process says.

    Raises:
        RefusalError: 422 where it dies or the deadline passes.
        CancelledError: ``stop`` was set.
    """
    try:
        is_there = False
        while not is_there:
            if stop.is_set():
                raise CancelledError
            if time.monotonic() > deadline:
                refuse(422, "too_slow", "the video takes too long to decode")
            is_there = pipe.poll(LOOK_UP_SECONDS)
        return pipe.recv_bytes(MOST_BYTES)
    except (EOFError, OSError):
        child.join(timeout=1)
        text = f"the file broke the decoder (it ended with status {child.exitcode})"
        refuse(422, "decoder_died", text)
