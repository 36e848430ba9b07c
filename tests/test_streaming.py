"""A stream gives after every frame what the model gives on all frames so far."""

import copy
import importlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import CLASSES, FAMILIES, FRAMES, VARIANTS, classifier, moving, trained
from stillmotion.errors import ClipError, ConfigurationError
from stillmotion.methods import AMFlow
from stillmotion.nn.temporal import TemporalTransformer
from stillmotion.streaming import SlidingWindow, Stream

SMALL = replace(
    AMFlow.streaming(),
    placement="parallel",
    flow_blocks=(-2, -1),
    adapter_blocks=(-3, -2, -1),
)
TPMS = {"tcn": {}, "lstm": {}, "transformer": {"tpm_layers": 2}}
READERS = ("all", "mean", "cls", "grid", "attention")
CAUSAL = [name for name, method in VARIANTS.items() if method.is_causal]


def logits_of_stream(model, clip):
    """(B, T, K): after every frame."""
    stream = Stream(model)
    return torch.stack([stream(frame) for frame in clip.unbind(1)], dim=1)


@torch.no_grad()
def logits_of_prefixes(model, clip):
    return torch.stack([model(clip[:, : t + 1]) for t in range(clip.shape[1])], dim=1)


def assert_streams(model, clip, atol=1e-9):
    model = model.double()
    want = logits_of_prefixes(model, clip.double())
    assert want.std(dim=1).max() > 1e-4  # frames matter
    torch.testing.assert_close(logits_of_stream(model, clip.double()), want, rtol=0, atol=atol)


@pytest.mark.parametrize("flow", ["static", "aligned", "none"])
@pytest.mark.parametrize("tokens", READERS)
@pytest.mark.parametrize("tpm", TPMS)
def test_every_prefix_of_every_kind_of_causal_amflow(tpm, tokens, flow):
    method = replace(SMALL, tpm=tpm, tpm_tokens=tokens, flow=flow, **TPMS[tpm])
    assert_streams(trained(method), moving())


@pytest.mark.parametrize(
    "change",
    [
        {"centre": "none"},
        {"image_readout": "mean"},
        {"image_branch": "frozen"},
        {"image_branch": "frozen", "image_readout": "mean"},
        {"placement": "serial", "adapter_norm": "own"},
        {"placement": "side", "adapter_blocks": (-2, -1)},
        {"flow_tokens": "patches"},
        {"flow_tokens": "patches", "flow": "aligned"},
        {"vote": "frozen_linear"},
        {"tpm_kernel": 1},
        {"tpm_kernel": 4, "tpm_dilations": (1, 3)},
        {"tpm": "lstm", "causal": False},
    ],
    ids=str,
)
def test_every_choice_beside(change):
    assert_streams(trained(replace(SMALL, **change)), moving())


@pytest.mark.parametrize("flow", ["static", "aligned"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_of_image_models(family, flow):
    assert_streams(trained(replace(SMALL, flow=flow), family), moving(batch=1))


@pytest.mark.parametrize("name", CAUSAL)
def test_every_causal_method(name):
    assert_streams(trained(VARIANTS[name]), moving())


@pytest.mark.parametrize("flow", ["static", "aligned"])
@pytest.mark.parametrize("family", ["vit", "hiera"])
@settings(max_examples=10)
@given(ends=st.sets(st.integers(1, 5)))
@torch.no_grad()
def test_trunk_and_readout_take_frames_in_pieces_of_any_length(family, flow, ends):
    model = trained(replace(SMALL, flow=flow, image_readout="mean"), family, frames=6).double()
    x = model.stem(model.backbone, model.normalise(moving(frames=6, batch=1).double()))
    tokens, said = model.trunk(x)
    trunk = readout = None
    for piece in x.tensor_split(sorted(ends), dim=1):
        found, told, trunk = model.trunk.step(piece, trunk)
        vector, readout = model.readout.step(model.backbone, found, readout)
    close = {"rtol": 0, "atol": 1e-9}
    torch.testing.assert_close(found, tokens[:, -found.shape[1] :], **close)
    torch.testing.assert_close(told, said, **close)
    torch.testing.assert_close(vector, model.readout(model.backbone, tokens), **close)


def test_single_precision_is_close_enough():
    model, clip = trained(SMALL), moving()
    want = logits_of_prefixes(model, clip)
    torch.testing.assert_close(logits_of_stream(model, clip), want, rtol=0, atol=1e-4)


@pytest.mark.parametrize("tpm", ["tcn", "lstm"])
def test_a_stream_outlives_the_number_of_frames_it_was_built_for(tpm):
    method = replace(SMALL, tpm=tpm)
    longer = trained(method, frames=3 * FRAMES).double()
    model = classifier(method).double()
    model.load_state_dict(longer.state_dict())
    clip = moving(frames=3 * FRAMES).double()
    torch.testing.assert_close(
        logits_of_stream(model, clip), logits_of_prefixes(longer, clip), rtol=0, atol=1e-9
    )


def test_beyond_its_positions_a_transformer_follows_a_window():
    """Each later frame is the last of a clip of so many frames."""
    module = TemporalTransformer(
        6, num_frames=4, num_heads=2, hidden=8, layers=2, causal=True, dropout=0.0
    ).double()
    x, past = torch.randn(3, 10, 6, dtype=torch.float64), None
    for t in range(10):
        y, past = module.step(x[:, t : t + 1], past)
        want = module(x[:, max(0, t - 3) : t + 1])[:, -1:]
        torch.testing.assert_close(y, want, rtol=0, atol=1e-12)


@pytest.mark.parametrize("tpm", TPMS)
def test_what_is_remembered_does_not_grow(tpm, monkeypatch):
    """With a transformer until it has its window, else from the second frame on."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    bytes_held = importlib.import_module("streaming").bytes_held
    stream = Stream(trained(replace(SMALL, tpm=tpm)))
    sizes = []
    for frame in moving(frames=3 * FRAMES).unbind(1):
        stream(frame)
        sizes.append(bytes_held(stream))
    full = FRAMES if tpm == "transformer" else 1
    assert sizes[0] > 0
    assert set(sizes[full:]) == {sizes[full]}


def test_streams_share_a_model_and_a_copy_goes_its_own_way():
    model = trained(SMALL).double()
    one, other = moving(seed=1).double(), moving(seed=2).double()
    first, second = Stream(model), Stream(model)
    for a, b in zip(one[:, :2].unbind(1), other[:, :2].unbind(1), strict=True):
        first(a)
        second(b)
    fork = copy.copy(first)
    mixed = torch.cat([one[:, :2], other[:, 2:3]], dim=1)
    for stream, clip in [(fork, mixed), (first, one), (second, other)]:
        want = logits_of_prefixes(model, clip)[:, 2]
        torch.testing.assert_close(stream(clip[:, 2]), want, rtol=0, atol=1e-9)


def test_after_a_reset_a_stream_is_as_new():
    model, clip = trained(SMALL), moving()
    stream = Stream(model)
    before = [stream(frame) for frame in clip.unbind(1)]
    assert stream.num_frames == FRAMES
    stream.reset()
    assert stream.num_frames == 0
    for frame, want in zip(clip[:1].unbind(1), before, strict=True):  # another number of videos
        torch.testing.assert_close(stream(frame), want[:1])


@pytest.mark.parametrize("kind", [Stream, SlidingWindow])
def test_a_frame_of_one_video_needs_no_batch(kind):
    model = trained(SMALL)
    clip = (moving(batch=1) * 255).to(torch.uint8)
    alone, batched = kind(model), kind(model)
    for frame in clip.unbind(1):
        found = alone(frame[0])
        assert found.shape == (CLASSES,)
        assert torch.equal(found, batched(frame)[0])
        assert not found.requires_grad


@pytest.mark.parametrize("kind", [Stream, SlidingWindow])
def test_frames_that_do_not_follow_are_refused_and_change_nothing(kind, unchecked):
    model, clip = trained(SMALL), moving()
    run, want = kind(model), kind(model)
    run(clip[:, 0])
    want(clip[:, 0])
    for wrong, told in [
        (clip[:1, 1], r"1 frames, but 2 videos were followed .* reset\(\)"),
        (clip[:, 1, :, 1:], "this model takes clips of shape"),
        (clip, r"a frame has the shape \(3, H, W\)"),
        (clip[:, 1].int(), "pixels are uint8, or float"),
        (
            clip[:, 1] / clip[:, 1].max() * 255,
            r"a float frame is in \[0, 1\], and .* reaches 255: ",
        ),
        (clip[:0, 1], r"at least one; not \(0, 3, 32, 32\)"),
        (clip[:, 1].numpy(), "a frame is a tensor, not a ndarray"),
    ]:
        with pytest.raises(ClipError, match=told):
            run(wrong)
    assert torch.equal(run(clip[:, 1]), want(clip[:, 1]))


@pytest.mark.parametrize("kind", [Stream, SlidingWindow])
@pytest.mark.parametrize("frozen", [False, True])
def test_a_frame_that_fails_changes_nothing(frozen, kind):
    """Not even where all but the read-out is done."""
    method = replace(SMALL, image_branch="frozen") if frozen else SMALL
    model, clip = trained(method), moving(frames=6)
    run, want = kind(model), kind(model)
    for frame in clip[:, :4].unbind(1):
        run(frame)
        want(frame)
    fault = model.head.register_forward_pre_hook(lambda module, given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(clip[:, 4])
    fault.remove()
    for frame in clip[:, 4:].unbind(1):
        assert torch.equal(run(frame), want(frame))


@pytest.mark.parametrize("kind", [Stream, SlidingWindow])
def test_a_model_that_was_trained_since_answers_without_dropout(kind):
    model, clip = trained(replace(SMALL, dropout=0.5)), moving()
    run, want = kind(model), kind(model)
    wanted = [want(frame) for frame in clip.unbind(1)]
    for frame, logits in zip(clip.unbind(1), wanted, strict=True):
        model.train()
        assert torch.equal(run(frame), logits)


@pytest.mark.parametrize("kind", [Stream, SlidingWindow])
def test_what_is_no_model_is_refused_with_the_way_to_one(kind, unchecked):
    for other in ["runs/doors", torch.nn.Linear(1, 1)]:
        with pytest.raises(ConfigurationError, match=r"stillmotion.load\(path\)"):
            kind(other)


@pytest.mark.parametrize("name", [name for name in VARIANTS if name not in CAUSAL])
def test_models_that_look_ahead_are_refused_with_a_way_out(name):
    told = r"looks at later frames.*AMFlow.small\(streaming=True\).*SlidingWindow"
    with pytest.raises(ConfigurationError, match=told):
        Stream(classifier(VARIANTS[name]))
