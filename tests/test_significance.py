"""Tests of two models against slow references: all resamples, all coins, known values."""

from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillmotion.metrics.significance import (
    holm,
    mcnemar,
    mean_class_interval,
    paired_bootstrap,
    resampled_differences,
)


@given(st.integers(0, 12), st.integers(0, 12))
def test_mcnemar_is_the_share_of_coin_throws_as_uneven_or_more(first, second):
    throws = first + second
    far = abs(first - second)
    extreme = sum(comb(throws, k) for k in range(throws + 1) if abs(2 * k - throws) >= far)
    assert mcnemar(first, second) == pytest.approx(float(Fraction(extreme, 2**throws)))


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [
        (0, 0, 1.0),
        (0, 5, 0.0625),
        (5, 5, 1.0),
        (10, 2, 0.03857421875),  # 2 * 79 / 4096
        (1, 9, 0.021484375),  # 2 * 11 / 1024
    ],
)
def test_mcnemar_gives_known_values(first, second, p):
    assert mcnemar(first, second) == mcnemar(second, first) == p


def test_mcnemar_is_exact_for_many_videos():
    assert mcnemar(5000, 5000) == 1
    assert 0 < mcnemar(4800, 5200) < 1e-4
    assert mcnemar(0, 3000) == 0.0  # below the smallest number there is


def test_holm_multiplies_the_smallest_most_and_never_turns_the_order():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]


FIRST = np.array([True, False, False, True, False])
SECOND = np.array([True, True, False, False, True])
LABELS = np.array([0, 0, 1, 1, 1])


def every_resample():
    """Both differences of all 5^5 equally likely draws."""
    for drawn in product(range(5), repeat=5):
        index = np.array(drawn)
        gain = SECOND[index].astype(float) - FIRST[index]
        classes = np.unique(LABELS[index])
        own = [gain[LABELS[index] == c].mean() for c in classes]
        yield gain.mean(), np.mean(own)


def test_the_bootstrap_draws_from_the_distribution_of_all_resamples():
    exact = np.array(list(every_resample()))
    found = resampled_differences(FIRST, SECOND, LABELS, draws=40_000, seed=1)
    for column, drawn in enumerate(found):
        values, counts = np.unique(exact[:, column].round(9), return_counts=True)
        seen = [np.mean(np.abs(drawn - value) < 1e-6) for value in values]
        assert sum(seen) == pytest.approx(1)
        np.testing.assert_allclose(seen, counts / len(exact), atol=0.01)


def test_the_bootstrap_is_seeded_and_its_parts_do_not_change_it(monkeypatch):
    once = paired_bootstrap(FIRST, SECOND, LABELS, seed=3)
    assert once == paired_bootstrap(FIRST, SECOND, LABELS, seed=3)
    assert once.top1 != paired_bootstrap(FIRST, SECOND, LABELS, draws=50, seed=4).top1
    monkeypatch.setattr("stillmotion.metrics.significance.CHUNK", 100)
    assert paired_bootstrap(FIRST, SECOND, LABELS, seed=3) == once


def test_the_same_answers_differ_by_nothing():
    found = paired_bootstrap(FIRST, FIRST, LABELS)
    assert found.top1 == found.mean_class == (0.0, 0.0)


def test_the_interval_of_a_difference_covers_the_truth_as_often_as_it_says():
    """Two models that are right on 60 and 70 %, on 200 videos, 300 times."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), 20)
    covered = 0
    for _ in range(300):
        first, second = random.random(200) < 0.6, random.random(200) < 0.7
        low, high = paired_bootstrap(first, second, labels, draws=400).top1
        covered += low <= 0.1 <= high
    assert 0.91 <= covered / 300 <= 0.98


def test_the_interval_of_the_mean_over_classes_holds_it():
    random = np.random.default_rng(0)
    labels = random.integers(0, 5, 300)
    right = random.random(300) < 0.5 + labels / 10
    low, high = mean_class_interval(right, labels)
    mean = np.mean([right[labels == c].mean() for c in range(5)])
    assert low < mean < high
    assert 0.05 < high - low < 0.15
