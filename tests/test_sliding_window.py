"""A sliding window gives after every frame what the model gives on the last frames."""

import pytest
import torch

from models import VARIANTS, moving, trained
from stillmotion.streaming import SlidingWindow

QUICK_FAMILIES = ("vit", "siglip", "dinov3", "hiera")


@torch.no_grad()
def assert_slides(model, *, frames, num_frames=None, atol=1e-9):
    """Twice as many frames as the window holds, one by one."""
    model, clip = model.double(), moving(frames=2 * frames, batch=1).double()
    window = SlidingWindow(model, num_frames=num_frames)
    size = window.num_frames
    for t, frame in enumerate(clip.unbind(1)):
        want = model(clip[:, max(0, t + 1 - size) : t + 1])
        torch.testing.assert_close(window(frame), want, rtol=0, atol=atol)
    return window


@pytest.mark.parametrize("family", QUICK_FAMILIES)
@pytest.mark.parametrize("name", VARIANTS)
def test_every_method_on_every_window(name, family):
    assert_slides(trained(VARIANTS[name], family, frames=6), frames=6)
