"""Classes that combine a verb and a noun: one head, whose softmax and loss are those of both."""

import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

import stillmotion
from models import image_model, moving
from runs import TINY
from runs import stillmotion as stillmotion_command
from stillmotion.calibrating import known_and_none
from stillmotion.comparison import compare, read_run
from stillmotion.data.annotations import Sample, VideoList
from stillmotion.data.manifest import write_manifest
from stillmotion.data.parts import Part, combinations, combined
from stillmotion.data.reading import read_videos
from stillmotion.methods import METHODS
from stillmotion.metrics import marginals
from stillmotion.nn.combination import Combination
from stillmotion.selection import SPLIT
from stillmotion.settings import Videos
from stillmotion.training.optimisation import Objective

PARTS = (Part("verb", ("take", "put")), Part("noun", ("cup", "pan", "lid")))


@given(st.lists(st.integers(1, 4), min_size=2, max_size=3), st.integers(0, 99))
def test_probabilities_are_products_and_marginals_give_the_parts_back(sizes, seed):
    torch.manual_seed(seed)
    logits = torch.randn(5, sum(sizes), dtype=torch.float64)
    combine = Combination(sizes)
    probabilities = combine(logits).softmax(-1)
    own = [part.softmax(-1) for part in logits.split(sizes, -1)]
    product = own[0]
    for part in own[1:]:
        product = torch.einsum("bi,bj->bij", product, part).flatten(1)
    torch.testing.assert_close(probabilities, product)
    found = marginals(probabilities.log(), sizes).exp()
    torch.testing.assert_close(found, torch.cat(own, dim=-1))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_the_sum_of_the_parts_losses(smoothing):
    logits = torch.randn(7, 5, dtype=torch.float64)
    verb, noun = torch.randint(2, (7,)), torch.randint(3, (7,))
    told = F.cross_entropy(Combination((2, 3))(logits), 3 * verb + noun, label_smoothing=smoothing)
    wanted = F.cross_entropy(logits[:, :2], verb, label_smoothing=smoothing)
    wanted += F.cross_entropy(logits[:, 2:], noun, label_smoothing=smoothing)
    torch.testing.assert_close(told, wanted)


def test_a_single_part_is_left_alone():
    logits = torch.randn(2, 6)
    assert Combination([6])(logits) is logits
    said = logits.log_softmax(-1)
    torch.testing.assert_close(marginals(said, [6]), said)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_learns_actions_and_comes_back(name, tmp_path):
    model = stillmotion.adapt(image_model(), name, parts=PARTS, num_frames=4)
    assert model.class_names[4] == "put pan"
    loss, logits = Objective(model)(moving(), torch.tensor([4, 0]))
    assert logits.shape == (2, 6)
    loss.backward()
    assert any(p.grad is not None and p.grad.any() for p in model.head.parameters())
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["class_names"] == []
    again = stillmotion.load(tmp_path, backbone=image_model())
    assert again.parts == PARTS
    torch.testing.assert_close(again(moving()), model.eval()(moving()))


@pytest.fixture(scope="module")
def actions(few_videos, tmp_path_factory):
    """A manifest of verbs and nouns whose test segments have two actions each."""
    samples = [
        Sample(few_videos / name / f"{n}.mp4", combined((verb, n % 3), PARTS), split=split)
        for verb, name in enumerate(("jump", "wave"))
        for n, split in enumerate(("train", "train", "test", "train"))
    ]
    samples += [replace(s, label=0) for s in samples if s.split == "test"]
    videos = VideoList(tuple(samples), combinations(PARTS), "", "epic100", "mean_class", PARTS)
    path = tmp_path_factory.mktemp("actions") / "m.jsonl"
    write_manifest(videos, path)
    return path


@pytest.fixture(scope="module")
def run_of_actions(actions, tmp_path_factory):
    """A run on them; not to be written to."""
    run = tmp_path_factory.mktemp("run") / "run"
    options = ("--videos.val_fraction", "0", *TINY)
    assert stillmotion_command("train", actions, "--out", run, *options) == 0
    return run


@pytest.mark.parametrize("kind", ["manifest", "csv", "split of the run"])
def test_actions_are_scored_part_by_part_whatever_lists_them(
    kind, actions, run_of_actions, tmp_path
):
    """A list without a header knows nothing of verbs and nouns; the model does."""
    read_videos(actions).write(tmp_path / "m.csv")
    listed = {"manifest": actions, "csv": tmp_path / "m.csv"}
    data = listed.get(kind, run_of_actions / SPLIT)
    scores = tmp_path / "scores.json"
    quiet = ("--videos.workers", "0")
    assert stillmotion_command("evaluate", run_of_actions, data, "--out", scores, *quiet) == 0
    told, wanted = (json.loads(p.read_text()) for p in (scores, run_of_actions / "evaluation.json"))
    assert set(told["parts"]) == {"verb", "noun"}
    for key in ("n", "parts", "top1", "list_sha256", "confusion"):
        assert told[key] == wanted[key], key
    assert told["n"] == 4
    assert (told["dataset"] is None) == (kind == "csv")
    saved, trained = (read_run(path).scores for path in (scores, run_of_actions))
    assert saved.parts == trained.parts == PARTS
    assert saved.probabilities.shape == (4, 5)
    assert compare([scores, run_of_actions]).pairs[0].p == 1


def test_a_list_of_actions_is_no_way_around_what_was_trained_on(
    actions, run_of_actions, tmp_path, capsys
):
    trained = read_videos(actions).only("train")
    again = [replace(sample, split=None) for sample in trained.samples]
    twice = [replace(again[0], label=5 - again[0].label)]
    replace(trained, samples=(*again, *twice)).write(tmp_path / "m.csv")
    out = ("--out", tmp_path / "s.json", "--videos.workers", "0")
    assert stillmotion_command("evaluate", run_of_actions, tmp_path / "m.csv", *out) == 2
    assert "in two splits: 7" in capsys.readouterr().err


def test_a_threshold_is_chosen_on_a_list_of_actions(actions, run_of_actions, tmp_path):
    read_videos(actions).write(tmp_path / "m.csv")
    model = stillmotion.load(run_of_actions)
    known, _ = known_and_none(tmp_path / "m.csv", Videos(), model, split="test")
    assert (len(known), known.parts) == (4, PARTS)
    (verb, noun), none = PARTS, "nothing at all"
    rows = (tmp_path / "m.csv").read_text().replace(f"{verb.classes[1]} {noun.classes[2]}", none)
    (tmp_path / "none.csv").write_text(rows)
    known, others = known_and_none(
        tmp_path / "none.csv", Videos(), model, split="test", none_label=none
    )
    assert others is not None
    assert (len(known), len(others), others.parts) == (3, 1, PARTS)


def test_actions_are_predicted_and_give_no_shots(actions, run_of_actions, few_videos, tmp_path):
    assert stillmotion_command("predict", run_of_actions, few_videos / "wave/3.mp4") == 0
    shots = ("--videos.shots", "1", "--videos.val_fraction", "0", *TINY)
    assert stillmotion_command("train", actions, "--out", tmp_path / "b", *shots) == 2
