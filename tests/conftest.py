"""Every test: one thread, the same random numbers, no network; slow machines get no deadlines."""

from alone import leave_the_network

ALONE = leave_the_network()  # first: threads that imports start would stay
"""Whether processes that a test starts, and libraries that are not Python, are kept here, too."""

import os
import signal
import sys
from pathlib import Path

import jaxtyping
import pytest
import torch
from hypothesis import settings

from runs import tiny
from stillmotion.data.synthetic import write_motion_videos
from stillmotion.training import train
from videos import write_classes

torch.set_num_threads(1)
# As in a terminal: a shell's background job, such as a test run may be, ignores Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("quiet", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("deep", deadline=None, max_examples=1000)  # --hypothesis-profile deep
settings.load_profile("quiet")

AT_HOME = {"localhost", "127.0.0.1", "127.0.0.2", "::1", "0.0.0.0", "::", "", None}
BEYOND = []
"""Addresses outside this machine that a test tried to reach."""


def stay_at_home(event, told):
    """Refuse the network, and note who asked for it."""
    if event in ("socket.connect", "socket.getaddrinfo"):
        address = told[1] if event == "socket.connect" else told
        host = address[0] if isinstance(address, tuple) else None  # a path is of this machine
        host = host.decode() if isinstance(host, bytes) else host
        if host not in AT_HOME:
            BEYOND.append(address)
            raise OSError(f"a test may not reach {address}")


sys.addaudithook(stay_at_home)


@pytest.fixture(autouse=True)
def no_network():
    BEYOND.clear()
    yield
    assert not BEYOND


@pytest.fixture(autouse=True)
def same_random_numbers():
    torch.manual_seed(0)


@pytest.fixture
def unchecked():
    """Without the tests' own shape and type checks, which refuse mistakes before we can."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def shared():
    """The folder of data that lies outside the repository; tests that need it skip without it."""
    beside = Path(__file__).parents[2] / "shared"
    folder = Path(os.environ.get("STILLMOTION_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set STILLMOTION_SHARED")
    return folder


@pytest.fixture(scope="session")
def few_videos(tmp_path_factory):
    """A folder with two classes of four small videos."""
    return write_classes(tmp_path_factory.mktemp("few") / "videos", videos_each=4)


@pytest.fixture(scope="session")
def motion_list(tmp_path_factory):
    """The list of generated videos of 12 classes: 12 to train, 12 to validate, 4 pairs."""
    folder = tmp_path_factory.mktemp("motion") / "videos"
    write_motion_videos(folder, num_train=12, num_val=12, num_heldout_pairs=4)
    return folder / "index.csv"


@pytest.fixture(scope="session")
def finished_run(few_videos, tmp_path_factory):
    """The directory of a run on `few_videos`; not to be written to."""
    out = tmp_path_factory.mktemp("run") / "run"
    train(tiny(few_videos, out), quiet=True)
    return out
