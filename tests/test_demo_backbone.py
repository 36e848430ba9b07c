"""The packaged image backbone: it loads without a network and sees what its card says."""

from pathlib import Path

import pytest
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from timm.data import resolve_model_data_config
from timm.models.vision_transformer import VisionTransformer
from torch import Generator, Tensor

from stillmotion.backbones.demo import DEMO_BACKBONE, DEMO_WEIGHTS
from stillmotion.data.synthetic import SHAPES, draw_stills

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def pretrained() -> VisionTransformer:
    return timm.create_model(DEMO_BACKBONE, pretrained=True).eval()


@torch.no_grad()
def mean_tokens(model: VisionTransformer, pictures: Tensor) -> Tensor:
    config = resolve_model_data_config(model)
    mean, std = (torch.tensor(config[key]).view(3, 1, 1) for key in ("mean", "std"))
    return model.forward_features((pictures / 255 - mean) / std)[:, 1:].mean(dim=1)


def test_pretrained_loads_the_packaged_file_and_nothing_else(pretrained: VisionTransformer) -> None:
    packaged = load_file(str(DEMO_WEIGHTS))
    loaded = pretrained.state_dict()
    assert loaded.keys() == packaged.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in packaged.items())


def test_the_file_is_small_and_has_its_card() -> None:
    weights = Path(str(DEMO_WEIGHTS))
    assert weights.stat().st_size < 6_000_000
    card = weights.with_suffix(".md").read_text(encoding="utf-8")
    model = timm.create_model(DEMO_BACKBONE)
    assert f"{sum(x.numel() for x in model.parameters()):,} parameters" in card
    assert "scripts/train_demo_backbone.py --steps" in card


def test_frozen_tokens_tell_the_shapes_of_fresh_stills(pretrained: VisionTransformer) -> None:
    stills = draw_stills(600, size=64, generator=Generator().manual_seed(11))
    visible = (stills.opacity > 0.5) & (stills.coverage.mean(dim=(1, 2)) > 0.03)
    labels = stills.shape[visible]

    fit = torch.arange(len(labels)) % 3 > 0

    def top1(model: VisionTransformer) -> float:
        """Of ridge regression, fitted on two thirds and tested on the last."""
        x = F.pad(mean_tokens(model, stills.pictures)[visible], (0, 1), value=1.0)
        targets = F.one_hot(labels[fit], len(SHAPES)).float()
        ridge = x[fit].T @ x[fit] + 0.1 * torch.eye(x.shape[1])
        guess = x[~fit] @ torch.linalg.solve(ridge, x[fit].T @ targets)
        return float((guess.argmax(dim=1) == labels[~fit]).float().mean())

    random = timm.create_model(DEMO_BACKBONE).eval()
    learnt = top1(pretrained)
    assert learnt > 0.9
    assert learnt > top1(random) + 0.3


@pytest.mark.parametrize("pretrained", [False, True])
@pytest.mark.parametrize(("image_size", "num_tokens"), [(64, 65), (96, 145)])
def test_other_sizes_and_heads_as_of_any_timm_model(
    pretrained: bool, image_size: int, num_tokens: int
) -> None:
    model = timm.create_model(
        DEMO_BACKBONE, pretrained=pretrained, img_size=image_size, num_classes=5
    )
    x = torch.rand(2, 3, image_size, image_size)
    assert model.forward_features(x).shape == (2, num_tokens, 96)
    assert model(x).shape == (2, 5)


def test_its_configuration_says_what_it_takes() -> None:
    config = resolve_model_data_config(timm.create_model(DEMO_BACKBONE))
    assert config["input_size"] == (3, 64, 64)
    assert config["mean"] == (0.5, 0.5, 0.5)
    assert config["std"] == (0.25, 0.25, 0.25)


def test_training_mode_changes_nothing(pretrained: VisionTransformer) -> None:
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        evaluated = pretrained.forward_features(x)
        trained = pretrained.train().forward_features(x)
    pretrained.eval()
    torch.testing.assert_close(trained, evaluated)
