"""Every test: one thread, the same random numbers, no hub; slow machines get no deadlines."""

import os
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
settings.register_profile("quiet", deadline=None, derandomize=True)
settings.load_profile("quiet")


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
