"""AM Flow alone: its flow is connected, its choices build, its causal form never looks ahead."""

import itertools
from dataclasses import fields, replace
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
import torch

import models
from models import FAMILIES, FRAMES, SIZE, VARIANTS, moving, randomise
from stillmotion.backbones import open_backbone
from stillmotion.backbones.grid import pooling
from stillmotion.checkpoint import load
from stillmotion.errors import ConfigurationError
from stillmotion.methods import AMFlow
from stillmotion.methods.amflow.around_flow import FarFlow, LogFlow
from stillmotion.methods.amflow.branch import TemporalBranch
from stillmotion.methods.amflow.build import block_numbers
from stillmotion.methods.amflow.flow import StaticFlow

EVERYWHERE = {"flow_blocks": "all", "adapter_blocks": "all", "placement": "parallel"}
SMALL = replace(AMFlow.small(), **EVERYWHERE)
STREAMING = replace(AMFlow.streaming(), **EVERYWHERE)
FLOWS = ["static", "aligned"]

NUMBERS = {
    "flow_blocks": ("all", (0,), (-1,), (0, 1)),
    "adapter_blocks": ("all",),
    "adapter_ratio": (0.1, 1.0),
    "flow_steps": ((2,), (1, 3)),
    "align_ratio": (0.3, 1.0),
    "align_hidden_ratio": (0.5,),
    "align_heads": (1, 5),
    "align_layers": (0, 2),
    "tpm_ratio": (None, 1.0),
    "tpm_hidden_ratio": (0.5,),
    "tpm_layers": (2,),
    "tpm_kernel": (1, 4),
    "tpm_dilations": ((1,), (1, 2, 4)),
    "tpm_dropout": (0.5,),
    "causal": (False,),
    "grid_cells": (1, 3, 7),
    "grid_channels": (1,),
    "dropout": (0.0,),
}
"""Values to try of fields that are no choice between words."""

NEEDED = {
    "align": {"flow": "aligned"},
    "tpm_layers": {"tpm": "transformer"},
    "tpm_hidden": {"tpm": "transformer"},
}
"""What makes a field matter, by the start of its name."""


def one_at_a_time():
    """`small` with each field in turn at each of its values."""
    hints = get_type_hints(AMFlow)
    for field in fields(AMFlow):
        hint = hints[field.name]
        values = get_args(hint) if get_origin(hint) is Literal else NUMBERS[field.name]
        extra = {
            k: v
            for start, d in NEEDED.items()
            if field.name.startswith(start)
            for k, v in d.items()
        }
        for value in values:
            yield pytest.param(
                replace(SMALL, **{**extra, field.name: value}), id=f"{field.name}={value}"
            )


def image_model(family="vit", **changes):
    """Two blocks are enough for AM Flow."""
    return models.image_model(family, **{"depth": 2, **changes})


def classifier(method, family="vit", **changes):
    return models.classifier(method, family, **{"depth": 2, **changes})


def trained(method, family="vit", **changes):
    return randomise(classifier(method, family, **changes))


def train_one_step(model):
    """A real step of the method's own loss."""
    model.train()
    optimizer = torch.optim.SGD((p for p in model.parameters() if p.requires_grad), lr=0.1)
    branches = model.branches(moving())
    criterion = torch.nn.CrossEntropyLoss()
    labels = torch.tensor([0, 1])
    loss = model.method.objective(
        branches, model.head.vote(branches), lambda logits: criterion(logits, labels)
    )
    loss.backward()
    trained_parameters = {n: p for n, p in model.trunk.named_parameters() if p.requires_grad}
    untouched = {n for n, p in trained_parameters.items() if p.grad is None}
    assert untouched == set(model.trunk.inert)
    optimizer.step()
    return model.eval()


def check_trains_and_survives(method, family, folder):
    before = classifier(method, family)
    want = before(moving())
    model = train_one_step(before)
    assert (model(moving()) - want).abs().max() > 0
    model.save_pretrained(folder)
    again = load(folder, backbone=image_model(family))
    assert again.method == method
    assert torch.equal(again(moving()), model(moving()))


@pytest.mark.parametrize("method", list(one_at_a_time()))
def test_every_value_of_every_field_trains_and_survives_a_checkpoint(method, tmp_path):
    check_trains_and_survives(method, "vit", tmp_path)


MATRIX = {
    "flow": ("static", "aligned", "none"),
    "adapter": ("bottleneck", "hyperformer", "compacter"),
    "placement": ("parallel", "serial", "side"),
    "tpm": ("tcn", "transformer", "lstm"),
    "tpm_tokens": ("all", "mean", "grid", "attention"),
    "centre": ("none", "clip", "running"),
}


@pytest.mark.slow
@pytest.mark.parametrize("family", ["mae", "dinov2_reg", "dinov3"])
@pytest.mark.parametrize("values", list(itertools.product(*MATRIX.values())), ids="-".join)
def test_every_combination_trains_and_survives_a_checkpoint(values, family, tmp_path):
    method = replace(SMALL, **dict(zip(MATRIX, values, strict=True)))
    check_trains_and_survives(method, family, tmp_path)


def image_features(family, clip):
    """The image model's own reading of each frame, (B, T, C)."""
    backbone = open_backbone(image_model(family))
    x = backbone.embed(clip)
    for block in backbone.blocks:
        x = block(x)
    return backbone.pool(backbone.norm(x))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("placement", ["parallel", "serial", "side"])
@pytest.mark.parametrize("flow", FLOWS)
def test_a_new_model_keeps_the_tokens_of_moving_clips(flow, placement, family):
    check_keeps_tokens(replace(SMALL, flow=flow, placement=placement), family)


@pytest.mark.parametrize("adapter", ["bottleneck", "compacter", "hyperformer"])
def test_every_kind_of_adapter_begins_at_zero(adapter):
    check_keeps_tokens(replace(SMALL, adapter=adapter), "vit")


def check_keeps_tokens(method, family):
    model = classifier(method, family)
    pixels = model.normalise(moving())
    *_, image = model.features(pixels)
    want = image_features(family, pixels).mean(dim=1)
    torch.testing.assert_close(image, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("readout", ["last", "mean"])
def test_a_frozen_image_branch_is_the_image_model_whatever_was_trained(readout):
    method = replace(SMALL, image_branch="frozen", image_readout=readout)
    model = trained(method)
    pixels = model.normalise(moving())
    features = image_features("vit", pixels)
    want = features[:, -1] if readout == "last" else features.mean(dim=1)
    torch.testing.assert_close(model.features(pixels)[-1], want, rtol=1e-4, atol=1e-4)
    adapted = trained(replace(method, image_branch="adapted"))
    assert not torch.allclose(adapted.features(pixels)[-1], want, atol=1e-2)


@pytest.mark.parametrize("readout", ["last", "mean"])
def test_an_adapted_image_branch_reads_the_adapted_tokens(readout):
    model = trained(replace(SMALL, image_readout=readout))
    pixels = model.normalise(moving())
    tokens, _ = model.trunk(model.stem(model.backbone, pixels))
    frames = model.backbone.pool(model.backbone.norm(tokens))
    want = frames[:, -1] if readout == "last" else frames.mean(dim=1)
    torch.testing.assert_close(model.features(pixels)[-1], want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("placement", ["parallel", "serial"])
@pytest.mark.parametrize("flow", FLOWS)
def test_changing_the_flow_changes_the_answer(flow, placement):
    model = trained(replace(SMALL, flow=flow, placement=placement))
    want = model(moving())
    for block in model.trunk.blocks:
        handle = block.flow.register_forward_hook(lambda module, given, out: out + 1)
        assert (model(moving()) - want).abs().max() > 1e-4
        handle.remove()
    assert torch.equal(model(moving()), want)


@pytest.mark.parametrize("placement", ["parallel", "serial"])
@pytest.mark.parametrize("flow", FLOWS)
def test_gradients_reach_earlier_adapters_and_the_encoder_through_the_flow_alone(flow, placement):
    model = trained(replace(SMALL, flow=flow, placement=placement))
    first, second = model.trunk.blocks
    x, *_ = first(model.backbone.embed(model.normalise(moving())))
    z = second.frozen.norm1(x)
    q, k, _ = second.frozen.qkv(z)
    q.retain_grad()
    k.retain_grad()
    second.attention_adapter.embed(
        second.with_flow(z.detach(), second.flow, q, k)
    ).square().sum().backward()
    adapters = (first.attention_adapter, first.mlp_adapter)
    reached = [*(a.up.weight for a in adapters), *(a.down.weight for a in adapters)]
    reached += [p for p in second.flow.parameters() if p.requires_grad]
    assert q.grad.abs().max() > 0
    assert k.grad.abs().max() > 0
    assert [p for p in reached if p.grad is None or p.grad.abs().max() == 0] == []


@pytest.mark.parametrize("flow", FLOWS)
def test_beside_the_image_model_nothing_comes_back_into_it(flow):
    """In the side form its tokens stay its own after training, and carry no gradient."""
    model = train_one_step(classifier(replace(SMALL, flow=flow, placement="side")))
    pixels = model.normalise(moving())
    tokens, said = model.tokens(pixels)
    assert not tokens.requires_grad
    assert all(vector.requires_grad for vector in said)
    x = model.backbone.embed(pixels)
    for block in model.trunk.blocks:
        x = block.frozen(x)
    assert torch.equal(tokens, x)


@pytest.mark.parametrize("steps", [(2,), (1, 3), (3, 2, 1)])
@pytest.mark.parametrize("pairing", ["next", "previous"])
def test_a_far_flow_is_the_flow_of_each_pair_of_frames_alone(pairing, steps):
    q, k = torch.randn(2, 2, 7, 3, 5, 4).unbind()
    near = StaticFlow(pairing=pairing)
    found = FarFlow(near, steps)(q, k)
    assert found.shape == (2, 7, 5, 3 * len(steps))
    own = 0 if pairing == "next" else 1  # of the two, whose flow it is
    for place, step in enumerate(steps):
        for first in range(7 - step):
            pair = [first, first + step]
            want = near(q[:, pair], k[:, pair])[:, own]
            frame = found[:, pair[own], :, 3 * place : 3 * place + 3]
            torch.testing.assert_close(frame, want)
        alone = found[:, -step:] if pairing == "next" else found[:, :step]
        told = alone[..., 3 * place : 3 * place + 3]
        torch.testing.assert_close(told, torch.full_like(told, near.still))


def test_a_logarithm_leaves_what_no_motion_gives_alike_everywhere():
    q, k = torch.randn(2, 1, 4, 3, 5, 4).unbind()
    near = StaticFlow(pairing="next")
    flow = LogFlow(near)
    torch.testing.assert_close(flow(q, k), (1 + near(q, k)).log())
    assert flow(q, k)[:, -1].unique().item() == pytest.approx(flow.still)


def test_steps_longer_than_the_clip_are_refused():
    with pytest.raises(ConfigurationError, match=r"makes 4 steps .* of which no two are 4 apart"):
        classifier(replace(SMALL, flow_steps=(1, 4)))
    one_frame = classifier(SMALL, frames=1)
    assert one_frame(moving()[:, :1]).shape == (2, models.CLASSES)
    with pytest.raises(ConfigurationError, match=r"flow_steps cannot be \(0,\)"):
        replace(SMALL, flow_steps=(0,))


def test_the_side_form_refuses_adapters_that_would_do_nothing():
    method = replace(SMALL, placement="side", flow_blocks=(1,), adapter_blocks="all")
    with pytest.raises(ConfigurationError, match="adapter_blocks the same"):
        classifier(method)


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("pairing", ["next", "previous"])
@pytest.mark.parametrize("tokens", ["all", "patches"])
@pytest.mark.parametrize("family", ["vit", "dinov2_reg", "mae"])
def test_the_flow_of_what_stands_still_is_what_no_motion_gives(flow, pairing, tokens, family):
    method = replace(SMALL, flow=flow, pairing=pairing, flow_tokens=tokens)
    model = trained(method, family)
    block, prefix = model.trunk.blocks[0], model.backbone.grid.prefix
    found = flow_of(block, model.backbone.embed(model.normalise(moving())))
    stands = 1.0 if flow == "static" else 0.0
    alone = found[:, -1 if pairing == "next" else 0]
    torch.testing.assert_close(alone, torch.full_like(alone, stands))
    moves = found[:, :-1] if pairing == "next" else found[:, 1:]
    assert (moves[:, :, prefix:] - stands).abs().min(dim=1)[0].max() > 1e-4
    given_to_prefix = moves[:, :, :prefix]
    if tokens == "patches":
        assert torch.equal(given_to_prefix, torch.full_like(given_to_prefix, stands))
    elif prefix:
        assert (given_to_prefix - stands).abs().max() > 1e-4
    if flow == "static":
        sums = found.sum(dim=2)
        torch.testing.assert_close(sums, torch.full_like(sums, model.backbone.grid.num_tokens))


def flow_of(block, tokens):
    q, k, _ = block.frozen.qkv(block.frozen.norm1(tokens))
    return block.flow(q, k)


def test_flow_among_patches_does_not_see_prefix_tokens():
    model = trained(replace(SMALL, flow_tokens="patches"), "dinov2_reg")
    tokens = model.backbone.embed(model.normalise(moving()))
    changed = tokens.clone()
    changed[:, :, : model.backbone.grid.prefix] += 1
    block = model.trunk.blocks[0]
    torch.testing.assert_close(flow_of(block, changed), flow_of(block, tokens))


@pytest.mark.parametrize("position", ["learned", "backbone", "none"])
def test_the_aligning_encoder_knows_places_only_from_its_position(position):
    model = trained(replace(SMALL, flow="aligned", align_position=position), "mae")
    flow, heads = model.trunk.blocks[0].flow, torch.randn(2, FRAMES, 3, 16, 16)
    order = torch.randperm(16)
    shuffled = flow(heads[..., order, :], heads[..., order, :])
    same = torch.allclose(shuffled, flow(heads, heads)[:, :, order], atol=1e-5)
    assert same == (position == "none")


def test_positions_that_the_image_model_lacks_are_refused():
    with pytest.raises(ConfigurationError, match="has no learned position embedding"):
        classifier(replace(SMALL, flow="aligned", align_position="backbone"), "dinov3")


def test_a_class_token_that_the_image_model_lacks_is_refused():
    with pytest.raises(ConfigurationError, match="has no class token; choose all"):
        classifier(replace(SMALL, tpm_tokens="cls"), "mae")


def series_and_tokens(model, clip):
    """Each branch's series (B M, T, D), the tokens after the last block, the logits."""
    series = []
    handles = [
        module.temporal.register_forward_hook(lambda module, given, out: series.append(out))
        for module in model.modules()
        if isinstance(module, TemporalBranch)
    ]
    pixels = model.normalise(clip)
    tokens, features = model.trunk(model.stem(model.backbone, pixels))
    for handle in handles:
        handle.remove()
    features.append(model.readout(model.backbone, tokens))
    return series, tokens, model.head(features)


CAUSAL = {
    "streaming": STREAMING,
    "aligned": replace(STREAMING, flow="aligned"),
    "far": replace(STREAMING, flow_steps=(2, 1), flow_scale="log"),
    "aligned, far": replace(STREAMING, flow="aligned", flow_steps=(1, 3)),
    "transformer": replace(STREAMING, tpm="transformer"),
    "lstm": replace(STREAMING, tpm="lstm", causal=False),
    "all tokens, not centred": replace(STREAMING, tpm_tokens="all", centre="none"),
    "serial": replace(STREAMING, placement="serial"),
    "side": replace(STREAMING, placement="side"),
}


@pytest.mark.parametrize("seen", range(1, FRAMES + 1))
@pytest.mark.parametrize("method", CAUSAL.values(), ids=CAUSAL)
def test_a_causal_model_computes_each_frame_once_and_for_all(method, seen):
    """What the whole clip gives for its first frames is what these frames alone give."""
    model = trained(method)
    past, past_tokens, past_logits = series_and_tokens(model, moving()[:, :seen])
    whole, whole_tokens, _ = series_and_tokens(model, moving())
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(whole_tokens[:, :seen], past_tokens, **close)
    for early, late in zip(past, whole, strict=True):
        torch.testing.assert_close(late[:, :seen], early, **close)
    means = [s[:, :seen].mean(dim=1).unflatten(0, (2, -1)).mean(dim=1) for s in whole]
    image = model.readout(model.backbone, whole_tokens[:, :seen])
    torch.testing.assert_close(model.head([*means, image]), past_logits, **close)


@pytest.mark.parametrize(
    "change",
    [{"pairing": "next"}, {"centre": "clip"}, {"tpm": "tcn"}, {"tpm": "transformer"}],
    ids=str,
)
def test_the_other_choices_do_look_ahead(change):
    model = trained(replace(STREAMING, causal=False, **change))
    past, _, _ = series_and_tokens(model, moving()[:, :2])
    whole, _, _ = series_and_tokens(model, moving())
    assert max((w[:, :2] - p).abs().max() for p, w in zip(past, whole, strict=True)) > 1e-3


@pytest.mark.parametrize("change", [{"pairing": "next"}, {"centre": "clip"}])
def test_contradicting_causality_is_refused(change):
    with pytest.raises(ConfigurationError, match="causal=True looks at the past only"):
        replace(STREAMING, **change)


@pytest.mark.parametrize("name", ["amflow", "amflow.small"])
def test_the_order_of_frames_matters(name):
    model = models.trained(VARIANTS[name])
    assert (model(moving().flip(1)) - model(moving())).abs().max() > 1e-3


@pytest.mark.parametrize("loss", ["averaged", "branches", "both"])
def test_losses_are_what_their_names_say(loss):
    branches, logits = torch.randn(2, 5, 3), torch.randn(2, 3)
    labels = torch.tensor([2, 0])
    criterion = torch.nn.CrossEntropyLoss()
    found = replace(SMALL, loss=loss).objective(
        branches, logits, lambda given: criterion(given, labels)
    )
    averaged = criterion(logits, labels)
    each = torch.stack([criterion(branches[:, v], labels) for v in range(5)]).mean()
    torch.testing.assert_close(
        found, {"averaged": averaged, "branches": each, "both": (averaged + each) / 2}[loss]
    )


@pytest.mark.parametrize("vote", ["mean", "linear", "frozen_linear"])
def test_votes_are_what_their_names_say(vote):
    model = trained(replace(SMALL, vote=vote))
    branches = model.branches(moving())
    assert branches.shape == (2, 5, 3)
    if vote == "mean":
        want = branches.mean(dim=1)
    else:
        want = branches.flatten(1) @ model.head.ballot.weight.T
        assert model.head.ballot.weight.requires_grad == (vote == "linear")
    torch.testing.assert_close(model(moving()), want, rtol=1e-5, atol=1e-5)


def test_hyperformer_adapters_share_one_network_for_each_pair_of_widths():
    model = trained(replace(SMALL, adapter="hyperformer"))
    networks = {id(m) for n, m in model.named_modules() if n.endswith(".network")}
    assert len(networks) == 3
    embeddings = {id(p) for n, p in model.named_parameters() if n.endswith(".embedding")}
    assert len(embeddings) == 2 * 2 * 2


@pytest.mark.parametrize(("cells", "length"), [(1, 5), (4, 4), (4, 14), (3, 2), (7, 4)])
def test_coarse_grids_pool_as_adaptive_average_pooling_does(cells, length):
    x = torch.randn(2, 3, length)
    want = torch.nn.functional.adaptive_avg_pool1d(x, cells)
    torch.testing.assert_close(x @ pooling(length, cells).T, want)


def test_block_numbers_count_from_both_ends():
    assert block_numbers("all", 3, "flow_blocks") == {0, 1, 2}
    assert block_numbers((0, -1), 12, "flow_blocks") == {0, 11}
    for outside in ((3,), (-4,)):
        with pytest.raises(ConfigurationError, match=r"flow_blocks \[.*blocks 0 to 2"):
            block_numbers(outside, 3, "flow_blocks")


def test_flow_outside_the_adapters_is_refused():
    with pytest.raises(ConfigurationError, match=r"flow_blocks \[0\] must lie within"):
        classifier(replace(SMALL, flow_blocks=(0,), adapter_blocks=(1,)))


def test_a_block_without_adapters_is_the_image_models():
    model = trained(replace(SMALL, flow_blocks=(1,), adapter_blocks=(1,)))
    x = torch.randn(1, 2, 17, 48)
    assert torch.equal(model.trunk.blocks[0](x), model.trunk.blocks[0].frozen(x))


def test_windows_larger_than_a_tile_answer_the_same(monkeypatch):
    model = trained(SMALL, size=SIZE * 2)
    want = model(moving(size=SIZE * 2))
    monkeypatch.setattr("stillmotion.nn.flow_tiled.TILE", 20)
    torch.testing.assert_close(model(moving(size=SIZE * 2)), want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "field",
    [
        {"adapter_ratio": -3.0},
        {"tpm_ratio": 0.0},
        {"grid_cells": 0},
        {"tpm_kernel": 0},
        {"tpm_layers": 0},
        {"tpm_dilations": ()},
        {"align_heads": 0},
        {"dropout": 7.0},
    ],
    ids=lambda field: next(iter(field)),
)
def test_numbers_out_of_range_are_refused_by_name(field):
    with pytest.raises(ConfigurationError, match=next(iter(field))):
        AMFlow(**field)
