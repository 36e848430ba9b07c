"""Published files in their wrappers, what is refused, and what is told of every key."""

import argparse
import os
import pickle
import re
import zipfile

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import stillmotion as sm
from plain_states import split_st_adapter
from runs import files_below, stillmotion
from stillmotion import official
from stillmotion.errors import ConfigurationError, StillmotionError, WeightsError
from stillmotion.official.zeroi2v import plan
from test_official import KINDS, SMALL, clip_for, loaded, logits, published
from videos import write_video

METHODS = {kind: case for kind, case in KINDS.items() if kind != "adaptformer_image"}


def same(one, other):
    clip = clip_for(one)
    return torch.equal(logits(one, clip), logits(other, clip))


@pytest.mark.parametrize("prefix", ["", "module.", "module.model."])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "module"])
@pytest.mark.parametrize("kind", METHODS)
def test_wrappers_are_taken_off_and_told(kind, wrapper, prefix):
    model, state, arguments = loaded(*KINDS[kind])
    content = {prefix + key: tensor for key, tensor in state.items()}
    beside = {}
    if wrapper is not None:
        beside = {"optimizer": {"state": {}}, "epoch": 3, "args": argparse.Namespace(lr=1.0)}
        content = {wrapper: content, **beside}
    again, report = official.load_with_report(content, **arguments, **KINDS[kind][2])
    assert same(model, again)
    assert set(report.used) | report.ignored.keys() == {prefix + key for key in state} | set(beside)
    assert not set(report.used) & report.ignored.keys()
    assert set(beside) <= report.ignored.keys()


@pytest.mark.parametrize("kind", ["aim", "zeroi2v", "dualpath"])
def test_a_missing_prefix_of_the_image_part_is_no_matter(kind):
    model, state, arguments = loaded(*KINDS[kind])
    prefix = "visual." if kind == "dualpath" else "backbone."
    if kind == "dualpath":
        state = {key: x for key, x in state.items() if key.startswith(prefix)}
    bare = {key.removeprefix(prefix): x for key, x in state.items()}
    again, report = official.load_with_report(bare, **arguments, **KINDS[kind][2])
    assert same(model, again)
    assert set(report.used) == bare.keys()


@pytest.mark.parametrize("kind", METHODS)
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_files_give_what_their_content_gives(kind, suffix, tmp_path):
    model, state, arguments = loaded(*KINDS[kind])
    path = tmp_path / f"file{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": state, "args": argparse.Namespace(lr=1.0)}, path)
    else:
        save_file(state, path)
    assert same(model, official.load(path, **arguments, **KINDS[kind][2]))


def test_the_text_tower_is_ignored_and_told():
    state, arguments = published("dualpath", {})
    _, report = official.load_with_report(state, **arguments)
    assert set(report.used) == {key for key in state if key.startswith("visual.")}
    assert report.ignored.keys() == state.keys() - set(report.used)
    assert all("text tower" in why for why in report.ignored.values())
    assert f"{len(report.ignored)} ignored" in str(report)
    assert "antialias=False" in str(report)


@pytest.mark.parametrize("whole", [True, False])
def test_an_st_adapter_needs_clip_beside_it(whole):
    model, state, arguments = loaded(*KINDS["st_adapter"])
    trained, clip = split_st_adapter(state, seed=3)
    if not whole:
        clip = {key.removeprefix("visual."): x for key, x in clip.items() if "visual." in key}
    content = {"model": trained, "next_epoch": 1}
    again, report = official.load_with_report(content, clip=clip, **arguments)
    assert same(model, again)
    told = set(report.used) | report.ignored.keys()
    assert told == trained.keys() | {f"clip:{key}" for key in clip} | {"next_epoch"}
    assert len(report.used) == len(state)
    exported = official.export(again)
    assert exported.keys() == state.keys()
    assert all(torch.equal(tensor, state[key]) for key, tensor in exported.items())
    with pytest.raises(WeightsError, match="clip=FILE"):
        official.load(trained, **arguments)
    with pytest.raises(ConfigurationError, match="clip= is not needed"):
        official.load(state, clip=clip, **arguments)


def test_half_precision_clip_with_trained_floats_is_float():
    state, arguments = published("st_adapter", {})
    trained, clip = split_st_adapter(state, seed=3)
    model = official.load(
        {key: x.float() for key, x in trained.items()},
        clip={key: x.half() for key, x in clip.items()},
        **arguments,
    )
    assert model.mean.dtype == torch.float32


@pytest.mark.parametrize("kind", METHODS)
@pytest.mark.parametrize("asked", ["aim", "zeroi2v", "st_adapter", "dualpath", "adaptformer"])
def test_another_method_is_refused_by_its_keys_and_named(kind, asked):
    state, arguments = published(*KINDS[kind][:2])
    if asked == arguments["method"]:
        return
    with pytest.raises(WeightsError, match=f"look like .*method='{arguments['method']}'"):
        official.load(state, **{**arguments, "method": asked})


def test_what_is_of_no_known_method_is_refused():
    arguments = {"method": "aim", "num_heads": 1, "num_frames": 2}
    with pytest.raises(WeightsError, match="nor like any other"):
        official.load({"layer.weight": torch.zeros(1)}, **arguments)
    with pytest.raises(WeightsError, match="no tensors"):
        official.load({"epoch": 1}, **arguments)
    with pytest.raises(ConfigurationError, match="did you mean 'aim'"):
        official.load({"a": torch.zeros(1)}, **{**arguments, "method": "aimm"})


@pytest.mark.parametrize("kind", METHODS)
def test_a_missing_key_is_named(kind):
    kind, options, fields = KINDS[kind]
    state, arguments = published(kind, options)
    needed = official.load_with_report(state, **arguments, **fields)[1].used
    for key in needed[:: max(1, len(needed) // 12)]:
        rest = {name: tensor for name, tensor in state.items() if name != key}
        with pytest.raises(WeightsError) as raised:
            official.load(rest, **arguments, **fields)
        assert key in str(raised.value)


@pytest.mark.parametrize("kind", METHODS)
def test_an_unknown_key_is_an_error(kind):
    state, arguments = published(*KINDS[kind][:2])
    extra = "visual.extra.weight" if kind == "dualpath" else "extra.weight"
    with pytest.raises(WeightsError, match=f"1 unknown \\({extra}\\)"):
        official.load(state | {extra: torch.zeros(2)}, **arguments, **KINDS[kind][2])


@pytest.mark.parametrize("kind", METHODS)
def test_what_is_no_layers_tensor_is_ignored_and_said(kind, caplog):
    """As in files that keep a model's input and output beside it."""
    state, arguments = published(*KINDS[kind][:2])
    beside = {"input": torch.zeros(2).double(), "tap.block0": torch.zeros(3)}
    model, report = official.load_with_report(state | beside, **arguments, **KINDS[kind][2])
    assert set(beside) <= set(report.ignored)
    assert "input, tap.block0" in caplog.text
    alone, clip = official.load(state, **arguments, **KINDS[kind][2]), clip_for(model)
    assert torch.equal(logits(model, clip), logits(alone, clip))


@pytest.mark.parametrize("kind", METHODS)
@pytest.mark.parametrize("how", ["flatten", "cut", "scalar"])
def test_any_tensor_of_another_shape_is_our_error(kind, how, unchecked):
    kind, options, fields = KINDS[kind]
    state, arguments = published(kind, options)
    changes = {"flatten": torch.flatten, "cut": lambda x: x[1:], "scalar": torch.sum}
    needed = official.load_with_report(state, **arguments, **fields)[1].used
    for key in needed:
        changed = changes[how](state[key]) if state[key].ndim else state[key]
        if changed.shape != state[key].shape:
            with pytest.raises(StillmotionError):
                official.load(state | {key: changed}, **arguments, **fields)


class Malicious:
    """What would run a command where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_runs_code_runs_none(zipped, tmp_path):
    path, done = tmp_path / "file.pth", tmp_path / "done"
    state, arguments = published("aim", {})
    content = {"state_dict": state, "meta": Malicious(done)}
    if zipped:
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(WeightsError, match="would run code"):
        official.load(path, **arguments)
    assert not done.exists()


def test_a_torchscript_program_is_refused_with_the_way_out(tmp_path):
    path = tmp_path / "ViT-B-16.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ViT-B-16/code/__torch__.py", "def forward(self): ...")
    state, arguments = published("st_adapter", {})
    trained, _ = split_st_adapter(state, seed=1)
    with pytest.raises(WeightsError, match=re.escape("torch.jit.load(")):
        official.load(trained, clip=path, **arguments)


@pytest.mark.parametrize("name", ["damaged.pth", "damaged.safetensors", "absent.pth", "list.pth"])
def test_files_that_cannot_be_read_are_named(name, tmp_path):
    path = tmp_path / name
    if name.startswith("damaged"):
        path.write_bytes(b"not a file of tensors")
    if name.startswith("list"):
        torch.save([1, 2], path)
    with pytest.raises(WeightsError, match=name):
        official.load(path, method="aim", num_frames=4)


@pytest.mark.parametrize(
    ("kind", "theirs", "ours"),
    [
        ("aim", {"adapter_scale": 0.3, "num_tadapter": 1, "width": 32}, {"scale": 0.3}),
        ("aim", {"adapter_scale": 0.3, "drop_path_rate": 0.1, "layers": 2}, {"drop_path": 0.1}),
        ("zeroi2v", {"stdha_cfg": {"shift_div": 8}}, {"offsets": (-1, 1), "divisors": (8, 8)}),
        ("zeroi2v", {"shift_div": 8, "dropout_rate": 0.0}, {"adapter_dropout": 0.0}),
        ("st_adapter", {"adapter_layers": 2, "adapter_pre_attn": False}, {"placement": "mlp"}),
        ("st_adapter", {"adapter_kernel_size": [3, 1, 1], "adapter_width": 8}, {"width": 8}),
        ("dualpath", {"vision_width": 32, "num_class": 5}, {"adapter_ratio": 0.25}),
        ("adaptformer_video", {"ffn_option": "sequential"}, {"placement": "sequential"}),
        ("adaptformer_video", {"ffn_adapter_scalar": "0.2", "ffn_num": 5}, {"scale": 0.2}),
        ("adaptformer_image", {"tubelet_size": 1, "vpt_on": False}, {"tokens": "frame"}),
    ],
)
def test_the_authors_settings_are_understood(kind, theirs, ours):
    state, arguments = published(*KINDS[kind][:2])
    method = official.load(state, **arguments, **theirs).method
    assert {name: getattr(method, name) for name in ours} == ours


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        ("aim", {"num_tadapter": 2}, "adapters=4, but the file says 3"),
        ("aim", {"adapters": 4}, "adapters=4, but the file says 3"),
        ("aim", {"width": 64}, "dim=64, but the file says 32"),
        ("aim", {"adapter_ratio": 0.5}, "adapter_ratio"),
        ("aim", {"num_classes": 6}, "num_classes"),
        ("aim", {"image_size": 224}, "image_size"),
        ("aim", {"scale": 0.5, "adapter_scale": 1.0}, "scale"),
        ("aim", {"num_frames": 8}, "num_frames=8, but the file says 4"),
        ("aim", {"heads": 2}, "num_heads"),
        ("aim", {"scales": 1.0}, "did you mean 'scale'"),
        ("zeroi2v", {"stdha_cfg": {"divide_head": True}}, "divide_head"),
        ("zeroi2v", {"stdha_cfg": {"shift": 3}}, "shift=3"),
        ("st_adapter", {"kernel": (1, 1, 1)}, "kernel"),
        ("st_adapter", {"last_blocks": 1}, "last_blocks"),
        ("st_adapter", {"adapter_pre_attn": False, "adapter_pre_mlp": False}, "one of them"),
        ("dualpath", {"grid_side": 2}, "grid_side"),
        ("adaptformer_video", {"tokens": "frame"}, "tokens"),
        ("adaptformer_video", {"all_frames": 2}, "num_frames"),
        ("adaptformer_video", {"vpt_on": True}, "vpt_on"),
        ("adaptformer_video", {"ffn_adapter_scalar": "learnable_scalar"}, "no number"),
    ],
)
def test_what_contradicts_the_file_is_refused(kind, fields, reason):
    state, arguments = published(*KINDS[kind][:2])
    with pytest.raises(ConfigurationError, match=reason):
        official.load(state, **{**arguments, **fields})


def test_one_head_for_64_channels_is_assumed_and_told():
    state, arguments = published("aim", {}, sizes=SMALL | {"width": 32})
    del arguments["num_heads"]
    model, report = official.load_with_report(state, **arguments, scale=0.5)
    assert model.trunk.blocks[0].frozen.num_heads == 1
    assert report.assumed == {"num_heads": 1}


@given(st.dictionaries(st.sampled_from([1, 2, 3, 4]), st.tuples(st.integers(1, 16), st.booleans())))
def test_the_long_plan_deals_out_each_distance_once(distances):
    config = {"shift1_div": -1}
    for n, (divisor, right) in distances.items():
        config |= {f"shift{n}_div": divisor} | ({f"shift{n}_right": right} if n > 2 else {})
    told = plan(config)
    expected = []
    for n in sorted(distances):
        divisor, right = distances[n]
        expected += [(-n, divisor)] + ([(n, divisor)] if n < 3 or right else [])
    assert list(zip(told["offsets"], told["divisors"], strict=True)) == expected


@pytest.mark.parametrize(
    ("config", "offsets", "divisors"),
    [
        ({"shift_div": 12}, (-1, 1), (12, 12)),
        ({"shift_div": 8, "long_shift_div": 8}, (-1, 1, -2), (8, 8, 8)),
        ({"long_shift_div": 6, "long_shift_right": True}, (-1, 1, -2, 2), (12, 12, 6, 6)),
        (
            {"shift1_div": 8, "shift2_div": 16, "shift3_div": 16, "shift4_div": -1},
            (-1, 1, -2, 2, -3),
            (8, 8, 16, 16, 16),
        ),
    ],
)
def test_published_plans(config, offsets, divisors):
    assert plan(config) == {"offsets": offsets, "divisors": divisors}


def test_import_then_predict_then_export(tmp_path, capsys):
    state, arguments = published("zeroi2v", {}, sizes=SMALL | {"size": 32})
    state = {key: tensor.float() for key, tensor in state.items()}
    file, run, back = (tmp_path / name for name in ("file.pth", "run", "back.safetensors"))
    torch.save({"state_dict": state, "meta": {"epoch": 3}}, file)
    (tmp_path / "names.txt").write_text("up\ndown\nleft\nright\nstill\n")
    options = ["--num_heads", arguments["num_heads"], "--num_frames", arguments["num_frames"]]
    options += ["--labels", tmp_path / "names.txt", "--stdha_cfg={shift_div: 8}", "--scale", "1.0"]
    assert stillmotion("import", file, "--method", "zeroi2v", "--out", run, *options) == 0
    told = capsys.readouterr().out
    assert f"{len(state)} tensors used" in told
    assert "1 ignored (meta): beside 'state_dict'" in told
    assert f"stillmotion predict {run}" in told
    method = sm.load(run).method
    assert (method.scale, method.offsets, method.divisors) == (1.0, (-1, 1), (8, 8))
    video = write_video(tmp_path / "video.mp4")
    assert stillmotion("predict", run, video, "--top", "1", "--device", "cpu") == 0
    assert re.search(r": (up|down|left|right|still) \d", capsys.readouterr().out)
    assert stillmotion("export", run, back, "--to", "official") == 0
    arguments |= {"scale": 1.0, "shift_div": 8}
    assert official.load(back, **arguments).method == method
    assert all(torch.equal(x, state[key]) for key, x in official.export(sm.load(run)).items())


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        (["--labels", "kinetics4"], "kinetics400"),
        (["--scales=2"], "did you mean 'scale'"),
        (["--scale"], "scale"),
        (["--scale", "[1"], "--scale"),
        (["--method", "zeroi2v"], "look like AIM"),
    ],
)
def test_import_leaves_nothing_of_a_mistake(option, reason, tmp_path, capsys):
    state, arguments = published("aim", {})
    torch.save(state, tmp_path / "file.pth")
    given = ["--method", "aim", "--num_frames", arguments["num_frames"], "--out", tmp_path / "run"]
    assert stillmotion("import", tmp_path / "file.pth", *given, *option) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line
    assert files_below(tmp_path) == {"file.pth"}


def test_an_exported_file_comes_back_with_what_no_key_says(tmp_path, caplog):
    """Scale, class names, pixels stand in its description; of the tensors alone they are lost."""
    settings = {"num_frames": 4, "image_size": 32, "weights": "none"}
    names, method = ["open", "close", "turn"], sm.AIM(scale=1.0, adapters=4)
    model = sm.adapt("vit_tiny_patch16_224", method, class_names=names, **settings)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    clip, file = torch.rand(2, 4, 3, 32, 32), tmp_path / "aim.safetensors"
    official.export(model.eval(), file)
    assert "deviation of pixels" in caplog.text
    again = official.load(file, method="aim", num_frames=4)
    assert again.method == model.method
    assert again.class_names == model.class_names
    assert torch.equal(again(clip), model(clip))
    other = official.load(load_file(file), method="aim", num_frames=4)
    assert other.method.scale == 0.5
    assert official.load(file, method="aim", num_frames=4, scale=0.25).method.scale == 0.25
