"""Tiles give the values and gradients of the equations, and keep O(N) numbers a frame."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from plain import run_plain
from stillmotion.nn import flow_tiled, reference
from stillmotion.nn.attention import split_heads
from stillmotion.nn.flow import attention_received, static_flow

FLOWS = {
    "received": (attention_received, reference.attention_received),
    "next": (
        lambda q, k: static_flow(q, k, "next"),
        lambda q, k: reference.static_flow(q, k, "next"),
    ),
    "previous": (
        lambda q, k: static_flow(q, k, "previous"),
        lambda q, k: reference.static_flow(q, k, "previous"),
    ),
}
flows = pytest.mark.parametrize("name", FLOWS)


def heads(clips=2, frames=3, num_heads=2, tokens=11, dim=4, dtype=torch.float64):
    """Queries and keys as slices of one fused projection, as blocks make them."""
    fused = torch.randn(clips, frames, tokens, 3 * num_heads * dim, dtype=dtype)
    q, k, _ = (split_heads(part, num_heads) for part in fused.chunk(3, dim=-1))
    return q.requires_grad_(), k.requires_grad_()


def value_and_gradients(function, q, k, gradient):
    out = function(q, k)
    return out.detach(), *torch.autograd.grad(out, (q, k), gradient.to(out.dtype))


@flows
@given(
    clips=st.integers(1, 3),
    frames=st.integers(1, 4),
    num_heads=st.integers(1, 3),
    tokens=st.integers(1, 9),
    tile=st.integers(1, 400),
)
def test_any_tile_gives_the_values_and_gradients_of_the_equation(
    name, clips, frames, num_heads, tokens, tile
):
    tiled, plain = FLOWS[name]
    q, k = heads(clips, frames, num_heads, tokens)
    gradient = torch.randn(clips, frames, tokens, num_heads, dtype=q.dtype)
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(flow_tiled, "TILE", tile)
        found = value_and_gradients(tiled, q, k, gradient)
    torch.testing.assert_close(found, value_and_gradients(plain, q, k, gradient))


@flows
@pytest.mark.parametrize("tile", [5, 12, 30, 2**17])
def test_gradients_are_those_of_finite_differences(name, tile, monkeypatch):
    monkeypatch.setattr(flow_tiled, "TILE", tile)
    q, k = heads(clips=1, num_heads=1, tokens=5, dim=3)
    assert torch.autograd.gradcheck(FLOWS[name][0], (q, k))


@flows
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 0.02), (torch.float16, 2e-3)]
)
def test_sums_are_accumulated_in_float32(name, dtype, tolerance):
    """Errors relative to the largest number: those of the rounded result, not of N sums."""
    tiled, plain = FLOWS[name]
    q, k = heads(clips=1, tokens=301, dim=16, dtype=dtype)
    exact = [x.detach().double().requires_grad_() for x in (q, k)]
    gradient = torch.randn(1, 3, 301, 2, dtype=dtype)
    found = value_and_gradients(tiled, q, k, gradient)
    for part, want in zip(found, value_and_gradients(plain, *exact, gradient), strict=True):
        assert part.dtype == dtype
        torch.testing.assert_close(part.double(), want, rtol=0, atol=tolerance * want.abs().max())


@pytest.mark.parametrize("tokens", [11, 301])
def test_equal_frames_send_back_exactly_nothing(tokens):
    q, k = heads(clips=1, frames=1, tokens=tokens, dim=64, dtype=torch.float32)
    q, k = (x.detach().repeat(1, 3, 1, 1, 1).requires_grad_() for x in (q, k))
    _, dq, dk = value_and_gradients(static_flow, q, k, torch.randn(1, 3, tokens, 2))
    assert not dq.any()
    assert not dk.any()


def kept_and_largest(function, tokens):
    """Bytes kept for the backward, and the largest single allocation, of one training step."""
    q, k = heads(clips=1, frames=2, num_heads=2, tokens=tokens, dim=8, dtype=torch.float32)
    kept = 0

    def keep(tensor):
        nonlocal kept
        kept += tensor.nbytes
        return tensor

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            out = function(q, k)
        out.sum().backward()
    events = seen.profiler.kineto_results.events()
    return kept, max(event.nbytes() for event in events if event.name() == "[memory]")


@flows
def test_memory_grows_with_tokens_not_with_their_square(name, monkeypatch):
    monkeypatch.setattr(flow_tiled, "TILE", 2**12)
    few, many = (kept_and_largest(FLOWS[name][0], tokens) for tokens in (256, 1024))
    assert many[0] == 4 * few[0]
    assert many[1] <= 4 * few[1]
    assert many[1] < 1024**2  # a quarter of one map


@flows
def test_the_products_of_the_equation_are_counted(name):
    """By torch's counter: one product of all N x N a frame, two more backwards."""
    q, k = heads(clips=2, frames=3, num_heads=2, tokens=7, dim=4)
    product = 2 * 2 * 3 * 2 * 7 * 7 * 4
    for function in FLOWS[name]:
        with FlopCounterMode(display=False) as forward:
            out = function(q, k)
        with FlopCounterMode(display=False) as backward:
            out.sum().backward()
        assert forward.get_total_flops() == product
        assert backward.get_total_flops() == 2 * product


def test_operators_keep_their_promises_to_the_compiler():
    """Shapes without numbers, registered gradients, nothing written to: `torch.library.opcheck`."""
    run_plain("""
        import torch
        from stillmotion.nn.flow_tiled import tiled_column_sums
        for change in (False, True):
            q, k = (torch.randn(2, 3, 2, 5, 4, requires_grad=True) for _ in range(2))
            torch.library.opcheck(torch.ops.stillmotion.tiled_column_sums, (q, k, change))
    """)


def test_compiled_whole_and_exported_flows_are_the_eager_ones():
    run_plain("""
        import torch
        from stillmotion.nn.flow import attention_received, static_flow

        class Both(torch.nn.Module):
            def forward(self, q, k):
                return attention_received(q, k) + static_flow(q, k, "previous")

        q, k = (torch.randn(2, 3, 2, 5, 4, requires_grad=True) for _ in range(2))
        want = Both()(q, k)
        gradients = torch.autograd.grad(want.square().sum(), (q, k))
        compiled = torch.compile(Both(), backend="aot_eager", fullgraph=True)(q, k)
        torch.testing.assert_close(compiled, want)
        found = torch.autograd.grad(compiled.square().sum(), (q, k))
        torch.testing.assert_close(found, gradients)
        for strict in (False, True):
            exported = torch.export.export(Both(), (q, k), strict=strict)
            torch.testing.assert_close(exported.module()(q, k), want)
            assert "stillmotion" not in str(exported.graph)
    """)


@flows
def test_autocast_changes_no_sum(name):
    """Queries and keys come in few bits, and are added up in float32 all the same."""
    tiled, _ = FLOWS[name]
    q, k = heads(dtype=torch.bfloat16)
    gradient = torch.randn(2, 3, 11, 2)
    alone = value_and_gradients(tiled, q, k, gradient)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(value_and_gradients(tiled, q, k, gradient), alone)
