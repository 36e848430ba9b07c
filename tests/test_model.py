"""Clips in, logits out: what is taken, what is refused, what can be traced."""

import pytest
import torch

from models import CLASSES, FAMILIES, FRAMES, VARIANTS, classifier, image_model, moving, trained
from plain import run_plain
from stillmotion.backbones import open_backbone
from stillmotion.errors import BackboneError, ClipError, ConfigurationError
from stillmotion.methods import METHODS, LinearProbe
from stillmotion.model import VideoClassifier, adapt

PROBE = LinearProbe()


def test_bytes_and_fractions_are_the_same_pixels():
    model = trained(VARIANTS["amflow"])
    pixels = (moving() * 255).to(torch.uint8)
    want = model(pixels)
    torch.testing.assert_close(model(pixels / 255), want)
    torch.testing.assert_close(model((pixels / 255).double()), want)
    assert model(pixels).dtype == torch.float32


@pytest.mark.parametrize("family", ["clip", "siglip", "dinov3"])
def test_pixels_are_normalised_with_the_image_models_own_constants(family):
    model = classifier(PROBE, family)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (model.backbone.mean, model.backbone.std))
    torch.testing.assert_close(model.normalise(moving()), (moving() - mean) / std)
    normalised = model.normalise(moving())
    assert torch.equal(model.forward_normalised(normalised), model(moving()))


def test_the_probe_is_the_mean_of_the_image_models_features_and_a_linear_layer():
    model = trained(PROBE, "siglip")
    clip = model.normalise(moving())
    image = image_model("siglip")
    features = image.forward_head(image.forward_features(clip.flatten(0, 1)), pre_logits=True)
    want = model.head.classifiers[0](features.unflatten(0, clip.shape[:2]).mean(dim=1))
    torch.testing.assert_close(model(moving()), want, rtol=1e-4, atol=1e-4)


SHAPE = r"takes clips of shape \(batch, frames, 3, 32, 32\), not "


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda clip: clip.transpose(1, 2), SHAPE + r"\(2, 3, 4, 32, 32\)"),
        (lambda clip: clip[:, :, :1], SHAPE + r"\(2, 4, 1, 32, 32\)"),
        (lambda clip: clip[0], SHAPE + r"\(4, 3, 32, 32\)"),
        (lambda clip: clip[..., :31], SHAPE + r"\(2, 4, 3, 32, 31\)"),
        (lambda clip: clip.repeat(1, 2, 1, 1, 1), "of 8 frames: .* was built for 1 to 4"),
        (lambda clip: clip[:, :0], "of 0 frames: .* was built for 1 to 4"),
        (lambda clip: clip.long(), r"uint8, or float in \[0, 1\], not torch.int64"),
        (lambda clip: clip > 0, r"uint8, or float in \[0, 1\], not torch.bool"),
    ],
)
def test_wrong_clips_are_refused_with_what_is_taken(change, told, unchecked):
    with pytest.raises(ClipError, match=told):
        classifier(PROBE)(change(moving()))


def test_normalised_clips_are_checked_too():
    with pytest.raises(ClipError, match="clips of shape"):
        classifier(PROBE).forward_normalised(moving(size=40))


@pytest.mark.parametrize("name", VARIANTS)
def test_branches_vote_for_the_logits(name):
    model = trained(VARIANTS[name])
    branches = model.branches(moving())
    assert branches.shape == (2, len(model.head.classifiers), CLASSES)
    torch.testing.assert_close(model.head.vote(branches), model(moving()))


@pytest.mark.parametrize("name", VARIANTS)
def test_adapter_tensors_are_all_that_differs_from_the_image_model(name):
    model, other = trained(VARIANTS[name]), classifier(VARIANTS[name])
    assert not torch.equal(model(moving()), other(moving()))
    result = other.load_state_dict(model.adapter_tensors(), strict=False)
    assert result.unexpected_keys == []
    assert torch.equal(model(moving()), other(moving()))
    unchanged = {n for n, p in model.named_parameters() if not p.requires_grad and is_image(n)}
    assert unchanged.isdisjoint(model.adapter_tensors())


@pytest.mark.parametrize("name", VARIANTS)
def test_the_image_models_parameters_are_counted_once(name):
    image = sum(p.numel() for p in image_model().parameters())
    model = classifier(VARIANTS[name])
    parameters = dict(model.named_parameters())
    added = {n: p for n, p in parameters.items() if n in model.adapter_tensors()}
    adapters = sum(p.numel() for n, p in added.items() if not is_image(n))
    assert sum(p.numel() for p in parameters.values()) == image + adapters


def is_image(name):
    """Whether a parameter belongs to the image model; what LoRA inserts does not."""
    inside = ".block." in name or name.startswith("backbone.")
    return inside and not name.endswith((".down.weight", ".up.weight"))


def test_a_given_module_stays_as_it_is():
    image = image_model()
    want = image(moving()[0])
    adapt(image, PROBE, num_classes=CLASSES, num_frames=FRAMES)
    assert len(image.blocks) == 4
    assert torch.equal(image(moving()[0]), want)
    assert all(p.requires_grad for p in image.parameters())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_modules_number_type_is_kept(dtype):
    model = adapt(image_model().to(dtype), "aim", num_classes=CLASSES, num_frames=FRAMES).eval()
    assert model(moving()).dtype == dtype
    assert {p.dtype for p in model.parameters()} == {dtype}


def test_a_class_in_the_place_of_a_method_is_refused(unchecked):
    with pytest.raises(ConfigurationError, match="with its brackets"):
        adapt(image_model(), LinearProbe, num_classes=CLASSES, num_frames=FRAMES)


def test_a_modules_classifier_is_left_out():
    image = image_model(num_classes=10)
    model = adapt(image, "full", num_classes=CLASSES, num_frames=FRAMES)
    model(moving()).square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    clip = adapt(
        image_model("clip", num_classes=10), "dualpath", num_classes=CLASSES, num_frames=FRAMES
    )
    assert clip.readout.projection is None


def test_a_model_that_does_not_pool_is_refused():
    with pytest.raises(BackboneError, match="does not pool"):
        adapt(image_model(global_pool=""), PROBE, num_classes=CLASSES, num_frames=FRAMES)


def test_a_backbone_serves_one_model():
    opened = open_backbone(image_model())
    VideoClassifier(opened, PROBE, num_frames=1, class_names=["a"])
    with pytest.raises(BackboneError, match="belong to a video model already"):
        VideoClassifier(opened, PROBE, num_frames=1, class_names=["a"])


@pytest.mark.parametrize("method", METHODS)
def test_methods_are_found_by_name(method):
    model = adapt(image_model(), method, class_names=["open", "close"], num_frames=2)
    assert type(model.method) is METHODS[method]
    assert model.class_names == ("open", "close")
    assert model.training


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"num_frames": 0, "num_classes": 2}, "a clip has at least one frame"),
        ({"num_frames": 2}, "give num_classes, at least 1, or class_names"),
        ({"num_frames": 2, "num_classes": 0}, "give num_classes, at least 1, or class_names"),
        ({"num_frames": 2, "class_names": []}, "give num_classes, at least 1, or class_names"),
        ({"num_frames": 2, "num_classes": 3, "class_names": ["a"]}, "num_classes=3 but 1 class"),
    ],
)
def test_impossible_settings_are_refused(given, told):
    with pytest.raises(ConfigurationError, match=told):
        adapt(image_model(), PROBE, **given)


TRACED = """
    import sys
    import torch
    from models import VARIANTS, moving, trained
    torch.set_num_threads(1)
    for pair in sys.argv[1:]:
        name, family = pair.split(":")
        model, clip = trained(VARIANTS[name], family), moving()
        with torch.no_grad():
            want = model(clip)
            exported = torch.export.export(model, (clip,)).module()
            torch.testing.assert_close(exported(clip), want, rtol=1e-4, atol=1e-4)
            torch._dynamo.reset()
            compiled = torch.compile(model, backend="eager", fullgraph=True)
            torch.testing.assert_close(compiled(clip), want, rtol=1e-4, atol=1e-4)
        print(pair)
"""


def check_traced(pairs):
    assert run_plain(TRACED, *pairs).split() == list(pairs)


def test_methods_that_look_over_time_and_one_that_does_not_export_and_compile_whole():
    """Each on a family of its own; `slow`: every method on every family."""
    check_traced(["amflow:vit", "st_adapter:hiera", "lora:dinov3"])


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_method_exports_and_compiles_whole_on_every_family(family):
    check_traced([f"{name}:{family}" for name in VARIANTS])


@pytest.mark.slow
def test_a_compiled_model_trains_with_tiles():
    run_plain("""
        import torch
        from models import VARIANTS, moving, trained
        from stillmotion.nn import flow_tiled
        flow_tiled.TILE = 7
        model, clip = trained(VARIANTS["amflow.small"]), moving()
        model(clip).square().sum().backward()
        want = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        model.zero_grad()
        torch.compile(model, backend="aot_eager", fullgraph=True)(clip).square().sum().backward()
        for name, parameter in model.named_parameters():
            if name in want:
                torch.testing.assert_close(parameter.grad, want[name], rtol=1e-3, atol=1e-3)
    """)
