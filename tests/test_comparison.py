"""Comparing runs: what is read back, what is refused, and what a slow loop finds as well."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from runs import files_below, stillmotion
from stillmotion import visualise
from stillmotion.comparison import Run, compare, read_run
from stillmotion.data.parts import Part
from stillmotion.errors import DataError
from stillmotion.metrics.significance import mcnemar
from stillmotion.saved_scores import SavedScores, read_scores
from test_visualise import Reader, stands_alone


def scores_of(n=40, classes=5, *, seed=0, help=1.0, parts=(), average="probabilities"):
    """A model's scores of n videos, better with more help; labels are always the same."""
    width = sum(len(part.classes) for part in parts) or classes
    total = int(np.prod([len(part.classes) for part in parts])) if parts else classes
    labels = torch.randint(total, (n,), generator=torch.Generator().manual_seed(0))
    random = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, width, generator=random)
    sizes = [len(part.classes) for part in parts]
    columns = torch.unravel_index(labels, sizes) if parts else [labels]
    start = 0
    for column, size in zip(columns, sizes or [classes], strict=True):
        logits[torch.arange(n), start + column] += help
        start += size
    split = logits.split(sizes or classes, dim=1)
    noise = torch.cat([(p + 0.3 * torch.randn(p.shape, generator=random)).softmax(1)
                       for p in split], dim=1)  # fmt: skip
    return SavedScores(
        videos=tuple((f"v/{i}.mp4", None if i % 2 else float(i), None) for i in range(n)),
        labels=labels,
        probabilities=noise,
        logits=logits,
        average=average,
        classes=() if parts else tuple(f"class {i}" for i in range(classes)),
        parts=tuple(parts),
        metric="top1",
        told={"split": "test", "views": {"frames": 8, "clips": 1, "crops": 1}},
    )


PARTS = (Part("verb", ("take", "put")), Part("noun", ("cup", "pan", "lid")))


@pytest.mark.parametrize("parts", [(), PARTS])
@pytest.mark.parametrize("average", ["probabilities", "logits"])
def test_scores_are_read_back_as_they_were(parts, average, tmp_path):
    scores = scores_of(parts=parts, average=average)
    scores.write(tmp_path / "s.safetensors")
    again = read_scores(tmp_path / "s.safetensors")
    for name in ("videos", "classes", "parts", "average", "metric", "told", "class_names"):
        assert getattr(again, name) == getattr(scores, name), name
    for name in ("labels", "probabilities", "logits", "answers"):
        assert torch.equal(getattr(again, name), getattr(scores, name)), name
    each = [part.sum(dim=1) for part in again.answers.split(again.sizes or [5], dim=1)]
    for total in each:
        torch.testing.assert_close(total, torch.ones(40))


def test_damaged_scores_are_refused(tmp_path):
    path = tmp_path / "s.safetensors"
    with pytest.raises(DataError, match="cannot read"):
        read_scores(path)
    path.write_bytes(b"no tensors")
    with pytest.raises(DataError, match="cannot read"):
        read_scores(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(DataError, match="holds no scores"):
        read_scores(path)
    for change in ({"classes": ("one",)}, {"labels": torch.full((40,), 9)}, {"videos": ()}):
        replace(scores_of(), **change).write(path)
        with pytest.raises(DataError, match="is damaged"):
            read_scores(path)


@given(st.integers(2, 60), st.integers(0, 50))
def test_a_comparison_counts_what_a_loop_counts(n, seed):
    runs = [Run("a", scores_of(n, seed=seed)), Run("b", scores_of(n, seed=seed + 1, help=2.0))]
    found = compare(runs)
    said = [run.scores.answers.argmax(dim=1).tolist() for run in runs]
    truth = runs[0].scores.labels.tolist()
    right = [[s == t for s, t in zip(own, truth, strict=True)] for own in said]
    (pair,) = found.pairs
    only_a = sum(a and not b for a, b in zip(*right, strict=True))
    only_b = sum(b and not a for a, b in zip(*right, strict=True))
    assert (pair.only_first, pair.only_second) == (only_a, only_b)
    assert pair.p == pair.p_holm == mcnemar(only_a, only_b)
    assert pair.top1 == pytest.approx((only_b - only_a) / n)
    assert pair.top1_interval[0] - 1e-9 <= pair.top1 <= pair.top1_interval[1] + 1e-9
    assert found.one_is_right == pytest.approx(sum(a or b for a, b in zip(*right, strict=True)) / n)
    by_class = {c: [i for i, t in enumerate(truth) if t == c] for c in sorted(set(truth))}
    for row, (label, index) in zip(found.per_class, by_class.items(), strict=True):
        assert (row["name"], row["n"]) == (f"class {label}", len(index))
        for value, own in zip(row["accuracy"], right, strict=True):
            assert value == pytest.approx(sum(own[i] for i in index) / len(index))
    means = [np.mean([row["accuracy"][k] for row in found.per_class]) for k in (0, 1)]
    assert pair.mean_class == pytest.approx(means[1] - means[0], abs=1e-6)
    for row in pair.second_better:
        assert row["difference"] == pytest.approx((row["only_second"] - row["only_first"])
                                                  / row["n"])  # fmt: skip
        assert row["difference"] > 0


@pytest.mark.parametrize("parts", [(), PARTS])
def test_an_ensemble_is_the_mean_of_what_its_models_say(parts):
    runs = [Run(name, scores_of(200, seed=i, parts=parts)) for i, name in enumerate("abc")]
    found = compare(runs)
    sizes, labels = runs[0].scores.sizes or (5,), runs[0].scores.labels
    for row, name in zip(found.ensembles, ("probabilities", "logits"), strict=True):
        mean = torch.stack([getattr(run.scores, name) for run in runs]).mean(dim=0)
        best = [part.argmax(dim=1) for part in mean.split(sizes, dim=1)]
        said = best[0] * sizes[1] + best[1] if parts else best[0]
        assert row["top1"] == pytest.approx(float((said == labels).double().mean()))
        assert row["top1"] >= min(run["top1"] for run in found.runs)
    assert len(found.pairs) == 3
    assert all(pair.p_holm >= pair.p for pair in found.pairs)
    assert len(found.runs[0]["parts"]) == len(parts)


def test_other_videos_labels_and_classes_are_refused_by_name():
    one, other = scores_of(), scores_of(seed=1)
    fewer = replace(
        other,
        videos=other.videos[3:],
        labels=other.labels[3:],
        probabilities=other.probabilities[3:],
        logits=other.logits[3:],
    )
    with pytest.raises(DataError, match=r"b has not scored 3 of the 40 videos of a: v/0\.mp4 \("):
        compare([Run("a", one), Run("b", fewer)])
    assert compare([Run("a", one), Run("b", fewer)], common=True).n == 37
    apart = replace(other, videos=tuple((f"w/{i}.mp4", None, None) for i in range(40)))
    with pytest.raises(DataError, match="no video was scored by all"):
        compare([Run("a", one), Run("b", apart)], common=True)
    turned = replace(other, labels=(other.labels + 1) % 5)
    with pytest.raises(DataError, match="40 videos have other labels in b than in a"):
        compare([Run("a", one), Run("b", turned)])
    with pytest.raises(DataError, match="different classes"):
        compare([Run("a", one), Run("b", scores_of(classes=6))])
    for runs in ([Run("a", one)], [Run("a", one), Run("a", other)]):
        with pytest.raises(DataError, match="two or more different runs"):
            compare(runs)


def test_the_order_of_the_videos_does_not_matter():
    one, other = scores_of(), scores_of(seed=1)
    turned = torch.arange(39, -1, -1)
    backwards = SavedScores(
        **vars(other)
        | {"videos": other.videos[::-1]}
        | {name: vars(other)[name][turned] for name in ("labels", "probabilities", "logits")}
    )
    straight = compare([Run("a", one), Run("b", other)]).to_dict()
    assert compare([Run("a", one), Run("b", backwards)]).to_dict() == straight


@given(st.permutations(range(40)), st.integers(0, 9))
def test_a_part_may_have_several_labels(order, seed):
    """EPIC-KITCHENS has segments with two actions; runs may list them in another order."""
    one, other = (scores_of(seed=seed + i, parts=PARTS) for i in (0, 1))
    apart = compare([Run("a", one), Run("b", other)]).to_dict()
    labels = one.labels.tolist()
    places = [labels[:i].count(label) for i, label in enumerate(labels)]
    assert len(set(places)) < 20  # so that most are shared by several labels
    videos = tuple((f"v/{place}.mp4", 1.0, None) for place in places)
    one = replace(one, videos=videos)
    other = replace(
        other,
        videos=tuple(videos[i] for i in order),
        **{k: vars(other)[k][list(order)] for k in ("labels", "probabilities", "logits")},
    )
    assert compare([Run("a", one), Run("b", other)]).to_dict() == apart


def test_the_command_writes_a_table_json_csv_and_a_page(tmp_path, capsys):
    for name, seed in (("a", 0), ("b", 1), ("c", 2)):
        scores_of(seed=seed, help=seed).write(tmp_path / name / "evaluation_scores.safetensors")
    scores_of(seed=5).write(tmp_path / "d_scores.safetensors")
    (tmp_path / "d.json").write_text("{}")
    runs = [*(tmp_path / name for name in "abc"), tmp_path / "d.json"]
    out = tmp_path / "out/found.json"
    assert stillmotion("compare", *runs, "--out", out) == 0
    assert "differences in top-1, in points" in capsys.readouterr().out
    assert files_below(tmp_path / "out") == {
        "found.json", "found.html", "found_pairs.csv", "found_per_class.csv"
    }  # fmt: skip
    told = json.loads(out.read_text())
    assert [run["name"] for run in told["runs"]] == [str(run) for run in runs]
    assert told["draws"] == 10_000
    pairs = list(csv.DictReader((tmp_path / "out/found_pairs.csv").open()))
    assert len(pairs) == len(told["pairs"]) == 6
    classes = list(csv.DictReader((tmp_path / "out/found_per_class.csv").open()))
    assert sum(int(row["n"]) for row in classes) == 40
    page = (tmp_path / "out/found.html").read_text()
    assert stands_alone(Reader(page), page)
    assert stillmotion("compare", tmp_path / "a", tmp_path / "nowhere") == 2
    assert "there are no scores at" in capsys.readouterr().err


def test_names_in_a_comparisons_page_are_words():
    nasty = "<img src=x onerror=alert(1)>"
    runs = [Run(f"{nasty}{i}", replace(scores_of(seed=i), classes=(nasty, "b", "c", "d", "e")))
            for i in range(2)]  # fmt: skip
    page = visualise.comparison_page(compare(runs).to_dict())
    read = Reader(page)
    assert "onerror" in page
    assert not [attrs for _, attrs in read.tags if "onerror" in attrs]
    assert not re.search(r"<img src=x", page)


def test_a_finished_run_can_be_compared_with_itself_elsewhere(finished_run, tmp_path):
    run = read_run(finished_run)
    told = json.loads((finished_run / "evaluation.json").read_text())
    assert len(run.scores.videos) == told["n"]
    assert run.scores.told["list_sha256"] == told["list_sha256"]
    run.scores.write(tmp_path / "same.safetensors")
    found = compare([finished_run, tmp_path / "same.safetensors"])
    assert found.runs[0]["top1"] == found.ensembles[0]["top1"] == told["top1"]
    assert (found.pairs[0].p, found.pairs[0].top1_interval) == (1.0, (0.0, 0.0))
