"""A run that was stopped, however rudely, goes on to the very same result."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import timm
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from models import classifier, moving
from runs import files_below, stillmotion, tiny
from stillmotion.data.transforms import Augmentation
from stillmotion.errors import CheckpointError, ConfigurationError
from stillmotion.methods import AMFlow, LinearProbe, TemporalProbe
from stillmotion.settings import Training
from stillmotion.training import train
from stillmotion.training.optimisation import build_optimizer, warm_cosine
from stillmotion.training.splits import read_splits
from stillmotion.training.state import FILE, Progress, read_state, same_videos, save_state

ADAPTER = "adapter_model.safetensors"


def rich_recipe(data, out, *, workers, optimizer, cache_clips=0):
    """Three epochs with everything random that there is."""
    amflow, probe = (
        replace(AMFlow.small(), dropout=0.5, tpm_dropout=0.2),
        TemporalProbe(dropout=0.3),
    )
    return tiny(
        data,
        out,
        videos={"workers": workers},
        training={
            "epochs": 3,
            "batch_size": 2,
            "label_smoothing": 0.1,
            "optimizer": optimizer,
            "backbone_rate": 0.5,
            "cache_clips": cache_clips,
        },
        method=probe if cache_clips else amflow,
        augmentation=Augmentation(flip=0.5, colour=0.3, operations=2, erase=0.3),
    )


def without_speed(history):
    return [{k: v for k, v in row.items() if k != "clips_per_second"} for row in history]


def assert_same(one, other):
    """Weights, states, metrics and scores of two runs, to the last bit."""
    for name in (f"best/{ADAPTER}", f"last/{ADAPTER}", FILE):
        left, right = load_file(one / name), load_file(other / name)
        assert left.keys() == right.keys()
        assert all(left[key].equal(right[key]) for key in left), name
    rows = [
        without_speed(map(json.loads, (folder / "metrics.jsonl").read_text().splitlines()))
        for folder in (one, other)
    ]
    assert rows[0] == rows[1]
    for name in ("evaluation.json", "evaluation_predictions.jsonl"):
        assert (one / name).read_text() == (other / name).read_text()


class StoppedError(Exception):
    """As if the machine had gone away."""


def train_until(recipe, epoch, monkeypatch):
    """Train, and stop in the middle of this epoch."""
    from stillmotion.training.log import RunLog

    whole = RunLog.batches

    def cut_short(self, loader, meter, title):
        for number, batch in enumerate(whole(self, loader, meter, title)):
            if title == f"epoch {epoch}" and number == 1:
                raise StoppedError
            yield batch

    with monkeypatch.context() as patch:
        patch.setattr(RunLog, "batches", cut_short)
        with pytest.raises(StoppedError):
            train(recipe, quiet=True)


@pytest.mark.parametrize(
    "options",
    [
        {"workers": 0, "optimizer": "adamw"},
        {"workers": 1, "optimizer": "sgd", "cache_clips": 2},
        pytest.param({"workers": 1, "optimizer": "sgd"}, marks=pytest.mark.slow),
        pytest.param(
            {"workers": 1, "optimizer": "adamw", "cache_clips": 2}, marks=pytest.mark.slow
        ),
    ],
)
def test_a_stopped_run_ends_as_if_it_had_not_stopped(options, few_videos, tmp_path, monkeypatch):
    whole = train(rich_recipe(few_videos, tmp_path / "whole", **options), quiet=True)
    recipe = rich_recipe(few_videos, tmp_path / "stopped", **options)
    train_until(recipe, 1, monkeypatch)
    assert read_state(tmp_path / "stopped" / FILE).progress.epoch == 1
    assert not (tmp_path / "stopped/evaluation.json").exists()
    resumed = train(recipe, resume=True, quiet=True)
    assert without_speed(resumed.history) == without_speed(whole.history)
    assert_same(tmp_path / "whole", tmp_path / "stopped")


def test_a_run_stopped_in_its_first_epoch_begins_anew(few_videos, tmp_path, monkeypatch):
    recipe = tiny(few_videos, tmp_path / "stopped", training={"batch_size": 3})
    train_until(recipe, 0, monkeypatch)
    assert not (tmp_path / "stopped" / FILE).exists()
    train(recipe, resume=True, quiet=True)
    train(replace(recipe, out=str(tmp_path / "whole")), quiet=True)
    assert_same(tmp_path / "whole", tmp_path / "stopped")


@pytest.mark.parametrize(
    "kind", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)]
)
def test_a_process_that_is_stopped_from_outside_can_go_on(kind, few_videos, tmp_path):
    """Ctrl-C ends in a line that says how to go on; a killed process leaves whole files."""
    out = tmp_path / "stopped"
    recipe = tiny(few_videos, out, training={"epochs": 400, "batch_size": 4, "patience": 0})
    recipe.write(tmp_path / "recipe.yaml")
    process = subprocess.Popen(
        [sys.executable, "-m", "stillmotion", "train", "--config", tmp_path / "recipe.yaml"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job, such as a test run may be, ignores SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not (out / FILE).exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(kind)
    _, told = process.communicate()
    if kind == signal.SIGINT:
        assert process.returncode == 130
        assert f"stillmotion train --resume --out {out}" in told.splitlines()[-1]
    else:
        assert process.returncode == -signal.SIGKILL
    saved = read_state(out / FILE)
    assert saved.progress.epoch >= 1
    load_file(out / "last" / ADAPTER)
    rows = (out / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["epoch"] for row in rows][:1] == [0.0]
    assert not (out / "evaluation.json").exists()


def test_a_finished_run_is_only_scored_again(finished_run, tmp_path):
    shutil.copytree(finished_run, tmp_path / "run")
    (tmp_path / "run/evaluation.json").unlink()
    assert stillmotion("train", "--resume", "--out", tmp_path / "run") == 0
    assert_same(finished_run, tmp_path / "run")


def test_a_run_goes_on_where_it_lies_now(finished_run, tmp_path):
    """Its recipe names the directory in which it began; what lies there stays as it is."""
    shutil.copytree(finished_run, tmp_path / "moved")
    before = {name: (finished_run / name).stat().st_mtime_ns for name in files_below(finished_run)}
    assert stillmotion("train", "--resume", "--out", tmp_path / "moved") == 0
    after = {name: (finished_run / name).stat().st_mtime_ns for name in files_below(finished_run)}
    assert before == after


def test_other_settings_are_refused_by_name(few_videos, finished_run):
    recipe = tiny(few_videos, finished_run, training={"epochs": 9}, seed=3)
    with pytest.raises(ConfigurationError, match="other settings of seed, training;"):
        train(recipe, resume=True, quiet=True)


def test_a_run_is_not_overwritten(few_videos, finished_run):
    with pytest.raises(ConfigurationError, match="holds a run already"):
        train(tiny(few_videos, finished_run), quiet=True)


@pytest.mark.parametrize("damage", [b"", b"\xff" * 99, None])
def test_a_damaged_state_is_refused(damage, few_videos, finished_run, tmp_path):
    shutil.copytree(finished_run, tmp_path / "run")
    path = tmp_path / "run" / FILE
    path.write_bytes(path.read_bytes()[:-100] if damage is None else damage)
    with pytest.raises(CheckpointError, match=f"cannot resume from {path}"):
        train(tiny(few_videos, tmp_path / "run"), resume=True, quiet=True)


def test_the_best_epoch_is_the_later_of_equals_and_patience_counts_from_it():
    progress = Progress()
    scores = (0.2, 0.5, 0.5, 0.4)
    rows = [{"epoch": 1.0 * i, "val_loss": 1.0, "val_top1": s} for i, s in enumerate(scores)]
    assert [progress.record(row, best="top1") for row in rows] == [True, True, True, False]
    assert (progress.best_epoch, progress.epoch) == (2, 4)
    assert progress.is_stalled(1)
    assert not progress.is_stalled(2)
    assert not progress.is_stalled(0)


def test_the_best_epoch_has_the_lowest_loss_and_without_validation_is_the_last():
    validated, bare = Progress(), Progress()
    losses = (0.9, 0.4, 0.6)
    rows = [{"epoch": 1.0 * i, "val_loss": x, "val_top1": x} for i, x in enumerate(losses)]
    assert [validated.record(row, best="loss") for row in rows] == [True, True, False]
    assert [bare.record({"epoch": 1.0 * i}, best="loss") for i in range(3)] == [True, True, True]


def test_other_videos_and_other_settings_are_not_resumed(finished_run, few_videos, tmp_path):
    shutil.copytree(finished_run, tmp_path / "run")
    shutil.copytree(few_videos, tmp_path / "videos")
    (tmp_path / "videos/jump/0.mp4").rename(tmp_path / "videos/wave/moved.mp4")
    recipe = tiny(few_videos, tmp_path / "run")
    changed = replace(recipe, data=str(tmp_path / "videos"))
    with pytest.raises(ConfigurationError, match="other settings of data"):
        train(changed, resume=True, quiet=True)
    saved = read_state(tmp_path / "run" / FILE)
    with pytest.raises(ConfigurationError, match="not those that this run began with"):
        same_videos(saved, read_splits(changed).fingerprint)
    same_videos(saved, read_splits(recipe).fingerprint)


def test_another_image_model_is_not_resumed(few_videos, tmp_path):
    weights = tmp_path / "weights.safetensors"
    for seed in (0, 1):
        torch.manual_seed(seed)
        image_model = timm.create_model("test_vit", num_classes=0, img_size=64)
        save_file(image_model.state_dict(), weights)
        options = {"backbone": "test_vit", "weights": str(weights), "method": LinearProbe()}
        recipe = tiny(few_videos, tmp_path / "run", **options)
        if seed == 0:
            train(recipe, quiet=True)
    with pytest.raises(ConfigurationError, match="weights are not those that this run began with"):
        train(recipe, resume=True, quiet=True)


def begun(optimizer="adamw", *, of_steps):
    """A model, its optimizer and its schedule; the model as it was, whatever was trained."""
    model = classifier(LinearProbe())
    made = build_optimizer(model, Training(optimizer=optimizer), processes=1)
    return model, made, warm_cosine(made, steps=of_steps, warmup=0.25)


def saved_after(steps, path, optimizer="adamw", *, of_steps):
    """Train a little, and save."""
    model, made, schedule = begun(optimizer, of_steps=of_steps)
    for _ in range(steps):
        model(moving()).square().sum().backward()
        made.step()
        schedule.step()
    parts = {"model": model, "optimizer": made, "schedule": schedule}
    save_state(path, Progress(), recipe={}, videos="", of_steps=of_steps, **parts)


@pytest.mark.parametrize(("done", "of_steps", "then"), [(8, 16, 4), (4, 16, 2), (5, 8, 5)])
def test_a_schedule_goes_on_at_the_same_part_of_its_steps(done, of_steps, then, tmp_path):
    saved_after(done, tmp_path / FILE, of_steps=of_steps)
    model, optimizer, schedule = begun(of_steps=8)
    read_state(tmp_path / FILE).restore(model, optimizer, schedule, of_steps=8)
    assert schedule.last_epoch == then
    _, _, whole = begun(of_steps=8)
    for _ in range(then):
        whole.optimizer.step()
        whole.step()
    assert schedule.get_last_lr() == whole.get_last_lr() != [0.0]


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
@pytest.mark.parametrize(
    ("prefix", "change", "reason"),
    [
        ("model.", lambda t: t[:1], "of another shape"),
        ("model.", None, "1 missing"),
        ("model.", lambda t: t / 0, "not finite"),
        ("optimizer.", lambda t: t.reshape(-1)[:1].repeat(2), "of another shape"),
        ("optimizer.", None, "1 missing"),
    ],
)
def test_a_state_with_other_tensors_changes_nothing(kind, prefix, change, reason, tmp_path):
    path = tmp_path / FILE
    saved_after(1, path, kind, of_steps=8)
    with safe_open(path, framework="pt") as file:
        about = file.metadata()
    tensors = load_file(path)
    if kind == "sgd" and prefix == "optimizer.":
        tensors["optimizer.0.other"] = tensors.pop("optimizer.0.momentum_buffer")
        reason = "1 missing"
    else:
        name = next(name for name in tensors if name.startswith(prefix))
        tensor = tensors.pop(name)
        tensors |= {} if change is None else {name: change(tensor).contiguous()}
    save_file(tensors, path, metadata=about)
    model, optimizer, schedule = begun(kind, of_steps=8)
    before = {name: tensor.clone() for name, tensor in model.adapter_tensors().items()}
    with pytest.raises(CheckpointError, match=reason):
        read_state(path).restore(model, optimizer, schedule, of_steps=8)
    assert all(torch.equal(before[n], t) for n, t in model.adapter_tensors().items())


def test_resuming_takes_no_other_settings(finished_run, capsys):
    given = ("--resume", "--out", finished_run, "--training.epochs", "9")
    assert stillmotion("train", *given) == 2
    assert "leave out --training.epochs" in capsys.readouterr().err
