"""What is read or shown again and again leaves nothing; `benchmarks/leaks.py` takes longer."""

import gc
import importlib
import os
from collections import deque
from itertools import count, islice
from pathlib import Path
from threading import Event, Thread

import av
import numpy as np
import pytest
import torch

from stillmotion.data.reading import read_videos
from videos import write_video

HEIGHT, WIDTH = 240, 320
FRAME = HEIGHT * WIDTH * 3
CLIPS, FRAMES = 120, 30


@pytest.fixture
def leaks(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    return importlib.import_module("leaks")


def few_in(folder):
    for name in ("jump", "wave"):
        write_video(folder / name / "0.mp4", height=HEIGHT, width=WIDTH)
    return read_videos(folder).samples


def test_a_clip_leaves_no_frame_no_open_file_and_no_thread(leaks, tmp_path):
    growth = leaks.growth(leaks.clips(few_in(tmp_path), size=224), number=CLIPS)
    assert growth.bytes_each < FRAME / 2
    assert growth.last.files <= growth.first.files
    assert growth.last.threads <= growth.first.threads


def pictures():
    """How many tensors and decoded frames there are: few are too small for resident memory."""
    return sum(issubclass(type(one), (torch.Tensor, av.VideoFrame)) for one in gc.get_objects())


def more_after(leaks, steps):
    """Pictures, open files and threads that `FRAMES` steps leave, after as many others.

    Circles of references count: they wait until Python looks for them, however large they are.
    """
    deque(islice(steps, FRAMES), maxlen=0)
    gc.collect()
    gc.disable()
    try:
        before, first = leaks.held(), pictures()
        deque(islice(steps, FRAMES), maxlen=0)
        after, last = leaks.held(), pictures()
    finally:
        gc.enable()
    return last - first, after.files - before.files, after.threads - before.threads


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("what", ["frames, Stream", "frames, SlidingWindow", "frames, watch"])
def test_a_frame_leaves_nothing(leaks, tmp_path, what):
    pictures, *others = more_after(leaks, leaks.WHAT[what](tmp_path, 3 * FRAMES))
    assert pictures < FRAMES / 2  # some wait to be watched
    assert max(others) <= 0


def test_what_each_step_left_would_be_seen(leaks, tmp_path):
    kept, files, threads, over = [], [], [], Event()

    def keep():
        kept.append([np.ones(FRAME, np.uint8), torch.zeros(1)])
        files.append(os.open(tmp_path, os.O_RDONLY))
        threads.append(Thread(target=over.wait))
        threads[-1].start()

    try:
        growth = leaks.growth((keep() for _ in count()), number=CLIPS)
        more = more_after(leaks, (keep() for _ in count()))
    finally:
        over.set()
        for file in files:
            os.close(file)
        for thread in threads:
            thread.join()
    assert growth.bytes_each > FRAME / 2
    assert growth.last.files - growth.first.files > CLIPS / 2
    assert growth.last.threads - growth.first.threads > CLIPS / 2
    assert more == (FRAMES, FRAMES, FRAMES)
