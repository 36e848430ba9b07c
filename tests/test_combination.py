"""Classes that combine a verb and a noun: one head, whose softmax and loss are those of both."""

import json

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

import stillmotion
from models import image_model, moving
from stillmotion.data.parts import Part
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
