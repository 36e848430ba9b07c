"""Clips go through a model in chunks that keep to a bound, with the same answers."""

import importlib
import logging
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from models import FRAMES, VARIANTS, moving, trained
from stillmotion.chunking import Chunked
from stillmotion.errors import ConfigurationError


@pytest.fixture(scope="module")
def peak_bytes():
    """The benchmarks' own measure of memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
        patch.setenv("HF_HUB_OFFLINE", "1")  # set by the import where it is not set
        yield importlib.import_module("harness").peak_bytes


def flat_linear():
    """What a clip takes is plain: its 4 floats become 1024, which become 4096."""
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 1024), nn.Linear(1024, 4096))


@pytest.mark.parametrize("name", VARIANTS)
@torch.no_grad()
def test_the_estimate_is_what_a_clip_takes(name, peak_bytes):
    """On a batch, too: n clips take n times as much. In models far smaller than real ones, what
    convolutions take for themselves would be more than all the rest."""
    model = trained(VARIANTS[name], size=112, embed_dim=192)
    clips = moving(batch=3, size=112)
    chunked = Chunked(model)
    chunked(clips)
    (estimate,) = chunked.clip_bytes.values()
    for count in (1, 3):
        found = peak_bytes(lambda n=count: model(clips[:n]))
        assert 0.8 * found <= count * estimate <= 1.05 * found


def test_what_is_counted_is_what_exists_at_once():
    chunked = Chunked(flat_linear())
    chunked(torch.rand(2, 2, 2))
    assert chunked.clip_bytes == {torch.Size([2, 2]): 4 * (1024 + 4096)}


@pytest.mark.parametrize("name", ["amflow.small", "zeroi2v", "dualpath"])
@torch.no_grad()
def test_answers_do_not_depend_on_the_bound(name):
    model, clips = trained(VARIANTS[name]), moving(batch=7)
    want = model(clips)
    for memory_gib in (1e-9, 1e-3, 1.0):
        torch.testing.assert_close(Chunked(model, memory_gib=memory_gib)(clips), want)


@given(batch=st.integers(1, 20), room=st.floats(0.1, 30))
def test_chunks_are_as_large_as_the_bound_allows(batch, room):
    """Every clip is shown once, in order; after the first, chunks are full but for the last."""
    shown, model = [], flat_linear()

    def watched(clips):
        shown.append(len(clips))
        return model(clips)

    chunked = Chunked(watched, memory_gib=room * 4 * (1024 + 4096) / 2**30)
    clips = torch.rand(batch, 2, 2)
    torch.testing.assert_close(chunked(clips), model(clips))
    first, *others = shown
    assert first == 1
    assert sum(shown) == batch
    full = max(1, int(room + 1e-9))
    assert all(size == full for size in others[:-1])
    assert all(size <= full for size in others)


def test_a_bound_below_one_clip_is_said_once_and_one_clip_is_shown(caplog):
    chunked = Chunked(trained(VARIANTS["linear_probe"]), memory_gib=1e-9)
    with caplog.at_level(logging.WARNING, logger="stillmotion"):
        for _ in range(2):
            assert len(chunked(moving(batch=2))) == 2
    (record,) = caplog.records
    assert "clips are shown one by one" in record.getMessage()
    assert chunked.clips_at_once(torch.Size([FRAMES, 3, 32, 32])) == 1


@pytest.mark.usefixtures("unchecked")
def test_a_bound_that_is_none_is_refused():
    for bound in (0.0, -1.0, float("nan"), float("inf"), "2", True):
        with pytest.raises(ConfigurationError, match="give a number above 0"):
            Chunked(flat_linear(), memory_gib=bound)
