"""A crowd at the service: fifty clients at once, and every tenth upload is a bad one.

    python benchmarks/clients.py               some two minutes

One table, clients: what became of all uploads, how many videos a minute were answered and how soon,
and what the service held in memory, with its decoding processes. A client is an address of its own,
which sends one video after the other and asks until each is answered; where the queue is full it
comes again. No two videos are alike, and each answer is compared with `Predictor`'s.
"""

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median

import psutil
import torch

import stillmotion
from crowd.uploads import BAD, MOST_BYTES, TOKEN, Fate, Known, ask, client_at, misbehave
from harness import Target, arguments, report
from stillmotion.backbones.demo import DEMO_BACKBONE
from stillmotion.data.synthetic import MOTIONS, draw_clip
from stillmotion.data.synthetic.writing import encode


def save_model(folder: Path) -> stillmotion.VideoClassifier:
    """A model of random weights, whose answers to two videos differ."""
    torch.manual_seed(0)
    names = ["up", "down", "still"]
    model = stillmotion.adapt(
        DEMO_BACKBONE, stillmotion.AIM(), class_names=names, num_frames=4, image_size=64
    )
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.normal_(std=0.2)
    model.save_pretrained(folder)
    return model


def known_videos(folder: Path, number: int) -> list[Known]:
    """Small videos that all differ, asked of a model that is saved in the folder."""
    predictor = stillmotion.Predictor(save_model(folder / "model"), device="cpu")
    found = []
    for index in range(number):
        generator = torch.Generator().manual_seed(index)
        path = folder / f"{index}.mp4"
        motion = MOTIONS[index % len(MOTIONS)]
        encode(draw_clip(motion, shape="star", generator=generator), path)
        said = predictor(path)
        found.append(Known(path.read_bytes(), dict(said.top(len(said.labels)))))
    return found


@contextmanager
def serving(model: Path, *options: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """A service in a process of its own, and its address."""
    limits = ["--limits.max_bytes", str(MOST_BYTES), "--token", TOKEN, "--device", "cpu"]
    command = [sys.executable, "-m", "stillmotion", "serve", str(model), "--port", "0", *limits]
    with subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout
        try:
            found = re.search(r"http://[^/]+", process.stdout.readline())
            assert found, process.communicate()[1]
            yield process, found[0]
        finally:
            process.kill()


async def behave(
    address: str, number: int, videos: Sequence[Known], *, first: int, kinds: Sequence[str]
) -> list[Fate]:
    """One client: its videos one after the other; every tenth of all uploads is bad."""
    fates = []
    async with client_at(address, number) as client:
        for place, video in enumerate(videos, start=first):
            tens, ones = divmod(place, 9)
            if ones == 4:
                kind = kinds[tens % len(kinds)]
                fates.append(await misbehave(client, video.content, kind=kind))
            fates.append(await ask(client, video))
    return fates


def memory(service: int) -> float:
    """What a process and its children hold just now, in MB; pages that they share count in each."""
    own = psutil.Process(service)
    held = own.memory_info().rss
    for child in own.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # a job may have ended meanwhile
            held += child.memory_info().rss
    return held / 1e6


async def most_memory(service: int, over: asyncio.Event) -> float:
    """The most that a process and its children hold at once until it is over, in MB."""
    most = 0.0
    while not over.is_set():
        most = max(most, memory(service))
        await asyncio.sleep(0.1)
    return most


async def crowd(
    address: str,
    service: int,
    videos: Sequence[Known],
    *,
    clients: int,
    kinds: Sequence[str] = tuple(BAD),
) -> tuple[list[Fate], float]:
    """What becomes of all videos, shared out among clients, and the most memory of the service."""
    over, each = asyncio.Event(), len(videos) // clients
    watching = asyncio.create_task(most_memory(service, over))
    firsts = range(0, clients * each, each)
    fates = await asyncio.gather(
        *(
            behave(address, number, videos[first : first + each], first=first, kinds=kinds)
            for number, first in enumerate(firsts)
        )
    )
    over.set()
    return [fate for of_one in fates for fate in of_one], await watching


def main(given: Sequence[str] | None = None) -> None:
    """Measure and report."""
    told = arguments(__doc__).parse_args(given)
    clients, each = (2, 5) if told.quick else (50, 4)
    with tempfile.TemporaryDirectory() as folder:
        videos = known_videos(Path(folder), clients * each)
        with serving(Path(folder, "model")) as (process, address):
            idle = memory(process.pid)
            began = time.monotonic()
            fates, most = asyncio.run(crowd(address, process.pid, videos, clients=clients))
            minutes = (time.monotonic() - began) / 60
    counts = Counter(fate.what for fate in fates)
    seconds = sorted(fate.seconds for fate in fates if fate.what == "answered")
    row = {
        "clients": clients,
        "uploads": len(fates),
        "what became of them": ", ".join(f"{n} {what}" for what, n in counts.most_common()),
        "turned away, and came again": sum(fate.turned_away for fate in fates),
        "answers a minute": len(seconds) / minutes,
        "seconds to an answer, median": median(seconds),
        "95 of 100": seconds[len(seconds) * 95 // 100],
        "longest": seconds[-1],
        "idle, MB": idle,
        "most, MB": most,
    }
    wrong = sum(not fate.is_right for fate in fates)
    target = Target("uploads that met another fate than theirs", 0, wrong, unit="uploads")
    report("clients", [row], targets=() if told.quick else (target,), out=told.out)


if __name__ == "__main__":
    main()
