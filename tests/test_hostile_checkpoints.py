"""An adapter checkpoint of somebody else's takes no memory, opens no other file, and is refused."""

import json
import os
import resource
import struct
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from stillmotion.as_trained import sampling_of, usual_seconds_of, views_of
from stillmotion.checkpoint import CONFIG, TENSORS, load, refuse_path
from stillmotion.data.parts import Part, combinations
from stillmotion.errors import CheckpointError, DataError, StillmotionError
from stillmotion.methods import LinearProbe
from stillmotion.model import adapt
from stillmotion.saved_scores import read_scores
from stillmotion.training.state import read_state

QUICK = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def model():
    return adapt("vit_stillmotion_demo", LinearProbe(), num_classes=3, num_frames=2)


@pytest.fixture
def saved(model, tmp_path):
    model.save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


def say(folder, place, value):
    """Put a value into the description, at a path of keys with dots between them."""
    config = inner = json.loads((folder / CONFIG).read_text())
    *keys, last = place.split(".")
    for key in keys:
        inner = inner[key]
    inner[last] = value
    (folder / CONFIG).write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        ("backbone.arguments", {"embed_dim": 8192}, "sizes of their own"),
        ("backbone.arguments", {"depth": 10**6}, "sizes of their own"),
        ("backbone.image_size", [10**6, 10**6], "at most 2048 pixels"),
        ("method", {"method": "lora", "rank": 10**9}, "more than any size"),
        ("method", {"method": "lora", "rank": 8000}, "does not fit its configuration"),
        ("num_frames", 10**9, "more than any size"),
        ("num_frames", 10**400, "more than any size"),
        ("parts", {name: ["x"] * 3000 for name in "ab"}, "combine to 9,000,000 classes"),
        ("class_names", [["a"], "b", "c"], "not all text"),
        ("backbone.mean", [0, float("nan"), 0], "not three numbers"),
    ],
)
def test_sizes_are_refused_before_they_take_memory(place, value, reason, saved):
    say(saved, place, value)
    with pytest.raises(StillmotionError, match=reason):
        load(saved)


@pytest.mark.parametrize("weights", ["nowhere", "folder"])
def test_a_large_model_is_not_built_before_its_weights_are_found(weights, saved, monkeypatch):
    monkeypatch.chdir(saved)
    Path("folder").mkdir()
    save_file({"a": torch.zeros(1)}, "folder/model.safetensors")
    say(saved, "backbone.name", "vit_base_patch16_224")
    say(saved, "backbone.weights", weights)
    say(saved, "backbone.image_size", [224, 224])
    say(saved, "backbone.arguments", {"embed_dim": 2048, "depth": 8, "num_heads": 32})
    head = {"weight": torch.zeros(3, 2048), "bias": torch.zeros(3)}
    save_file({f"head.classifiers.0.{name}": x for name, x in head.items()}, TENSORS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(StillmotionError, match=r"no weights at nowhere|a model of 1,6\d\d,"):
        load(saved)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**18  # KiB


@pytest.mark.parametrize(
    "arguments",
    [
        {"checkpoint_path": "PATH"},
        {"pretrained_cfg": {"file": "PATH"}},
        {"pretrained_cfg_overlay": {"file": "PATH"}},
        {"pretrained_cfg_overlay": {"url": "http://127.0.0.1/PATH"}},
        {"cache_dir": "PATH"},
    ],
)
def test_timms_arguments_lead_to_no_file_and_no_address(arguments, saved, tmp_path):
    path = tmp_path / "chosen.pth"
    torch.save({}, path)
    opened = []
    sys.addaudithook(lambda event, told: event == "open" and opened.append(str(told[0])))
    say(saved, "backbone.arguments", json.loads(json.dumps(arguments).replace("PATH", str(path))))
    with pytest.raises(CheckpointError, match="is damaged"):
        load(saved)
    assert str(saved / CONFIG) in opened
    assert str(path) not in opened


def test_a_checkpoint_of_the_hub_chooses_no_file_of_this_machine():
    for harmless in ("pretrained", "checkpoint", "none", None):
        refuse_path(harmless, "user/name")
    with pytest.raises(CheckpointError, match="weights=PATH"):
        refuse_path("../../etc/passwd", "user/name")


@pytest.mark.parametrize("name", [CONFIG, TENSORS])
def test_a_pipe_is_not_waited_for(name, saved):
    (saved / name).unlink()
    os.mkfifo(saved / name)
    with pytest.raises(CheckpointError, match=r"a pipe or a device|holds no adapter_config"):
        load(saved)
    for read in (read_scores, read_state):
        with pytest.raises(StillmotionError):
            read(saved / name)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda x: x.fill_(float("nan")), "not finite"),
        (lambda x: x.fill_(float("inf")), "not finite"),
        (lambda x: x.to(torch.int64), "of another type"),
        (lambda x: x.to(torch.float8_e4m3fn), "of another type"),
    ],
)
def test_tensors_of_other_numbers_are_refused(change, reason, saved):
    tensors = load_file(saved / TENSORS)
    name = sorted(tensors)[0]
    save_file(tensors | {name: change(tensors[name].clone())}, saved / TENSORS)
    with pytest.raises(CheckpointError, match=reason):
        load(saved)


@QUICK
@given(st.data())
def test_a_header_that_lies_is_refused_or_harmless(saved, data):
    content = bytearray((saved / TENSORS).read_bytes())
    (length,) = struct.unpack("<Q", content[:8])
    if data.draw(st.booleans(), label="its length"):
        content[:8] = struct.pack("<Q", data.draw(st.integers(0, 2**64 - 1)))
    place = data.draw(st.integers(8, 7 + length))
    content[place] = data.draw(st.integers(0, 255))
    other = saved.parent / "other"
    other.mkdir(exist_ok=True)
    (other / TENSORS).write_bytes(content[: data.draw(st.integers(0, len(content)))])
    (other / CONFIG).write_bytes((saved / CONFIG).read_bytes())
    for read in (lambda: load(other), lambda: read_scores(other / TENSORS)):
        try:
            read()
        except StillmotionError:
            continue


@QUICK
@given(key=st.sampled_from(["sampling", "views", "usual_seconds"]), value=JSON)
def test_what_a_checkpoint_says_of_clips_is_possible_or_refused(model, key, value):
    model.info = {key: value}
    read = {"sampling": sampling_of, "views": views_of, "usual_seconds": usual_seconds_of}[key]
    try:
        read(model)
    except CheckpointError:
        return


def test_views_and_frames_without_end_are_refused(model):
    model.info = {"views": {"clips": 10**9}, "sampling": {"num_frames": 10**9}}
    for read in (views_of, sampling_of):
        with pytest.raises(CheckpointError):
            read(model)


def test_combinations_are_counted_before_they_are_made():
    with pytest.raises(DataError, match="combine to"):
        combinations([Part(name, ("x",) * 10**5) for name in "abcd"])
