"""Several processes on one machine wait for each other, and none of them for ever."""

import json
import socket
import subprocess
import sys

import pytest

from plain import environment
from videos import write_classes

SCRIPT = """
import sys
from pathlib import Path
from runs import tiny
from stillmotion.data.transforms import Augmentation
from stillmotion.training import train

videos = {"workers": 0, "val_fraction": 0.0, "max_unreadable": 0.5}
training = {"epochs": 2, "batch_size": 2, "save_every": 1}
repeats = Augmentation(repeats=2)  # so that a batch is one video
data, out = map(Path, sys.argv[1:])
train(tiny(data, out, videos=videos, training=training, augmentation=repeats), quiet=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="gloo is tried on POSIX systems only")
def test_a_process_whose_batch_is_unreadable_keeps_up(tmp_path):
    data = write_classes(tmp_path / "videos", videos_each=3)
    whole = (data / "jump/0.mp4").read_bytes()
    (data / "jump/0.mp4").write_bytes(whole[:400])
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    everyone = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    command = [sys.executable, "-c", SCRIPT, str(data), str(tmp_path / "run")]
    processes = [
        subprocess.Popen(
            command,
            env=environment(**everyone, RANK=rank, LOCAL_RANK=rank, ACCELERATE_USE_CPU="true"),
        )
        for rank in "01"
    ]
    try:
        assert [process.wait(timeout=120) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    rows = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["unreadable"] for row in rows] == [1, 1]
