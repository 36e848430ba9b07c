"""A sliding window gives after every frame what the model gives on the last frames."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from models import VARIANTS, moving, trained
from stillmotion.backbones import frozen_block
from stillmotion.errors import ConfigurationError
from stillmotion.methods import AIM, AdaptFormer, AMFlow, DualPath, LinearProbe, STAdapter, ZeroI2V
from stillmotion.methods.parts import Stem, Trunk
from stillmotion.streaming import SlidingWindow
from stillmotion.streaming.plan import Sight, plan

QUICK_FAMILIES = ("vit", "hiera")
FRAMES = 8
PARALLEL = replace(AMFlow.small(), placement="parallel")


@torch.no_grad()
def assert_slides(model, *, num_frames=None):
    """Twice as many frames as the window holds, one by one, in float64."""
    model, clip = model.double(), moving(frames=2 * model.num_frames, batch=1).double()
    window = SlidingWindow(model, num_frames=num_frames)
    size = window.num_frames
    for t, frame in enumerate(clip.unbind(1)):
        want = model(clip[:, max(0, t + 1 - size) : t + 1])
        torch.testing.assert_close(window(frame), want, rtol=0, atol=1e-9)
    return window


@pytest.mark.parametrize("family", QUICK_FAMILIES)
@pytest.mark.parametrize("name", VARIANTS)
def test_every_method_gives_what_it_gives_on_the_window(name, family):
    assert_slides(trained(VARIANTS[name], family, frames=6))


@pytest.mark.parametrize(
    ("method", "share"),
    [
        (LinearProbe(), 4 / 32),  # four blocks, eight frames
        (replace(AMFlow.small(), flow="none"), 4 / 32),
        (AMFlow.small(), (2 + 2 + 2 + 2) / 32),  # the last frame before it has a partner now
        (PARALLEL, (2 + 3 + 4 + 5) / 32),  # every block looks one frame further ahead
        (replace(AMFlow.paper(), image_branch="adapted"), (2 + 3 + 4 + 5) / 32),
        (AMFlow.paper(), (2 + 3 + 4 + 5 + 4) / (32 + 4)),  # a frozen pass of the last frame
        (replace(AMFlow.paper(), image_readout="mean"), (2 + 3 + 4 + 5 + 4) / (32 + 32)),
        (AMFlow.small(streaming=True), (3 + 3 + 3 + 3) / 32),  # the first frame loses its partner
        (replace(AMFlow.streaming(), placement="parallel"), (3 + 4 + 5 + 6) / 32),
        (STAdapter(placement="attention", last_blocks=1), (1 + 1 + 1 + 5) / 32),
        (STAdapter(kernel=(1, 3, 3)), 4 / 32),
        (AdaptFormer(tokens="joint"), 1.0),
        (AIM(), 1.0),
        (ZeroI2V(), 1.0),
        (DualPath(), 1.0),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_few_frames_pass_a_block_again(method, share):
    model = trained(method, frames=FRAMES)
    window = assert_slides(model)
    assert window.share == pytest.approx(share)
    if share < 1:
        clip = moving(frames=FRAMES, batch=1).double()
        whole = frames_that_pass(model, lambda: model(clip))
        assert frames_that_pass(model, lambda: window(clip[:, 0])) == round(share * whole)


def frames_that_pass(model, run):
    """Counted at a norm that every frozen block has."""
    seen = []
    handles = [
        frozen_block(block).block.norm2.register_forward_hook(
            lambda module, given, out: seen.append(out.shape[1])
        )
        for block in model.trunk.blocks
    ]
    run()
    for handle in handles:
        handle.remove()
    return sum(seen)


def test_zeroi2v_uses_frames_again_where_none_is_told_its_place():
    model = trained(ZeroI2V(), frames=FRAMES)
    assert not SlidingWindow(model).stages
    with torch.no_grad():
        model.stem.temporal.copy_(model.stem.temporal[:1].expand_as(model.stem.temporal))
    assert assert_slides(model).share == (5 + 8 + 8 + 8) / 32


def test_from_a_reset_on_other_weights_answer():
    """With those that came later, every frame is told its place."""
    model = trained(ZeroI2V()).double()
    told = model.stem.temporal.detach().clone()
    nn.init.zeros_(model.stem.temporal)
    window, clip = SlidingWindow(model), moving(frames=3, batch=1).double()
    window(clip[:, 0])
    with torch.no_grad():
        model.stem.temporal.copy_(told)
        window.reset()
        found = [window(frame) for frame in clip.unbind(1)]
        torch.testing.assert_close(found[-1], model(clip), rtol=0, atol=1e-9)


@pytest.mark.parametrize("num_frames", [1, 2, 5])
def test_a_window_may_be_shorter_than_the_model_allows(num_frames):
    window = assert_slides(trained(AMFlow.small(), frames=FRAMES), num_frames=num_frames)
    assert window.num_frames == num_frames


@pytest.mark.parametrize("num_frames", [0, FRAMES + 1, True, 3.5, "x"])
def test_a_window_is_not_longer_than_the_model_allows(num_frames, unchecked):
    with pytest.raises(ConfigurationError, match=f"num_frames={num_frames!r}: .* 1 to {FRAMES}"):
        SlidingWindow(trained(AMFlow.small(), frames=FRAMES), num_frames=num_frames)


def test_after_a_reset_a_window_is_as_new():
    window = SlidingWindow(trained(AMFlow.small()))
    clip = moving()
    before = [window(frame) for frame in clip.unbind(1)]
    window.reset()
    for frame, want in zip(clip[:1].unbind(1), before, strict=True):  # another number of videos
        torch.testing.assert_close(window(frame), want[:1])


class MixingStem(Stem):
    """A stem of one's own that says nothing of itself: each frame with the mean of the clip."""

    def forward(self, backbone, clip):
        x = super().forward(backbone, clip)
        return x + x.mean(dim=1, keepdim=True)


class MixingTrunk(Trunk):
    """A trunk of one's own that says nothing of itself."""

    def forward(self, x):
        x, said = super().forward(x)
        return x + x.mean(dim=1, keepdim=True), said


class MixingBlock(nn.Module):
    """A block of one's own that says nothing of itself."""

    def __init__(self, frozen):
        super().__init__()
        self.frozen = frozen

    def forward(self, x):
        return self.frozen(x) + x.mean(dim=1, keepdim=True)


def test_parts_that_do_not_say_how_far_they_look_are_run_on_the_window():
    stem, trunk, block = (trained(LinearProbe()) for _ in range(3))
    stem.stem = MixingStem()
    trunk.trunk = MixingTrunk(list(trunk.trunk.blocks))
    block.trunk.blocks[2] = MixingBlock(block.trunk.blocks[2])
    assert assert_slides(stem).share == assert_slides(trunk).share == 1
    assert assert_slides(block).share == (1 + 1 + 4 + 4) / 16


reaches = st.tuples(st.integers(0, 3), st.integers(0, 3))
sights = (
    reaches.map(lambda reach: Sight(None, reach))
    | st.just(Sight(None, None))
    | reaches.map(lambda reach: Sight(reach, reach))
    | reaches.map(lambda reach: Sight(reach, (0, 0)))
    | reaches.map(lambda reach: Sight(reach, (reach[0] // 2, reach[1] // 2)))
)


@given(
    sights=st.lists(sights, min_size=1, max_size=5),
    size=st.integers(1, 12),
    frames=st.integers(1, 20),
)
def test_kept_and_renewed_frames_are_those_of_the_whole_window(sights, size, frames):
    """Blocks whose tokens, and what they say, name all that they saw, and where the clip ended."""
    old, kept_before = range(0), [{} for _ in sights]
    for stop in range(1, frames + 1):
        new = range(max(0, stop - size), stop)
        given = whole = {t: t for t in new}
        works = list(plan(sights, old, new))
        for number, (sight, work) in enumerate(zip(sights, works, strict=True)):
            want = made_of(number, sight, whole, new)
            made = {t: kept_before[number][t] for t in work.kept}
            for piece in work.pieces:
                answers = made_of(number, sight, given, piece.given)
                made |= {t: answers[t] for t in piece.wanted}
            assert sorted(made) == list(new)
            assert made == want
            assert len(new) >= work.num_frames >= 1
            kept_before[number] = made
            given, whole = ({t: token for t, (token, _) in of.items()} for of in (made, want))
        old = new


def made_of(number, sight, given, clip):
    """What block ``number`` makes of every frame of a clip: a token, and what it says."""
    said, tokens = (seen(number, reach, given, clip) for reach in sight)
    return {t: (tokens[t], said[t]) for t in clip}


def seen(number, reach, given, clip):
    """A name for what is in reach of every frame of a clip; None is what lies outside."""
    back, ahead = (40, 40) if reach is None else reach
    read = {frame: given[frame] for frame in clip}
    return {
        t: hash((number, *(read.get(frame) for frame in range(t - back, t + ahead + 1))))
        for t in clip
    }
