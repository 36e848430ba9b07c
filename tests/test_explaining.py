"""Rollout is the plain product; occlusion and answers so far are what asking again says."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models import FRAMES, classifier, moving, trained
from stillmotion.errors import ConfigurationError
from stillmotion.explaining import answers_so_far, attention_rollout, explain, frame_importance
from stillmotion.explaining.frames import occlusions, stops
from stillmotion.methods import AIM, METHODS, AMFlow, DualPath, LinearProbe
from stillmotion.nn.attention import attention_logits
from videos import write_video

ROLLED = ("vit", "dinov2_reg", "siglip", "eva02", "dinov3")


def clip_of(**changes):
    return (moving(batch=1, **changes)[0] * 255).to(torch.uint8)


@torch.no_grad()
def plain_rollout(model, clip):
    """The whole N x N product of each frame, by the equation."""
    x = model.stem(model.backbone, model.normalise(clip[None]))
    rollout = torch.eye(x.shape[2]).repeat(len(clip), 1, 1)
    for block in model.trunk.blocks:
        frozen = getattr(block, "frozen", block)
        q, k, _ = frozen.qkv(frozen.norm1(x[0]))
        attention = attention_logits(q, k).softmax(dim=-1).mean(dim=1)
        rollout = 0.5 * (attention + torch.eye(x.shape[2])) @ rollout
        x = block(x)
        x = x[0] if isinstance(x, tuple) else x
    return rollout


@pytest.mark.parametrize("family", ROLLED)
@pytest.mark.parametrize("method", [LinearProbe(), AIM(), AMFlow.small()], ids=lambda m: m.name)
def test_rollout_is_the_plain_product_over_the_adapted_stream(family, method):
    model, clip = trained(method, family), clip_of()
    rollout, product = attention_rollout(model, clip), plain_rollout(model, clip)
    torch.testing.assert_close(product.sum(dim=-1), torch.ones(product.shape[:2]))
    prefix = model.backbone.grid.prefix
    if model.backbone.reads_patches:
        row = product[:, prefix:].mean(dim=1)
        assert rollout.reader == "mean over patches"
    else:
        row = product[:, 0]
        assert rollout.reader == "class token"
    expected = row[:, prefix:].unflatten(1, rollout.maps.shape[1:])
    torch.testing.assert_close(torch.from_numpy(rollout.maps), expected)


def test_adapters_change_the_rollout():
    clip = clip_of()
    before, after = (attention_rollout(make(AIM()), clip).maps for make in (classifier, trained))
    assert np.abs(before - after).max() > 0.01 * np.ptp(before)


def test_where_there_is_no_rollout_the_reason_is_said():
    with pytest.raises(ConfigurationError, match="stays in 4 windows"):
        attention_rollout(classifier(LinearProbe(), "hiera"), clip_of())
    with pytest.raises(ConfigurationError, match=r"dualpath see .* tokens"):
        attention_rollout(classifier(DualPath()), clip_of())


@given(st.integers(2, 40))
def test_an_occlusion_puts_a_neighbour_in_one_place_and_leaves_the_others(num_frames):
    places = torch.arange(num_frames)
    for frame, pair in enumerate(occlusions(num_frames)):
        assert all((order != places).nonzero().flatten().tolist() == [frame] for order in pair)
        beside = {frame - 1, frame + 1} & set(range(num_frames))
        assert set(pair[:, frame].tolist()) == beside


@given(st.integers(1, 40))
def test_a_stop_keeps_what_was_and_repeats_the_last(num_frames):
    expected = [[*range(t), *[t] * (num_frames - t)] for t in range(num_frames)]
    assert stops(num_frames).tolist() == expected


def reads(frame):
    """A model that looks at one frame: the brighter, the more of class 1."""

    def model(clips):
        light = clips[:, frame].float().mean(dim=(1, 2, 3))
        return torch.stack([torch.zeros_like(light), light / 10], dim=1)

    return model


def test_only_the_frame_that_is_read_is_important():
    clip = torch.tensor([10, 20, 60, 20, 10], dtype=torch.uint8).view(5, 1, 1, 1)
    importance = frame_importance(reads(2), clip.expand(-1, 3, 8, 8), label=1)
    log_p = torch.tensor([6.0, 2.0]).sigmoid().log()
    expected = torch.zeros(5)
    expected[2] = log_p[0] - log_p[1]
    torch.testing.assert_close(importance, expected)
    against = frame_importance(reads(2), clip.expand(-1, 3, 8, 8), label=0)
    assert against[2] < 0


@pytest.mark.parametrize("frames", [FRAMES, 9])
def test_importance_is_what_asking_frame_by_frame_says(frames):
    model, clip = trained(AMFlow.small(), frames=frames), clip_of(frames=frames)
    whole = model(clip[None]).log_softmax(dim=-1)[0, 1]
    for frame, found in enumerate(frame_importance(model, clip, label=1)):
        neighbours = [t for t in (frame - 1, frame + 1) if 0 <= t < frames]
        without = []
        for neighbour in neighbours:
            changed = clip.clone()
            changed[frame] = clip[neighbour]
            without.append(model(changed[None]).log_softmax(dim=-1)[0, 1])
        torch.testing.assert_close(found, (whole - torch.stack(without).mean()).detach())


def test_the_last_answer_so_far_is_the_answer():
    model, clip = trained(AMFlow.small()), clip_of()
    so_far = answers_so_far(model, clip)
    torch.testing.assert_close(so_far.sum(dim=1), torch.ones(FRAMES))
    torch.testing.assert_close(so_far[-1], model(clip[None]).softmax(dim=-1)[0].detach())
    standing = clip[:1].expand(FRAMES, -1, -1, -1)[None]
    torch.testing.assert_close(so_far[0], model(standing).softmax(dim=-1)[0].detach())


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("show") / "grey.mp4", num_frames=12, fps=10)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_explained_and_says_what_it_lacks(name, video):
    model = trained(METHODS[name]())
    found = explain(model, video)
    there = {
        "flow": bool(found.flow),
        "rollout": found.rollout is not None,
        "occlusion": found.importance is not None,
        "time": found.so_far is not None,
    }
    assert {signal for signal, is_there in there.items() if not is_there} == set(found.missing)
    assert there["occlusion"]
    assert there["time"]
    assert there["flow"] == (name == "amflow")
    assert found.label == found.labels[0]
    np.testing.assert_allclose(found.so_far[-1], found.probabilities, atol=1e-5)
    np.testing.assert_allclose(found.seconds, [0.1, 0.4, 0.7, 1.0], atol=0.11)


def test_blocks_are_counted_from_both_ends(video):
    model = trained(LinearProbe())
    found = explain(model, video, what=["flow"], blocks=[0, -1])
    assert [block.block for block in found.flow] == [0, 3]
    assert len(explain(model, video, what=["flow"]).flow) == 4
    assert found.importance is None
    assert not found.missing
    with pytest.raises(ConfigurationError, match="blocks 0 to 3"):
        explain(model, video, blocks=[4])
    with pytest.raises(ConfigurationError, match="did you mean 'flow'"):
        explain(model, video, what=["flwo"])
    hiera = trained(LinearProbe(), "hiera")
    with pytest.raises(ConfigurationError, match=r"nothing to show: .* windows"):
        explain(hiera, video, what=["rollout"])
