"""Attention-map flow is its equation, in every implementation, value and gradient."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stillmotion.nn import flow_tiled, reference
from stillmotion.nn.flow import attention_received, static_flow
from stillmotion.nn.linear_attention import LinearEncoderLayer, divisor_at_most, linear_attention

PAIRINGS = ["next", "previous"]


def softmax(row):
    powers = [math.exp(x - max(row)) for x in row]
    return [p / sum(powers) for p in powers]


def logits_of(q, k, b, t, head):
    """Rows of scaled attention logits of one frame and head, number by number."""
    dim = q.shape[-1]
    return [
        [
            sum(float(q[b, t, head, i, c] * k[b, t, head, j, c]) for c in range(dim)) / dim**0.5
            for j in range(k.shape[-2])
        ]
        for i in range(q.shape[-2])
    ]


def by_loops(q, k, of_rows):
    """Column sums of the softmaxed rows that ``of_rows(b, t, head)`` gives, (B, T, N, h)."""
    clips, frames, heads, tokens, _ = q.shape
    out = torch.zeros(clips, frames, tokens, heads, dtype=q.dtype)
    for b in range(clips):
        for t in range(frames):
            for head in range(heads):
                for row in of_rows(b, t, head):
                    for j, value in enumerate(softmax(row)):
                        out[b, t, j, head] += value
    return out


def received_by_loops(q, k):
    return by_loops(q, k, lambda b, t, head: logits_of(q, k, b, t, head))


def flow_by_loops(q, k, pairing):
    last = q.shape[1] - 1

    def change(b, t, head):
        other = min(t + 1, last) if pairing == "next" else max(t - 1, 0)
        mine, theirs = logits_of(q, k, b, t, head), logits_of(q, k, b, other, head)
        return [
            [abs(x - y) for x, y in zip(row, their_row, strict=True)]
            for row, their_row in zip(mine, theirs, strict=True)
        ]

    return by_loops(q, k, change)


def heads(clips=2, frames=3, heads=2, tokens=7, dim=4, dtype=torch.float64):
    q = torch.randn(clips, frames, heads, tokens, dim, dtype=dtype)
    return q, torch.randn_like(q)


@pytest.fixture(params=[1, 20, 49, 120, 2**17], ids="tile={}".format)
def tile(request, monkeypatch):
    """Numbers a tile: one row of seven, two rows, a whole map, two maps, all maps."""
    monkeypatch.setattr(flow_tiled, "TILE", request.param)
    return request.param


@pytest.mark.parametrize("frames", [1, 2, 3])
@pytest.mark.parametrize("pairing", PAIRINGS)
def test_static_flow_is_its_equation(pairing, frames, tile):
    q, k = heads(frames=frames)
    want = flow_by_loops(q, k, pairing)
    torch.testing.assert_close(static_flow(q, k, pairing), want)
    torch.testing.assert_close(reference.static_flow(q, k, pairing), want)


@pytest.mark.parametrize("frames", [1, 3])
def test_attention_received_is_its_equation(frames, tile):
    q, k = heads(frames=frames)
    want = received_by_loops(q, k)
    torch.testing.assert_close(attention_received(q, k), want)
    torch.testing.assert_close(reference.attention_received(q, k), want)


@given(
    frames=st.integers(1, 4),
    tokens=st.integers(1, 9),
    num_heads=st.integers(1, 3),
    pairing=st.sampled_from(PAIRINGS),
    scale=st.sampled_from([0.0, 1.0, 100.0]),
)
def test_shares_sum_to_the_number_of_tokens_and_stillness_is_one(
    frames, tokens, num_heads, pairing, scale
):
    q, k = heads(frames=frames, tokens=tokens, heads=num_heads)
    q = q * scale
    change = static_flow(q, k, pairing)
    alone = change[:, -1 if pairing == "next" else 0]
    torch.testing.assert_close(alone, torch.ones_like(alone))
    for shares in (change, attention_received(q, k)):
        sums = shares.sum(dim=2)
        torch.testing.assert_close(sums, torch.full_like(sums, tokens))
        assert (shares >= 0).all()
    repeated = q[:, :1].expand_as(q), k[:, :1].expand_as(k)
    torch.testing.assert_close(static_flow(*repeated, pairing), torch.ones_like(change))


def test_previous_is_next_with_time_reversed(tile):
    q, k = heads(frames=5)
    backwards = static_flow(q.flip(1), k.flip(1), "next").flip(1)
    torch.testing.assert_close(static_flow(q, k, "previous"), backwards)


def test_a_frame_sees_its_partner_and_no_other(tile):
    q, k = heads(frames=5)
    changed = q.clone()
    changed[:, 3] += 1
    for pairing, touched in (("next", {2, 3}), ("previous", {3, 4})):
        before, after = static_flow(q, k, pairing), static_flow(changed, k, pairing)
        differ = {t for t in range(5) if not torch.equal(before[:, t], after[:, t])}
        assert differ == touched


def test_linear_attention_is_its_equation():
    q, k, v = (torch.randn(2, 3, 5, 4, dtype=torch.float64) for _ in range(3))
    found = linear_attention(q, k, v)
    phi = lambda x: torch.where(x > 0, x + 1, x.exp())  # noqa: E731
    similarity = torch.einsum("bhnd,bhmd->bhnm", phi(q), phi(k))
    want = (similarity / similarity.sum(-1, keepdim=True)) @ v
    torch.testing.assert_close(found, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_linear_attention_survives_tokens_without_any_weight(dtype):
    q = torch.full((1, 1, 4, 8), -50.0, dtype=dtype, requires_grad=True)
    out = linear_attention(q, q, torch.ones_like(q))
    out.sum().backward()
    assert out.isfinite().all()
    assert q.grad.isfinite().all()


def test_the_aligning_encoder_treats_tokens_alike():
    layer = LinearEncoderLayer(12, 3, 8)
    x, order = torch.randn(2, 3, 7, 12), torch.randperm(7)
    torch.testing.assert_close(layer(x[:, :, order]), layer(x)[:, :, order])


@given(width=st.integers(1, 2000), wanted=st.integers(1, 64))
def test_the_number_of_heads_divides_the_width_and_is_the_largest(width, wanted):
    found = divisor_at_most(width, wanted)
    assert width % found == 0
    assert found <= wanted
    assert not [h for h in range(found + 1, wanted + 1) if width % h == 0]
