"""What is read or shown again and again leaves nothing; `benchmarks/leaks.py` takes longer."""

import importlib
import os
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from stillmotion.data.reading import read_videos
from videos import write_video

HEIGHT, WIDTH = 240, 320
FRAME = HEIGHT * WIDTH * 3
CLIPS = 120


@pytest.fixture
def leaks(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    return importlib.import_module("leaks")


def few_in(folder):
    for name in ("jump", "wave"):
        write_video(folder / name / "0.mp4", height=HEIGHT, width=WIDTH)
    return read_videos(folder).samples


def left_behind(leaks, steps):
    """Bytes and open files that each of `CLIPS` steps leaves."""
    seen = leaks.looked_at(steps, number=CLIPS)
    return leaks.more_each(seen, number=CLIPS), seen[-1].files - seen[len(seen) // 4].files


def test_a_clip_leaves_no_frame_and_no_open_file(leaks, tmp_path):
    bytes_left, files_left = left_behind(leaks, leaks.clips(few_in(tmp_path), size=224))
    assert bytes_left < FRAME / 2
    assert files_left == 0


@pytest.mark.usefixtures("unchecked")
def test_a_frame_leaves_no_frame(leaks, tmp_path):
    bytes_left, files_left = left_behind(leaks, leaks.slid(tmp_path, CLIPS))
    assert bytes_left < FRAME / 2
    assert files_left == 0


def test_a_frame_or_a_file_that_each_clip_left_would_be_seen(leaks, tmp_path):
    frames, files = [], []

    def keep():
        frames.append(np.ones(FRAME, np.uint8))
        files.append(os.open(tmp_path, os.O_RDONLY))

    try:
        bytes_left, files_left = left_behind(leaks, (keep() for _ in count()))
    finally:
        for file in files:
            os.close(file)
    assert bytes_left > FRAME / 2
    assert files_left > CLIPS / 2
