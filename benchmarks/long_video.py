"""What following a video of any length takes: memory and time for minutes and for an hour.

    python benchmarks/long_video.py                  one CPU core, five minutes

One table, long-video: each row is a new process that follows one file (160 x 120, 25 frames a
second, H.264, a keyframe every two seconds) with the packaged image model, windows of 2 s every
second. The file's list of frames is all that grows with the length: its share is given apart, as
what opening the file takes. Linux tells the peak of a process (VmHWM); other systems are not asked.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from harness import Target, arguments, report
from stillmotion.backbones.demo import DEMO_BACKBONE

FPS, HEIGHT, WIDTH = 25, 120, 160

FOLLOW = """
import json, re, sys, time
from dataclasses import replace
from pathlib import Path
import torch
import stillmotion
from stillmotion.data.video import open_video
from stillmotion.localisation import follow

def taken(which):
    told = Path("/proc/self/status").read_text()
    return int(re.search(which + r":\\s+(\\d+) kB", told)[1]) / 1e3

path, backbone, device, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
method = replace(stillmotion.AMFlow.small(), placement="parallel")
model = stillmotion.adapt(backbone, method, num_classes=12, num_frames=8)
follow(model, path + ".short.mp4", window=2.0, device=device)
held, before = taken("VmRSS"), taken("VmHWM")
with open_video(path) as video:
    opened = taken("VmRSS") - held
started = time.perf_counter()
track = follow(model, path, window=2.0, device=device)
seconds = time.perf_counter() - started
print(json.dumps([len(track), before, opened, taken("VmHWM"), seconds]))
"""


def write_film(path: Path, *, seconds: int, repeats: int) -> Path:
    """A square that goes round: encoded once, and its packets written again and again."""
    part = path.with_suffix(".part.mp4")
    write_part(part, seconds=seconds)
    with av.open(str(part)) as source, av.open(str(path), "w") as container:
        given = source.streams.video[0]
        copied = container.add_stream_from_template(given)
        packets = [packet for packet in source.demux(given) if packet.size]
        step = round(Fraction(seconds) / given.time_base)
        for packet in packets:
            packet.stream = copied
        for _ in range(repeats):
            for packet in packets:
                container.mux(packet)
                packet.pts, packet.dts = packet.pts + step, packet.dts + step
    return path


def write_part(path: Path, *, seconds: int) -> None:
    """The film that is repeated."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        stream.gop_size = 2 * FPS
        for number in range(seconds * FPS):
            picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
            left = number * 2 % (WIDTH - 30)
            picture[40:70, left : left + 30] = (200, 120, number % 256)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def followed(
    folder: Path, *, part: int, repeats: int, device: str, threads: int
) -> dict[str, float]:
    """What a new process takes to follow a film of so many parts."""
    path = write_film(folder / f"{repeats}.mp4", seconds=part, repeats=repeats)
    write_film(Path(f"{path}.short.mp4"), seconds=4, repeats=1)
    told = subprocess.run(
        [sys.executable, "-c", FOLLOW, str(path), DEMO_BACKBONE, device, str(threads)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    count, before, opened, most, seconds = json.loads(told)
    return {
        "minutes": part * repeats / 60,
        "windows": count,
        "peak, MB": most,
        "above that of four seconds, MB": most - before,
        "an open file, MB": opened,
        "seconds": seconds,
        "times as fast as it plays": part * repeats / seconds,
    }


def main(given: Sequence[str] | None = None) -> None:
    """Measure and report."""
    told = arguments(__doc__).parse_args(given)
    part, lengths = (4, (1,)) if told.quick else (60, (1, 5, 60))
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            followed(
                Path(folder), part=part, repeats=repeats, device=told.device, threads=told.threads
            )
            for repeats in lengths
        ]
    grown = float(rows[-1]["peak, MB"] - rows[0]["peak, MB"])
    target = Target("an hour over a minute, memory", 100.0, grown, unit="MB")
    targets = () if told.quick else (target,)
    report("long-video", rows, targets=targets, device=told.device, out=told.out)


if __name__ == "__main__":
    main()
