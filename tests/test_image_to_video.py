"""What single methods promise beyond what all of them do; the parts that they are made of."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from models import CLASSES, FRAMES, VARIANTS, classifier, image_model, moving, randomise, trained
from stillmotion.backbones import OpenBlock, TokenGrid, open_backbone
from stillmotion.errors import ConfigurationError
from stillmotion.methods import (
    AIM,
    AdaptFormer,
    AttentiveProbe,
    BiasNormTuning,
    DualPath,
    LoRA,
    STAdapter,
    ZeroI2V,
)
from stillmotion.methods.adaptformer import FeatureNorm
from stillmotion.methods.amflow.around_flow import WindowedFlow
from stillmotion.methods.amflow.flow import StaticFlow
from stillmotion.model import adapt
from stillmotion.nn.attention import (
    attend,
    frames_apart,
    frames_together,
    join_windows,
    split_windows,
)
from stillmotion.nn.frame_grid import frame_grids, frame_numbers
from stillmotion.nn.frozen import Frozen, Inserted
from stillmotion.nn.reference import static_flow
from stillmotion.nn.shift import from_frame, shift_channels, shift_channels_

few = st.integers(1, 4)


# Windows, grids and frames: arithmetic of axes


@given(few, few, few, st.integers(0, 3))
def test_a_grid_is_put_together_as_it_was_split(prefix, height, width, unrolled):
    grid = TokenGrid(prefix, height * 2**unrolled, width * 2**unrolled, unrolled)
    x = torch.randn(2, grid.num_tokens, 3)
    before, patches = grid.split(x)
    assert patches.shape == (2, grid.height, grid.width, 3)
    assert torch.equal(grid.join(before, patches), x)


@pytest.mark.parametrize("size", [32, (32, 64)])
def test_every_block_of_hiera_knows_where_its_tokens_lie(size):
    model = image_model("hiera", size=size)
    frames = torch.randn(2, 3, *((size, size) if isinstance(size, int) else size))
    x, opened = model.unroll(model._pos_embed(model.patch_embed(frames))), 0
    twins = open_backbone(image_model("hiera", size=size)).blocks
    for number, (block, twin) in enumerate(zip(model.blocks, twins, strict=True)):
        x = block(x)
        if isinstance(twin, OpenBlock):
            opened += 1
            assert torch.equal(twin.grid.split(x)[1], model.reroll(x, number))
    assert opened == 4


@given(few, few, few)
def test_windows_and_frames_come_back_as_they_were(windows, size, frames):
    x = torch.randn(2, frames, 3, windows * size, 5)
    assert torch.equal(join_windows(split_windows(x, windows)), x)
    assert torch.equal(frames_apart(frames_together(x), frames), x)
    assert torch.equal(frames_together(x)[1, 2, (frames - 1) * windows * size], x[1, -1, 2, 0])


def test_hieras_attention_is_attention_in_each_window():
    block = next(b for b in open_backbone(image_model("hiera")).blocks if b.windows > 1)
    q, k, v = (torch.randn(2, 3, block.num_heads, 64, 24) for _ in range(3))
    found = block.attend(q, k, v)
    for window in range(block.windows):
        inside = slice(window, None, block.windows)
        alone = attend(q[..., inside, :], k[..., inside, :], v[..., inside, :])
        torch.testing.assert_close(found[..., inside, :], alone)


def test_flow_in_windows_is_the_flow_of_each_window():
    q, k = torch.randn(2, FRAMES, 3, 12, 8), torch.randn(2, FRAMES, 3, 12, 8)
    found = WindowedFlow(StaticFlow(pairing="next"), 4)(q, k)
    for window in range(4):
        inside = slice(window, None, 4)
        alone = static_flow(q[..., inside, :], k[..., inside, :], "next")
        torch.testing.assert_close(found[:, :, inside], alone)


@given(few, st.lists(st.tuples(st.integers(-5, 5), few), max_size=4), few)
def test_shifted_channels_come_from_the_frame_that_is_named(frames, plan, rest):
    channels = sum(width for _, width in plan) + rest
    x = torch.randn(2, frames, 3, channels)
    found, first = shift_channels(x, plan), 0
    for offset, width in plan:
        for t in range(frames):
            source = t + offset if 0 <= t + offset < frames else t
            want = x[:, source, :, first : first + width]
            assert torch.equal(found[:, t, :, first : first + width], want)
        first += width
    assert torch.equal(found[..., first:], x[..., first:])
    in_place = shift_channels_(x, plan)
    assert in_place is x
    assert torch.equal(in_place, found)


def test_zeroi2v_answers_alike_whether_it_shifts_in_place_or_not():
    model, clip = trained(VARIANTS["zeroi2v"]).double(), moving().double()
    recorded = model(clip)
    for _ in range(2):
        with torch.no_grad():
            torch.testing.assert_close(model(clip), recorded, rtol=0, atol=1e-12)


@given(st.integers(1, 3), st.integers(1, 20))
def test_grid_pictures_show_every_frame_in_its_cell(side, frames):
    """At whole multiples a picture resized without smoothing keeps constant frames."""
    clip = torch.arange(1.0, frames + 1).view(1, frames, 1, 1, 1).expand(1, frames, 3, 6, 6)
    grids = frame_grids(clip, side=side, antialias=False)
    assert grids.shape == (1, -(-frames // side**2), 3, 6, 6)
    middle = 6 // side // 2
    for number in range(grids.shape[1] * side**2):
        grid, cell = divmod(number, side**2)
        row, column = (c * (6 // side) + middle for c in divmod(cell, side))
        assert grids[0, grid, 0, row, column] == min(number + 1, frames)


def test_frame_numbers_are_those_of_the_authors_at_fourteen_patches():
    first = frame_numbers(2, (14, 14), side=4, antialias=False)
    row = torch.tensor([1, 1, 1, 1.5, 2, 2, 2, 3, 3, 3, 3.5, 4, 4, 4])
    torch.testing.assert_close(first[0, 0], row)
    torch.testing.assert_close(first[1], first[0] + 16)


# AIM


def test_aims_order_is_visible_through_its_temporal_embedding_alone():
    model = trained(AIM()).double()
    clip = moving().double()
    assert (model(clip.flip(1)) - model(clip)).abs().max() > 1e-9
    nn.init.zeros_(model.stem.temporal)
    torch.testing.assert_close(model(clip.flip(1)), model(clip), rtol=0, atol=1e-12)


def test_aims_stages_add_up():
    """Each stage has the adapters of those before it and one kind more."""
    sizes = []
    for adaptation in ("spatial", "temporal", "joint"):
        names = {
            name.split(".")[3]
            for name, p in classifier(AIM(adaptation=adaptation)).named_parameters()
            if p.requires_grad and name.startswith("trunk")
        }
        sizes.append(names)
    assert sizes == [{"spatial"}, {"spatial", "temporal"}, {"spatial", "temporal", "joint"}]


def test_a_fourth_adapter_needs_the_temporal_attention():
    with pytest.raises(ConfigurationError, match="does not have"):
        AIM(adaptation="spatial", adapters=4)


@pytest.mark.parametrize(
    ("adaptation", "adapters"),
    [("spatial", 3), ("temporal", 3), ("joint", 3), ("temporal", 4), ("joint", 4)],
)
def test_aims_ablations_start_as_the_image_model_and_learn(adaptation, adapters):
    method = AIM(adaptation=adaptation, adapters=adapters)
    probe = classifier(AIM(adaptation="spatial"))
    model = classifier(method)
    model.head.load_state_dict(probe.head.state_dict())
    torch.testing.assert_close(model(moving()), probe(moving()), rtol=1e-4, atol=1e-5)
    randomise(model)(moving()).square().sum().backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_drop_path_leaves_out_a_branch_for_a_whole_clip():
    model = trained(AIM(drop_path=1.0, dropout=0.0)).train()
    block, x = model.trunk.blocks[-1], torch.randn(64, FRAMES, 17, 48)
    kept = replace(model.method, drop_path=0.0)
    whole = trained(kept).trunk.blocks[-1]
    assert not torch.allclose(block(x), whole(x))
    half = trained(AIM(drop_path=0.5, dropout=0.0)).train().trunk.blocks[-1]
    torch.manual_seed(0)
    y = half.drop_path(torch.ones(64, FRAMES, 17, 48))
    assert set(y.unique().tolist()) == {0.0, 2.0}
    assert all(len(clip.unique()) == 1 for clip in y)


# ZeroI2V


@pytest.mark.parametrize(
    ("divisors", "heads", "width", "channels"),
    [((12, 12), 12, 768, [64, 64]), ((8, 8, 16, 16, 16), 16, 1024, [128, 128, 64, 64, 64])],
)
def test_published_plans_are_whole_heads(divisors, heads, width, channels):
    image = image_model(embed_dim=width, num_heads=heads, depth=1)
    block = open_backbone(image).blocks[0]
    for by in ("channels", "heads"):
        method = ZeroI2V(offsets=(-1, 1, -2, 2, -3)[: len(divisors)], divisors=divisors, by=by)
        assert [width for _, width in method.plan(block)] == channels


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"offsets": (-1,)}, "one number, at least 1, for each of the offsets"),
        ({"divisors": (0, 12)}, "one number, at least 1"),
        ({"divisors": (1, 12)}, "together no more than 48"),
        ({"divisors": (99, 12)}, "must be at least 1"),
        ({"by": "heads"}, r"of 3 heads are \[0, 0\]"),
    ],
)
def test_impossible_plans_are_refused(fields, told):
    with pytest.raises(ConfigurationError, match=told):
        classifier(ZeroI2V(**fields))


def test_a_frame_reads_its_own_beyond_the_ends():
    x = torch.arange(3.0).view(1, 3, 1)
    assert from_frame(x, -2).flatten().tolist() == [0, 1, 0]
    assert from_frame(x, 1).flatten().tolist() == [1, 2, 2]


# ST-Adapter


@pytest.mark.parametrize("placement", ["attention", "mlp", "both"])
@pytest.mark.parametrize("family", ["vit", "mae", "hiera"])
def test_the_last_adapter_before_an_mlp_is_inert_where_the_class_token_is_read(placement, family):
    model = trained(STAdapter(width=8, placement=placement), family).train()
    model(moving()).square().sum().backward()
    silent = {
        name.removeprefix("trunk.")
        for name, p in model.named_parameters()
        if p.requires_grad and (p.grad is None or p.grad.abs().max() == 0)
    }
    assert silent == set(model.trunk.inert)
    assert bool(silent) == (family == "vit" and placement != "attention")


def test_only_the_last_blocks_are_adapted_where_it_is_asked_for():
    model = classifier(STAdapter(width=8, last_blocks=1, placement="both"))
    names = [n for n, p in model.trunk.named_parameters() if p.requires_grad]
    assert {name.split(".")[1] for name in names} == {"3"}


@pytest.mark.parametrize(
    ("last_blocks", "told"), [(1, "cannot reach the class token"), (99, "this image model has 4")]
)
def test_adapters_that_train_nothing_are_refused(last_blocks, told):
    with pytest.raises(ConfigurationError, match=told):
        classifier(STAdapter(width=8, last_blocks=last_blocks))


@pytest.mark.parametrize("kernel", [(3, 1), (2, 1, 1), (3, 0, 1)])
def test_other_kernels_are_refused(kernel):
    with pytest.raises(ConfigurationError, match="three odd numbers"):
        STAdapter(kernel=kernel)


# DualPath


@pytest.mark.parametrize("family", ["vit", "clip", "dinov3"])
def test_untrained_the_spatial_path_is_the_image_model_and_the_grid_path_passes_by(family):
    model, clip = classifier(DualPath(), family), moving()
    x = model.stem(model.backbone, clip)
    out, _ = model.trunk(x)
    grids, frames = out[:, :-8], out[:, -8:]
    assert torch.equal(grids, x[:, :-8])
    image = open_backbone(image_model(family))
    want = image.embed(clip[:, [i * FRAMES // 8 for i in range(8)]])
    for block in image.blocks:
        want = block(want)
    torch.testing.assert_close(frames, want, rtol=1e-4, atol=1e-5)


def test_clips_projection_is_kept_and_saved():
    name = "vit_base_patch16_clip_quickgelu_224.openai"
    with torch.device("meta"):
        model = adapt(name, DualPath(), num_classes=CLASSES, num_frames=16, weights="none")
    assert model.readout.projection.shape == (512, 768)
    assert "readout.projection" in model.adapter_tensors()
    assert model.head.classifiers[0][0].in_features == 2 * 512


# AdaptFormer


def test_the_video_form_attends_over_all_frames():
    model, clip = trained(AdaptFormer.video()), moving()
    changed = clip.clone()
    changed[:, -1] = 0
    first = model.trunk(model.stem(model.backbone, clip))[0][:, 0]
    assert not torch.allclose(model.trunk(model.stem(model.backbone, changed))[0][:, 0], first)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_features_are_normalised_as_by_batch_norm_and_one_clip_is_taken(batch):
    ours, theirs = (kind(6, affine=False, eps=1e-6) for kind in (FeatureNorm, nn.BatchNorm1d))
    for _ in range(3):
        x = torch.randn(batch, 6)
        found = ours(x)
        if batch > 1:
            torch.testing.assert_close(found, theirs(x))
        assert found.shape == x.shape
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


# Tubelets


@pytest.mark.parametrize("name", sorted(VARIANTS.keys() - {"dualpath"}))
def test_image_models_that_take_tubelets_take_clips(name):
    method = VARIANTS[name]
    image = image_model(in_chans=6)
    model = adapt(image, method, num_classes=CLASSES, num_frames=FRAMES).eval()
    assert model.backbone.tubelet == 2
    assert model.stem(model.backbone, moving()).shape[1] == FRAMES // 2
    for frames in range(1, FRAMES + 1):
        assert model(moving(frames=frames)).isfinite().all()
    odd = moving(frames=3)
    filled = torch.cat([odd, odd[:, -1:]], dim=1)
    torch.testing.assert_close(model(odd), model(filled))
    patches = image.patch_embed(model.normalise(filled)[:, :2].flatten(1, 2))
    found = model.backbone.tokens(model.normalise(odd))[:, 0, 1:]
    torch.testing.assert_close(found, patches)


def test_grid_pictures_do_not_make_tubelets():
    with pytest.raises(ConfigurationError, match="dualpath takes image models of single frames"):
        adapt(image_model(in_chans=6), DualPath(), num_classes=CLASSES, num_frames=FRAMES)


# LoRA and the baselines


def test_what_lora_inserts_trains_and_what_surrounds_it_rests():
    model = trained(LoRA(adapter_dropout=0.5)).train()
    inserted = [m for m in model.modules() if isinstance(m, Inserted)]
    assert len(inserted) == 4 * 4
    assert all(m.dropout.training for m in inserted)
    assert not [m for m in model.modules() if isinstance(m, Frozen) and m.training]
    assert not torch.equal(model(moving()), model(moving()))


@pytest.mark.parametrize("target", ["attn_in", "attn_out", "mlp_in", "mlp_out"])
@pytest.mark.parametrize("family", ["vit", "eva02", "hiera"])
def test_lora_changes_what_it_is_told_to(target, family):
    model = classifier(LoRA(targets=(target,)), family)
    names = {n for n, p in model.trunk.named_parameters() if p.requires_grad}
    blocks = [b for b in open_backbone(image_model(family)).blocks if isinstance(b, OpenBlock)]
    linears = sum(len(block.linear_names[target]) for block in blocks)
    assert len(names) == 2 * linears


def test_biases_and_norms_are_told_apart():
    both, biases, norms = (
        {n for n, p in classifier(m).named_parameters() if p.requires_grad and "head" not in n}
        for m in (BiasNormTuning(), BiasNormTuning(norms=False), BiasNormTuning(biases=False))
    )
    assert both == biases | norms
    assert all(name.endswith("bias") for name in biases)
    assert all("norm" in name for name in norms)
    with pytest.raises(ConfigurationError, match="nothing trains"):
        BiasNormTuning(biases=False, norms=False)


def test_an_attentive_probe_without_order_sees_none():
    model, clip = trained(AttentiveProbe(order=False)).double(), moving().double()
    torch.testing.assert_close(model(clip.flip(1)), model(clip), rtol=0, atol=1e-12)
