"""Steps: what they move, how far, and what for."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from models import CLASSES, FRAMES, VARIANTS, classifier, moving
from stillmotion.data.annotations import Sample, VideoList
from stillmotion.nn.frozen import Frozen
from stillmotion.recipe import Training
from stillmotion.training.optimisation import (
    Objective,
    balanced_weights,
    build_optimizer,
    peak_rate,
    warm_cosine,
)

METHOD = replace(VARIANTS["amflow.small"], adapter_blocks=(-2, -1), flow_blocks=(-1,))


@given(
    batch=st.integers(1, 64),
    accumulate=st.integers(1, 8),
    processes=st.integers(1, 8),
    scaling=st.sampled_from(["sqrt", "linear", "none"]),
)
def test_the_rate_follows_the_clips_of_a_step(batch, accumulate, processes, scaling):
    training = Training(batch_size=batch, accumulate=accumulate, scaling=scaling)
    times = batch * accumulate * processes / training.reference_batch
    wanted = {"sqrt": math.sqrt(times), "linear": times, "none": 1.0}[scaling]
    found = peak_rate(training, processes=processes)
    assert found == pytest.approx(training.learning_rate * wanted)


@given(steps=st.integers(1, 300), warmup=st.floats(0, 1))
def test_the_rate_rises_to_its_peak_and_falls_to_nothing(steps, warmup):
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = warm_cosine(optimizer, steps=steps, warmup=warmup)
    rates = []
    for _ in range(steps):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    rise = max(1, round(warmup * steps))
    assert all(0 <= rate <= 1 for rate in rates)
    assert max(rates) == pytest.approx(1)
    assert rates[:rise] == pytest.approx([(step + 1) / rise for step in range(rise)])
    assert sorted(rates[rise:], reverse=True) == rates[rise:]
    if rise < steps:
        assert schedule.get_last_lr()[0] == pytest.approx(0)


def test_matrices_decay_and_vectors_do_not_and_frozen_tensors_are_left_alone():
    model = classifier(METHOD)
    optimizer = build_optimizer(model, Training(weight_decay=0.3), processes=1)
    decay = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    trained = [p for p in model.parameters() if p.requires_grad]
    assert len(decay) == len(trained) > 0
    for parameter in trained:
        assert decay[id(parameter)] == (0.3 if parameter.ndim >= 2 else 0.0)


def test_frozen_parts_cost_nothing():
    """No gradient before the first adapter, no optimizer state, evaluation mode throughout."""
    model = classifier(METHOD)
    objective = Objective(model).train()
    optimizer = build_optimizer(model, Training(), processes=1)
    needs = {}
    for number, block in enumerate(model.trunk.blocks):
        block.register_forward_hook(
            lambda module, given, out, number=number: needs.update({number: out[0].requires_grad})
        )
    before = {name: p.clone() for name, p in model.named_parameters()}
    loss, _ = objective(moving(), torch.tensor([0, 1]))
    loss.backward()
    optimizer.step()
    assert needs == {0: False, 1: False, 2: True, 3: True}
    frozen = {p for m in model.modules() if isinstance(m, Frozen) for p in m.parameters()}
    assert frozen
    for name, parameter in model.named_parameters():
        if parameter in frozen:
            assert parameter.grad is None
            assert torch.equal(parameter, before[name])
    assert set(optimizer.state) == {p for p in model.parameters() if p.requires_grad}
    assert not any(m.training for m in model.modules() if isinstance(m, Frozen))
    assert model.head.training


@pytest.mark.parametrize("loss", ["averaged", "branches", "both"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_objective_is_what_it_says(loss, smoothing):
    model = classifier(replace(METHOD, loss=loss))
    weights = torch.tensor([0.5, 1.0, 2.0])
    clip, label = moving(), torch.tensor([2, 0])
    value, logits = Objective(model, label_smoothing=smoothing, class_weights=weights)(clip, label)

    def criterion(given):
        return cross_entropy(given, label, weight=weights, label_smoothing=smoothing)

    branches = model.branch_logits(clip)
    torch.testing.assert_close(logits, model(clip))
    each = torch.stack([criterion(branches[:, v]) for v in range(branches.shape[1])]).mean()
    whole = criterion(branches.mean(dim=1))
    wanted = {"averaged": whole, "branches": each, "both": (whole + each) / 2}[loss]
    torch.testing.assert_close(value, wanted)
    assert logits.shape == (2, CLASSES)
    assert clip.shape[1] == FRAMES


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40))
def test_balanced_classes_weigh_the_same_together(labels):
    samples = tuple(Sample(Path(str(i)), label) for i, label in enumerate(labels))
    videos = VideoList(samples, classes=tuple("abcde"), source="")
    weights = balanced_weights(videos)
    for label in range(5):
        share = float(weights[label]) * labels.count(label)
        assert share == pytest.approx(len(labels) / 5 if label in labels else 0)
