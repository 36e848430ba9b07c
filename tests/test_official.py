"""Published checkpoints give the logits of their authors' code, and go back to what they were."""

import json

import pytest
import torch
import yaml
from safetensors.torch import load_file

import plain_methods
import stillmotion as sm
from golden import CASES, read_golden
from plain_states import random_state
from stillmotion import official
from stillmotion.errors import ConfigurationError
from stillmotion.merging import merge
from stillmotion.official.protocols import PROTOCOLS, protocol_info
from stillmotion.recipes import published_recipes

SMALL = {"width": 32, "depth": 2, "patch": 8, "size": 16, "frames": 4, "classes": 5}
OTHER = {"width": 48, "depth": 3, "patch": 4, "size": 12, "frames": 3, "classes": 2}
HEADS = {32: 4, 48: 3}
SHIFT = {"offsets": (-1, 1, -2), "divisors": (6, 8, 4)}


def moved(width):
    """The same for the plain reference."""
    pairs = zip(SHIFT["offsets"], SHIFT["divisors"], strict=True)
    return {"offsets": [(offset, width // divisor) for offset, divisor in pairs]}


MODELS = [
    ("aim", {"pretrained": "clip", "adapters": 3}, {"scale": 0.5}),
    ("aim", {"pretrained": "clip", "adapters": 4, "hidden": 5}, {"scale": 1.0}),
    ("aim", {"pretrained": "imagenet", "adapters": 3, "hidden": 1}, {"scale": 0.7}),
    ("aim", {"pretrained": "imagenet", "adapters": 4}, {"scale": 0.5}),
    ("zeroi2v", {"adapters": 3, "hidden": 7}, {"scale": 0.5, **SHIFT}),
    ("zeroi2v", {"adapters": 4}, {"scale": 1.0, **SHIFT}),
    ("zeroi2v", {"adapters": 0}, SHIFT),
    ("st_adapter", {"placement": "mlp"}, {}),
    ("st_adapter", {"placement": "attention", "kernel": (3, 3, 3)}, {}),
    ("st_adapter", {"placement": "both", "last_blocks": 1, "hidden": 9}, {}),
    ("dualpath", {}, {}),
    ("dualpath", {"embed_dim": 6, "hidden": 3}, {"antialias": True}),
    ("adaptformer_image", {"global_pool": False}, {"scale": 0.1}),
    ("adaptformer_image", {"global_pool": True}, {"scale": 1.0, "placement": "sequential"}),
    ("adaptformer_video", {"tubelet": 2, "hidden": 5}, {"scale": 0.1}),
    ("adaptformer_video", {"tubelet": 1}, {"scale": 1.0, "placement": "sequential"}),
]
KINDS = {kind: (kind, options, fields) for kind, options, fields in reversed(MODELS)}
"""The first of each."""


def sizes_for(kind, sizes):
    """Sizes and clips that a kind of model takes."""
    if kind == "dualpath":
        return sizes | {"frames": 16}
    if kind == "adaptformer_image":
        return sizes | {"frames": 1}
    return sizes | {"frames": 4} if kind == "adaptformer_video" else sizes


def published(kind, options, *, sizes=SMALL, seed=1):
    """(method, state, what load takes beside the fields)."""
    sizes = sizes_for(kind, sizes)
    arguments = {"num_frames": sizes["frames"], "num_heads": HEADS[sizes["width"]]}
    if kind == "adaptformer_video":
        arguments["image_size"] = sizes["size"]
    method = kind if kind.count("_") == 0 or kind == "st_adapter" else "adaptformer"
    return random_state(kind, seed=seed, **sizes, **options), {"method": method, **arguments}


def loaded(kind, options, fields, **choices):
    state, arguments = published(kind, options, **choices)
    return official.load(state, **arguments, **fields), state, arguments


def clip_for(model, dtype=torch.float64):
    side = model.backbone.image_size[0]
    return torch.randn(2, model.num_frames, 3, side, side, dtype=torch.float64).to(dtype)


def plain(kind, state, clip, fields, *, num_heads):
    fields = dict(fields)
    if kind == "zeroi2v":
        fields = {"scale": fields.get("scale", 0.5)} | moved(len(state["backbone.ln_pre.bias"]))
    reference = getattr(plain_methods, kind)
    return reference(state, clip.transpose(1, 2), num_heads=num_heads, **fields)


@torch.no_grad()
def logits(model, clip):
    return model.forward_normalised(clip)


@pytest.mark.parametrize("case", CASES)
def test_the_authors_logits(case, shared):
    golden = read_golden(shared, case)
    config = json.loads((shared / "golden" / f"{case}.json").read_text())["config"]
    fields = dict(golden.arguments)
    heads = fields.pop("num_heads")
    if golden.method == "zeroi2v":
        fields["stdha_cfg"] = config["stdha_cfg"]
        del fields["offsets"]
    if golden.method == "adaptformer_video":
        fields["image_size"] = config["img_size"]
    method = golden.method.removesuffix("_image").removesuffix("_video")
    model = official.load(
        golden.state, method=method, num_heads=heads, num_frames=golden.clip.shape[2], **fields
    )
    assert not model.training
    ours = logits(model, golden.clip.transpose(1, 2))
    torch.testing.assert_close(ours, golden.logits, rtol=0, atol=1e-12)
    again = official.export(model)
    text = {key for key in golden.state if method == "dualpath" and "visual." not in key}
    assert again.keys() == golden.state.keys() - text
    assert all(torch.equal(tensor, golden.state[key]) for key, tensor in again.items())


@pytest.mark.parametrize("case", "abcde")
def test_merging_gives_the_authors_merged_file(case, shared):
    before, after = (read_golden(shared, f"zeroi2v_{case}{end}") for end in ("", "_merged"))
    fields = {"scale": before.arguments["scale"], "num_heads": before.arguments["num_heads"]}
    config = json.loads((shared / "golden" / f"zeroi2v_{case}.json").read_text())["config"]
    model = official.load(
        before.state,
        method="zeroi2v",
        num_frames=before.sizes.frames,
        stdha_cfg=config["stdha_cfg"],
        **fields,
    )
    exported = official.export(merge(model))
    assert exported.keys() == after.state.keys()
    for key, tensor in exported.items():
        torch.testing.assert_close(tensor, after.state[key], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("sizes", "seed"), [(SMALL, 1), (OTHER, 2)], ids=["small", "other"])
@pytest.mark.parametrize(("kind", "options", "fields"), MODELS)
def test_the_plain_references_logits(kind, options, fields, sizes, seed):
    model, state, arguments = loaded(kind, options, fields, sizes=sizes, seed=seed)
    clip = clip_for(model)
    expected = plain(kind, state, clip, fields, num_heads=arguments["num_heads"])
    torch.testing.assert_close(logits(model, clip), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("kind", "options", "fields"), MODELS)
def test_what_is_loaded_and_exported_and_loaded_is_the_same(kind, options, fields, tmp_path):
    model, state, arguments = loaded(kind, options, fields)
    exported = official.export(model, tmp_path / "again.safetensors")
    assert all(torch.equal(tensor, state[key]) for key, tensor in exported.items())
    again = official.load(tmp_path / "again.safetensors", **arguments, **fields)
    assert again.state_dict().keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    assert (again.method, again.info) == (model.method, model.info)


@pytest.mark.parametrize(("kind", "options", "fields"), KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_number_type_is_kept(kind, options, fields, dtype):
    state, arguments = published(kind, options)
    state = {key: x.to(dtype) if x.is_floating_point() else x for key, x in state.items()}
    model = official.load(state, **arguments, **fields)
    assert {x.dtype for x in model.state_dict().values() if x.is_floating_point()} == {dtype}
    exported = official.export(model)
    assert all(torch.equal(tensor, state[key]) for key, tensor in exported.items())
    assert logits(model, clip_for(model, dtype)).isfinite().all()


def test_of_several_number_types_the_widest_is_taken():
    state, arguments = published("aim", {})
    state = {k: x.half() if ".attn." in k else x.float() for k, x in state.items()}
    assert official.load(state, **arguments, scale=0.5).mean.dtype == torch.float32


@pytest.mark.parametrize(("kind", "options", "fields"), KINDS.values(), ids=KINDS)
def test_an_adapter_checkpoint_gives_the_same_logits(kind, options, fields, tmp_path):
    model, _, _ = loaded(kind, options, fields)
    model.save_pretrained(tmp_path)
    again = sm.load(tmp_path)
    clip = clip_for(model)
    assert torch.equal(logits(again, clip), logits(model, clip))
    pixels = torch.randint(256, clip.shape, dtype=torch.uint8)
    assert torch.equal(again(pixels), model(pixels))
    assert again.backbone.sha256 is not None
    assert (again.info, again.class_names) == (model.info, model.class_names)
    assert official.export(again).keys() == official.export(model).keys()


def test_a_model_trained_here_can_be_exported(tmp_path):
    arguments = {"img_size": 32, "patch_size": 16, "embed_dim": 24, "depth": 2, "num_heads": 2}
    backbone = sm.load_backbone("vit_base_patch16_224", weights="none", arguments=arguments)
    model = sm.VideoClassifier(backbone, sm.AIM(), num_frames=2, class_names=["a", "b"])
    again = official.load(official.export(model), method="aim", num_heads=2, num_frames=2)
    clip = torch.randn(1, 2, 3, 32, 32)
    assert torch.equal(logits(again, clip), logits(model.eval(), clip))


@pytest.mark.parametrize(
    ("name", "method", "reason"),
    [
        ("vit_base_patch16_224", sm.AIM(adaptation="spatial"), "adaptation='joint'"),
        ("vit_base_patch16_224", sm.ZeroI2V(), "no image model like"),
        ("vit_base_patch16_224", sm.AdaptFormer(tokens="joint"), "tokens='frame'"),
        ("vit_base_patch16_224", sm.LoRA(), "method of published files 'lora'"),
        ("vit_base_patch16_clip_224", sm.AIM(), "QuickGELU"),
        ("vit_base_patch16_clip_quickgelu_224", sm.DualPath(grid_side=2), "4 frames wide"),
        ("vit_base_patch16_clip_quickgelu_224", sm.DualPath(), "CLIP's projection"),
        ("hiera_tiny_224", sm.AIM(), "no image model like"),
    ],
)
def test_what_the_authors_code_cannot_compute_is_not_exported(name, method, reason):
    small = {"img_size": 32, "embed_dim": 24, "depth": 1, "num_heads": 2, "num_classes": 0}
    arguments = {"stages": (1, 1, 1, 1)} if "hiera" in name else small
    backbone = sm.load_backbone(name, weights="none", arguments=arguments)
    model = sm.VideoClassifier(backbone, method, num_frames=2, class_names=["a"])
    with pytest.raises(ConfigurationError, match=reason):
        official.export(model)


def test_an_export_is_a_safetensors_file(tmp_path):
    model, _, _ = loaded(*KINDS["aim"])
    with pytest.raises(ConfigurationError, match=r"\.safetensors"):
        official.export(model, tmp_path / "aim.pth")
    official.export(model, tmp_path / "aim.safetensors")
    assert load_file(tmp_path / "aim.safetensors").keys() == official.export(model).keys()
    with pytest.raises(ConfigurationError, match="is there already"):
        official.export(model, tmp_path / "aim.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["aim.safetensors"]


@pytest.mark.parametrize(("kind", "options", "fields"), KINDS.values(), ids=KINDS)
def test_what_goes_in_and_comes_out_shares_no_memory(kind, options, fields):
    model, state, _ = loaded(kind, options, fields)
    clip = clip_for(model)
    expected = logits(model, clip)
    for tensor in (*state.values(), *official.export(model).values()):
        tensor.zero_()
    assert torch.equal(logits(model, clip), expected)
    assert expected.abs().max() > 0


def test_labels_bring_names_and_the_authors_test(tmp_path):
    state, arguments = published("aim", {}, sizes=SMALL | {"classes": 400, "frames": 8})
    model = official.load(state, **arguments, scale=0.5, labels="kinetics400")
    assert model.class_names[:2] == ("abseiling", "air drumming")
    assert model.info["views"] == {"clips": 3, "crops": 1, "spread": "middles"}
    assert {"kind": "dense", "stride": 16, "short": "loop"}.items() <= model.info[
        "sampling"
    ].items()
    with pytest.raises(ConfigurationError, match="174 names"):
        official.load(state, **arguments, scale=0.5, labels="ssv2")
    plain_names = official.load(state, **arguments, scale=0.5)
    assert plain_names.class_names[:2] == ("class 0", "class 1")
    assert plain_names.info["views"] == {"clips": 1, "crops": 1}
    (tmp_path / "names.txt").write_text("\n".join(f"n{i}" for i in range(400)))
    named = official.load(state, **arguments, scale=0.5, labels=tmp_path / "names.txt")
    assert named.class_names[399] == "n399"


DATA = {"k400": "kinetics400"} | {name: name for name in ("ssv2", "diving48", "ucf101", "hmdb51")}
RECIPES = [n for n in published_recipes() if n.startswith(tuple(PROTOCOLS)) and "frames" not in n]


@pytest.mark.parametrize("name", RECIPES)
def test_protocols_are_those_of_the_recipes(name):
    recipe = yaml.safe_load(published_recipes()[name].text)
    data = next(DATA[word] for word in name.split("_") if word in DATA)
    frames = recipe["sampling"]["num_frames"]
    protocol = protocol_info(recipe["method"], data, frames)
    training_only = {"strides"}
    sampling = {k: v for k, v in recipe["sampling"].items() if k not in training_only}
    assert sampling.items() <= protocol["sampling"].items()
    assert recipe["views"] == protocol["views"]


def test_pixels_are_normalised_as_the_authors_do():
    kinds = ["aim", "zeroi2v", "st_adapter", "dualpath", "adaptformer_video"]
    means = {kind: loaded(*KINDS[kind])[0].mean.flatten().tolist() for kind in kinds}
    means["imagenet"] = loaded("aim", {"pretrained": "imagenet"}, {})[0].mean.flatten().tolist()
    for kind, mean in means.items():
        clip = kind in ("aim", "zeroi2v", "st_adapter")
        expected = (0.4815, 0.4578, 0.4082) if clip else (0.485, 0.456, 0.406)
        assert mean == pytest.approx(expected, abs=3e-4), kind  # AIM's files round CLIP's
