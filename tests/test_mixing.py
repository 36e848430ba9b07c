"""Clips are blended with their labels, frame by frame alike; training takes both."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import classifier, moving
from runs import tiny
from stillmotion.data.mixing import mix, strongest
from stillmotion.data.transforms import Augmentation
from stillmotion.errors import ConfigurationError
from stillmotion.methods import LinearProbe, TemporalProbe
from stillmotion.training import train
from stillmotion.training.optimisation import Objective

CLASSES = 5


def batch(size=4, frames=3, side=8):
    """Clips of one level each, so that what was blended shows."""
    levels = torch.linspace(0, 255, size).round().to(torch.uint8)
    clip = levels[:, None, None, None, None].expand(size, frames, 3, side, side)
    return clip, torch.arange(size)


def mixed(clip, label, **fields):
    return mix(clip, label, augmentation=Augmentation(**fields), num_classes=CLASSES)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, CLASSES), st.sampled_from(["mixup", "cutmix"]))
def test_pixels_and_labels_are_blended_by_one_weight(seed, size, kind):
    torch.manual_seed(seed)
    clip, label = batch(size)
    blended, shares = mixed(clip, label, **{kind: 1.0})
    assert blended.shape == clip.shape
    assert shares.shape == (size, CLASSES)
    assert shares.sum(dim=1) == pytest.approx(torch.ones(size), abs=1e-5)
    pure = clip.float() / 255
    weight = float(shares[0, label[0]]) if size > 1 else 1.0
    both = weight * pure + (1 - weight) * pure.roll(1, 0)
    if kind == "mixup":
        torch.testing.assert_close(blended, both, atol=1e-5, rtol=0)
    else:
        assert torch.equal(blended, blended[:, :1].expand_as(blended)), "one rectangle a clip"
        torch.testing.assert_close(blended.mean(dim=(1, 2, 3, 4)), both.mean(dim=(1, 2, 3, 4)))
        assert ((blended == pure) | (blended == pure.roll(1, 0))).all()


def test_features_are_blended_as_well():
    torch.manual_seed(0)
    features, label = torch.randn(4, 3, 7), torch.arange(4)
    blended, shares = mixed(features, label, mixup=1.0)
    weight = shares[0, 0]
    torch.testing.assert_close(blended, weight * features + (1 - weight) * features.roll(1, 0))


def test_nothing_is_mixed_unless_asked_for():
    clip, label = batch()
    for fields in ({}, {"mixup": 1.0, "cutmix": 1.0, "mix_probability": 0.0}):
        same, labels = mixed(clip, label, **fields)
        assert same is clip
        assert labels is label


def test_either_way_is_taken_where_both_are_asked_for():
    torch.manual_seed(0)
    clip, label = batch()
    kinds = set()
    for _ in range(30):
        blended, _ = mixed(clip, label, mixup=1.0, cutmix=1.0, mix_probability=0.8)
        if blended.dtype == torch.uint8:
            kinds.add("neither")
        else:
            flat = (blended == blended[..., :1, :1]).all()
            kinds.add("mixup" if flat else "cutmix")
    assert kinds == {"neither", "mixup", "cutmix"}


def test_accuracy_counts_the_strongest_class():
    assert strongest(torch.tensor([2, 0])).tolist() == [2, 0]
    assert strongest(torch.tensor([[0.2, 0.5, 0.3], [0.6, 0.4, 0.0]])).tolist() == [1, 0]


def test_a_share_of_one_is_the_class_itself():
    model = classifier(LinearProbe(dropout=0.0)).eval()
    clip, label = moving(batch=4), torch.tensor([0, 1, 1, 0])
    shares = torch.eye(len(model.class_names))[label]
    for smoothing in (0.0, 0.1):
        objective = Objective(model, label_smoothing=smoothing)
        (loss, logits), (again, same) = objective(clip, label), objective(clip, shares)
        torch.testing.assert_close(loss, again)
        assert torch.equal(logits, same)


def test_the_loss_of_a_blend_is_the_blend_of_losses():
    objective = Objective(classifier(LinearProbe(dropout=0.0)).eval())
    clip, one, other = moving(batch=4), torch.tensor([0, 1, 1, 0]), torch.tensor([1, 1, 0, 0])
    shares = 0.3 * torch.eye(len(objective.model.class_names))[one]
    shares += 0.7 * torch.eye(len(objective.model.class_names))[other]
    expected = 0.3 * objective(clip, one)[0] + 0.7 * objective(clip, other)[0]
    torch.testing.assert_close(objective(clip, shares)[0], expected)


@pytest.mark.parametrize(
    ("fields", "clips"),
    [({"mixup": 0.8, "cutmix": 1.0, "repeats": 2, "flip": 0.5}, 0), ({"mixup": 0.8}, 2)],
    ids=["pixels", "cached"],
)
def test_a_mixed_run_trains(fields, clips, few_videos, tmp_path):
    recipe = tiny(
        few_videos,
        tmp_path / "run",
        method=TemporalProbe(),
        augmentation=Augmentation(**fields),
        training={"epochs": 2, "cache_clips": clips},
    )
    run = train(recipe, quiet=True)
    assert all(math.isfinite(row["train_loss"]) for row in run.history)
    assert all(0 <= row["train_top1"] <= 1 for row in run.history)


@pytest.mark.parametrize(
    ("augmentation", "training", "reason"),
    [
        ({"cutmix": 1.0}, {"cache_clips": 1}, "cutmix=1, which needs pixels"),
        ({"repeats": 2}, {"cache_clips": 1}, "repeats=2, which saves decoding"),
        ({"repeats": 4}, {"batch_size": 6}, "counts clips"),
    ],
)
def test_what_does_not_go_together_is_refused(augmentation, training, reason, tmp_path):
    with pytest.raises(ConfigurationError, match=reason):
        tiny(
            tmp_path,
            tmp_path,
            method=TemporalProbe(),
            augmentation=Augmentation(**augmentation),
            training=training,
        )
