"""A merged model answers as before, and is the image model: no adapters, the same cost."""

import pytest
import torch

from models import CLASSES, FAMILIES, FRAMES, VARIANTS, classifier, image_model, moving, randomise
from runs import tiny
from stillmotion.accounting import measure
from stillmotion.checkpoint import CONFIG, load
from stillmotion.cli import main
from stillmotion.errors import ConfigurationError, MergeError
from stillmotion.merging import merge
from stillmotion.methods import METHODS, Method
from stillmotion.model import adapt
from stillmotion.nn.frozen import Inserted
from stillmotion.nn.linear_adapter import LinearAdapter
from stillmotion.training import train

FOLDING = [n for n, method in METHODS.items() if method.merged is not Method.merged]
each_method = pytest.mark.parametrize("name", FOLDING)
each_family = pytest.mark.parametrize("family", FAMILIES)


def trained(name, family="vit"):
    return randomise(classifier(METHODS[name](), family).double())


def head_of(model):
    return sum(p.numel() for p in model.head.parameters())


@each_method
@each_family
def test_merging_is_exact(name, family):
    model, clip = trained(name, family), moving().double()
    merged, untouched = merge(model), model(clip)
    torch.testing.assert_close(merged(clip), untouched, rtol=0, atol=1e-10)
    assert torch.equal(model(clip), untouched)
    without = classifier(METHODS[name](), family).double()
    without.head.load_state_dict(model.head.state_dict())
    assert (without(clip) - untouched).abs().max() > 1e-3


@each_method
@each_family
def test_no_adapter_remains_and_no_other_parameter_than_the_image_models(name, family):
    """Exceptions: ZeroI2V's temporal embedding, and biases where the image model has none."""
    merged = merge(trained(name, family))
    assert not [m for m in merged.modules() if isinstance(m, Inserted | LinearAdapter)]
    image, found = image_model(family), merged.image_tensors()
    new = found.keys() - image.state_dict().keys()
    assert all(name.endswith(".bias") for name in new)
    stem = sum(p.numel() for p in merged.stem.parameters())
    assert stem in (0, FRAMES * merged.backbone.dim)
    total = sum(p.numel() for p in merged.parameters())
    names = new | dict(image.named_parameters()).keys() & found.keys()
    assert total == sum(found[name].numel() for name in names) + stem + head_of(merged)


@each_method
@pytest.mark.parametrize("family", ["vit", "clip", "dinov2", "deit3", "hiera"])
def test_parameters_and_multiply_adds_are_the_image_models(name, family):
    merged = merge(trained(name, family))
    image = sum(p.numel() for p in image_model(family).parameters())
    stem = sum(p.numel() for p in merged.stem.parameters())
    assert sum(p.numel() for p in merged.parameters()) == image + stem + head_of(merged)
    bare = classifier(METHODS["linear_probe"](), family).double()
    clip = moving(batch=1).double()
    assert measure(merged, clip)[0] == measure(bare, clip)[0]


@each_method
@pytest.mark.parametrize("family", ["vit", "dinov2", "eva02", "eva02_tiny", "dinov3", "hiera"])
def test_a_merged_model_is_saved_and_loaded(name, family, tmp_path):
    merged = merge(trained(name, family))
    merged.save_pretrained(tmp_path)
    after = load(tmp_path, backbone=image_model(family))
    assert torch.equal(after(moving().double()), merged(moving().double()))
    assert after.method == merged.method


def test_a_merged_lora_is_the_image_model_and_a_linear_layer():
    merged, clip = merge(trained("lora")), moving().double()
    image = image_model().double()
    image.load_state_dict(merged.image_tensors())
    frames = merged.normalise(clip)
    features = image.forward_head(image.forward_features(frames.flatten(0, 1)), pre_logits=True)
    want = merged.head.classifiers[0](features.unflatten(0, (2, FRAMES)).mean(dim=1))
    torch.testing.assert_close(merged(clip), want)


@each_method
def test_a_difference_is_refused_and_its_block_named(name):
    model = trained(name).bfloat16()
    with pytest.raises(MergeError, match=r"block \d differs most, by .* than bfloat16"):
        merge(model, tolerance=1e-6)


def test_the_block_that_is_named_is_the_one_that_differs(monkeypatch):
    model = trained("zeroi2v")
    block = type(model.trunk.blocks[0])
    fold, done = block.merge, []

    def clumsy(self):
        fold(self)
        if len(done) == 2:
            self.frozen.linears("mlp_out")[0].weight.mul_(1.01)
        done.append(self)

    monkeypatch.setattr(block, "merge", clumsy)
    with pytest.raises(MergeError, match="block 2 differs most"):
        merge(model)


@pytest.mark.parametrize("name", sorted(METHODS.keys() - set(FOLDING)))
def test_other_methods_are_refused_with_those_that_can(name):
    with pytest.raises(ConfigurationError, match=f"{name} cannot be merged.*lora and zeroi2v have"):
        merge(classifier(METHODS[name]()))


@each_method
def test_a_merged_model_is_not_merged_again(name):
    with pytest.raises(ConfigurationError, match="merged already"):
        merge(merge(trained(name)))


def test_a_path_in_the_place_of_a_model_is_refused(unchecked):
    with pytest.raises(ConfigurationError, match=r"such as load\('runs/a'\)"):
        merge("runs/a")


def test_training_goes_on_as_before_after_merging():
    model = classifier(VARIANTS["lora"]).train()
    merge(model)
    assert model.training
    assert any(m.training for m in model.modules() if isinstance(m, Inserted))


def test_the_command_merges_a_run_and_writes_nothing_twice(few_videos, tmp_path, capsys):
    run, out = tmp_path / "run", tmp_path / "merged"
    train(tiny(few_videos, run, method=METHODS["lora"]()), quiet=True)
    assert main(["merge", str(run), str(out)]) == 0
    assert "parameters became" in capsys.readouterr().out
    before, after = load(run), load(out)
    clip = moving(size=before.backbone.image_size[0], frames=2)
    torch.testing.assert_close(after(clip), before(clip), rtol=1e-3, atol=1e-4)
    assert main(["merge", str(run), str(out)]) == 2
    assert "holds a checkpoint already" in capsys.readouterr().err
    assert main(["merge", str(run), str(tmp_path / "none"), "--tolerance", "0"]) == 2
    assert not (tmp_path / "none" / CONFIG).exists()


def test_a_named_image_model_is_not_needed_again_after_merging(tmp_path):
    name = "vit_tiny_patch16_224"
    settings = {"num_classes": CLASSES, "num_frames": 2, "image_size": 32, "weights": "none"}
    model = randomise(adapt(name, METHODS["zeroi2v"](), **settings)).eval()
    merged = merge(model)
    merged.save_pretrained(tmp_path)
    assert torch.equal(load(tmp_path)(moving(frames=2)), merged(moving(frames=2)))
