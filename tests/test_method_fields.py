"""What every method promises holds for every choice of its fields, one at a time."""

from functools import cache

import pytest
import torch

from models import classifier as build
from models import field_variants, image_model, moving, still, trained
from stillmotion.backbones import open_backbone
from stillmotion.checkpoint import load
from stillmotion.errors import ConfigurationError

VARIANTS = field_variants()
each_choice = pytest.mark.parametrize("name", VARIANTS)


def model_of(name, make=trained, family="vit"):
    """The model, on an image model that has what the choice asks for."""
    try:
        return make(VARIANTS[name], family)
    except ConfigurationError:  # three heads are too few for a twelfth of them
        return make(VARIANTS[name], family, embed_dim=48, num_heads=12)


@cache
def image_tokens():
    backbone = open_backbone(image_model())
    x = backbone.embed(build(next(iter(VARIANTS.values()))).normalise(still()))
    for block in backbone.blocks:
        x = block(x)
    return x


def test_there_are_choices_of_most_methods():
    assert len({name.split(".")[0] for name in VARIANTS}) >= 8
    assert len(VARIANTS) > 40


@each_choice
def test_the_order_of_frames_is_seen_as_declared(name):
    model, clip = model_of(name).double(), moving().double()
    difference = (model(clip) - model(clip.flip(1))).abs().max()
    assert (difference > 1e-9) == VARIANTS[name].sees_order


@each_choice
def test_it_starts_as_the_image_model_or_says_that_it_does_not(name):
    model = model_of(name, build)
    if model.backbone.dim // 16 != 3:
        return
    found, _ = model.trunk(model.stem(model.backbone, model.normalise(still())))
    want = image_tokens()[:, -found.shape[1] :]
    same = found.shape == want.shape and torch.allclose(found, want, rtol=1e-4, atol=1e-4)
    assert same == VARIANTS[name].starts_as_image_model


@each_choice
def test_everything_trained_learns_but_what_is_declared_inert(name):
    model = model_of(name).train()
    branches = model.branches(moving())
    logits = model.head.vote(branches)
    labels = torch.arange(len(logits))
    loss = model.method.objective(
        branches, logits, lambda given: torch.nn.functional.cross_entropy(given, labels)
    )
    loss.backward()
    silent = {
        parameter_name
        for parameter_name, p in model.named_parameters()
        if p.requires_grad and (p.grad is None or p.grad.abs().max() < 1e-12)
    }
    assert silent == {f"trunk.{parameter}" for parameter in model.trunk.inert}


@each_choice
def test_a_checkpoint_brings_it_back(name, tmp_path):
    before = model_of(name)
    before.save_pretrained(tmp_path)
    heads = before.backbone.dim // 16 if VARIANTS[name].to_dict().get("by") != "heads" else 12
    after = load(tmp_path, backbone=image_model(num_heads=heads))
    assert torch.equal(after(moving()), before(moving()))
