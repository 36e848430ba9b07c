"""A sliding window gives after every frame what the model gives on the last frames."""

from dataclasses import replace

import pytest
import torch

from models import VARIANTS, moving, trained
from stillmotion.methods import AIM, AMFlow, LinearProbe, STAdapter, ZeroI2V
from stillmotion.streaming import SlidingWindow

QUICK_FAMILIES = ("vit", "siglip", "dinov3", "hiera")
FRAMES = 8


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


def of_equal_places(model):
    """The same model, in which no frame is told its place in the clip."""
    with torch.no_grad():
        model.stem.temporal.copy_(model.stem.temporal[:1].expand_as(model.stem.temporal))
    return model


@pytest.mark.parametrize("family", QUICK_FAMILIES)
@pytest.mark.parametrize("name", VARIANTS)
def test_every_method_gives_what_it_gives_on_the_window(name, family):
    assert_slides(trained(VARIANTS[name], family, frames=6))


@pytest.mark.parametrize(
    ("method", "share"),
    [
        (LinearProbe(), 1 / 8),
        (AMFlow.small(), (2 + 3 + 4 + 5) / 32),  # looks ahead: the newest frames pass again
        (AMFlow.small(streaming=True), (2 + 4 + 5 + 6) / 32),  # the first frame loses its partner
        (replace(AMFlow.small(), flow="none"), 1 / 8),
        (replace(AMFlow.paper(), tpm="tcn"), (2 + 3 + 4 + 5) / 32),
        (STAdapter(last_blocks=1), (3 + 5) / 32),
        (AIM(), 1.0),
        (ZeroI2V(), 1.0),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_frames_that_pass_blocks_again_are_few(method, share):
    window = assert_slides(trained(method, frames=FRAMES))
    assert window.share <= 1
    assert window.share == pytest.approx(share, abs=0.26 if isinstance(method, STAdapter) else 1e-9)
