"""A stream gives after every frame what the model gives on all frames so far."""

from dataclasses import replace

import pytest
import torch

from models import FAMILIES, VARIANTS, moving, trained
from stillmotion.methods import AMFlow
from stillmotion.streaming import Stream

SMALL = replace(AMFlow.small(streaming=True), flow_blocks=(-2, -1), adapter_blocks=(-3, -2, -1))
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
