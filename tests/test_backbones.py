"""Opening an image model changes nothing, freezes everything, and refuses what it cannot open."""

import copy

import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from models import FAMILIES, SIZE, TINY, image_model, moving
from stillmotion.backbones import OpenBlock, TokenGrid, open_backbone
from stillmotion.errors import BackboneError
from stillmotion.nn.attention import attend, attention_logits, merge_heads, split_heads
from stillmotion.nn.frozen import Frozen

CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def run(backbone, clip):
    """Tokens of a clip after the last block and the final norm."""
    x = backbone.embed(clip)
    for block in backbone.blocks:
        x = block(x)
    return backbone.norm(x)


@pytest.mark.parametrize("size", [SIZE, 48, (32, 64)])
@pytest.mark.parametrize("family", FAMILIES)
def test_opening_changes_nothing(family, size):
    model = image_model(family, size=size)
    height, width = (size, size) if isinstance(size, int) else size
    frames = torch.randn(2 * 3, 3, height, width)
    with torch.no_grad():
        want = model.forward_features(frames)
        want_pooled = model.forward_head(want, pre_logits=True)
        backbone = open_backbone(model)
        found = run(backbone, frames.unflatten(0, (2, 3)))
        pooled = backbone.pool(found)
    torch.testing.assert_close(found.flatten(0, 1), want, **CLOSE)
    torch.testing.assert_close(pooled.flatten(0, 1), want_pooled, **CLOSE)
    last = backbone.blocks[-1]
    assert found.shape == (2, 3, last.grid.num_tokens, last.dim)
    assert pooled.shape == (2, 3, backbone.pooled_dim)
    assert backbone.image_size == (height, width)


@pytest.mark.parametrize("family", FAMILIES)
def test_folding_layer_scale_changes_nothing_and_leaves_ones(family):
    backbone = open_backbone(image_model(family))
    want, size = run(backbone, moving()), sum(p.numel() for p in backbone.parameters())
    opened = [block for block in backbone.blocks if isinstance(block, OpenBlock)]
    for block in opened:
        block.fold_layer_scale()
    torch.testing.assert_close(run(backbone, moving()), want, **CLOSE)
    scales = [gamma for block in opened for gamma in block.layer_scales.values()]
    assert all((gamma == 1).all() for gamma in scales if gamma is not None)
    assert sum(p.numel() for p in backbone.parameters()) == size


@pytest.mark.parametrize("family", FAMILIES)
def test_linears_are_those_on_either_side_of_each_branch(family):
    backbone = open_backbone(image_model(family))
    block = backbone.blocks[0]
    block.fold_layer_scale()
    x = torch.randn(2, backbone.grid.num_tokens, backbone.dim)
    heads, out, mlp = block.qkv(x), block.attn(x), block.mlp(x)
    for linear in (*block.linears("attn_out"), *block.linears("mlp_out")):
        bias = 0 if linear.bias is None else linear.bias
        linear.bias = nn.Parameter(bias + torch.ones(backbone.dim))
    torch.testing.assert_close(block.attn(x), out + 1)
    torch.testing.assert_close(block.mlp(x), mlp + 1)
    for linear in (*block.linears("attn_in"), *block.linears("mlp_in")):
        nn.init.zeros_(linear.weight)
        if linear.bias is not None:
            nn.init.zeros_(linear.bias)
    assert heads[2].abs().max() > 0
    assert block.qkv(x)[2].abs().max() == 0
    assert (block.mlp(x) - block.mlp(-x)).abs().max() == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_over_time_ignores_space_and_serves_each_token_alone(family):
    block = open_backbone(image_model(family)).blocks[0]
    x = torch.randn(2, 6, 4, block.dim)
    found = block.attn_over_time(x)
    shuffled = torch.randperm(4)
    torch.testing.assert_close(block.attn_over_time(x[:, :, shuffled]), found[:, :, shuffled])
    q, k, v = block.project(x[0, :, 1])
    torch.testing.assert_close(block.out(attend(q[None], k[None], v[None]))[0], found[0, :, 1])


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_frozen_ever_trains(family):
    dropout = {} if family.startswith("hiera") else {"proj_drop_rate": 0.5}
    backbone = open_backbone(image_model(family, drop_path_rate=0.5, **dropout).train())
    nn.Sequential(backbone).train()
    assert not [n for n, m in backbone.named_modules() if m.training]
    assert not [n for n, p in backbone.named_parameters() if p.requires_grad]
    torch.testing.assert_close(run(backbone, moving()), run(backbone, moving()), rtol=0, atol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_position_is_what_the_embedding_adds(family):
    backbone = open_backbone(image_model(family))
    if backbone.position is None:
        assert backbone.model.pos_embed is None
        return
    with_position = backbone.placed(moving())
    position = backbone.position.clone()
    for embedding in (backbone.model.pos_embed, getattr(backbone.model, "pos_embed_win", None)):
        if embedding is not None:
            nn.init.zeros_(embedding)
    without = backbone.placed(moving())
    assert position.abs().max() > 0
    torch.testing.assert_close(with_position - without, position.expand_as(without), **CLOSE)


@pytest.mark.parametrize("family", FAMILIES)
def test_hash_tells_weights_apart_and_nothing_else(family):
    model = image_model(family)
    sha256 = open_backbone(copy.deepcopy(model)).sha256
    with_head = copy.deepcopy(model)
    with_head.reset_classifier(7)
    assert open_backbone(with_head).sha256 == sha256
    changed = copy.deepcopy(model)
    changed.blocks[1].mlp.fc2.bias.data[0] += 1e-6
    assert open_backbone(changed).sha256 != sha256


def test_hash_does_not_depend_on_the_image_size():
    small, large = image_model(size=32), image_model(size=48)
    weights = {k: v for k, v in small.state_dict().items() if k != "pos_embed"}
    large.load_state_dict(weights, strict=False)
    assert open_backbone(small).sha256 == open_backbone(large).sha256


def test_pixels_are_normalised_as_the_image_model_was_trained():
    assert open_backbone(image_model("siglip")).mean == (0.5, 0.5, 0.5)
    assert open_backbone(image_model("clip")).std == (0.26862954, 0.26130258, 0.27577711)


def timm_model(name):
    return timm.create_model(name, **TINY | {"img_size": SIZE})


def opened_before():
    model = image_model()
    open_backbone(model)
    return model


def gated():
    model = image_model()
    model.blocks[2].attn.gate = nn.Identity()
    return model


def grouped():
    model = image_model("dinov3")
    model.blocks[0].attn.num_kv_heads = 1
    return model


UNOPENABLE = {
    "a ResNet is none of timm's VisionTransformer": lambda: timm.create_model("resnet18"),
    "a Linear is none of": lambda: nn.Linear(2, 2),
    "a VisionTransformerDistilled is none of": lambda: timm_model(
        "deit_tiny_distilled_patch16_224"
    ),
    "block 0: ParallelThingsBlock with": lambda: timm_model("vit_base_patch16_18x2_224"),
    "differs from block to block": lambda: timm_model("vit_small_patch16_rope_mixed_224"),
    "belongs to a video model already": opened_before,
    "block 2: gated attention": gated,
    "block 0: grouped-query attention": grouped,
}


@pytest.mark.parametrize("reason", UNOPENABLE)
def test_refusals_name_the_reason(reason):
    with pytest.raises(BackboneError, match=reason):
        open_backbone(UNOPENABLE[reason]())


def test_freezing_reaches_every_part_and_lasts():
    frozen = Frozen()
    frozen.part = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    assert frozen.freeze() is frozen
    nn.Sequential(frozen).train()
    assert not any(m.training for m in frozen.modules())
    assert not any(p.requires_grad for p in frozen.parameters())


sizes = st.integers(0, 4)


@given(prefix=sizes, height=st.integers(1, 4), width=st.integers(1, 4), lead=sizes)
def test_split_and_join_are_inverse(prefix, height, width, lead):
    grid = TokenGrid(prefix, height, width)
    x = torch.randn(lead, 2, grid.num_tokens, 3)
    first, patches = grid.split(x)
    assert first.shape == (lead, 2, prefix, 3)
    assert patches.shape == (lead, 2, height, width, 3)
    assert torch.equal(grid.join(first, patches), x)


@given(
    lead=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    tokens=st.integers(1, 6),
    heads=st.integers(1, 3),
    dim=st.integers(1, 4),
)
def test_attention_is_the_equation_over_any_leading_axes(lead, tokens, heads, dim):
    torch.manual_seed(0)
    x = torch.randn(*lead, tokens, heads * dim, dtype=torch.float64)
    q, k, v = split_heads(x, heads), split_heads(x + 1, heads), split_heads(x.exp(), heads)
    assert torch.equal(merge_heads(q), x)
    want = attention_logits(q, k).softmax(-1) @ v
    torch.testing.assert_close(attend(q, k, v), want)
    torch.testing.assert_close(attention_logits(q, k), q @ k.mT / dim**0.5)
