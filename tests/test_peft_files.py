"""LoRA adapters go to the PEFT library and come from it, and say the same there and here."""

import json
import re

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from models import CLASSES, FRAMES, image_model, moving, randomise, trained
from runs import stillmotion
from stillmotion.backbones.demo import DEMO_BACKBONE
from stillmotion.checkpoint import load
from stillmotion.errors import CheckpointError, ConfigurationError
from stillmotion.merging import merge
from stillmotion.methods import LoRA
from stillmotion.model import adapt
from stillmotion.peft_files import from_peft, to_peft

peft = pytest.importorskip("peft", reason="what PEFT reads and writes is asked of PEFT itself")

FAMILIES = ["vit", "siglip", "eva02", "dinov3", "dinov2_swiglu", "hiera"]
"""Queries, keys and values together and apart, other activations, blocks that stay as they are."""

METHOD = LoRA(rank=3, alpha=5.0)


@torch.no_grad()
def frame_features(model, clip):
    """What a timm model makes of each frame, pooled: (B, T, C)."""
    frames = clip.flatten(0, 1)
    pooled = model.forward_head(model.forward_features(frames), pre_logits=True)
    return pooled.unflatten(0, clip.shape[:2])


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_peft_makes_of_each_frame_what_our_model_does(family, tmp_path):
    ours = trained(METHOD, family)
    assert to_peft(ours, tmp_path / "adapter") > 0
    theirs = peft.PeftModel.from_pretrained(image_model(family), tmp_path / "adapter").eval()
    clip = moving() * 2 - 1
    (want,) = ours.features(clip)
    found = frame_features(theirs.base_model.model, clip).mean(dim=1)
    torch.testing.assert_close(found, want, rtol=1e-5, atol=1e-5)
    plain = frame_features(image_model(family), clip).mean(dim=1)
    assert (plain - want).abs().max() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rslora", [False, True])
@torch.no_grad()
def test_our_model_makes_of_a_clip_what_peft_makes_of_its_frames(family, rslora, tmp_path):
    names = {"eva02": ["q_proj", "v_proj", "fc2"]}.get(family, ["attn.qkv", "fc2"])
    where = r"blocks\.[13]\..*(" + "|".join(names) + ")"  # Hiera's others begin a stage
    config = peft.LoraConfig(r=4, lora_alpha=6, target_modules=where, use_rslora=rslora)
    theirs = randomised(peft.get_peft_model(image_model(family), config))
    theirs.save_pretrained(tmp_path)
    ours = from_peft(tmp_path, image_model(family), num_frames=FRAMES)
    clip = moving() * 2 - 1
    (found,) = ours.features(clip)
    want = frame_features(theirs.base_model.model, clip).mean(dim=1)
    torch.testing.assert_close(found, want, rtol=1e-5, atol=1e-5)
    assert ours.method.targets == ("attn_in", "mlp_out")


@torch.no_grad()
def randomised(model):
    torch.manual_seed(4)
    for name, parameter in model.named_parameters():
        if "lora" in name:
            parameter.normal_(std=0.2)
    return model.eval()


@torch.no_grad()
def test_a_classifier_that_was_saved_along_becomes_ours(tmp_path):
    config = peft.LoraConfig(target_modules=["qkv"], modules_to_save=["head"])
    theirs = randomised(peft.get_peft_model(image_model(num_classes=CLASSES), config))
    theirs.save_pretrained(tmp_path)
    image = image_model(num_classes=CLASSES)
    ours = from_peft(tmp_path, image, num_frames=FRAMES, class_names=["a", "b", "c"])
    clip = moving() * 2 - 1
    want = theirs(clip.flatten(0, 1)).unflatten(0, clip.shape[:2]).mean(dim=1)
    torch.testing.assert_close(ours.forward_normalised(clip), want, rtol=1e-5, atol=1e-5)
    with pytest.raises(CheckpointError, match=r"of another shape .*head\.weight"):
        from_peft(tmp_path, image_model(), num_frames=FRAMES, class_names=["a", "b"])


@torch.no_grad()
def test_there_and_back_nothing_is_lost(tmp_path):
    before = trained(LoRA(rank=3, alpha=5.0, targets=("attn_in",), adapter_dropout=0.25))
    to_peft(before, tmp_path / "adapter")
    after = from_peft(tmp_path / "adapter", image_model(), num_frames=FRAMES)
    assert after.method == before.method
    clip = moving()
    assert torch.equal(after.features(clip)[0], before.features(clip)[0])


@pytest.mark.parametrize(
    "said",
    [
        {"use_dora": True},
        {"rank_pattern": {"blocks.1.attn.qkv": 2}},
        {"alpha_pattern": {"blocks.1.attn.qkv": 2}},
        {"bias": "all"},
        {"lora_bias": True},
        {"init_lora_weights": "pissa"},
        {"modules_to_save": ["norm"]},
        {"something_new": 3},
    ],
    ids=lambda said: next(iter(said)),
)
def test_what_our_lora_cannot_be_is_refused_by_name(said, tmp_path):
    to_peft(trained(METHOD), tmp_path / "adapter")
    path = tmp_path / "adapter/adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | said))
    with pytest.raises(ConfigurationError, match=f"this adapter says {next(iter(said))}="):
        from_peft(tmp_path / "adapter", image_model(), num_frames=FRAMES)


def test_changes_outside_the_blocks_are_refused(tmp_path):
    config = peft.LoraConfig(target_modules=["attn_pool.proj"])
    peft.get_peft_model(image_model("siglip"), config).save_pretrained(tmp_path)
    with pytest.raises(ConfigurationError, match=r"linear maps of blocks; .*attn_pool\.proj"):
        from_peft(tmp_path, image_model("siglip"), num_frames=FRAMES)


def test_an_adapter_of_another_image_model_is_refused(tmp_path):
    to_peft(trained(METHOD), tmp_path / "adapter")
    with pytest.raises(CheckpointError, match="no adapter of this image model"):
        from_peft(tmp_path / "adapter", image_model("eva02"), num_frames=FRAMES)
    with pytest.raises(CheckpointError, match="no adapter of this image model"):
        from_peft(tmp_path / "adapter", image_model(depth=3), num_frames=FRAMES)
    with pytest.raises(ConfigurationError, match="does not name its image model"):
        from_peft(tmp_path / "adapter", num_frames=FRAMES)


def test_a_change_that_timm_would_pass_by_is_refused(tmp_path):
    """The tiny EVA-02 takes the weights of qkv, and PEFT's change beside them never runs."""
    with pytest.raises(ConfigurationError, match="has no effect"):
        to_peft(trained(METHOD, "eva02_tiny"), tmp_path / "adapter")
    assert list(tmp_path.iterdir()) == []
    to_peft(trained(LoRA(targets=("mlp_in",)), "eva02_tiny"), tmp_path / "adapter")


def test_other_methods_and_taken_places_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="a merged model has none"):
        to_peft(merge(trained(METHOD)), tmp_path / "adapter")
    (tmp_path / "adapter").mkdir()
    with pytest.raises(ConfigurationError, match="is there already"):
        to_peft(trained(METHOD), tmp_path / "adapter")


@pytest.mark.parametrize("damage", ["nothing", "noise", "another kind"])
def test_folders_without_an_adapter_are_refused(damage, tmp_path):
    if damage != "nothing":
        to_peft(trained(METHOD), tmp_path / "adapter")
        config = tmp_path / "adapter/adapter_config.json"
        config.write_text("{" if damage == "noise" else '{"peft_type": "IA3"}')
    with pytest.raises(CheckpointError, match=r"no readable PEFT adapter|its peft_type is 'IA3'"):
        from_peft(tmp_path / "adapter", image_model(), num_frames=FRAMES)


@pytest.mark.parametrize(
    "said",
    [
        {"r": None},
        {"r": "four"},
        {"r": True},
        {"r": 2.5},
        {"r": -1, "use_rslora": True},
        {"lora_alpha": None},
        {"lora_dropout": "some"},
        {"use_rslora": "yes"},
        {"base_model_name_or_path": 3},
    ],
    ids=str,
)
def test_a_value_of_another_kind_is_refused_by_name(said, tmp_path):
    to_peft(trained(METHOD), tmp_path / "adapter")
    path = tmp_path / "adapter/adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | said))
    name = next(iter(said))
    with pytest.raises(CheckpointError, match=f"is damaged: {name}="):
        from_peft(tmp_path / "adapter", image_model(), num_frames=FRAMES)


HEAD = "base_model.model.head."


@pytest.mark.parametrize(
    ("kept", "added", "reason"),
    [
        (r".*lora_A.*", {}, r"lora_B\.weight.* missing"),
        (r"(?!.*blocks\.1\.mlp\.fc2\.lora_A).*", {}, r"1\.mlp\.fc2\.lora_A\.weight missing"),
        (r"nothing", {}, "holds no low-rank change"),
        (r"nothing", {"weight": (3, 32), "bias": (3,)}, "holds no low-rank change"),
        (r".*", {"weight": (3, 32)}, r"head\.bias missing"),
        (r".*", {"bias": (3,)}, r"head\.weight missing"),
        (r".*", {"weight": (), "bias": (3,)}, "no matrix"),
    ],
)
def test_halves_of_an_adapter_are_refused(kept, added, reason, tmp_path):
    to_peft(trained(METHOD), tmp_path / "adapter")
    path = tmp_path / "adapter/adapter_model.safetensors"
    tensors = {key: t for key, t in load_file(path).items() if re.fullmatch(kept, key)}
    save_file(tensors | {HEAD + name: torch.zeros(shape) for name, shape in added.items()}, path)
    with pytest.raises(CheckpointError, match=reason):
        from_peft(tmp_path / "adapter", image_model(), num_frames=FRAMES)


def test_the_commands_write_and_read_folders_of_peft(tmp_path, capsys):
    before = randomise(adapt(DEMO_BACKBONE, METHOD, num_classes=2, num_frames=2)).eval()
    before.save_pretrained(tmp_path / "run")
    assert stillmotion("export", tmp_path / "run", tmp_path / "out", "--to", "peft") == 0
    assert "changes of" in capsys.readouterr().out
    image = timm.create_model(DEMO_BACKBONE, pretrained=True)
    theirs = peft.PeftModel.from_pretrained(image, tmp_path / "out").eval()
    options = ("--num_frames", 2, "--out", tmp_path / "back")
    assert stillmotion("import", "--peft", tmp_path / "out", *options) == 0
    clip = moving(frames=2, size=64)
    want = frame_features(theirs.base_model.model, clip).mean(dim=1)
    found = load(tmp_path / "back").features(clip)[0]
    torch.testing.assert_close(found, want, rtol=1e-5, atol=1e-5)
    assert stillmotion("import", "--peft", tmp_path, *options) == 2
    assert "no readable PEFT adapter" in capsys.readouterr().err
