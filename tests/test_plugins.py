"""A method outside the package gets the command line, recipes, checkpoints and the tests."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runs import TINY
from stillmotion.errors import ConfigurationError
from stillmotion.methods.base import VARIABLE
from stillmotion.methods.plugins import load_plugins

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "frame_difference.py"
NAME = "frame_difference"


def with_example(*command, status=0):
    """What a command prints where the example's method is known."""
    result = subprocess.run(
        [sys.executable, *map(str, command)],
        env={**os.environ, VARIABLE: str(EXAMPLE), "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == status, result.stdout + result.stderr
    return result.stdout


def test_the_example_is_short():
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) < 40


def test_the_page_shows_the_example():
    page = (ROOT / "docs" / "adding-a-method.md").read_text(encoding="utf-8")
    assert EXAMPLE.read_text(encoding="utf-8").partition("@register")[2] in page


def test_the_command_line_knows_it_and_counts_it():
    told = with_example("-m", "stillmotion", "info", "--method", NAME, "--json")
    assert json.loads(told)["trained"] == 12 * (2 * 64 * 768 + 64 + 768) + 769 * 400
    assert "--frame_difference.hidden" in with_example(
        "-m", "stillmotion", "train", "--method", NAME, "--help"
    )


def test_it_trains_from_a_recipe_and_its_checkpoint_predicts(few_videos, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"method: {NAME}\n{NAME}: {{hidden: 8}}\n", encoding="utf-8")
    run = tmp_path / "run"
    with_example(
        *("-m", "stillmotion", "train", few_videos, "--out", run, "--config", recipe, *TINY)
    )
    config = json.loads((run / "best" / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["method"] == {"method": NAME, "hidden": 8}
    video = few_videos / "jump" / "0.mp4"
    assert "0.mp4" in with_example("-m", "stillmotion", "predict", run, video)


def test_the_property_tests_cover_it():
    told = with_example("-m", "pytest", "tests/test_methods.py", "-k", f"{NAME} and not hiera")
    assert "passed" in told
    assert "failed" not in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "which is no Python file"),
        ("1 / 0", "cannot run .*division by"),
        ("x = 1", "no method"),
    ],
)
def test_a_file_that_cannot_be_run_is_named(text, told, tmp_path, monkeypatch):
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    monkeypatch.setenv(VARIABLE, str(path))
    with pytest.raises(ConfigurationError, match=told) as caught:
        load_plugins()
    assert str(path) in str(caught.value)
