"""The published recipes: found, shown, copied, parsed, and run for two steps."""

import math
from pathlib import Path

import pytest
import torch

from runs import stillmotion
from stillmotion.backbones.demo import DEMO_BACKBONE
from stillmotion.commands.train import asked_for
from stillmotion.methods import METHODS
from stillmotion.recipe import Recipe
from stillmotion.recipes import FOLDER, published_recipe, published_recipes
from stillmotion.training.optimisation import peak_rate
from stillmotion.training.state import FILE, read_state

RECIPES = published_recipes()


def path_of(name):
    return RECIPES[name].path


def read(name):
    return Recipe.read(path_of(name), data="videos", out="runs/a")


def test_every_method_has_a_recipe():
    assert {read(name).method.name for name in RECIPES} == METHODS.keys()


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_opens_with_what_it_reproduces(name):
    lines = path_of(name).read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"# {RECIPES[name].what}"
    assert lines[1] == f"# Published: {RECIPES[name].published}"
    assert lines[2].rstrip() == "#"
    assert max(map(len, lines)) <= 100
    assert "data:" not in lines
    assert "out:" not in lines


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_the_same_on_the_command_line_and_in_python(name):
    given = ("videos", "--config", str(path_of(name)), "--out", "runs/a")
    assert asked_for(given) == (read(name), False)


@pytest.mark.parametrize(
    ("names", "rate"),
    [
        ("aim_*", 3e-4),
        ("zeroi2v_*", 3e-4),
        ("st_adapter_k400", 1e-3 * 192 / 256),
        ("st_adapter_ssv2", 1e-3),
        ("dualpath_ssv2", 3.5e-4 * 86 / 256),
        ("dualpath_diving48", 7e-4 * 129 / 256),
        ("dualpath_hmdb51", 0.03 * 96 / 256),
        ("adaptformer_[sh]*", 0.4),
    ],
)
def test_one_gpu_learns_at_the_published_rate(names, rate):
    found = [read(path.stem).training for path in FOLDER.glob(f"{names}.yaml")]
    assert found
    assert [peak_rate(training, processes=1) for training in found] == pytest.approx(
        [rate] * len(found)
    )


def test_something_something_is_mirrored_as_its_authors_did():
    """ZeroI2V with labels that swap; the others not at all."""
    found = {name: read(name).augmentation.flip for name in RECIPES if "ssv2" in name}
    assert len(found) >= 6
    assert {name for name, flip in found.items() if flip} == {"zeroi2v_ssv2_b", "zeroi2v_ssv2_l"}


def test_timms_randaugment_is_seven_of_ten_half_of_the_time():
    found = [read(name).augmentation for name in RECIPES if name.startswith(("zeroi2v", "st_a"))]
    drawn = [a for a in found if a.operations]
    assert len(drawn) >= 8
    for a in drawn:
        assert (a.operations, a.magnitude / 30 * 10, a.magnitude_std / 30 * 10) == (4, 7, 0.5)
        assert a.operation_probability == 0.5


FIRST = {read(name).method.name: name for name in reversed(RECIPES)}
"""One recipe of each method, for every run of the tests; the others are `slow`."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in FIRST.values() else pytest.mark.slow)
        for name in RECIPES
    ],
)
def test_a_recipe_trains(name, few_videos, tmp_path):
    """Two steps of its method as it stands, on a small random image model and short clips."""
    recipe = read(name)
    frames = getattr(recipe.method, "grid_side", 2) ** 2  # as many as DualPath must have
    small = {
        "backbone": DEMO_BACKBONE,
        "weights": "none",
        "image_size": 32,
        "sampling.num_frames": frames,
        "training.epochs": 1,
        "training.batch_size": 4,
        "training.accumulate": 1,
        "views.clips": 1,
        "views.crops": 1,
        "videos.workers": 0,
    }
    options = [word for key, value in small.items() for word in (f"--{key}", value)]
    out = tmp_path / "run"
    assert stillmotion("train", few_videos, "--config", path_of(name), "--out", out, *options) == 0
    state = read_state(out / FILE)
    assert state.steps == 2
    assert math.isfinite(state.progress.history[0]["train_loss"])
    assert all(tensor.isfinite().all() for tensor in state.tensors.values())
    assert Recipe.read(out / "recipe.yaml").method == recipe.method
    moments = [tensor for key, tensor in state.tensors.items() if key.startswith("optimizer.")]
    assert any(torch.count_nonzero(moment) for moment in moments)


def test_the_list_has_a_row_for_each(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    assert stillmotion("recipes") == 0
    told = capsys.readouterr().out
    assert stillmotion("recipes", "list") == 0
    assert capsys.readouterr().out == told
    for name, recipe in RECIPES.items():
        (row,) = [line for line in told.splitlines() if f" {name} " in line]
        assert recipe.what in row
        assert recipe.published in row


def test_a_recipe_is_shown_as_it_is(capsys):
    assert stillmotion("recipes", "show", "aim_k400_b") == 0
    assert capsys.readouterr().out == path_of("aim_k400_b").read_text(encoding="utf-8")


def test_a_recipe_is_copied_but_never_over_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for copy, where in (("aim_k400_b.yaml", ()), ("folder/mine.yaml", ("folder/mine.yaml",))):
        assert stillmotion("recipes", "copy", "aim_k400_b", *where) == 0
        assert f"train --config {copy} " in capsys.readouterr().out
        assert Path(copy).read_bytes() == path_of("aim_k400_b").read_bytes()
    Path("aim_k400_b.yaml").write_text("mine")
    assert stillmotion("recipes", "copy", "aim_k400_b") == 2
    assert "aim_k400_b.yaml is there already" in capsys.readouterr().err
    assert Path("aim_k400_b.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (("show", "aim_k400_bb"), "did you mean 'aim_k400_b'?"),
        (("copy", "aim"), "unknown recipe 'aim'"),
        (("show",), "recipes show takes a name"),
        (("copy",), "recipes copy takes a name"),
        (("list", "aim_k400_b"), "recipes list takes no name"),
        (("show", "aim_k400_b", "file"), "recipes show writes no file"),
        (("shw",), "'show'"),
    ],
)
def test_mistakes_are_told_in_one_line(given, reason, capsys):
    assert stillmotion("recipes", *given) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line


def test_recipes_are_found_by_name():
    assert published_recipe("aim_k400_b") == RECIPES["aim_k400_b"]
    assert len(RECIPES) > 30
