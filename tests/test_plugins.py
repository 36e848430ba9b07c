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


COMMANDS = """
import json, sys
from stillmotion.cli import main
for command in json.loads(sys.argv[1]):
    try:
        status = main(command)
    except SystemExit as left:
        status = left.code
    print(end="\f", flush=True)
    if status:
        sys.exit(status)
"""
"""Commands one after the other; a form feed ends what each prints."""


def commands(*lines):
    """What each of these commands of stillmotion prints where the example's method is known."""
    told = with_example(
        "-c", COMMANDS, json.dumps([[str(word) for word in line] for line in lines])
    )
    return told.split("\f")[: len(lines)]


def with_example(*command):
    """What Python prints where the example's method is known."""
    result = subprocess.run(
        [sys.executable, *map(str, command)],
        env={**os.environ, VARIABLE: str(EXAMPLE), "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_the_example_is_short():
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) < 40


def test_the_page_shows_the_example():
    page = (ROOT / "docs" / "adding-a-method.md").read_text(encoding="utf-8")
    assert EXAMPLE.read_text(encoding="utf-8").partition("@register")[2] in page


def test_the_command_line_counts_it_trains_it_from_a_recipe_and_predicts(few_videos, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"method: {NAME}\n{NAME}: {{hidden: 8}}\n", encoding="utf-8")
    run = tmp_path / "run"
    counted, options, _, predicted = commands(
        ("info", "--method", NAME, "--json"),
        ("train", "--method", NAME, "--help"),
        ("train", few_videos, "--out", run, "--config", recipe, *TINY),
        ("predict", run, few_videos / "jump" / "0.mp4"),
    )
    assert json.loads(counted)["trained"] == 12 * (2 * 64 * 768 + 64 + 768) + 769 * 400
    assert "--frame_difference.hidden" in options
    config = json.loads((run / "best" / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["method"] == {"method": NAME, "hidden": 8}
    assert "0.mp4" in predicted


@pytest.mark.slow
def test_the_property_tests_cover_it():
    told = with_example("-m", "pytest", "tests/test_methods.py", "-k", f"{NAME} and siglip")
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
