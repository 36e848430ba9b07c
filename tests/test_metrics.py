"""Scores equal what a plain loop over the answers counts, and what torchmetrics computes."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
    multiclass_f1_score,
)

from stillmotion.metrics import (
    fit_temperature,
    in_parts,
    interval,
    marginals,
    measure_calibration,
    most_probable,
    negative_log_likelihood,
    part_labels,
    scaled,
    score,
)


@st.composite
def answers(draw, most=12):
    """Probabilities (n, K) without ties, and labels."""
    n, classes = draw(st.integers(1, most)), draw(st.integers(2, 8))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    probabilities = torch.rand(n, classes, generator=generator).mul(3).softmax(dim=1)
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n))
    return probabilities, torch.tensor(labels)


@st.composite
def combined_answers(draw):
    """Probabilities of verbs and nouns side by side, labels of pairs, and how many of each."""
    n, sizes = draw(st.integers(1, 9)), (draw(st.integers(1, 4)), draw(st.integers(1, 7)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    parts = [torch.rand(n, size, generator=generator).mul(4).softmax(dim=1) for size in sizes]
    labels = draw(st.lists(st.integers(0, math.prod(sizes) - 1), min_size=n, max_size=n))
    return torch.cat(parts, dim=1), torch.tensor(labels), sizes


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


@given(answers())
def test_accuracy_confusion_and_f1_are_torchmetrics(given_answers):
    probabilities, labels = given_answers
    classes = probabilities.shape[1]
    scores = score(probabilities, labels)
    confusion = multiclass_confusion_matrix(probabilities, labels, num_classes=classes)
    assert scores.confusion.dense == confusion.tolist()
    top5 = multiclass_accuracy(
        probabilities, labels, num_classes=classes, top_k=min(5, classes), average="micro"
    )
    assert scores.top5 == pytest.approx(float(top5))
    f1 = multiclass_f1_score(probabilities, labels, num_classes=classes, average="macro")
    assert scores.macro_f1 == pytest.approx(float(f1), abs=1e-6)
    error = multiclass_calibration_error(probabilities, labels, num_classes=classes, n_bins=15)
    assert measure_calibration(probabilities, labels).error == pytest.approx(float(error), abs=1e-5)


@given(answers())
def test_classes_count_the_same_and_absent_ones_not_at_all(given_answers):
    probabilities, labels = given_answers
    said, truth = probabilities.argmax(dim=1).tolist(), labels.tolist()
    classes = probabilities.shape[1]
    scores = score(probabilities, labels)
    for name, shares, counted in (
        ("recall", scores.per_class, truth),
        ("precision", scores.confusion.precision.tolist(), said),
    ):
        for i in range(classes):
            right = sum(a == t == i for a, t in zip(said, truth, strict=True))
            if i in counted:
                assert shares[i] == pytest.approx(right / counted.count(i)), name
            else:
                assert shares[i] is None or math.isnan(shares[i])
    present = [share for share in scores.per_class if share is not None]
    assert scores.mean_class == pytest.approx(sum(present) / len(present))
    mistakes = scores.confusion.mistakes
    assert sum(n for *_, n in mistakes) == sum(a != t for a, t in zip(said, truth, strict=True))
    assert mistakes == sorted(mistakes, key=lambda row: (-row[2], row[0], row[1]))


def test_a_sure_and_right_model_is_perfect_and_a_sure_and_wrong_one_is_not_calibrated():
    sure, labels = torch.eye(3), torch.tensor([0, 1, 2])
    right = score(sure, labels)
    assert (right.top1, right.mean_class, right.macro_f1) == (1, 1, 1)
    assert right.confusion.mistakes == []
    assert measure_calibration(sure, labels).error == 0
    wrong = score(sure, labels.roll(1))
    assert (wrong.top1, wrong.top5, wrong.macro_f1) == (0, 1, 0)
    assert measure_calibration(sure, labels.roll(1)).error == 1


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


# --- calibration


@given(answers())
def test_the_bins_hold_every_answer_and_give_the_error(given_answers):
    probabilities, labels = given_answers
    found = measure_calibration(probabilities, labels)
    assert sum(bin.n for bin in found.bins) == len(labels)
    seen = [bin for bin in found.bins if bin.n]
    assert all(bin.low - 1e-6 <= bin.confidence <= bin.high + 1e-6 for bin in seen)
    assert all((bin.confidence, bin.accuracy) == (None, None) for bin in found.bins if not bin.n)
    gaps = sum(bin.n * abs(bin.confidence - bin.accuracy) for bin in seen) / len(labels)
    assert found.error == pytest.approx(gaps)


@given(answers())
def test_no_other_temperature_gives_a_better_likelihood(given_answers):
    probabilities, labels = given_answers
    best = fit_temperature(probabilities, labels)
    least = negative_log_likelihood(scaled(probabilities, best), labels)
    for other in np.geomspace(0.02, 50, 60):
        there = negative_log_likelihood(scaled(probabilities, float(other)), labels)
        assert least <= there + 1e-6


def test_the_temperature_that_spoiled_good_probabilities_is_found():
    random = torch.Generator().manual_seed(0)
    true = torch.randn(4000, 5, generator=random).mul(1.5).softmax(dim=1)
    labels = torch.multinomial(true, 1, generator=random)[:, 0]
    found = measure_calibration(scaled(true, 0.4), labels)
    assert found.temperature == pytest.approx(2.5, rel=0.08)
    assert found.error_at_temperature < 0.03 < 0.2 < found.error
    assert found.nll_at_temperature < found.nll
    torch.testing.assert_close(scaled(true, 1.0), true)


# --- combinations


def whole(probabilities, sizes):
    """(n, K): the product of both parts, written out."""
    verbs, nouns = in_parts(probabilities, sizes)
    return (verbs[:, :, None] * nouns[:, None]).flatten(1)


@given(combined_answers())
def test_combinations_score_like_their_written_out_product(case):
    probabilities, labels, sizes = case
    found, plain = score(probabilities, labels, sizes), score(whole(probabilities, sizes), labels)
    for name in ("n", "top1", "top5", "mean_class", "macro_f1"):
        assert getattr(found, name) == pytest.approx(getattr(plain, name)), name
    assert found.confusion.dense == plain.confusion.dense
    verb_noun = [divmod(label, sizes[1]) for label in labels.tolist()]
    for axis, (own, part) in enumerate(zip(found.parts, in_parts(probabilities, sizes),
                                           strict=True)):  # fmt: skip
        alone = score(part, torch.tensor([pair[axis] for pair in verb_noun]))
        assert own.confusion.dense == alone.confusion.dense
        assert own.top5 == alone.top5
    split = part_labels(labels, sizes)
    assert [tuple(map(int, pair)) for pair in zip(*split, strict=True)] == verb_noun


@given(combined_answers(), st.integers(1, 6))
def test_the_most_probable_combinations_are_found_without_the_others(case, first):
    probabilities, _, sizes = case
    value, index = most_probable(probabilities, sizes, first=first)
    expected = whole(probabilities, sizes).topk(min(first, math.prod(sizes)))
    torch.testing.assert_close(value, expected.values)
    torch.testing.assert_close(whole(probabilities, sizes).gather(1, index), expected.values)


@given(combined_answers())
def test_calibration_of_combinations_is_that_of_their_product(case):
    probabilities, labels, sizes = case
    found, plain = measure_calibration(probabilities, labels, sizes), measure_calibration(
        whole(probabilities, sizes), labels
    )  # fmt: skip
    assert found.nll == pytest.approx(plain.nll, abs=1e-5)
    assert found.error == pytest.approx(plain.error, abs=1e-5)
    assert found.nll_at_temperature == pytest.approx(plain.nll_at_temperature, abs=1e-4)


def test_marginals_are_exact_sums():
    joint = torch.randn(3, 2, 12, dtype=torch.float64).log_softmax(dim=-1)
    found = marginals(joint, (3, 4)).exp()
    grid = joint.exp().view(3, 2, 3, 4)
    torch.testing.assert_close(found, torch.cat([grid.sum(-1), grid.sum(-2)], dim=-1))
    assert marginals(joint) is joint


def test_many_combinations_need_little_memory():
    """EPIC-KITCHENS-100: (n, K) would be 1.1 GB in single precision."""
    n, sizes = 9668, (97, 300)
    probabilities = torch.cat([torch.rand(n, size).softmax(dim=1) for size in sizes], dim=1)
    labels = torch.randint(math.prod(sizes), (n,))
    found = score(probabilities, labels, sizes)
    assert len(found.confusion.counts) <= n
    assert found.top5 >= found.top1
    assert measure_calibration(probabilities, labels, sizes).nll == pytest.approx(
        sum(math.log(size) for size in sizes), abs=0.1
    )


def test_three_parts_are_combined_like_two():
    sizes = (2, 3, 2)
    parts = [torch.rand(4, size).softmax(dim=1) for size in sizes]
    value, index = most_probable(torch.cat(parts, dim=1), sizes, first=12)
    for row in range(4):
        by_index = {
            (a * 3 + b) * 2 + c: float(parts[0][row, a] * parts[1][row, b] * parts[2][row, c])
            for a, b, c in product(*map(range, sizes))
        }
        assert value[row].tolist() == pytest.approx(sorted(by_index.values(), reverse=True))
        assert [by_index[int(i)] for i in index[row]] == pytest.approx(value[row].tolist())
