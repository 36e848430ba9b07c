"""Training: what it leaves behind, what each setting does, what it never touches."""

import json
import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import stillmotion
from runs import files_below, tiny
from stillmotion.errors import DataError
from stillmotion.methods import METHODS, AMFlow
from stillmotion.recipe import Recipe
from stillmotion.settings import Videos
from stillmotion.training import train
from stillmotion.training.optimisation import peak_rate
from stillmotion.training.splits import read_splits
from videos import write_video

RESULT = {
    "recipe.yaml", "split.jsonl", "metrics.jsonl", "training_state.safetensors", "evaluation.json",
    "evaluation.png", "evaluation.html", "evaluation_predictions.jsonl",
    "evaluation_per_class.csv", "evaluation_confusions.csv", "evaluation_scores.safetensors",
    *(f"{which}/{name}" for which in ("best", "last")
      for name in ("adapter_config.json", "adapter_model.safetensors")),
}  # fmt: skip


def weights(run):
    return run.model.adapter_tensors()


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def quick(data, out, **changes):
    return train(tiny(data, out, **changes), quiet=True)


def test_a_run_leaves_its_result_and_nothing_else(finished_run, few_videos):
    left = {name for name in files_below(finished_run) if not name.startswith("tensorboard/")}
    assert left == RESULT
    assert Recipe.read(finished_run / "recipe.yaml") == tiny(few_videos, finished_run)
    size = (finished_run / "best/adapter_model.safetensors").stat().st_size
    trained = sum(t.numel() for t in stillmotion.load(finished_run).adapter_tensors().values())
    assert size < 4 * trained + 50_000


def test_metrics_are_in_a_file_and_on_the_board(few_videos, tmp_path):
    run = quick(few_videos, tmp_path, training={"epochs": 2})
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows == run.history
    assert [row["epoch"] for row in rows] == [0, 1]
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(board.Tags()["scalars"]) == rows[0].keys()
    for name in rows[0]:
        found = [event.value for event in board.Scalars(name)]
        assert found == pytest.approx([row[name] for row in rows])


def test_the_model_that_is_returned_is_the_one_that_was_kept(few_videos, tmp_path):
    run = quick(few_videos, tmp_path, training={"epochs": 3, "learning_rate": 0.05})
    kept = stillmotion.load(tmp_path)
    assert same(weights(run), kept.adapter_tensors())
    assert not run.model.training
    clip = torch.randint(0, 256, (1, 2, 3, 64, 64), dtype=torch.uint8)
    assert torch.equal(run.model(clip), kept(clip))
    losses = [row["val_loss"] for row in run.history]
    scored = json.loads((tmp_path / "evaluation.json").read_text())
    assert scored["split"] == "val"
    best = min(range(3), key=lambda epoch: (losses[epoch], -epoch))
    assert scored["top1"] == run.history[best]["val_top1"]


def test_it_learns(tmp_path):
    """Dark videos from bright ones."""
    for index in range(4):
        write_video(tmp_path / f"videos/dark/{index}.mp4", num_frames=2, first_level=index)
        write_video(tmp_path / f"videos/bright/{index}.mp4", num_frames=2, first_level=18 + index)
    training = {"epochs": 6, "learning_rate": 0.01}
    run = quick(tmp_path / "videos", tmp_path / "run", training=training)
    assert run.history[-1]["train_loss"] < 0.5 * run.history[0]["train_loss"]
    assert run.evaluation.scores.top1 == 1


def test_the_seed_decides(few_videos, tmp_path):
    runs = [quick(few_videos, tmp_path / str(i), seed=seed) for i, seed in enumerate((1, 1, 2))]
    assert same(weights(runs[0]), weights(runs[1]))
    assert not same(weights(runs[0]), weights(runs[2]))


def test_the_image_model_is_left_as_it_was(few_videos, tmp_path):
    run = quick(few_videos, tmp_path)
    fresh = stillmotion.load_backbone(tiny(few_videos, tmp_path).backbone, image_size=64)
    assert run.model.backbone.sha256 == fresh.sha256
    block, own = fresh.blocks[0], run.model.trunk.blocks[0].frozen
    assert same(block.state_dict(), own.state_dict())


def test_accumulated_batches_make_the_step_of_one_large_batch(few_videos, tmp_path):
    """Without dropout and with every clip the same in each epoch."""
    calm = {
        "method": replace(AMFlow.small(), dropout=0.0),
        "videos": {"val_fraction": 0.0, "keep_frames": 2},
    }
    one = quick(few_videos, tmp_path / "1", training={"batch_size": 8, "clip_norm": 0.0}, **calm)
    many = quick(
        few_videos,
        tmp_path / "4",
        training={"batch_size": 2, "accumulate": 4, "clip_norm": 0.0},
        **calm,
    )
    assert one.history[0]["train_loss"] == pytest.approx(many.history[0]["train_loss"], rel=0.1)
    states = [stillmotion.training.state.read_state(tmp_path / n / "training_state.safetensors")
              for n in "14"]  # fmt: skip
    assert [state.steps for state in states] == [1, 1]


@pytest.mark.parametrize(
    "training",
    [
        {"label_smoothing": 0.5},
        {"class_weights": "balanced"},
        {"clip_norm": 1e-3},
        {"weight_decay": 0.9, "learning_rate": 0.1},
        {"scaling": "linear"},
        {"precision": "bf16"},
        {"accumulate": 2},
        {"optimizer": "sgd"},
        {"backbone_rate": 0.1},
        {"decay": "all", "weight_decay": 0.9, "learning_rate": 0.1},
        {"warmup_start": 0.5, "warmup": 1.0},
    ],
    ids=lambda training: next(iter(training)),
)
def test_each_setting_changes_the_result(training, few_videos, finished_run, tmp_path):
    data = few_videos
    if "class_weights" in training:  # an uneven list
        data = tmp_path / "list.csv"
        names = ["jump/0.mp4", *(f"wave/{i}.mp4" for i in range(4)), "jump/1.mp4"]
        rows = [f"{few_videos / name},{name[:4]}" for name in names]
        data.write_text("path,label\n" + "\n".join(rows))
        plain = weights(quick(data, tmp_path / "plain"))
    else:
        plain = stillmotion.load(finished_run).adapter_tensors()
    run = quick(data, tmp_path / "run", training=training)
    assert not same(plain, weights(run))
    assert all(math.isfinite(value) for row in run.history for value in row.values())


@pytest.mark.parametrize("name", METHODS)
def test_every_method_can_be_trained_and_loaded(name, few_videos, tmp_path):
    run = quick(few_videos, tmp_path, method=METHODS[name]())
    assert same(weights(run), stillmotion.load(tmp_path).adapter_tensors())


def test_it_stops_when_nothing_gets_better(few_videos, tmp_path):
    training = {"epochs": 9, "patience": 1, "learning_rate": 0.1, "clip_norm": 0.0}
    run = quick(few_videos, tmp_path, training=training)
    losses = [row["val_loss"] for row in run.history]
    assert len(losses) < 9
    assert losses[-1] > min(losses) == losses[-2]


def test_the_rate_in_the_metrics_ends_at_nothing(few_videos, tmp_path):
    run = quick(few_videos, tmp_path, training={"epochs": 3, "warmup": 0.0})
    rates = [row["learning_rate"] for row in run.history]
    assert all(one > other for one, other in pairwise(rates))
    assert rates[-1] == pytest.approx(0)
    assert rates[0] < peak_rate(tiny(few_videos, tmp_path).training, processes=1)


def test_random_weights_can_be_trained_on_and_are_said_to_be_random(few_videos, tmp_path, caplog):
    run = quick(few_videos, tmp_path, weights="none")
    assert "RANDOM weights" in caplog.text
    assert run.evaluation.scores.n == 2


def test_splits_of_a_list_are_kept_and_others_trained_on(motion_list, tmp_path):
    splits = read_splits(tiny(motion_list, tmp_path))
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [12, 12, 8]
    assert splits.scored == (splits.test, "test")
    swapped = replace(tiny(motion_list, tmp_path), videos=Videos(test="validation", val="test"))
    splits = read_splits(swapped)
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [12, 8, 12]
    together = {s.path: s.split for s in splits.together.samples}
    assert sorted(Counter(together.values()).values()) == [8, 12, 12]


def test_a_misspelt_split_is_refused_and_not_trained_on(motion_list, tmp_path):
    misspelt = replace(tiny(motion_list, tmp_path), videos=Videos(test="tset"))
    with pytest.raises(DataError, match="unknown test split 'tset'; did you mean 'test'"):
        read_splits(misspelt)


def test_groups_stay_together_when_validation_videos_are_set_apart(few_videos, tmp_path):
    listing = tmp_path / "list.csv"
    rows = [f"{path},{path.parent.name},{path.stem}" for path in few_videos.rglob("*.mp4")]
    listing.write_text("path,label,group\n" + "\n".join(rows))
    for seed in range(5):
        splits = read_splits(tiny(listing, tmp_path, seed=seed))
        groups = [{s.group for s in part.samples} for part in (splits.train, splits.val)]
        assert groups[0].isdisjoint(groups[1])
        assert len(splits.train) + len(splits.val) == 8
