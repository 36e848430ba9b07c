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
from stillmotion.settings import Training
from stillmotion.training.optimisation import (
    Objective,
    build_optimizer,
    class_weights,
    peak_rate,
    warm_cosine,
)

METHOD = replace(
    VARIANTS["amflow.small"], placement="parallel", adapter_blocks=(-2, -1), flow_blocks=(-1,)
)


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


@given(steps=st.integers(1, 300), warmup=st.floats(0, 1), start=st.floats(0, 1))
def test_the_rate_rises_to_its_peak_and_falls_to_nothing(steps, warmup, start):
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = warm_cosine(optimizer, steps=steps, warmup=warmup, start=start)
    rates = []
    for _ in range(steps):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    rise = max(1, round(warmup * steps))
    assert all(0 <= rate <= 1 + 1e-9 for rate in rates)
    assert max(rates) == pytest.approx(1)
    risen = [(step + 1) / rise for step in range(rise)]
    assert rates[:rise] == pytest.approx([start + part - start * part for part in risen])
    assert sorted(rates[rise:], reverse=True) == rates[rise:]
    if rise < steps:
        assert schedule.get_last_lr()[0] == pytest.approx(0)


def groups_of(model, **training):
    """(rate, decay) of every trained parameter, by name; each stands in one group only."""
    optimizer = build_optimizer(model, Training(scaling="none", **training), processes=1)
    listed = [
        (p, (g["lr"], g["weight_decay"])) for g in optimizer.param_groups for p in g["params"]
    ]
    found = dict(listed)
    assert len(found) == len(listed)
    names = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert set(found) == set(names.values())
    return {name: found[p] for name, p in names.items()}


def is_norm(model, name):
    return isinstance(model.get_submodule(name.rpartition(".")[0]), nn.LayerNorm)


@pytest.mark.parametrize(
    ("rule", "decays"),
    [
        ("matrices", lambda model, name: model.get_parameter(name).ndim >= 2),
        ("no_norm", lambda model, name: not is_norm(model, name)),
        ("no_bias", lambda model, name: not name.endswith(".bias")),
        ("all", lambda model, name: True),
    ],
)
def test_weight_decay_follows_its_rule_and_frozen_tensors_are_left_alone(rule, decays):
    model = classifier(METHOD)
    found = groups_of(model, weight_decay=0.3, decay=rule)
    wanted = {name: 0.3 if decays(model, name) else 0.0 for name in found}
    assert {name: decay for name, (_, decay) in found.items()} == wanted
    assert {is_norm(model, name) for name in found} == {True, False}
    assert {name.endswith(".bias") for name in found} == {True, False}


def test_the_head_may_learn_faster_than_the_rest():
    model = classifier(METHOD)
    for name, (rate, _) in groups_of(model, learning_rate=0.5, backbone_rate=0.1).items():
        assert rate == pytest.approx(0.5 if name.startswith("head.") else 0.05)


@pytest.mark.parametrize(("name", "momentum"), [("adamw", None), ("sgd", 0.9)])
def test_the_optimizer_is_the_one_asked_for(name, momentum):
    optimizer = build_optimizer(classifier(METHOD), Training(optimizer=name), processes=1)
    assert type(optimizer).__name__.lower() == name
    assert optimizer.defaults.get("momentum") == momentum


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

    branches = model.branches(clip)
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
    weights = class_weights(videos, "balanced")
    for label in range(5):
        share = float(weights[label]) * labels.count(label)
        assert share == pytest.approx(len(labels) / len(set(labels)) if label in labels else 0)
    assert class_weights(videos, "none") is None


def test_effective_numbers_weigh_rare_classes_as_published():
    """Equation 4 with b = 0.999 for 1, 10 and 5000 videos, by hand, up to a common factor."""
    counts = (1, 10, 5000)
    samples = [Sample(Path(), label) for label, n in enumerate(counts) for _ in range(n)]
    weights = class_weights(VideoList(tuple(samples), tuple("abc"), ""), "effective")
    by_hand = torch.tensor([0.001 / (1 - 0.999**n) for n in counts])
    torch.testing.assert_close(weights / weights.sum(), by_hand / by_hand.sum())
    mean = sum(n * float(w) for n, w in zip(counts, weights, strict=True)) / sum(counts)
    assert mean == pytest.approx(1)
