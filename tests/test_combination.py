"""Classes that combine a verb and a noun: one head, whose softmax and loss are those of both."""

import json

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

import stillmotion
from models import image_model, moving
from runs import TINY
from runs import stillmotion as stillmotion_command
from stillmotion.data.annotations import Sample, VideoList
from stillmotion.data.manifest import write_manifest
from stillmotion.data.parts import Part, combinations, combined
from stillmotion.methods import METHODS
from stillmotion.nn.combination import Combination
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
    for marginal, part in zip(combine.marginals(probabilities), own, strict=True):
        torch.testing.assert_close(marginal, part)


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
    (only,) = Combination([6]).marginals(logits)
    assert torch.equal(only, logits)


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


def test_actions_are_trained_scored_and_predicted_through_the_command_line(few_videos, tmp_path):
    """A manifest of verbs and nouns goes all the way, as any other list."""
    samples = [
        Sample(few_videos / name / f"{n}.mp4", combined((verb, n % 3), PARTS), split=split)
        for verb, name in enumerate(("jump", "wave"))
        for n, split in enumerate(("train", "train", "test", "train"))
    ]
    videos = VideoList(tuple(samples), combinations(PARTS), "", "epic100", parts=PARTS)
    write_manifest(videos, tmp_path / "m.jsonl")
    run = tmp_path / "run"
    options = ("--videos.val_fraction", "0", *TINY)
    assert stillmotion_command("train", tmp_path / "m.jsonl", "--out", run, *options) == 0
    scores = tmp_path / "scores.json"
    assert stillmotion_command("evaluate", run, tmp_path / "m.jsonl", "--out", scores) == 0
    told = json.loads(scores.read_text())
    assert told["n"] == 2
    assert told["list_sha256"] == json.loads((run / "evaluation.json").read_text())["list_sha256"]
    assert stillmotion_command("predict", run, few_videos / "wave/3.mp4") == 0
    shots = ("--videos.shots", "1", *options)
    assert stillmotion_command("train", tmp_path / "m.jsonl", "--out", tmp_path / "b", *shots) == 2
