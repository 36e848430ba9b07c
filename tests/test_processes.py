"""Several processes do what one with as large batches does, and end together; one speaks."""

import json
import os
import shutil
import signal
import sys
import time
from collections import Counter
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from launching import (
    LIMIT,
    Launched,
    command_line,
    normalise,
    resume_quietly,
    together,
    torchrun,
    train_and_die,
    train_counting,
    train_quietly,
    train_until,
)
from models import VARIANTS
from runs import TINY, stillmotion, tiny
from stillmotion import processes
from stillmotion.data.orders import EpochOrder, shuffled
from stillmotion.dealing import Dealt
from stillmotion.methods import (
    AIM,
    AdaptFormer,
    AMFlow,
    LinearProbe,
    STAdapter,
    ZeroI2V,
)
from stillmotion.processes import LOST, count, first_to_tell, is_main
from stillmotion.training import train
from stillmotion.training.state import FILE, read_state
from test_resume import assert_same, without_speed
from test_resume import train_until as stop_in_epoch
from videos import write_classes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gloo is tried on POSIX systems")

PLAIN = replace(AMFlow.small(), dropout=0.0, tpm_dropout=0.0)
"""A method that draws nothing at random: what is drawn differs from process to process."""


@given(
    samples=st.integers(0, 60),
    batch_size=st.integers(1, 7),
    processes=st.integers(1, 9),
    epoch=st.integers(0, 3),
)
def test_every_index_is_dealt_once_in_the_batches_of_one_process(
    samples, batch_size, processes, epoch
):
    def batches(size, process, of):
        order = EpochOrder(lambda random: shuffled(samples, random), length=samples, seed=3)
        order.set_epoch(epoch)
        dealt = Dealt(order, batch_size=size, process=process, processes=of)
        listed = list(dealt)
        assert len(listed) == len(dealt)
        return listed

    parts = [batches(batch_size, process, processes) for process in range(processes)]
    alone = batches(batch_size * processes, 0, 1)
    for whole, *shares in zip(alone, *parts, strict=True):
        assert Counter(whole) == Counter(index for share in shares for index in share)
        sizes = [len(share) for share in shares]
        assert max(sizes) - min(sizes) <= 1
        assert max(sizes) <= batch_size
    assert sorted(index for batch in alone for index in batch) == list(range(samples))


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """Twelve videos; one to train on and one to validate on cannot be read."""
    data = write_classes(tmp_path_factory.mktemp("damaged") / "videos", videos_each=6)
    for name in ("jump/0.mp4", "jump/1.mp4"):
        (data / name).write_bytes((data / name).read_bytes()[:300])
    return data


def recipe_of(data, out, *, processes, together=4, method=PLAIN, **training):
    """A run whose classes weigh differently, in which uneven batches come together for a step."""
    return tiny(
        data,
        out,
        method=method,
        videos={"max_unreadable": 0.5, "val_fraction": 0.3},
        training={
            "epochs": 2,
            "batch_size": together // processes,
            "accumulate": 2,
            "class_weights": "balanced",
            "label_smoothing": 0.1,
            **training,
        },
    )


def rows_of(out):
    return without_speed(map(json.loads, (out / "metrics.jsonl").read_text().splitlines()))


def assert_same_run(one, other):
    """The same videos in the same epochs with the same losses, and the same final scores."""
    for left, right in zip(rows_of(one), rows_of(other), strict=True):
        assert left == pytest.approx(right, rel=1e-5)
    said = [(out / "evaluation_predictions.jsonl").read_text().splitlines() for out in (one, other)]
    for left, right in zip(*said, strict=True):
        assert json.loads(left) == pytest.approx(json.loads(right), abs=2e-4)  # of four digits


def assert_sent_what_trains(folder):
    """Each process sent four bytes a trained parameter in each step, and four a tensor where some
    get no gradient; sixteen for each batch; and once, in which order gradients come."""
    for path in folder.glob("*.out"):
        told = json.loads(path.read_text().splitlines()[-1])
        assert told["steps"] > 0
        bytes_of_a_step = 4 * told["trained"] + (4 * told["tensors"] if told["idle"] else 0)
        assert told["sent"].pop("broadcast_.default", 0) <= 4 * (told["tensors"] + 8)
        assert told["sent"] == {"allreduce_.default": told["steps"] * bytes_of_a_step}
        assert told["told"] == {"allreduce_.default": told["batches"] * 16}


def test_two_processes_train_as_one_does_and_one_of_them_writes(damaged, tmp_path):
    train(recipe_of(damaged, tmp_path / "one", processes=1), quiet=True)
    recipe = recipe_of(damaged, tmp_path / "two", processes=2)
    printed = together(train_counting, recipe, processes=2, folder=tmp_path / "told")
    assert_same_run(tmp_path / "one", tmp_path / "two")
    assert printed.count("epoch   1") == 1
    assert [row["unreadable"] for row in rows_of(tmp_path / "two")] == [1, 1]
    *_, told = (tmp_path / "told/1.out").read_text().splitlines()
    assert json.loads(told)["written"] == []
    assert_sent_what_trains(tmp_path / "told")


def test_three_processes_answer_seven_videos_each_once(damaged, finished_run, tmp_path):
    videos = Path(shutil.copytree(damaged, tmp_path / "videos"))
    for path in sorted(videos.rglob("*.mp4"))[7:]:
        path.unlink()
    others = ("--videos.max_unreadable", "0.5", "--videos.allow_overlap", "true")
    others += ("--videos.workers", "0", "--time_check", "false", "--out")
    command = ("evaluate", finished_run, videos, *others)
    assert stillmotion(*command, tmp_path / "one.json") == 0
    command = (command_line, *command, tmp_path / "three.json")
    printed = together(*command, processes=3, folder=tmp_path / "told")
    assert printed.count("top-1") == 1
    one, three = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("one", "three"))
    assert (one["n"], three["n"]) == (5, 5)
    assert three["unreadable"] == one["unreadable"] != []
    assert (three["top1"], three["confusion"]) == (one["top1"], one["confusion"])


def test_a_mistake_that_all_processes_meet_is_said_once(tmp_path):
    command = (command_line, "train", tmp_path / "nowhere", "--out", tmp_path / "run")
    with Launched(*command, processes=2, folder=tmp_path / "told") as launched:
        assert launched.ends() == [2, 2]
    assert launched.said().count("stillmotion: ") == 1
    assert "no such file or folder" in launched.said()


def test_without_a_place_on_its_machine_a_process_is_alone(monkeypatch):
    """So Accelerate has it, and so whoever computes also writes."""
    told = {"WORLD_SIZE": "2", "RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert (count(), is_main(), first_to_tell()) == (1, True, True)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_word_that_is_no_command_is_refused_without_waiting_for_others(rank, monkeypatch, capsys):
    monkeypatch.setattr(processes, "_common_store", None)
    for name, value in {"WORLD_SIZE": 2, "RANK": rank, "LOCAL_RANK": rank}.items():
        monkeypatch.setenv(name, str(value))
    assert stillmotion("trian") == 2
    assert ("did you mean 'train'" in capsys.readouterr().err) == (rank == 0)


def test_a_mistake_that_one_process_meets_ends_the_others(few_videos, tmp_path):
    shutil.copytree(few_videos, tmp_path / "videos0")
    command = (command_line, "train", tmp_path / "videos{rank}", "--out", tmp_path / "run", *TINY)
    with Launched(*command, processes=2, folder=tmp_path / "told") as launched:
        assert launched.ends() == [2, 2]
    assert launched.said().count("stillmotion: ") == 1
    assert "videos1: no such file or folder" in launched.said()


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_the_others(rank, few_videos, tmp_path):
    command = (train_and_die, rank, 1, few_videos, "--out", tmp_path / "run", *TINY)
    with Launched(*command, processes=2, folder=tmp_path / "told") as launched:
        statuses = launched.ends()
    assert statuses.pop(rank) == -signal.SIGKILL
    assert statuses == [2]
    assert launched.said().count(LOST) == 1
    assert "Traceback" not in launched.said()


@pytest.mark.slow
def test_four_processes_train_as_one_does(damaged, tmp_path):
    train(recipe_of(damaged, tmp_path / "one", processes=1), quiet=True)
    recipe = recipe_of(damaged, tmp_path / "four", processes=4)
    together(train_counting, recipe, processes=4, folder=tmp_path / "told")
    assert_same_run(tmp_path / "one", tmp_path / "four")


@pytest.mark.slow
@pytest.mark.parametrize("method", [AIM(), LinearProbe(), STAdapter(), ZeroI2V()])
def test_only_gradients_of_what_trains_are_sent(method, damaged, tmp_path):
    recipe = recipe_of(damaged, tmp_path / "run", processes=2, method=method, accumulate=1)
    together(train_counting, recipe, processes=2, folder=tmp_path / "told")
    assert_sent_what_trains(tmp_path / "told")


def calm(method):
    """The same without what it draws at random, which is dealt otherwise to more processes."""
    random = [field.name for field in fields(method) if "drop" in field.name]
    return replace(method, **dict.fromkeys(random, 0.0))


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in VARIANTS if not n.startswith("amflow")])
def test_every_method_trains_over_two_processes_as_over_one(name, damaged, tmp_path):
    method = calm(VARIANTS[name])
    train(recipe_of(damaged, tmp_path / "one", processes=1, method=method), quiet=True)
    recipe = recipe_of(damaged, tmp_path / "two", processes=2, method=method)
    together(train_quietly, recipe, processes=2, folder=tmp_path / "told")
    assert_same_run(tmp_path / "one", tmp_path / "two")


def test_features_are_normalised_over_all_processes_but_for_blank_clips(tmp_path):
    """Clips of two processes, of a third the only one, and none of a fourth."""
    x, weights = torch.randn(6, 3, requires_grad=True), torch.randn(3, 3)
    parts = [x[:3], x[3:5], x[5:], None]
    given = [None if part is None else part.detach().clone() for part in parts]
    told = together(normalise, given, weights, processes=4, folder=tmp_path)
    found = [json.loads(line) for line in told.splitlines()]
    whole = torch.nn.BatchNorm1d(3, affine=False)
    said = whole(x)
    (said * torch.cat([weights, weights[:2], weights[:1]])).sum().backward()
    close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-5)
    close(torch.tensor([row for own in found[:3] for row in own[0]]), said.detach())
    close(torch.tensor([row for own in found[:3] for row in own[1]]), x.grad)
    statistics = [own[2] for own in found]
    assert statistics == statistics[:1] * 4
    close(torch.tensor(statistics[0]), torch.stack([whole.running_mean, whole.running_var]))


@pytest.mark.slow
def test_between_epochs_another_number_of_processes_goes_on(damaged, tmp_path, monkeypatch):
    """At the rate that as many would have had all along."""
    options = {"method": LinearProbe(), "epochs": 6, "batch_size": 2, "accumulate": 1}
    recipe = recipe_of(damaged, tmp_path / "whole", processes=2, **options)
    together(train_quietly, recipe, processes=2, folder=tmp_path / "told whole")
    recipe = replace(recipe, out=str(tmp_path / "again"))
    stop_in_epoch(recipe, 3, monkeypatch)
    together(resume_quietly, recipe, processes=2, folder=tmp_path / "told again")
    rates = [[r["learning_rate"] for r in rows_of(tmp_path / n)] for n in ("whole", "again")]
    assert rates[0][3:] == rates[1][3:]
    assert rates[1][3] > 0


@pytest.mark.slow
def test_statistics_of_all_processes_are_resumed(damaged, tmp_path):
    method = AdaptFormer(adapter_dropout=0.1)
    for name in ("whole", "again"):
        recipe = recipe_of(damaged, tmp_path / name, processes=2, method=method)
        folder = tmp_path / f"told {name}"
        if name == "whole":
            together(train_quietly, recipe, processes=2, folder=folder)
    together(train_until, recipe, 1, processes=2, folder=folder)
    together(resume_quietly, recipe, processes=2, folder=folder)
    assert_same(tmp_path / "whole", tmp_path / "again")


@pytest.mark.slow
def test_killed_processes_go_on_to_the_same_result(damaged, tmp_path):
    """The state after the second batch is there, and the third is begun."""
    random = replace(AMFlow.small(), dropout=0.5)
    for name in ("whole", "killed"):
        recipe = recipe_of(damaged, tmp_path / name, processes=2, method=random, save_every=1)
        recipe = replace(recipe, training=replace(recipe.training, batch_size=1, accumulate=1))
        recipe.write(tmp_path / f"{name}.yaml")
    whole, killed = (("--config", tmp_path / f"{name}.yaml") for name in ("whole", "killed"))
    together(command_line, "train", *whole, processes=2, folder=tmp_path / "told whole")
    with Launched(
        train_and_die, 1, 2, *killed, processes=2, folder=tmp_path / "told killed"
    ) as launched:
        assert launched.ends() == [2, -signal.SIGKILL]
    assert [p.batches for p in read_state(tmp_path / "killed" / FILE).positions] == [2, 2]
    again = ("train", *killed, "--resume")
    together(command_line, *again, processes=2, folder=tmp_path / "told again")
    assert_same(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.slow
def test_under_torchrun_a_mistake_is_said_once_and_a_killed_process_ends_the_job(
    few_videos, tmp_path
):
    with torchrun("train", tmp_path / "nowhere", "--out", tmp_path / "run") as launcher:
        _, complaint = launcher.communicate(timeout=LIMIT)
    assert launcher.returncode != 0
    assert complaint.count("stillmotion: ") == 1
    command = ("train", few_videos, "--out", tmp_path / "run", *TINY, "--training.epochs", "999")
    with torchrun(*command) as launcher:
        while not (tmp_path / "run/last").exists():
            assert launcher.poll() is None
            time.sleep(0.1)
        children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
        os.kill(int(children[-1]), signal.SIGKILL)
        _, complaint = launcher.communicate(timeout=LIMIT)
    assert launcher.returncode != 0
    assert complaint.count(LOST) <= 1, "the launcher may have ended the others before they could"
    assert "SIGKILL" in complaint
