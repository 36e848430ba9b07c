"""What becomes of damaged videos on every road into the package, watched from another process.

A mutant may end in frames or in an error of ours. It may not crash its process, hang, raise
anything else, say anything on the standard error, keep a descriptor open or take memory without
bound.
"""

import gc
import multiprocessing
import os
import tarfile
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from models import classifier
from mutants import mutant
from process_state import (
    descriptors,
    forget_highest,
    highest_mib,
    resident_mib,
    standard_error,
)
from stillmotion import STAdapter
from stillmotion.data.probe import probe
from stillmotion.data.sampling import Sampling
from stillmotion.data.video import open_video
from stillmotion.errors import StillmotionError
from stillmotion.prediction import Predictor
from stillmotion.settings import Views
from stillmotion.web.decoding import Look, inspect, read
from stillmotion.web.limits import Limits
from stillmotion.web.process import messages, warm_up
from stillmotion.web.refusal import RefusalError

SECONDS = 120.0
"""In which a mutant must have gone all roads, on however busy a machine."""
MEMORY_MIB = 1024
"""That one mutant may take for itself."""
BROKEN = ("decoder_died", "too_slow")
"""Codes of the service that hide a crash or a hang of its decoding process."""
LIMITS = Limits(time_limit_seconds=20.0, open_seconds=60.0)
LOOK = Look(sampling=Sampling(num_frames=4), image_size=32, views=Views(), window=1.0, stride=0.5)


Road = Callable[[Path], str | None]
"""Goes to the end of a file, or gives the reason why it cannot."""


@dataclass
class Verdict:
    """How it went with one mutant."""

    name: str
    seed: int
    ends: dict[str, str] = field(default_factory=dict)
    """For each road "frames", or the reason why not."""
    faults: list[str] = field(default_factory=list)
    """What may not be."""
    seconds: float = 0.0
    """Of computing, the service's own processes apart."""
    taken_mib: int = 0
    """Memory at the highest, above what the process had before."""
    resident_mib: int = 0
    """Memory of the process afterwards."""

    def __str__(self) -> str:
        return f"{self.name} {self.seed}: {'; '.join(self.faults) or self.ends}"


class Judge:
    """Sends mutants down every road in a process of its own, which is replaced where it dies.

    Args:
        sources: the folder of undamaged videos.
        seconds: in which a mutant must have gone all roads.
        roads: functions of a module, which the process can find.
    """

    def __init__(
        self, sources: Path, *, seconds: float = SECONDS, roads: Sequence[Road] | None = None
    ) -> None:
        self.sources, self.seconds, self.roads = sources, seconds, roads or ROADS
        self._process: Any = None
        self._pipe: Connection

    def __enter__(self) -> "Judge":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def __call__(self, name: str, seed: int) -> Verdict:
        """Judges a mutant."""
        if self._process is None:
            self._start()
        self._pipe.send((name, seed))
        fault = f"it hangs: no end within {self.seconds:g} s"
        try:
            if self._pipe.poll(self.seconds):
                return Verdict(**self._pipe.recv())
        except EOFError:
            self._process.join()
            fault = f"it crashes the process: status {self._process.exitcode}"
        self._end()
        return Verdict(name, seed, faults=[fault])

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, self.sources, self.roads))
        self._process.start()
        theirs.close()
        assert self._pipe.recv() == "ready"

    def _end(self) -> None:
        if self._process:
            self._pipe.close()
            self._process.kill()
            self._process.join()
        self._process = None


def work(pipe: Connection, sources: Path, roads: Sequence[Road]) -> None:
    """The whole life of the judge's process: a verdict for every mutant it is asked about."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, standard_error(Path(folder) / "said") as said:
        predictor()
        warm_up()
        gc.freeze()  # the collections that `descriptors` asks for need not look at all of torch
        pipe.send("ready")
        while True:
            try:
                name, seed = pipe.recv()
            except EOFError:
                return
            path = Path(folder) / Path(name).name
            path.write_bytes(mutant((sources / name).read_bytes(), name=name, seed=seed))
            pipe.send(asdict(judge(Verdict(name, seed), path, roads=roads, said=said)))
            path.unlink()


def judge(verdict: Verdict, path: Path, *, roads: Sequence[Road], said: Path) -> Verdict:
    """Sends a mutant down all roads, and looks at what it left behind."""
    before, open_before, begun = resident_mib(), descriptors(), time.process_time()
    forget_highest()
    for road in roads:
        name = road.__name__
        try:
            verdict.ends[name] = road(path) or "frames"
        except StillmotionError as error:
            verdict.ends[name] = told(error, path)
        except RefusalError as error:
            verdict.ends[name] = f"{error.status}: {error.fault.reason}"
            if error.fault.code in BROKEN:
                verdict.faults.append(f"{name}: {error.fault.code}: {error.fault.reason}")
        except Exception:
            verdict.faults.append(f"{name}: {traceback.format_exc(limit=-3)}")
    verdict.seconds = round(time.process_time() - begun, 3)
    verdict.taken_mib = highest_mib() - before
    verdict.resident_mib = resident_mib()
    if verdict.taken_mib > MEMORY_MIB:
        verdict.faults.append(f"it takes {verdict.taken_mib} MiB")
    if descriptors() > open_before:
        verdict.faults.append(f"{descriptors() - open_before} descriptors are left open")
    if noise := said.read_text(errors="replace"):
        verdict.faults.append(f"noise: {noise[:2000]}")
        os.truncate(said, 0)
    return verdict


def told(error: StillmotionError, path: Path) -> str:
    """The reason alone."""
    return str(error).removeprefix(f"{path}: ")


def decode(path: Path) -> None:
    """The first frame, the last, and some between."""
    with open_video(path) as video:
        indices = torch.linspace(0, len(video) - 1, 6).long()
        frames = video.frames_at(indices, short_side=32)
        assert frames.data.shape[0] == 6
        assert frames.pts_seconds.isfinite().all()
        assert video.height > 0 < video.width


def member(path: Path) -> None:
    """The same out of a tar."""
    tar = path.with_suffix(".tar")
    with tarfile.open(tar, "w") as file:
        file.add(path, path.name)
    try:
        decode(tar / path.name)
    except StillmotionError as error:
        raise type(error)(told(error, tar / path.name)) from error
    finally:
        tar.unlink()


def check(path: Path) -> str | None:
    """A full decode, as `stillmotion check` does."""
    return probe(path).reason


@cache
def predictor() -> Predictor:
    """A tiny model's."""
    return Predictor(classifier(STAdapter()), device="cpu")


def predict(path: Path) -> None:
    """The whole way to an answer."""
    predictor()(path)


def serve(path: Path) -> None:
    """As an upload: looked at, then read, in processes of the service's own."""
    go_on = threading.Event()
    for task, asked in ((inspect, LIMITS), (read, [LOOK])):
        seconds = LIMITS.open_seconds
        for _ in messages(task, path, asked, limits=LIMITS, seconds=seconds, stop=go_on):
            pass


ROADS: tuple[Road, ...] = (decode, member, check, predict, serve)
