"""A model goes to the hub with a card that says what it is, and comes back from there."""

import json
import shutil
import socket

import pytest
import torch
from huggingface_hub import ModelCard

from hub_server import hub
from models import moving, randomise
from plain import run_plain
from runs import files_below, stillmotion
from stillmotion.backbones.demo import DEMO_BACKBONE
from stillmotion.checkpoint import load, read_config, read_tensors
from stillmotion.errors import CheckpointError, ConfigurationError
from stillmotion.hub import prepare
from stillmotion.identity import checkpoint_sha256, model_sha256
from stillmotion.merging import merge
from stillmotion.methods import LinearProbe, LoRA
from stillmotion.model import adapt

FILES = {"README.md", "adapter_config.json", "adapter_model.safetensors", "labels.txt"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run without scores."""
    folder = tmp_path_factory.mktemp("unscored") / "run"
    model = adapt(DEMO_BACKBONE, LinearProbe(), class_names=["öffnen", "a: b"], num_frames=2)
    randomise(model).eval().save_pretrained(folder / "best")
    return folder


def card_of(run, folder, **changes):
    prepare(run, folder, **{"repo": "me/doors", "licence": "cc-by-4.0", **changes})
    return ModelCard((folder / "README.md").read_text(encoding="utf-8"))


def test_the_folder_is_a_checkpoint_with_labels_and_a_card(run, tmp_path):
    card_of(run, tmp_path / "out")
    assert files_below(tmp_path / "out") == FILES
    assert (tmp_path / "out/labels.txt").read_text(encoding="utf-8") == "öffnen\na: b\n"
    assert torch.equal(load(tmp_path / "out")(moving(frames=2, size=64)), answer(run))


def answer(run):
    return load(run)(moving(frames=2, size=64))


def test_the_hub_s_own_class_reads_the_card(finished_run, tmp_path):
    card = card_of(finished_run, tmp_path / "out")
    told = json.loads((finished_run / "evaluation.json").read_text())
    assert card.data.library_name == "stillmotion"
    assert card.data.pipeline_tag == "video-classification"
    assert card.data.license == "cc-by-4.0"
    assert {"stillmotion", "amflow"} <= set(card.data.tags)
    found = {result.metric_name: result.metric_value for result in card.data.eval_results}
    assert found["top-1"] == pytest.approx(told["top1"], abs=1e-4)
    measured = (told[key] for key in ("list_sha256", "backbone_sha256", "decoder"))
    for word in (*measured, "`jump`", "me/doors"):
        assert word in card.text


def test_a_model_of_timm_s_hub_names_its_base(run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run / "best", copy)
    change(copy, name="vit_base_patch14_dinov2.lvd142m")
    card = card_of(copy, tmp_path / "out")
    assert card.data.base_model == "timm/vit_base_patch14_dinov2.lvd142m"
    assert card_of(run, tmp_path / "other").data.base_model is None


def change(folder, **backbone):
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["backbone"] |= backbone
    path.write_text(json.dumps(config))


def test_no_path_of_this_machine_goes_along(run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run / "best", copy)
    change(copy, weights="/home/somebody/secret/vit.safetensors")
    card = card_of(copy, tmp_path / "out")
    assert 'load("me/doors", weights="vit.safetensors")' in card.text
    for name in FILES - {"adapter_model.safetensors"}:
        assert "somebody" not in (tmp_path / "out" / name).read_text()


def test_scores_of_another_model_are_not_told(run, finished_run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    assert "Not measured." in card_of(copy, tmp_path / "without").text
    shutil.copyfile(finished_run / "evaluation.json", copy / "evaluation.json")
    assert "Not measured." in card_of(copy, tmp_path / "out").text
    (copy / "evaluation.json").write_text("[]")
    with pytest.raises(CheckpointError, match="is damaged"):
        card_of(copy, tmp_path / "damaged")


def test_scores_of_another_adapter_or_of_fewer_bits_are_not_told(finished_run, tmp_path, caplog):
    copy = tmp_path / "copy"
    shutil.copytree(finished_run, copy)
    assert "top-1:" in card_of(copy, tmp_path / "same").text
    told = json.loads((copy / "evaluation.json").read_text())
    (copy / "evaluation.json").write_text(json.dumps(told | {"fewer_bits": {"precision": "int8"}}))
    assert "Not measured." in card_of(copy, tmp_path / "int8").text
    (copy / "evaluation.json").write_text(json.dumps(told))
    model = load(copy)
    model.head.classifiers[0].bias.data[0] += 1.0
    model.save_pretrained(copy / "best")
    assert caplog.text.count("the card tells no scores") == 1
    assert "Not measured." in card_of(copy, tmp_path / "out").text
    assert caplog.text.count("the card tells no scores") == 2


def test_the_best_of_a_run_is_the_run(finished_run, tmp_path, monkeypatch):
    want = card_of(finished_run, tmp_path / "run").text
    assert "top-1:" in want
    assert card_of(finished_run / "best", tmp_path / "best").text == want
    monkeypatch.chdir(finished_run / "best")
    assert card_of(".", tmp_path / "here").text == want


def test_a_merged_model_keeps_its_identity(tmp_path):
    model = merge(randomise(adapt(DEMO_BACKBONE, LoRA(), num_classes=2, num_frames=2)).eval())
    model.save_pretrained(tmp_path)
    want = model_sha256(model)
    assert model_sha256(load(tmp_path)) == want
    tensors = read_tensors(tmp_path / "adapter_model.safetensors")
    config = read_config(tmp_path)
    assert checkpoint_sha256(config, tensors) == want
    assert checkpoint_sha256(config | {"num_frames": 3}, tensors) != want
    first = next(iter(tensors))
    assert checkpoint_sha256(config, tensors | {first: tensors[first] + 1}) != want


@pytest.mark.parametrize("repo", ["doors", "a/b/c", "../doors", "me/", "me/do ors", "me/a--b"])
def test_another_name_than_the_hub_s_is_refused(repo, run, tmp_path):
    with pytest.raises(ConfigurationError, match="give user/name"):
        prepare(run, tmp_path / "out", repo=repo, licence="mit")


def test_a_run_that_is_not_there_is_not_looked_for_on_the_hub(tmp_path):
    with pytest.raises(CheckpointError, match="there is no directory me/doors"):
        prepare("me/doors", tmp_path / "out", repo="me/doors", licence="mit")


def test_a_dry_run_writes_what_would_be_uploaded(run, tmp_path, capsys):
    options = ("me/doors", "--license", "mit", "--dry_run", tmp_path / "out")
    assert stillmotion("push", run, *options) == 0
    assert "what would go to me/doors" in capsys.readouterr().out
    assert files_below(tmp_path / "out") == FILES
    assert stillmotion("push", run, *options) == 2
    assert "is there already" in capsys.readouterr().err


CODE = """
import contextlib
import sys
import torch
from models import moving
from stillmotion.checkpoint import load
from stillmotion.cli import main

torch.set_num_threads(1)
with contextlib.redirect_stderr(sys.stdout):
    status = main(["push", sys.argv[1], "me/doors", "--license", "mit", *sys.argv[2:]])
print("status", status)
if status == 0:
    print(load("me/doors")(moving(frames=2, size=64)).tolist())
"""


def told_by_client(address, run, home, *options):
    """What a process with the hub's own client, pointed at the address, prints."""
    hub_of = {"HF_ENDPOINT": address, "HF_HOME": str(home), "HF_TOKEN": "hf_" + "x" * 34}
    return run_plain(CODE, str(run), *options, **hub_of, HF_HUB_OFFLINE="0", NO_PROXY="127.0.0.1")


def test_the_hub_s_own_client_takes_it_there_and_back(run, tmp_path):
    with hub() as server:
        told = told_by_client(server.address, run, tmp_path, "--private")
        assert set(server.files["me/doors"]) >= FILES
        assert server.private == {"me/doors": True}
    assert "/me/doors/commit/" in told
    found = torch.tensor(json.loads(told.splitlines()[-1]))
    torch.testing.assert_close(found, answer(run))


def test_what_the_hub_refuses_is_said_with_its_reason(run, tmp_path):
    with hub() as server:
        server.refuses = (403, "no room for you")
        told = told_by_client(server.address, run, tmp_path)
    reason, status = told.splitlines()
    assert "the Hugging Face hub does not take me/doors" in reason
    assert "no room for you" in reason
    assert status == "status 2"
    assert server.files == {}


def test_a_hub_that_is_not_there_is_said_in_a_line(run, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    reason, status = told_by_client(f"http://127.0.0.1:{port}", run, tmp_path).splitlines()
    assert "the Hugging Face hub does not take me/doors" in reason
    assert status == "status 2"
