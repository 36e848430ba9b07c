"""Every example runs as it is written, leaves pictures, and has its page."""

import runpy
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(
    path for path in ROOT.glob("examples/*.py") if path.read_text("utf-8").startswith("# %%")
)
"""Scripts of cells; others are files to copy."""
QUICK = {"explaining"}
"""Run by default; `scripts/docs` runs them all in the site, `slow` all here."""


def named(path):
    return path.stem


@pytest.fixture
def one_thread():
    """What two cores do together, small tensors do quicker on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    "path",
    [pytest.param(p, marks=[] if named(p) in QUICK else pytest.mark.slow) for p in EXAMPLES],
    ids=named,
)
@pytest.mark.usefixtures("one_thread")
def test_it_runs_and_leaves_pictures(path, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")
    pictures = list(tmp_path.glob("*/*.png"))
    assert len(pictures) == path.read_text("utf-8").count("Image.open(") > 0
    for picture in pictures:
        with Image.open(picture) as pixels:
            assert np.asarray(pixels.convert("L")).std() > 1, f"{picture.name} is blank"


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_it_is_short(path):
    assert len(path.read_text("utf-8").splitlines()) <= 60


def test_quick_ones_are_there():
    assert set(map(named, EXAMPLES)) >= QUICK


def test_each_has_a_page():
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    (listed,) = [part["Examples"] for part in nav if "Examples" in part]
    assert sorted(listed) == [f"examples/{path.name}" for path in EXAMPLES]
