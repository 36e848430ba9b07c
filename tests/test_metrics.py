"""Scores equal what a plain loop over the answers counts."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stillmotion.metrics import accuracy_within, interval, score


@st.composite
def answers(draw):
    """Probabilities (n, K) without ties, and labels."""
    n, classes = draw(st.integers(1, 12)), draw(st.integers(2, 8))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    probabilities = torch.rand(n, classes, generator=generator).mul(3).softmax(dim=1)
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n))
    return probabilities, torch.tensor(labels)


def rank(row, label):
    """How many classes are more probable than the right one."""
    return sum(p > row[label] for p in row)


@given(answers())
def test_accuracies_are_counts(given_answers):
    probabilities, labels = given_answers
    rows, truth = probabilities.tolist(), labels.tolist()
    ranks = [rank(row, label) for row, label in zip(rows, truth, strict=True)]
    scores = score(probabilities, labels)
    assert scores.n == len(truth)
    assert scores.top1 == pytest.approx(sum(r == 0 for r in ranks) / len(ranks))
    assert scores.top5 == pytest.approx(sum(r < 5 for r in ranks) / len(ranks))
    for first in range(1, probabilities.shape[1] + 1):
        expected = sum(r < first for r in ranks) / len(ranks)
        assert accuracy_within(probabilities, labels, first) == pytest.approx(expected)


@given(answers())
def test_classes_count_the_same_and_absent_ones_not_at_all(given_answers):
    probabilities, labels = given_answers
    said, truth = probabilities.argmax(dim=1).tolist(), labels.tolist()
    classes = probabilities.shape[1]
    confusion = [[0] * classes for _ in range(classes)]
    for answer, label in zip(said, truth, strict=True):
        confusion[label][answer] += 1
    own = [row[i] / sum(row) if sum(row) else None for i, row in enumerate(confusion)]
    present = [accuracy for accuracy in own if accuracy is not None]
    scores = score(probabilities, labels)
    assert scores.confusion == confusion
    assert scores.per_class == own
    assert scores.mean_class == pytest.approx(sum(present) / len(present))


@given(answers())
def test_calibration_is_the_weighted_distance_over_fifteen_bins(given_answers):
    probabilities, labels = given_answers
    bins = [[] for _ in range(15)]
    for row, label in zip(probabilities.tolist(), labels.tolist(), strict=True):
        confidence = max(row)
        bins[min(14, int(confidence * 15))].append((confidence, row.index(confidence) == label))
    error = sum(
        abs(math.fsum(c for c, _ in bin) - sum(right for _, right in bin)) for bin in bins
    ) / len(labels)
    assert score(probabilities, labels).calibration_error == pytest.approx(error, abs=1e-5)


def test_a_sure_and_right_model_is_perfect_and_a_sure_and_wrong_one_is_not_calibrated():
    sure = torch.eye(3)
    right = score(sure, torch.tensor([0, 1, 2]))
    assert (right.top1, right.mean_class, right.calibration_error) == (1, 1, 0)
    wrong = score(sure, torch.tensor([1, 2, 0]))
    assert (wrong.top1, wrong.top5, wrong.calibration_error) == (0, 1, 1)


@given(n=st.integers(1, 1000), data=st.data())
def test_the_interval_holds_its_fraction_and_solves_wilsons_equation(n, data):
    right = data.draw(st.integers(0, n))
    low, high = interval(right / n, n)
    assert 0 <= low <= right / n + 1e-12
    assert right / n - 1e-12 <= high <= 1
    for bound in (low, high):
        if 1e-9 < bound < 1 - 1e-9:
            distance = abs(right / n - bound) / math.sqrt(bound * (1 - bound) / n)
            assert distance == pytest.approx(1.96, rel=1e-6)
