"""Foreign image weights become timm's, give their own model's features, and are written back."""

import random
import re
from contextlib import suppress

import pytest
import timm
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st

from foreign_images import (
    DIM,
    FOREIGN,
    HEADS,
    HF_CLIP_SHAPES,
    PATCH,
    SHARED_DIM,
    SIZE,
    TUBELET,
    drawn,
    hf_clip_forward,
)
from stillmotion.backbones.foreign import read_image, write_image
from stillmotion.backbones.foreign.schemes import SCHEMES
from stillmotion.errors import ConfigurationError, WeightsError

NOISE = {
    "token_embedding.weight": (7, DIM),
    "transformer.resblocks.11.adapter_pre_mlp.fc1.weight": (3, DIM),
    "blocks.0.adaptmlp.down_proj.weight": (3, DIM),
    "embeddings.mask_token": (1, DIM),
    "pooler.dense.weight": (DIM, DIM),
    "head.weight": (5, DIM),
    "logit_scale": (),
}
"""What lies in published files beside the image model."""

TEXT_TOWER = {"positional_embedding": (77, DIM)} | {
    key.replace(".0.", f".{layer}."): shape
    for key, shape in FOREIGN["openai_clip"].shapes.items()
    for layer in range(6)
    if ".0." in key
}
"""OpenAI's text tower has names of the bare image tower, and here more layers."""


def foreign(name):
    return drawn(FOREIGN[name].shapes)


def published(name, state):
    """A file: prefix before every name, other tensors beside them, in any order."""
    prefix = FOREIGN[name].prefix
    noise = NOISE | (TEXT_TOWER if prefix == "visual." else {})
    file = drawn(noise) | {f"{prefix}{key}": tensor for key, tensor in state.items()}
    keys = list(file)
    random.Random(0).shuffle(keys)
    return {key: file[key] for key in keys}


def pictures(name):
    """Random pictures; for a model of tubelets, clips that are one tubelet long."""
    tubelet = (TUBELET,) if name == "adaptformer_video" else ()
    return torch.rand(2, 3, *tubelet, SIZE, SIZE, dtype=torch.float64)


def timm_features(weights, images):
    model = timm.create_model(weights.name, **({"img_size": SIZE} | weights.arguments))
    model = model.eval().double()
    model.load_state_dict(weights.state, strict=True)
    if images.ndim == 5:
        # A clip of ours: frames before colours, then a tubelet's frames among the channels.
        images = images.transpose(1, 2).flatten(1, 2)
    with torch.no_grad():
        return model(images)


def same(found, wanted):
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("with_prefix", [False, True])
def test_features_are_those_of_the_authors_forward(name, with_prefix):
    state = foreign(name)
    weights, _ = read_image(published(name, state) if with_prefix else state, num_heads=HEADS)
    images = pictures(name)
    wanted = FOREIGN[name].forward(state, images)
    assert wanted.std() > 0.1
    same(timm_features(weights, images), wanted)


@pytest.mark.parametrize("name", FOREIGN)
def test_every_tensor_of_the_image_model_is_used_and_no_other(name):
    state = foreign(name)
    _, used = read_image(published(name, state), num_heads=HEADS)
    assert sorted(used) == sorted(FOREIGN[name].prefix + key for key in state)


@pytest.mark.parametrize("name", FOREIGN)
def test_sizes_are_read_off_the_tensors(name):
    arguments = read_image(foreign(name), num_heads=HEADS)[0].arguments
    wanted = {"patch_size": PATCH, "embed_dim": DIM, "depth": 2, "num_heads": HEADS}
    assert wanted.items() <= arguments.items()
    tubelet = TUBELET if name == "adaptformer_video" else 1
    assert arguments["in_chans"] == 3 * tubelet
    assert arguments.get("img_size") == (SIZE if tubelet == 1 else None)


@pytest.mark.parametrize("name", [name for name in FOREIGN if FOREIGN[name].written])
def test_what_is_read_is_written_back_bit_by_bit(name):
    state = foreign(name)
    weights, _ = read_image(state, num_heads=HEADS)
    scheme = FOREIGN[name].written
    written = write_image(weights.state, scheme, projection=weights.projection)
    assert written.keys() == state.keys()
    assert all(torch.equal(written[key], state[key]) for key in state)


@pytest.mark.parametrize("name", ["openai_clip", "hf_clip"])
def test_a_projection_leads_from_the_width_to_the_shared_space(name):
    state = foreign(name)
    weights, _ = read_image(state, num_heads=HEADS)
    assert weights.projection.shape == (SHARED_DIM, DIM)
    features = torch.randn(2, DIM, dtype=torch.float64)
    theirs = state.pop("proj" if name == "openai_clip" else "visual_projection.weight")
    wanted = features @ theirs if name == "openai_clip" else F.linear(features, theirs)
    same(F.linear(features, weights.projection), wanted)
    assert read_image(state, num_heads=HEADS)[0].projection is None


def test_the_activation_of_clip_can_be_told():
    state = drawn(HF_CLIP_SHAPES)
    weights, _ = read_image(state, num_heads=HEADS, hidden_act="gelu")
    images = pictures("hf_clip")
    same(timm_features(weights, images), hf_clip_forward(state, images, activation=F.gelu))
    with pytest.raises(ConfigurationError, match=r"'silu'.* Possible: gelu, quick_gelu"):
        read_image(state, num_heads=HEADS, hidden_act="silu")


ABSENT_TOGETHER = {"proj", "visual_projection.weight", "embeddings.register_tokens"}
"""Single tensors without which a file is another whole file."""


@pytest.mark.parametrize("name", FOREIGN)
def test_a_truncated_state_names_what_is_missing(name):
    state = foreign(name)
    assert len(state) > 20
    for key in state.keys() - ABSENT_TOGETHER:
        rest = {other: tensor for other, tensor in state.items() if other != key}
        with pytest.raises(WeightsError) as told:
            read_image(rest, num_heads=HEADS)
        assert key in str(told.value)


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        (r"^norm\.", "2 are missing: norm.weight, norm.bias$"),
        ("norm", "10 are missing: .* and 2 more$"),
        (r"blocks\.0\.", "12 are missing: blocks.0.norm1.weight, .* and 4 more$"),
    ],
)
def test_a_state_without_whole_parts_says_how_many_tensors_are_missing(lost, told):
    state = foreign("timm")
    kept = {key: tensor for key, tensor in state.items() if not re.search(lost, key)}
    with pytest.raises(WeightsError, match=f"names of timm's vision transformer, but {told}"):
        read_image(kept, num_heads=HEADS)


@pytest.mark.parametrize("state", [{}, {"conv1.weight": torch.zeros(3)}, drawn(NOISE)])
def test_a_state_of_no_scheme_is_told_what_is_known(state):
    with pytest.raises(WeightsError, match="no known scheme fits") as told:
        read_image(state, num_heads=HEADS)
    assert all(scheme.title in str(told.value) for scheme in SCHEMES.values())
    assert str(list(state)[:4]) in str(told.value)


@pytest.mark.parametrize(
    ("key", "shape", "told"),
    [
        ("pos_embed", (1, 12, DIM), r"12 positions \(pos_embed\) are no square"),
        ("pos_embed", (10, DIM), r"tokens \(10, 24\) are not of the shape"),
        ("patch_embed.proj.weight", (DIM, 3, 4, 2), "does not make square patches"),
        ("patch_embed.proj.weight", (25, 3, 4, 4), "num_heads=3 does not divide .* 25"),
    ],
)
def test_shapes_of_no_image_model_are_refused(key, shape, told):
    with pytest.raises(WeightsError, match=told):
        read_image(foreign("timm") | {key: torch.zeros(shape)}, num_heads=HEADS)


def test_a_projection_of_another_width_is_refused():
    state = foreign("openai_clip") | {"proj": torch.zeros(DIM + 1, 4)}
    with pytest.raises(WeightsError, match=r"projection \(4, 25\) does not fit a width of 24"):
        read_image(state, num_heads=HEADS)


@settings(max_examples=300)
@given(st.data())
def test_one_tensor_of_any_shape_is_read_or_refused(data):
    """Nothing but our own error is raised; sizes that disagree are left to the strict loading."""
    state = foreign(data.draw(st.sampled_from(sorted(FOREIGN))))
    key = data.draw(st.sampled_from(sorted(state)))
    shape = data.draw(st.lists(st.integers(0, 5), max_size=5))
    with suppress(WeightsError):
        weights, _ = read_image(state | {key: torch.zeros(shape)}, num_heads=1)
        assert {"norm.weight", "fc_norm.weight"} & weights.state.keys()


SIZES = st.fixed_dictionaries(
    {
        "depth": st.integers(1, 12),
        "dim": st.integers(1, 9),
        "hidden": st.integers(1, 60),
        "patch": st.integers(1, 4),
        "side": st.integers(1, 4),
        "tubelet": st.integers(1, 3),
    }
)


def of_sizes(*, depth, dim, hidden, patch, side, tubelet):
    """timm's state of these sizes, with a class token and positions."""
    parts = {
        "norm1": (dim,),
        "norm2": (dim,),
        "attn.qkv": (3 * dim, dim),
        "attn.proj": (dim, dim),
        "mlp.fc1": (hidden, dim),
        "mlp.fc2": (dim, hidden),
    }
    shapes = {
        "cls_token": (1, 1, dim),
        "pos_embed": (1, 1 + side**2, dim),
        "patch_embed.proj.weight": (dim, 3 * tubelet, patch, patch),
        "patch_embed.proj.bias": (dim,),
        "norm.weight": (dim,),
        "norm.bias": (dim,),
    }
    for layer in range(depth):
        for part, shape in parts.items():
            shapes[f"blocks.{layer}.{part}.weight"] = shape
            shapes[f"blocks.{layer}.{part}.bias"] = shape[:1]
    return drawn(shapes)


@given(SIZES)
@example({"depth": 1, "dim": 49, "hidden": 1, "patch": 1, "side": 1, "tubelet": 1})
def test_any_sizes_survive_every_scheme(sizes):
    state = of_sizes(**sizes)
    bare = {key: t for key, t in state.items() if key not in ("cls_token", "pos_embed")}
    without_k = {key: without_k_bias(t) if "qkv.bias" in key else t for key, t in bare.items()}
    pre_normed = {key: t for key, t in state.items() if key != "patch_embed.proj.bias"} | {
        "norm_pre.weight": state["norm.weight"],
        "norm_pre.bias": state["norm.bias"],
    }
    for scheme, ours in (
        ("timm", state),
        ("aim_imagenet", state),
        ("adaptformer_image", state),
        ("adaptformer_video", without_k),
        ("openai_clip", pre_normed),
    ):
        weights, _ = read_image(write_image(ours, scheme), num_heads=1)
        assert weights.state.keys() == ours.keys()
        assert all(torch.equal(weights.state[key], ours[key]) for key in ours)
        told = weights.arguments
        assert int(told["embed_dim"] * told["mlp_ratio"]) == sizes["hidden"]
        assert (told["depth"], told["embed_dim"]) == (sizes["depth"], sizes["dim"])
        assert (told["patch_size"], told["in_chans"]) == (sizes["patch"], 3 * sizes["tubelet"])
        if "pos_embed" in ours:
            assert told["img_size"] == sizes["patch"] * sizes["side"]


def without_k_bias(bias):
    q, k, v = bias.chunk(3)
    return torch.cat([q, torch.zeros_like(k), v])


def test_what_a_scheme_has_no_place_for_is_not_written():
    state = read_image(foreign("timm"), num_heads=HEADS)[0].state
    with pytest.raises(WeightsError, match=r"AdaptFormer's video model has no place for cls_token"):
        write_image(state | biasless_k(state), "adaptformer_video")
    with pytest.raises(WeightsError, match=r"blocks.0.attn.qkv.bias: .* no bias of k"):
        write_image(state, "adaptformer_video")
    with pytest.raises(WeightsError, match=r"OpenAI's CLIP has no place for patch_embed.proj.bias"):
        write_image(state, "openai_clip")
    del state["blocks.1.norm2.bias"]
    with pytest.raises(WeightsError, match=r"needs more: blocks.1.norm2.bias are missing"):
        write_image(state, "timm")


def biasless_k(state):
    return {key: without_k_bias(t) for key, t in state.items() if key.endswith("qkv.bias")}


@pytest.mark.parametrize("scheme", ["hf_vit", "tim"])
def test_a_scheme_that_is_not_written_is_told_the_others(scheme):
    with pytest.raises(ConfigurationError, match="Possible: adaptformer_image, adaptformer_video"):
        write_image({}, scheme)
