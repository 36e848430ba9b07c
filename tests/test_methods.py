"""What every method promises, on every family of image models. No method is named here."""

import ast
import copy
import dataclasses
import inspect
import itertools
import textwrap

import pytest
import torch
from torch.nn.functional import cross_entropy

from models import CLASSES, FAMILIES, FRAMES, VARIANTS, classifier, image_model, moving, still
from models import trained as trained_model
from stillmotion.backbones import open_backbone
from stillmotion.errors import ConfigurationError
from stillmotion.methods import METHODS, get_method, method_from_dict, register
from stillmotion.nn.frozen import Frozen, Inserted

QUICK_FAMILIES = ("vit", "siglip", "dinov3", "hiera")
CUDA = torch.cuda.is_available()
EVERY_PAIR = [
    pytest.param(
        name,
        family,
        marks=() if family in QUICK_FAMILIES else pytest.mark.slow,
        id=f"{name}-{family}",
    )
    for name in VARIANTS
    for family in FAMILIES
]
each_variant = pytest.mark.parametrize("name", VARIANTS)
each_pair = pytest.mark.parametrize(("name", "family"), EVERY_PAIR)


def loss_of(model, clip):
    """What training minimises on these clips."""
    branches = model.branches(clip)
    logits = model.head.vote(branches)
    labels = torch.arange(len(clip), device=clip.device) % CLASSES
    return model.method.objective(branches, logits, lambda given: cross_entropy(given, labels))


def image_tokens(family, clip):
    """The image model's own tokens of every frame, (B, T, N, C)."""
    backbone = open_backbone(image_model(family))
    x = backbone.embed(clip)
    for block in backbone.blocks:
        x = block(x)
    return x


@each_pair
def test_starts_as_the_image_model_or_says_that_it_does_not(name, family):
    """At first a picture that stands still gives the image model's tokens."""
    model = classifier(VARIANTS[name], family)
    pixels = model.normalise(still())
    found, _ = model.trunk(model.stem(model.backbone, pixels))
    want = image_tokens(family, pixels)[:, -found.shape[1] :]
    same = found.shape == want.shape and torch.allclose(found, want, rtol=1e-4, atol=1e-4)
    assert same == VARIANTS[name].starts_as_image_model


@each_pair
def test_logits_are_one_row_a_clip_and_clips_do_not_mix(name, family):
    model = trained_model(VARIANTS[name], family)
    logits = model(moving(batch=3))
    assert logits.shape == (3, CLASSES)
    assert logits.std() > 0
    torch.testing.assert_close(model(moving(batch=3)[1:2]), logits[1:2], rtol=1e-4, atol=1e-4)


@each_pair
def test_everything_trained_learns_and_nothing_frozen_does(name, family):
    model = trained_model(VARIANTS[name], family).train()
    loss_of(model, moving()).backward()
    silent = set()
    for parameter_name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            assert parameter.grad is None, parameter_name
        elif parameter.grad is None or parameter.grad.abs().max() < 1e-12:
            silent.add(parameter_name)
    assert silent == {f"trunk.{parameter}" for parameter in model.trunk.inert}


@each_pair
def test_of_the_image_model_only_what_is_thawed_and_inserted_trains(name, family):
    model = classifier(VARIANTS[name], family)
    inside, inserted = (
        tuple(f"{n}." for n, m in model.named_modules() if isinstance(m, kind))
        for kind in (Frozen, Inserted)
    )
    trained = [
        p.numel()
        for n, p in model.named_parameters()
        if p.requires_grad and n.startswith(inside) and not n.startswith(inserted)
    ]
    thawed = set(VARIANTS[name].thawed(open_backbone(image_model(family))))
    assert sum(trained) == sum(p.numel() for p in thawed)


@each_pair
def test_the_order_of_frames_is_seen_as_declared(name, family):
    model, clip = trained_model(VARIANTS[name], family).double(), moving().double()
    difference = (model(clip) - model(clip.flip(1))).abs().max()
    assert (difference > 1e-9) == VARIANTS[name].sees_order


@each_variant
def test_what_is_declared_inert_never_changes_an_answer(name):
    model = trained_model(VARIANTS[name])
    want = model(moving())
    parameters = dict(model.trunk.named_parameters())
    with torch.no_grad():
        for inert in model.trunk.inert:
            parameters[inert].add_(torch.randn_like(parameters[inert]))
    assert torch.equal(model(moving()), want)
    assert all(parameters[inert].requires_grad for inert in model.trunk.inert)


def test_some_method_has_inert_parameters():
    assert any(classifier(method).trunk.inert for method in VARIANTS.values())


@each_variant
def test_no_gradient_is_kept_before_the_first_trained_part(name):
    model = trained_model(VARIANTS[name]).train()
    thawed = [n for n, p in model.backbone.named_parameters() if p.requires_grad]
    tokens = model.backbone.embed(model.normalise(moving()))
    assert tokens.requires_grad <= bool(thawed)
    assert not [n for n, m in model.named_modules() if isinstance(m, Frozen) and m.training]


@each_variant
def test_fewer_frames_are_taken_down_to_one(name):
    model = trained_model(VARIANTS[name])
    for frames in range(1, FRAMES + 1):
        assert model(moving(frames=frames)).isfinite().all()


@each_variant
def test_copies_are_independent(name):
    model = trained_model(VARIANTS[name])
    twin, want = copy.deepcopy(model), model(moving())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert torch.equal(twin(moving()), want)


@each_variant
def test_dropout_and_the_like_rest_in_evaluation(name):
    model = trained_model(VARIANTS[name])
    assert torch.equal(model(moving()), model(moving()))


@each_pair
@pytest.mark.parametrize("size", [48, (32, 64)], ids=str)
def test_other_image_sizes_are_taken(name, family, size):
    model = trained_model(VARIANTS[name], family, size=size)
    assert model(moving(size=size)).isfinite().all()


each_device = pytest.mark.parametrize(
    "device",
    ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not CUDA, reason="no GPU here"))],
)


@each_variant
@each_device
def test_bfloat16_autocast_trains(name, device):
    model = trained_model(VARIANTS[name]).train().to(device)
    with torch.autocast(device, torch.bfloat16):
        loss = loss_of(model, moving().to(device))
    loss.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert loss.isfinite()
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)


@each_variant
@each_device
def test_bfloat16_autocast_answers_nearly_the_same(name, device):
    model, clip = trained_model(VARIANTS[name]).to(device), moving().to(device)
    want = model(clip)
    with torch.autocast(device, torch.bfloat16):
        found = model(clip)
    assert (found.float() - want).abs().max() < 0.2 * want.abs().max()


@each_variant
def test_a_few_steps_lower_the_loss(name):
    model = classifier(VARIANTS[name])
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=3e-3)
    losses, clips = [], moving(batch=3) * torch.tensor([0.1, 0.5, 1.0]).view(3, 1, 1, 1, 1)
    for _ in range(6):
        loss = loss_of(model, clips)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@each_variant
def test_a_method_survives_its_description(name):
    method = VARIANTS[name]
    assert method_from_dict(method.to_dict()) == method
    as_json = {k: list(v) if isinstance(v, tuple) else v for k, v in method.to_dict().items()}
    assert method_from_dict(as_json) == method
    assert hash(method_from_dict(as_json)) == hash(method)


@pytest.mark.parametrize("name", METHODS)
def test_every_field_is_explained_and_has_a_default(name):
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(METHODS[name]))).body
    explained = {
        field.target.id
        for field, below in itertools.pairwise(definition.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
    }
    fields = dataclasses.fields(METHODS[name])
    assert {field.name for field in fields} <= explained
    assert all(field.default is not dataclasses.MISSING for field in fields)
    assert METHODS[name].__doc__


@pytest.mark.parametrize("name", METHODS)
def test_an_unknown_field_is_refused_by_the_nearest(name):
    fields = METHODS[name]().to_dict()
    known = next(iter(fields.keys() - {"method"}), None)
    if known is None:
        return
    with pytest.raises(ConfigurationError, match=f"did you mean '{known}'"):
        method_from_dict({"method": name, f"{known}_": 1})


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("value", [object(), "misspelt", [0], -1j])
def test_a_value_of_the_wrong_kind_is_refused_with_its_field(name, value, unchecked):
    for field in dataclasses.fields(METHODS[name]):
        with pytest.raises(ConfigurationError, match=rf"{name}\.{field.name}"):
            METHODS[name](**{field.name: value})


def test_an_unknown_method_is_refused_by_the_nearest():
    name = next(iter(METHODS))
    with pytest.raises(ConfigurationError, match=f"did you mean '{name}'"):
        get_method(f"{name}_")


def test_a_name_is_taken_once():
    with pytest.raises(ConfigurationError, match="already registered"):
        register(next(iter(METHODS.values())))
