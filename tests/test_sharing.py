"""Models that are loaded together answer as they do alone, and hold their image model once."""

import pytest
import timm
import torch
from safetensors.torch import save_file

from models import VARIANTS, classifier, moving, randomise, trained
from stillmotion import LoRA, adapt, load, load_together, merge
from stillmotion.errors import ConfigurationError
from stillmotion.sharing import bytes_held, share

BACKBONE = "test_vit"
"""timm's own tiny one."""

SHARED = {name: method for name, method in VARIANTS.items() if name != "full"}


def own_bytes(model):
    """Bytes of what a checkpoint holds."""
    return sum(t.numel() * t.element_size() for t in model.adapter_tensors().values())


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Each variant of each method, trained on the same image model; and two of one variant."""
    folder = tmp_path_factory.mktemp("together")
    torch.manual_seed(0)
    weights = folder / "image.safetensors"
    save_file(timm.create_model(BACKBONE, pretrained=False).state_dict(), weights)
    made = {}
    for number, (name, method) in enumerate([*SHARED.items(), ("lora.again", LoRA())]):
        model = adapt(BACKBONE, method, num_classes=3, num_frames=4, weights=weights)
        randomise(model, std=0.1 + number / 100).save_pretrained(folder / name)
        made[name] = folder / name
    return made


def test_models_loaded_together_answer_as_those_loaded_alone(checkpoints):
    together = load_together(checkpoints.values())
    height, _ = together[0].backbone.image_size
    clip = moving(size=height)
    with torch.no_grad():
        for path, model in zip(checkpoints.values(), together, strict=True):
            assert not model.training
            assert torch.equal(model(clip), load(path)(clip)), path.name


def test_the_image_model_is_held_once(checkpoints):
    alone = [load(path) for path in checkpoints.values()]
    together = load_together(checkpoints.values())
    image = max(bytes_held([model]) - own_bytes(model) for model in alone)
    kept = bytes_held(together) - sum(own_bytes(model) for model in together)
    assert bytes_held(alone) > len(alone) * image * 0.9
    assert kept < 1.1 * image


def test_to_ask_one_and_then_another_changes_neither(checkpoints):
    one, other = load_together([checkpoints["lora"], checkpoints["lora.again"]])
    clip = moving(size=one.backbone.image_size[0])
    with torch.no_grad():
        first, second = one(clip), other(clip)
        assert not torch.equal(first, second)
        assert torch.equal(one(clip), first)
        assert torch.equal(other(clip), second)


def test_what_a_method_changes_in_the_image_model_is_its_own():
    """ZeroI2V folds layer scales into weights; what is thawed may differ later."""
    known = {}
    models = [
        share(trained(VARIANTS[name], "dinov2"), known) for name in ("zeroi2v", "aim", "bias_norm")
    ]
    clip = moving()
    for model, name in zip(models, ("zeroi2v", "aim", "bias_norm"), strict=True):
        with torch.no_grad():
            assert torch.equal(model(clip), trained(VARIANTS[name], "dinov2")(clip))
    with torch.no_grad():
        before = models[1](clip)
        for name, parameter in models[2].named_parameters():
            if name in models[2].thawed:
                parameter.add_(1.0)
        assert torch.equal(models[1](clip), before)


def test_nothing_is_shared_between_different_image_models():
    known = {}
    one, other = (share(classifier(LoRA(), family), known) for family in ("vit", "deit3"))
    blocks = [
        {t.data_ptr() for name, t in model.all_tensors().items() if "qkv" in name and t.ndim == 2}
        for model in (one, other)
    ]
    assert all(blocks)
    assert not blocks[0] & blocks[1]


def test_merging_one_leaves_the_others_as_they_are():
    known = {}
    one, other = (share(trained(LoRA()), known) for _ in range(2))
    clip = moving()
    with torch.no_grad():
        before = other(clip)
        merge(one)
        assert torch.equal(other(clip), before)


def test_a_device_or_type_given_to_all_keeps_the_image_model_shared():
    known = {}
    models = [share(trained(VARIANTS[name]), known) for name in ("lora", "st_adapter")]
    before = bytes_held(models)
    for model in models:
        model.to(torch.float64)
    assert bytes_held(models) == 2 * before


@pytest.mark.parametrize("sources", ["runs/doors", [], ()])
def test_one_name_and_none_are_no_list(sources):
    with pytest.raises(ConfigurationError, match="give a list of directories"):
        load_together(sources)
