"""The flow between two frames is the static flow of the second."""

import pytest
import torch

from stillmotion.nn.attention import split_heads
from stillmotion.nn.flow_between import ROWS, flow_between
from stillmotion.nn.reference import static_flow


@pytest.mark.parametrize("tokens", [1, 7, ROWS, ROWS + 3])
def test_the_flow_between_two_frames_is_the_static_flow(tokens):
    """Heads are strided slices of one projection, as blocks hand them out."""
    fused = torch.randn(2, 2, tokens, 3 * 12, dtype=torch.float64)
    q, k, _ = (split_heads(part, 3) for part in fused.chunk(3, dim=-1))
    found = flow_between(q[:, 1:], k[:, 1:], q[:, :1], k[:, :1])
    want = static_flow(q, k, "previous")[:, 1:]
    torch.testing.assert_close(found, want, rtol=0, atol=1e-12)
    still = flow_between(q[:, :1], k[:, :1], q[:, :1], k[:, :1])
    torch.testing.assert_close(still, torch.ones_like(still), rtol=0, atol=1e-12)
