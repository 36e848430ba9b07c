"""Adapter checkpoints give back the very same model, or say what is wrong with them."""

import copy
import itertools
import json
import os
import pickle
import random

import pytest
import timm
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from models import FAMILIES, VARIANTS, image_model, moving, randomise, trained
from stillmotion import checkpoint
from stillmotion.checkpoint import CONFIG, FORMAT, TENSORS, find, load, looks_like_hub_id
from stillmotion.errors import CheckpointError, StillmotionError, StorageError
from stillmotion.methods import LinearProbe
from stillmotion.model import adapt

METHOD = VARIANTS["amflow.small"]


@pytest.fixture(scope="module")
def model():
    return trained(METHOD)


@pytest.fixture
def saved(model, tmp_path):
    model.save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_comes_back_to_the_last_bit_on_every_image_model(family, tmp_path):
    check_comes_back(METHOD, family, tmp_path)


@pytest.mark.parametrize("family", ["vit", "dinov3", "hiera"])
@pytest.mark.parametrize("name", VARIANTS)
def test_every_method_comes_back_to_the_last_bit(name, family, tmp_path):
    check_comes_back(VARIANTS[name], family, tmp_path)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_model_on_random_weights_comes_back_with_all_of_them(name, tmp_path):
    """Nobody else has them, so that the checkpoint must hold the image model too."""
    before = randomise(
        adapt("vit_stillmotion_demo", VARIANTS[name], num_classes=3, num_frames=2, weights="none")
    ).eval()
    before.save_pretrained(tmp_path)
    clip = moving(frames=2, size=64)
    assert torch.equal(load(tmp_path)(clip), before(clip))


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_saved_does_not_depend_on_gradients_being_on(name, tmp_path):
    model = trained(VARIANTS[name])
    names = model.checkpoint_tensors().keys()
    model.requires_grad_(False)
    assert model.checkpoint_tensors().keys() == names


def check_comes_back(method, family, folder):
    before = trained(method, family)
    before.info = {"sampling": {"kind": "uniform"}, "top1": 0.5}
    before.save_pretrained(folder)
    after = load(folder, backbone=image_model(family))
    assert torch.equal(after(moving()), before(moving()))
    assert (after.method, after.class_names, after.num_frames, after.info) == (
        before.method,
        before.class_names,
        before.num_frames,
        before.info,
    )
    assert not after.training


def test_a_named_image_model_is_built_again_with_its_weights(tmp_path):
    torch.manual_seed(0)
    weights = tmp_path / "vit.safetensors"
    save_file(timm.create_model("vit_tiny_patch16_224").state_dict(), weights)
    before = adapt(
        "vit_tiny_patch16_224",
        LinearProbe(),
        class_names=["öffnen", "close"],
        num_frames=2,
        image_size=32,
        weights=weights,
    )
    randomise(before).eval().save_pretrained(tmp_path / "saved")
    clip = moving(frames=2)
    assert torch.equal(load(tmp_path / "saved")(clip), before(clip))
    weights.rename(tmp_path / "elsewhere.safetensors")
    with pytest.raises(StillmotionError, match="there are no weights at"):
        load(tmp_path / "saved")
    after = load(tmp_path / "saved", weights=tmp_path / "elsewhere.safetensors")
    assert torch.equal(after(clip), before(clip))
    assert after.class_names == ("öffnen", "close")


def test_files_hold_the_adapter_and_nothing_of_the_image_model(model, saved):
    assert sorted(os.listdir(saved)) == [CONFIG, TENSORS]
    with safe_open(saved / TENSORS, "pt") as file:
        assert set(file.keys()) == model.adapter_tensors().keys()
    config = json.loads((saved / CONFIG).read_text())
    assert config["format"] == FORMAT
    assert config["method"]["method"] == "amflow"
    assert config["backbone"]["sha256"] == model.backbone.sha256


def test_the_module_that_is_given_stays_as_it_is(saved):
    image = image_model()
    load(saved, backbone=image)
    assert len(image.blocks) == 4


def test_another_image_model_is_refused_by_its_weights(saved):
    other = image_model()
    other.blocks[1].mlp.fc1.bias.data[3] += 1e-6
    with pytest.raises(CheckpointError, match=r"with weights .* but these are"):
        load(saved, backbone=other)


def test_a_checkpoint_of_a_module_asks_for_it(saved):
    with pytest.raises(CheckpointError, match=r"load\(directory, backbone=module\)"):
        load(saved)


@pytest.mark.parametrize("name", [CONFIG, TENSORS])
@pytest.mark.parametrize("damage", ["missing", "empty", "half", "noise", "a folder"])
def test_damaged_files_are_refused(name, damage, saved):
    path = saved / name
    content = path.read_bytes()
    path.unlink()
    if damage == "a folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes(
            {"empty": b"", "half": content[: len(content) // 2], "noise": b"\xff" * 99}[damage]
        )
    with pytest.raises(CheckpointError, match=str(saved)):
        load(saved, backbone=image_model())


def test_pickled_files_stay_inert(saved, tmp_path):
    mark = tmp_path / "was here"

    class Intruder:
        def __reduce__(self):
            return (os.mkdir, (str(mark),))

    (saved / TENSORS).write_bytes(pickle.dumps(Intruder()))
    with pytest.raises(CheckpointError, match="cannot read"):
        load(saved, backbone=image_model())
    assert not mark.exists()


def drop(tensors):
    tensors.pop("head.classifiers.0.bias")


def add(tensors):
    tensors["ghost"] = torch.ones(1)


def reshape(tensors):
    tensors["head.classifiers.0.bias"] = torch.ones(9)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (drop, r"1 missing \(head.classifiers.0.bias\)"),
        (add, r"1 unexpected \(ghost\)"),
        (reshape, r"1 of another shape \(head.classifiers.0.bias \(9,\) for \(3,\)\)"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change, told, model, saved):
    tensors = {name: tensor.clone() for name, tensor in model.adapter_tensors().items()}
    change(tensors)
    save_file(tensors, saved / TENSORS)
    with pytest.raises(CheckpointError, match=f"does not fit its configuration: {told}"):
        load(saved, backbone=image_model())


def every_place(value, place=()):
    """The path of every value in nested dicts and lists."""
    if place:
        yield place
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from every_place(inner, (*place, key))


SCRAPS = (None, -1, 0, 10**9, 0.5, True, "", "x", [], [1], ["a"], {}, {"a": 1})


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_any_damage_to_the_description_is_a_stillmotion_error(saved, unchecked):
    """Whatever value is lost or replaced: a model loads, or the error is ours."""
    path, image, loaded, refused = saved / CONFIG, image_model(), 0, 0
    config = json.loads(path.read_text())
    damages = list(itertools.product(every_place(config), SCRAPS))
    for place, scrap in random.Random(0).sample(damages, 150):
        damaged = copy.deepcopy(config)
        inner = damaged
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = scrap
        path.write_text(json.dumps(damaged))
        try:
            load(saved, backbone=image)
        except StillmotionError:
            refused += 1
        else:
            loaded += 1
    assert loaded
    assert refused > loaded


def test_a_later_format_is_refused(saved):
    config = json.loads((saved / CONFIG).read_text())
    (saved / CONFIG).write_text(json.dumps({**config, "format": "stillmotion adapter 3"}))
    with pytest.raises(CheckpointError, match="'stillmotion adapter 2', which this version reads"):
        load(saved, backbone=image_model())


def test_a_run_gives_its_best_checkpoint(model, tmp_path):
    for name in ("last", "best"):
        model.save_pretrained(tmp_path / name)
        assert find(tmp_path) == tmp_path / name


@pytest.mark.parametrize("source", ["", ".", "..", "nowhere/at/all", "/nowhere", "~/x", "a"])
def test_places_without_a_checkpoint_are_refused_without_asking_the_hub(
    source, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="there is no adapter checkpoint at"):
        load(source)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("user/name", True),
        ("name", False),
        ("/etc/passwd", False),
        ("../secret", False),
        ("./x", False),
        ("~/x", False),
        ("a/b/c", False),
        ("a/", False),
        ("/", False),
    ],
)
def test_paths_are_no_hub_ids(source, expected):
    assert looks_like_hub_id(source) == expected


def test_an_unreachable_hub_is_said_with_the_directory_that_is_missing(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match="there is no directory nobody/nothing, and the Hug"):
        load("nobody/nothing")


def test_saving_where_one_cannot_is_a_storage_error(model, tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file/inside"):
        with pytest.raises(StorageError, match="cannot write"):
            model.save_pretrained(place)
    assert os.listdir(tmp_path) == ["file"]


def test_a_description_that_cannot_be_written_leaves_no_half_checkpoint(model, tmp_path):
    twin = copy.deepcopy(model)
    twin.info = {"score": torch.ones(1)}
    with pytest.raises(TypeError):
        twin.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_saving_again_replaces_both_files(model, saved):
    other = trained(METHOD)
    other.info = {"epoch": 2}
    with torch.no_grad():
        other.head.classifiers[0].bias += 1
    other.save_pretrained(saved)
    again = checkpoint.load(saved, backbone=image_model())
    assert again.info == {"epoch": 2}
    assert torch.equal(again(moving()), other(moving()))
