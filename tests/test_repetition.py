"""Means over runs: what is averaged, what the interval is over, and that nothing is run twice."""

import json
from dataclasses import replace

import pytest
import torch

from runs import TINY, stillmotion, tiny
from stillmotion.errors import ConfigurationError, DataError
from stillmotion.recipe import Recipe
from stillmotion.repetition import mean_of, plan_repeats, student_t, summarise
from stillmotion.settings import Videos


@pytest.mark.parametrize(
    ("freedom", "wanted"), [(1, 12.7062), (2, 4.3027), (4, 2.7764), (9, 2.2622), (1000, 1.9623)]
)
def test_students_t_is_that_of_the_tables(freedom, wanted):
    assert student_t(freedom) == pytest.approx(wanted, abs=1e-3)


def test_the_interval_holds_the_mean_as_often_as_it_says():
    """Of 1000 sets of 5 normal values, 95 % of the intervals hold 0, give or take."""
    torch.manual_seed(0)
    values = torch.randn(1000, 5, dtype=torch.float64).tolist()
    held = sum(low <= 0 <= high for low, high in (mean_of(row).interval for row in values))
    assert 0.93 < held / 1000 < 0.97
    assert mean_of([0.5]).interval is None


def test_seeds_episodes_and_parts_are_crossed(tmp_path):
    recipe = Recipe(data="", out=str(tmp_path), videos=Videos(shots=2, episode=7))
    planned = plan_repeats(recipe, data=["a.csv", "b.csv"], seeds=[0, 5], episodes=3)
    assert len(planned) == 2 * 2 * 3
    assert len({repeat.recipe.out for repeat in planned}) == len(planned)
    assert {repeat.recipe.videos.episode for repeat in planned} == {7, 8, 9}
    assert {repeat.recipe.data for repeat in planned} == {"a.csv", "b.csv"}
    with pytest.raises(ConfigurationError, match="give each seed once"):
        plan_repeats(recipe, data=["a.csv"], seeds=[1, 1])
    whole = replace(recipe, videos=Videos())
    with pytest.raises(ConfigurationError, match=r"videos\.shots or videos\.ways"):
        plan_repeats(whole, data=["a.csv"], seeds=[1], episodes=2)


def test_lists_of_one_name_stay_apart(tmp_path):
    recipe = Recipe(data="", out=str(tmp_path))
    planned = plan_repeats(recipe, data=["1/list.csv", "2/list.csv"], seeds=[0])
    assert len({repeat.recipe.out for repeat in planned}) == 2


def test_the_interval_is_over_what_is_independent():
    rows = [
        {"seed": seed, "episode": episode, "part": part, "top1": top1}
        for episode, seed, part, top1 in [
            (0, 0, "a", 0.25), (0, 0, "b", 0.75), (0, 1, "a", 0.5), (0, 1, "b", 1.0),
            (1, 0, "a", 0.0), (1, 0, "b", 0.5), (1, 1, "a", 0.0), (1, 1, "b", 0.5),
        ]
    ]  # fmt: skip
    over_parts, over_seeds, over_episodes = (summarise(rows[:n]) for n in (2, 4, 8))
    assert over_parts["interval_over"] == "2 parts"
    assert over_parts["mean"]["top1"] == vars(mean_of([0.25, 0.75]))
    assert over_seeds["interval_over"] == "2 seeds"
    assert over_seeds["mean"]["top1"] == vars(mean_of([0.5, 0.75]))
    assert over_episodes["interval_over"] == "2 episodes", "seeds share an episode's videos"
    assert over_episodes["mean"]["top1"] == vars(mean_of([0.625, 0.25]))


def test_folds_are_the_test_once_and_nothing_is_run_twice(few_videos, tmp_path, capsys):
    listing = tmp_path / "folds.csv"
    lines = [f"{few_videos}/{c}/{n}.mp4,{c},{n % 2}" for c in ("jump", "wave") for n in range(4)]
    listing.write_text("\n".join(["path,label,split", *lines]) + "\n")
    out = tmp_path / "repeats"
    line = ("repeat", listing, "--out", out, "--folds", "true", "--seeds", "[0]", *TINY)
    line += ("--videos.val_fraction", "0")
    assert stillmotion(*line) == 0
    told = json.loads((out / "repeats.json").read_text())
    assert [row["part"] for row in told["runs"]] == ["folds fold 0", "folds fold 1"]
    when = {p: p.stat().st_mtime_ns for p in out.rglob("evaluation.json")}
    assert len(when) == 2
    assert stillmotion(*line) == 0
    assert {p: p.stat().st_mtime_ns for p in out.rglob("evaluation.json")} == when
    assert stillmotion(*line, "--training.learning_rate", "0.1") == 2
    assert "other settings of training" in capsys.readouterr().err


def test_folds_of_a_list_without_any(few_videos, tmp_path):
    recipe = tiny(few_videos, tmp_path)
    with pytest.raises(DataError, match=r"has no folds, .*: it names none"):
        plan_repeats(recipe, data=[str(few_videos)], seeds=[0], folds=True)
    listing = tmp_path / "list.csv"
    for splits in (("train", "val"), ("0", "1")):
        rows = [
            f"{few_videos}/{c}/{n}.mp4,{c},{splits[n]}" for c in ("jump", "wave") for n in (0, 1)
        ]
        listing.write_text("\n".join(["path,label,split", *rows]) + "\n")
        taken = replace(recipe, videos=replace(recipe.videos, val="1"))
        with pytest.raises(DataError, match=f"its splits are {splits[0]}, {splits[1]}"):
            plan_repeats(taken, data=[str(listing)], seeds=[0], folds=True)
