"""Temporal modules keep length, respect causality, and centring is what it says."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stillmotion.nn.past import average
from stillmotion.nn.temporal import TCN, Centring, TemporalLSTM, TemporalTransformer

DIM, LONGEST = 6, 12


def tcn(*, kernel=3, dilations=(1, 2), causal=True):
    return TCN(DIM, kernel=kernel, dilations=dilations, causal=causal, dropout=0.0)


def transformer(*, causal=True):
    return TemporalTransformer(
        DIM, num_frames=LONGEST, num_heads=2, hidden=8, layers=2, causal=causal, dropout=0.0
    )


def lstm():
    return TemporalLSTM(DIM, hidden=5, layers=2, dropout=0.0)


def frames_that_feel(module, changed, *, frames):
    """Frames of the output that change when one frame of the input does."""
    x = torch.randn(3, frames, DIM)
    other = x.clone()
    other[:, changed] += 1
    before, after = module(x), module(other)
    return [t for t in range(frames) if not torch.allclose(before[:, t], after[:, t], atol=1e-6)]


@given(
    kernel=st.integers(1, 5),
    dilations=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    frames=st.integers(1, LONGEST),
    data=st.data(),
)
def test_a_causal_tcn_never_looks_ahead(kernel, dilations, frames, data):
    torch.manual_seed(0)
    changed = data.draw(st.integers(0, frames - 1))
    module = tcn(kernel=kernel, dilations=tuple(dilations)).double()
    x = torch.randn(2, frames, DIM, dtype=torch.float64)
    other = x.clone()
    other[:, changed:] = torch.randn_like(other[:, changed:])
    assert module(x).shape == x.shape
    torch.testing.assert_close(module(x)[:, :changed], module(other)[:, :changed])
    torch.testing.assert_close(module(x[:, : changed + 1]), module(x)[:, : changed + 1])


@given(kernel=st.integers(1, 5), dilations=st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_a_tcn_sees_as_far_as_its_kernels_reach(kernel, dilations):
    torch.manual_seed(0)
    module = tcn(kernel=kernel, dilations=tuple(dilations), causal=False)
    frames, reach = 60, 2 * (kernel - 1) * sum(dilations)
    assert module(torch.randn(1, frames, DIM)).shape == (1, frames, DIM)
    felt = frames_that_feel(module, 30, frames=frames)
    assert felt
    assert felt[-1] - felt[0] <= reach


@pytest.mark.parametrize("build", [tcn, transformer, lstm])
def test_causal_modules_feel_a_change_from_its_frame_on(build):
    felt = frames_that_feel(build().eval(), 4, frames=8)
    assert felt[0] == 4
    assert len(felt) > 1


@pytest.mark.parametrize("build", [tcn, transformer])
def test_other_modules_look_ahead(build):
    assert frames_that_feel(build(causal=False).eval(), 4, frames=8)[0] < 4


@pytest.mark.parametrize("build", [tcn, transformer, lstm])
@pytest.mark.parametrize("frames", [1, 2, LONGEST])
def test_series_keep_their_length_and_do_not_mix(build, frames):
    module = build().eval()
    x = torch.randn(5, frames, DIM)
    found = module(x)
    assert found.shape == (5, frames, module.dim)
    torch.testing.assert_close(module(x[2:3]), found[2:3], rtol=1e-5, atol=1e-5)


def test_order_reaches_the_transformer_through_its_positions_alone():
    module = transformer(causal=False).eval()
    x, order = torch.randn(2, 5, DIM), torch.tensor([3, 1, 4, 0, 2])
    assert not torch.allclose(module(x[:, order]), module(x)[:, order], atol=1e-3)
    torch.nn.init.zeros_(module.position)
    torch.testing.assert_close(module(x[:, order]), module(x)[:, order], rtol=1e-4, atol=1e-5)


def test_running_means_are_means_of_prefixes():
    x = torch.randn(4, 7, DIM, dtype=torch.float64)
    means = Centring(DIM, "running").mean(x)
    for t in range(7):
        torch.testing.assert_close(means[:, t], x[:, : t + 1].mean(dim=1))
    torch.testing.assert_close(Centring(DIM, "clip").mean(x)[:, 0], x.mean(dim=1))


def in_pieces(module, x, ends):
    """What `step` makes of frames that come a few at a time: up to each of these ends."""
    past, made, start = None, [], 0
    for end in [*sorted(ends), x.shape[1]]:
        if end > start:
            y, past = module.step(x[:, start:end], past)
            made.append(y)
        start = end
    return torch.cat(made, dim=1)


ends = st.sets(st.integers(1, LONGEST - 1))


@given(
    kernel=st.integers(1, 4),
    dilations=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    ends=ends,
)
def test_a_tcn_takes_frames_in_pieces_of_any_length(kernel, dilations, ends):
    torch.manual_seed(0)
    module = tcn(kernel=kernel, dilations=tuple(dilations)).double()
    x = torch.randn(2, LONGEST, DIM, dtype=torch.float64)
    torch.testing.assert_close(in_pieces(module, x, ends), module(x))


@pytest.mark.parametrize("build", [transformer, lstm, lambda: Centring(DIM, "running")])
@given(ends=ends)
def test_other_modules_take_frames_in_pieces_of_any_length(build, ends):
    torch.manual_seed(0)
    module = build().double().eval()
    x = torch.randn(2, LONGEST, DIM, dtype=torch.float64)
    torch.testing.assert_close(in_pieces(module, x, ends), module(x))


@settings(max_examples=20)
@given(ends=st.sets(st.integers(1, 2 * LONGEST)))
def test_beyond_its_positions_a_transformer_takes_any_pieces_alike(ends):
    torch.manual_seed(0)
    module = transformer().double().eval()
    x = torch.randn(1, 2 * LONGEST + 1, DIM, dtype=torch.float64)
    one_by_one = in_pieces(module, x, range(1, 2 * LONGEST + 1))
    torch.testing.assert_close(in_pieces(module, x, ends), one_by_one)


def test_long_streams_of_few_bits_do_not_drift():
    """Sums in bfloat16 stop growing at 256 frames."""
    x = 1 + torch.randn(2, 1000, DIM).bfloat16()
    past = None
    for frame in x.split(1, dim=1):
        mean, past = average(frame, past)
    close = {"rtol": 0.01, "atol": 0.01}
    assert mean.dtype == torch.bfloat16
    torch.testing.assert_close(mean.double(), x.double().mean(dim=1), **close)
    module = Centring(DIM, "running").bfloat16()
    want = Centring(DIM, "running").double()(x.double())
    late = slice(-100, None)
    for found in (in_pieces(module, x, range(1, 1000)), module(x)):
        assert found.dtype == torch.bfloat16
        torch.testing.assert_close(found[:, late].double(), want[:, late], rtol=0.02, atol=0.02)


@pytest.mark.parametrize("centre", ["clip", "running"])
def test_centring_removes_what_stands_and_keeps_what_moves(centre):
    module = Centring(DIM, centre)
    x, background = torch.randn(2, 5, DIM), torch.randn(2, 1, DIM)
    torch.testing.assert_close(module(x + 10 * background), module(x), rtol=1e-3, atol=1e-3)
    assert module(background.expand(-1, 5, -1)).abs().max() < 0.01
    assert module(x)[:, 1:].abs().max() > 1


@pytest.mark.parametrize("build", [tcn, transformer, lstm])
def test_copies_are_independent(build):
    module = build()
    twin = copy.deepcopy(module)
    x = torch.randn(2, 4, DIM)
    want = twin.eval()(x)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    assert torch.equal(twin(x), want)
