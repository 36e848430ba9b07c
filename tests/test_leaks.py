"""What is read or shown again and again leaves nothing; `benchmarks/leaks.py` takes longer."""

import gc
import importlib
import mmap
import os
from collections import deque
from contextlib import ExitStack
from itertools import count, islice
from pathlib import Path
from threading import Event, Thread

import av
import pytest
import torch

from stillmotion.data.reading import read_videos
from videos import write_video

STEPS = 30


@pytest.fixture
def leaks(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    return importlib.import_module("leaks")


def clips(leaks, folder):
    for name in ("jump", "wave"):
        write_video(folder / name / "0.mp4")
    return leaks.clips(read_videos(folder).samples)


def pictures():
    """How many tensors, decoded frames and open videos there are.

    A few that are left do not show in the memory of a process that has freed more before.
    """
    kinds = (torch.Tensor, av.VideoFrame, av.container.Container)
    return sum(issubclass(type(one), kinds) for one in gc.get_objects())


def more_after(leaks, steps):
    """Pictures, open files and threads that `STEPS` steps leave, after as many others.

    Circles of references count: they wait until Python looks for them, however large they are.
    """
    deque(islice(steps, STEPS), maxlen=0)
    gc.collect()
    gc.disable()
    try:
        before, first = leaks.held(), pictures()
        deque(islice(steps, STEPS), maxlen=0)
        after, last = leaks.held(), pictures()
    finally:
        gc.enable()
    return last - first, after.files - before.files, after.threads - before.threads


def assert_little(more):
    pictures, *others = more
    assert pictures < STEPS / 2  # some wait to be watched
    assert max(others) <= 0


def test_a_clip_leaves_nothing(leaks, tmp_path):
    assert_little(more_after(leaks, clips(leaks, tmp_path)))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("what", ["frames, Stream", "frames, SlidingWindow", "frames, watch"])
def test_a_frame_leaves_nothing(leaks, tmp_path, what):
    assert_little(more_after(leaks, leaks.WHAT[what](tmp_path, 3 * STEPS)))


def keep(folder, over):
    """A megabyte, a tensor, an open file and a thread, until all of them are over."""
    memory = mmap.mmap(-1, 2**20)
    memory.write(bytes(2**20))
    over.callback(memory.close)
    over.callback(os.close, os.open(folder, os.O_RDONLY))
    over.callback(torch.zeros(1).zero_)
    ended = Event()
    thread = Thread(target=ended.wait)
    thread.start()
    over.callback(thread.join)
    over.callback(ended.set)


def test_what_each_step_left_would_be_seen(leaks, tmp_path):
    with ExitStack() as over:
        steps = (keep(tmp_path, over) for _ in count())
        assert more_after(leaks, steps) == (STEPS, STEPS, STEPS)
        growth = leaks.growth(steps, number=leaks.LOOKS)
    assert growth.bytes_each > 2**19
    assert growth.last.files - growth.first.files == leaks.LOOKS * 3 / 4
    assert growth.last.threads - growth.first.threads == leaks.LOOKS * 3 / 4
