"""Weights load strictly from every kind of source; whatever does not fit is named."""

import logging
import os
import re

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed

from foreign_images import FOREIGN, HEADS, SIZE, drawn
from models import moving
from stillmotion.backbones import TokenGrid, load_backbone
from stillmotion.backbones.foreign import read_image
from stillmotion.errors import BackboneError, ConfigurationError, WeightsError

NAME = "vit_tiny_patch16_224"


@pytest.fixture(scope="module")
def image_model():
    torch.manual_seed(0)
    return timm.create_model(NAME, pretrained=False).eval()


@pytest.fixture(scope="module")
def state(image_model):
    return {name: tensor.clone() for name, tensor in image_model.state_dict().items()}


def as_safetensors(state, folder):
    save_file(state, folder / "weights.safetensors")
    return folder / "weights.safetensors"


def as_directory(state, folder):
    save_file(state, folder / "model.safetensors")
    return folder


def as_pth(state, folder):
    torch.save(state, folder / "weights.pth")
    return folder / "weights.pth"


def as_training_checkpoint(state, folder):
    state = {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save({"epoch": 3, "state_dict": state}, folder / "weights.pth")
    return folder / "weights.pth"


@pytest.mark.parametrize("write", [as_safetensors, as_directory, as_pth, as_training_checkpoint])
def test_weights_load_from_any_kind_of_file(write, image_model, state, tmp_path):
    backbone = load_backbone(NAME, weights=write(state, tmp_path))
    frame = torch.randn(1, 3, 224, 224)
    x = backbone.embed(frame[:, None])
    for block in backbone.blocks:
        x = block(x)
    want = image_model.forward_features(frame)
    torch.testing.assert_close(backbone.norm(x)[:, 0], want, rtol=1e-4, atol=1e-4)


def test_positions_are_resampled_to_the_image_size(state, tmp_path):
    path = as_safetensors(state, tmp_path)
    backbone = load_backbone(NAME, weights=path, image_size=64)
    want = resample_abs_pos_embed(state["pos_embed"], [4, 4], num_prefix_tokens=1)[0]
    assert backbone.grid == TokenGrid(1, 4, 4)
    assert backbone.image_size == (64, 64)
    torch.testing.assert_close(backbone.position, want)


def test_the_classifier_of_the_file_is_left_out_and_said(state, tmp_path, caplog):
    with caplog.at_level(logging.INFO, "stillmotion"):
        load_backbone(NAME, weights=as_safetensors(state, tmp_path))
    told = caplog.messages[-1]
    assert "weights.safetensors: the image model is all there; left out: " in told
    assert "head.weight" in told
    assert "head.bias" in told


@pytest.mark.parametrize("scheme", ["openai_clip", "hf_vit", "hf_clip", "hf_dinov2"])
def test_other_key_schemes_are_read(scheme, tmp_path, caplog):
    """As their own forward computes; what is none of the image model is left out, and said."""
    theirs = FOREIGN[scheme]
    state = drawn(theirs.shapes)
    sizes = read_image(state, num_heads=HEADS)[0]
    stranger = {"pooler.dense.weight": torch.ones(2)}
    named = {f"{theirs.prefix}{key}": tensor for key, tensor in state.items()}
    file = as_safetensors(named | stranger, tmp_path)
    backbone = load_backbone(sizes.name, weights=file, arguments=sizes.arguments)
    assert re.search("left out: (pooler.dense.weight|head.bias)", caplog.text)
    frames = torch.rand(2, 3, SIZE, SIZE)
    x = backbone.embed(frames[:, None])
    for block in backbone.blocks:
        x = block(x)
    wanted = theirs.forward(state, frames.double()).float()
    torch.testing.assert_close(backbone.pool(backbone.norm(x))[:, 0], wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("scheme", ["openai_clip", "hf_clip"])
def test_clips_projection_is_read_from_other_key_schemes(scheme, tmp_path):
    state = drawn(FOREIGN[scheme].shapes)
    sizes, _ = read_image(state, num_heads=HEADS)
    shared = len(sizes.projection)
    kept = {"num_classes": shared, "pretrained_cfg_overlay": {"num_classes": shared}}
    file = as_safetensors(state, tmp_path)  # without a prefix, which timm does not convert
    backbone = load_backbone(sizes.name, weights=file, arguments=sizes.arguments | kept)
    torch.testing.assert_close(backbone.projection, sizes.projection.float())


class Intruder:
    """Runs a command when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (os.mkdir, (str(self.mark),))


def test_a_malicious_pickle_stays_inert(tmp_path):
    mark = tmp_path / "was here"
    torch.save({"blocks.0.norm1.weight": Intruder(mark)}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match="cannot read weights"):
        load_backbone(NAME, weights=tmp_path / "evil.pth")
    assert not mark.exists()


def without_a_tensor(state):
    del state["blocks.3.attn.qkv.bias"]


def with_a_stranger(state):
    state["blocks.0.ghost"] = torch.ones(1)


def with_another_shape(state):
    state["blocks.7.norm1.weight"] = torch.ones(5)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (without_a_tensor, r"1 missing \(blocks.3.attn.qkv.bias\)"),
        (with_a_stranger, r"1 unexpected \(blocks.0.ghost\)"),
        (with_another_shape, r"1 of another shape \(blocks.7.norm1.weight \(5,\) for \(192,\)\)"),
        (dict.clear, "150 missing .*and 146 more"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(damage, told, state, tmp_path):
    damaged = dict(state)
    damage(damaged)
    with pytest.raises(WeightsError, match=f"does not fit this image model: {told}"):
        load_backbone(NAME, weights=as_safetensors(damaged, tmp_path))


def test_weights_of_another_model_are_refused(tmp_path):
    other = timm.create_model("vit_small_patch14_dinov2", img_size=28, depth=1, num_classes=0)
    path = as_safetensors(other.state_dict(), tmp_path)
    with pytest.raises(WeightsError, match="fit this image model"):
        load_backbone(NAME, weights=path)


@pytest.mark.parametrize("content", [b"", b"\xff" * 99, b"PK\x03\x04 truncated"])
@pytest.mark.parametrize("suffix", ["safetensors", "pth", "bin"])
def test_garbled_files_are_refused(content, suffix, tmp_path):
    path = tmp_path / f"weights.{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=f"cannot read weights from {path}"):
        load_backbone(NAME, weights=path)


@pytest.mark.parametrize("missing", ["nowhere.safetensors", "."])
def test_missing_files_are_refused_with_what_is_possible(missing, tmp_path):
    with pytest.raises(WeightsError, match=r"there are no weights at .*'pretrained', 'none', or"):
        load_backbone(NAME, weights=tmp_path / missing)


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("vit_bose_patch16_224", "vit_base_patch16_224"),
        ("vit_base_patch14_dinov2_", "vit_base_patch14_dinov2"),
        ("vit_stillmotion_dem", "vit_stillmotion_demo"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(given, nearest):
    with pytest.raises(ConfigurationError, match=f"did you mean '{nearest}'") as caught:
        load_backbone(given, weights="none")
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("name", ["resnet50", "sam2_hiera_tiny", "beit_base_patch16_224"])
def test_families_that_cannot_be_opened_are_refused_before_they_are_built(name):
    with pytest.raises(BackboneError, match=f"{name} is not supported"):
        load_backbone(name)


def test_an_unknown_tag_is_refused():
    with pytest.raises(BackboneError, match="Invalid pretrained tag"):
        load_backbone(f"{NAME}.nobody", weights="none")


def test_random_weights_are_said_loudly(caplog):
    backbone = load_backbone(NAME, weights="none", image_size=32)
    assert "RANDOM weights" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING
    assert (backbone.name, backbone.weights) == (NAME, "none")


def test_without_a_network_the_error_says_what_to_give(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=f"cannot get the pretrained weights of {NAME}") as told:
        load_backbone(NAME)
    assert "the path of a safetensors file" in str(told.value)


def test_real_weights_load_and_see(shared):
    """The published DeiT-tiny gives one picture, seen twice, the same features; another, others."""
    path = shared / "data/deit-tiny/deit_tiny_patch16_224.safetensors"
    if not path.is_file():
        pytest.skip(f"no DeiT weights at {path}")
    backbone = load_backbone("deit_tiny_patch16_224", weights=path)
    want = timm.create_model("deit_tiny_patch16_224", checkpoint_path=str(path)).eval()
    clip = moving(batch=1, frames=2, size=224)
    x = backbone.embed(clip)
    for block in backbone.blocks:
        x = block(x)
    found = backbone.pool(backbone.norm(x))[0]
    frames = want.forward_head(want.forward_features(clip[0]), pre_logits=True)
    torch.testing.assert_close(found, frames, rtol=1e-4, atol=1e-4)
    assert found.std() > 0.1


def test_an_image_that_is_no_whole_number_of_patches_is_refused():
    with pytest.raises(BackboneError, match=r"65 pixels cannot be cut into patches of 8; .* is 64"):
        load_backbone("vit_stillmotion_demo", image_size=65)
