"""Training processes that are killed at any moment, and go on to the very same result."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from runs import files_below
from stillmotion.files import PARTIAL
from test_resume import assert_same, rich_recipe

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of POSIX systems")

SCRIPT = "import sys; from stillmotion.cli import main; sys.exit(main(sys.argv[1:]))"


def recipe_of(data, out):
    """Everything random that there is, and a state written after every batch."""
    recipe = rich_recipe(data, out, workers=1, optimizer="adamw")
    return replace(recipe, training=replace(recipe.training, save_every=1))


def begin(*arguments):
    """A training process of its own; it computes as the test's own does."""
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "train", *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def is_writing(out):
    """Whether a file of the run is half written at this moment."""
    return any(PARTIAL in name for name in files_below(out))


@pytest.fixture(scope="module")
def whole(few_videos, tmp_path_factory):
    """The run that nobody stopped, and how many seconds it took from its first file on."""
    out = tmp_path_factory.mktemp("whole") / "run"
    recipe_of(few_videos, out).write(out.parent / "recipe.yaml")
    assert begin("--config", out.parent / "recipe.yaml").wait() == 0
    first, last = (out / name for name in ("recipe.yaml", "evaluation.json"))
    return out, last.stat().st_mtime - first.stat().st_mtime


@pytest.mark.parametrize(
    "number", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 20))]
)
def test_a_killed_run_ends_as_if_it_had_not_been(number, whole, few_videos, tmp_path):
    """Every other one is killed while it writes a checkpoint or its state, the rest at random; one
    in four is killed again on its way."""
    known, seconds = whole
    drawn, out = random.Random(number), tmp_path / "run"
    recipe_of(few_videos, out).write(tmp_path / "recipe.yaml")
    process, kills = begin("--config", tmp_path / "recipe.yaml"), 0
    for _ in range(2 if number % 4 == 3 else 1):
        kills += kill(process, out, after=drawn.uniform(0, 0.8 * seconds), writing=number % 2 == 0)
        process = begin("--config", tmp_path / "recipe.yaml", "--resume")
    assert process.wait() == 0
    assert kills
    assert_same(known, out)
    assert not is_writing(out), "what was half written is cleared away"


def kill(process, out, *, after, writing):
    """Kill a run so many seconds after its first file, or the first time it writes from then on.

    Returns whether it was killed before it ended.
    """
    while not (out / "recipe.yaml").exists():
        assert process.poll() is None
        time.sleep(0.01)
    moment = time.perf_counter() + after
    while process.poll() is None:
        if time.perf_counter() > moment and (is_writing(out) or not writing):
            process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL
