"""Frozen weights that are divided among processes change what a process holds, and nothing else."""

import json
import sys

import pytest
import torch
import torch.distributed as dist
from accelerate import Accelerator
from safetensors.torch import load_file
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

from launching import together, train_whole_and_divided
from models import VARIANTS, classifier, moving, trained
from runs import tiny
from stillmotion.errors import ConfigurationError
from stillmotion.methods import AdaptFormer, FullFineTuning
from stillmotion.methods.parts import Trunk
from stillmotion.settings import Training
from stillmotion.training import state
from stillmotion.training.optimisation import build_optimizer, warm_cosine
from stillmotion.training.sharding import (
    divide,
    divide_blocks,
    frozen_bytes,
    refuse_undividable,
)
from videos import write_classes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gloo is tried on POSIX alone")


def recipe_of(data, out, *, shard):
    training = {"epochs": 2, "batch_size": 2, "shard_backbone": shard, "precision": "fp32"}
    videos = {"val_fraction": 0.34, "max_unreadable": 0.5}
    return tiny(data, out, videos=videos, training=training, method=AdaptFormer(), seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 4])
def test_a_run_with_divided_weights_is_the_same_run(processes, tmp_path):
    data = write_classes(tmp_path / "videos", videos_each=5)
    (data / "jump/0.mp4").write_bytes((data / "jump/0.mp4").read_bytes()[:400])
    whole, divided = ((tmp_path / name) for name in ("whole", "divided"))
    recipes = (recipe_of(data, whole, shard=False), recipe_of(data, divided, shard=True))
    told = together(
        train_whole_and_divided, *recipes, processes=processes, folder=tmp_path / "told"
    )
    uneven = [10 * rank + i for rank in range(processes) for i in range(1 + 2 * rank)]
    for held in map(json.loads, told.splitlines()):
        saved = held["whole"] - held["divided"]
        assert saved > 0.9 * (1 - 1 / processes) * held["whole"]
        assert held["answered"] == uneven  # some have more batches than others
    weights = "adapter_model.safetensors"
    for name in (f"best/{weights}", f"last/{weights}", "evaluation_predictions.jsonl"):
        assert (whole / name).read_bytes() == (divided / name).read_bytes()
    one, other = (load_file(run / "evaluation_scores.safetensors") for run in (whole, divided))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    rows = [(run / "metrics.jsonl").read_text().splitlines() for run in (whole, divided)]
    assert len(rows[0]) == 2
    for one, other in zip(*(map(json.loads, each) for each in rows), strict=True):
        speeds = one.pop("clips_per_second"), other.pop("clips_per_second")
        assert min(speeds) > 0
        assert one == other
    files = [{str(p.relative_to(run)) for p in run.rglob("*.*")} for run in (whole, divided)]
    boards = [{name for name in each if "tfevents" not in name} for each in files]
    assert boards[0] == boards[1]


@pytest.fixture(scope="module")
def mesh():
    """Of one process, which divides by one and gathers as several would."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    dist.destroy_process_group()


@pytest.mark.parametrize("method", [name for name in VARIANTS if name != "full"])
@pytest.mark.parametrize("checkpoint_blocks", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_method_finds_its_blocks_gathered(method, checkpoint_blocks, mesh):
    whole, divided = (trained(VARIANTS[method], frames=2) for _ in range(2))
    divide_blocks(divided, mesh)
    assert any(isinstance(parameter, DTensor) for parameter in divided.parameters())
    said = []
    for model in (whole, divided):
        torch.manual_seed(0)
        model.trunk.checkpoint_blocks = checkpoint_blocks
        logits = model.train()(moving(frames=2))
        logits.square().sum().backward()
        said.append(logits)
    assert torch.equal(*said)
    for one, other in zip(whole.parameters(), divided.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        assert one.grad is None or torch.equal(one.grad, other.grad)
    kept, own = whole.adapter_tensors(), divided.adapter_tensors()
    assert kept.keys() == own.keys()
    assert not any(isinstance(tensor, DTensor) for tensor in own.values())


def test_a_state_of_whole_weights_goes_on_with_divided_ones(mesh, tmp_path):
    options = Training()
    whole, divided = trained(AdaptFormer()), classifier(AdaptFormer())
    divide_blocks(divided, mesh)
    parts = []
    for model in (whole, divided):
        optimizer = build_optimizer(model, options, processes=2)
        parts.append((model, optimizer, warm_cosine(optimizer, steps=4, warmup=0.5)))
    model, optimizer, schedule = parts[0]
    optimizer.step()
    schedule.step()
    about = {"recipe": {}, "videos": "", "model": model, "of_steps": 4}
    state.save_state(
        tmp_path / state.FILE, state.Progress(), optimizer=optimizer, schedule=schedule, **about
    )
    state.read_state(tmp_path / state.FILE).restore(*parts[1], of_steps=4)
    kept, own = whole.adapter_tensors(), divided.adapter_tensors()
    assert all(torch.equal(own[name], tensor) for name, tensor in kept.items())


def test_one_process_is_told_that_it_gains_nothing():
    model = classifier(AdaptFormer())
    before = frozen_bytes(model)
    assert "brings nothing" in divide(model, Training(shard_backbone=True), Accelerator(cpu=True))
    assert frozen_bytes(model) == before


def random_weights(model):
    model.backbone.weights = "none"


def another_way(model):
    model.trunk.__class__ = type("Another", (Trunk,), {"forward": lambda *_: None})


@pytest.mark.parametrize(
    ("method", "options", "change", "reason"),
    [
        (FullFineTuning(), {}, id, "full trains them all"),
        (AdaptFormer(), {"compile": True}, id, "do not go together"),
        (AdaptFormer(), {}, random_weights, "these weights are random"),
        (AdaptFormer(), {}, another_way, "a way of its own"),
    ],
)
def test_what_cannot_be_divided_is_refused(method, options, change, reason):
    model = classifier(method)
    change(model)
    with pytest.raises(ConfigurationError, match=reason):
        refuse_undividable(model, Training(**options))
