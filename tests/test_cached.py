"""Cached features: the same training without pixels, for the methods that allow it."""

import math
from dataclasses import replace

import pytest
import torch
from accelerate.utils import set_seed

from models import VARIANTS, classifier, moving, trained
from runs import TINY, stillmotion, tiny
from stillmotion.checkpoint import load
from stillmotion.data.dataset import collate, separate
from stillmotion.data.transforms import Augmentation
from stillmotion.errors import ConfigurationError
from stillmotion.methods import METHODS, AMFlow, AttentiveProbe, LinearProbe, TemporalProbe
from stillmotion.methods.parts import Readout
from stillmotion.training import train
from stillmotion.training.cached import FrameProbe, frozen
from stillmotion.training.log import RunLog
from stillmotion.training.loop import build_model, fit
from stillmotion.training.session import prepare, start
from stillmotion.training.splits import read_splits

CAN = [name for name, method in METHODS.items() if method().reads_frozen_frames]
METHOD = TemporalProbe(dropout=0.0)
SIDE = replace(AMFlow.small(), dropout=0.0)
PROBES = {
    **{name: METHODS[name](dropout=0.0) for name in CAN},
    "temporal_probe, grid": TemporalProbe(tokens="grid", dropout=0.0),
    "side": SIDE,
    "side, without flow": replace(SIDE, flow="none"),
}


def probe(data, out, *, method=METHOD, clips=1, videos=None, training=None, **changes):
    """A recipe whose method trains behind the image model."""
    training = {"cache_clips": clips, **(training or {})}
    return tiny(data, out, method=method, videos=videos, training=training, **changes)


def assert_close(one, other):
    """Weights and metrics of two runs."""
    left, right = (run.model.adapter_tensors() for run in (one, other))
    for name, tensor in left.items():
        torch.testing.assert_close(tensor, right[name], rtol=1e-5, atol=1e-5)
    for row, again in zip(one.history, other.history, strict=True):
        for name in row.keys() - {"clips_per_second"}:
            assert row[name] == pytest.approx(again[name], abs=1e-5), name


@pytest.mark.parametrize("workers", [0, 1])
def test_a_clip_an_epoch_trains_as_pixels_do(workers, few_videos, tmp_path):
    """Same clips, same augmentation, same order of batches: the same weights, losses and scores."""
    runs = [
        train(
            probe(
                few_videos,
                tmp_path / str(clips),
                clips=clips,
                videos={"workers": workers},
                training={"epochs": 3, "batch_size": 4},
                augmentation=Augmentation(flip=0.5, colour=0.3),
            ),
            quiet=True,
        )
        for clips in (0, 3)
    ]
    assert_close(*runs)
    assert len({row["train_loss"] for row in runs[0].history}) == 3


@pytest.mark.parametrize("name", PROBES)
def test_one_clip_is_enough_where_it_is_always_the_same(name, few_videos, tmp_path):
    still = {
        "method": PROBES[name],
        "videos": {"keep_frames": 2},
        "augmentation": Augmentation(scale=(1.0, 1.0), ratio=(4 / 3, 4 / 3)),
        "training": {"epochs": 2},
    }
    pixels = train(probe(few_videos, tmp_path / "pixels", clips=0, **still), quiet=True)
    cached = train(probe(few_videos, tmp_path / "cached", clips=1, **still), quiet=True)
    assert_close(pixels, cached)


def test_the_image_model_sees_each_clip_once(few_videos, tmp_path):
    recipe = probe(few_videos, tmp_path, clips=2, training={"epochs": 5})
    splits, accelerator = read_splits(recipe), start(recipe.training)
    set_seed(recipe.seed)
    model = build_model(recipe, splits.train)
    seen = []
    model.trunk.blocks[0].register_forward_hook(lambda _, given, out: seen.append(len(given[0])))
    with RunLog(tmp_path, is_main=True, quiet=True) as log:
        session = prepare(recipe, model, splits, accelerator, log)
        assert sum(seen) == 2 * len(splits.train) + len(splits.val) == 14
        progress = fit(session, log, None)
    assert len(progress.history) == 5
    assert sum(seen) == 14


def test_clips_take_turns(few_videos, tmp_path):
    recipe = probe(few_videos, tmp_path, clips=2)
    splits = read_splits(recipe)
    with RunLog(tmp_path, is_main=True, quiet=True) as log:
        model = build_model(recipe, splits.train)
        session = prepare(recipe, model, splits, start(recipe.training), log)
    dataset = session.loaders.train.dataset
    drawn = []
    for epoch in range(4):
        session.batches.set_epoch(epoch)
        drawn.append(torch.stack([dataset[i]["clip"] for i in range(len(dataset))]))
    assert torch.equal(drawn[0], drawn[2])
    assert torch.equal(drawn[1], drawn[3])
    assert not torch.equal(drawn[0], drawn[1])
    assert session.loaders.feature_bytes == 4 * (2 * 6 + 2) * math.prod(drawn[0].shape[1:])


@pytest.mark.parametrize("family", ["vit", "hiera"])
@pytest.mark.parametrize("name", PROBES)
def test_features_are_those_of_the_model(name, family):
    """Of each view; and what cannot be read passes through."""
    model = trained(PROBES[name], family)
    views = (255 * moving(batch=4).unflatten(0, (2, 2))).to(torch.uint8)
    items = [{"clip": clip, "label": i, "index": i} for i, clip in enumerate(views)]
    bad = {"index": 7, "error": "damaged"}
    full, empty = frozen(model, [collate([items[0], bad, items[1]]), collate([bad])])
    told = FrameProbe(model)(full.clip.flatten(0, 1))
    torch.testing.assert_close(told, model(views.flatten(0, 1)))
    assert full.index.tolist() == [0, 1]
    assert full.failures == empty.failures == [(7, "damaged")]
    assert len(empty) == 0
    assert not full.clip.requires_grad


def test_a_batch_comes_apart_into_its_items():
    clip = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    items = [{"clip": clip, "label": 2, "index": 5}, {"index": 3, "error": "damaged"}]
    first, second = separate(collate(items))
    assert torch.equal(first.pop("clip"), clip)
    assert (first, second) == ({"label": 2, "index": 5}, items[1])


@pytest.mark.parametrize("name", VARIANTS)
def test_a_method_says_whether_its_frames_are_frozen(name):
    """True of its parts: nothing trains before what is read, and nothing else is read."""
    model = classifier(VARIANTS[name])
    clip = model.normalise(moving())
    if model.method.reads_frozen_frames:
        assert not model.frame_features(clip).requires_grad
    x, said = model.tokens(clip)
    frames = model.readout.frames(model.backbone, x)
    each = type(model.readout).forward is Readout.forward and frames.shape[1] == x.shape[1]
    if not model.trunk.observed_dims:  # the side form says something of what is frozen
        frozen = each and not said and not frames.requires_grad
        assert model.method.reads_frozen_frames == frozen
    assert not each or frames.shape[2] == model.readout.frame_dim


@pytest.mark.parametrize("name", sorted(METHODS.keys() - set(CAN)))
def test_other_methods_are_refused_with_those_that_can(name, tmp_path):
    can = "attentive_probe, linear_probe, temporal_probe, or amflow"
    with pytest.raises(ConfigurationError, match=f"cache_clips=2: .*{can}"):
        probe(tmp_path, tmp_path, method=METHODS[name](), clips=2)


@pytest.mark.parametrize("name", CAN)
def test_probes_learn_of_motion_what_they_can(name, motion_list, tmp_path):
    """Held-out videos come in pairs that differ in the order of their frames alone."""
    run = train(
        probe(
            motion_list,
            tmp_path,
            method=METHODS[name](),
            sampling=replace(tiny(motion_list, tmp_path).sampling, num_frames=8),
            training={"epochs": 30, "batch_size": 12},
            seed=1,
        ),
        quiet=True,
    )
    rows = run.evaluation.predictions
    told_apart = [row["predicted"] != row["predicted_reversed"] for row in rows]
    if name == LinearProbe.name:
        assert not any(told_apart)
        assert run.evaluation.scores.top1 <= 0.5
        return
    assert run.history[-1]["train_loss"] < 0.5 * run.history[0]["train_loss"]
    if name != AttentiveProbe.name:  # which learns so few videos by heart, from any of their frames
        assert any(told_apart)


def test_the_plan_says_what_features_take(few_videos, tmp_path, capsys):
    """Two clips of six videos to train and a view of two to validate, of 2 frames of C floats."""
    options = ("--method", "temporal_probe", "--training.cache_clips", "2")
    assert stillmotion("train", few_videos, "--out", tmp_path, *TINY, *options) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "features" in line]
    width = load(tmp_path).backbone.pooled_dim
    assert f"{4 * 14 * 2 * width / 1e6:.1f} MB, computed once: 2 x" in row


def test_the_command_line_refuses_what_cannot_be_cached(few_videos, tmp_path, capsys):
    options = ("--method", "aim", "--training.cache_clips", "2")
    assert stillmotion("train", few_videos, "--out", tmp_path, *TINY, *options) == 2
    assert "aim trains more than what follows the features" in capsys.readouterr().err
