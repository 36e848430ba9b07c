"""What is exported answers as the model does, for any number of clips, or is not written."""

import dataclasses
import json
import sys

import pytest
import torch

from models import VARIANTS, field_variants, trained
from runs import files_below, stillmotion
from stillmotion.backbones.demo import DEMO_BACKBONE
from stillmotion.data.sampling import Sampling
from stillmotion.errors import ConfigurationError, ExportError
from stillmotion.exporting import to_onnx, to_torch
from stillmotion.exporting.checking import BATCHES, TOLERANCE, random_clips, refuse_difference
from stillmotion.model import adapt
from stillmotion.onnx_graph import Session

for name in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(name, reason="export needs the extra `export`")

pytestmark = pytest.mark.usefixtures("unchecked")
"""The shape checker does not know the symbols that stand for sizes while a model is traced."""

FILES = {"README.md", "model.json", "model.onnx", "run.py", "video.py"}


def onnx_answers(model, folder, tolerance):
    to_onnx(model, folder / "onnx", tolerance=tolerance)
    return Session(folder / "onnx/model.onnx")


def program_answers(model, folder, tolerance):
    to_torch(model, folder / "model.pt2", tolerance=tolerance)
    return torch.export.load(folder / "model.pt2").module()


FORMS = {"onnx": onnx_answers, "torch": program_answers}


@torch.no_grad()
def check(form, model, folder, *, tolerance=TOLERANCE):
    """Batches that the export itself did not ask."""
    answers = FORMS[form](model, folder, tolerance)
    for batch in (1, 2, 5):
        clips = random_clips(model, batch, seed=7 + batch)
        want = model(clips)
        torch.testing.assert_close(
            answers(clips), want, rtol=0, atol=tolerance * float(want.abs().max())
        )


@pytest.mark.parametrize(
    ("form", "variant", "family"),
    [("onnx", "lora", "dinov3"), ("onnx", "linear_probe", "hiera"), ("torch", "aim", "siglip")],
)
def test_any_number_of_clips_gets_the_model_s_logits(form, variant, family, tmp_path):
    check(form, trained(VARIANTS[variant], family, depth=1), tmp_path)


def test_attention_map_flow_needs_no_operator_of_ours(tmp_path):
    method = dataclasses.replace(VARIANTS["amflow.small"], flow_blocks=(-1,), adapter_blocks=(-1,))
    check("onnx", trained(method, depth=1), tmp_path)


MAGNIFIED = 1e-3
"""What random weights can make of rounding: AM Flow on Hiera differs by 1.2e-4."""


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("family", ["vit", "siglip", "dinov3", "eva02", "hiera"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_method_on_every_family(form, variant, family, tmp_path):
    check(form, trained(VARIANTS[variant], family), tmp_path, tolerance=MAGNIFIED)


@pytest.mark.slow
@pytest.mark.parametrize("variant", field_variants())
def test_every_choice_of_a_field(variant, tmp_path):
    check("onnx", trained(field_variants()[variant]), tmp_path, tolerance=MAGNIFIED)


@torch.no_grad()
def test_the_model_stays_as_it_is(tmp_path):
    model = trained(VARIANTS["lora"], depth=1).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    to_torch(model, tmp_path / "model.pt2")
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@torch.no_grad()
def test_adapters_that_fold_are_folded(tmp_path):
    model = trained(VARIANTS["lora"], depth=1)
    to_torch(model, tmp_path / "model.pt2")
    written = torch.export.load(tmp_path / "model.pt2").state_dict
    assert not [name for name in written if ".down." in name]
    assert sum(t.numel() for t in written.values()) < sum(p.numel() for p in model.parameters())


def test_half_precision_is_written_in_full(tmp_path):
    model = trained(VARIANTS["linear_probe"], depth=1).half()
    assert to_torch(model, tmp_path / "model.pt2") <= TOLERANCE
    written = torch.export.load(tmp_path / "model.pt2").state_dict.values()
    assert {tensor.dtype for tensor in written} == {torch.float32}


@pytest.mark.parametrize("offset", [1e-2, float("nan")])
def test_another_answer_in_any_batch_is_refused_with_the_difference(offset):
    model = trained(VARIANTS["linear_probe"])
    assert refuse_difference(model, model) == 0
    for wrong in BATCHES:
        with pytest.raises(ExportError, match=r"logits differ by \S+ of the greatest"):
            refuse_difference(model, lambda c, w=wrong: model(c) + offset * (len(c) == w))


def test_a_refused_export_leaves_nothing(tmp_path):
    model = trained(VARIANTS["lora"], depth=1)
    with pytest.raises(ExportError, match="nothing is kept"):
        to_onnx(model, tmp_path / "onnx", tolerance=-1)
    with pytest.raises(ExportError, match="nothing is kept"):
        to_torch(model, tmp_path / "model.pt2", tolerance=-1)
    assert files_below(tmp_path) == set()


def test_what_is_there_is_not_written_over(tmp_path):
    (tmp_path / "onnx").mkdir()
    with pytest.raises(ConfigurationError, match="is there already"):
        to_onnx(trained(VARIANTS["linear_probe"], depth=1), tmp_path / "onnx")
    (tmp_path / "model.pt2").write_text("mine")
    with pytest.raises(ConfigurationError, match="is there already"):
        to_torch(trained(VARIANTS["linear_probe"], depth=1), tmp_path / "model.pt2")
    assert (tmp_path / "model.pt2").read_text() == "mine"
    with pytest.raises(ConfigurationError, match=r"ends in \.pt2"):
        to_torch(trained(VARIANTS["linear_probe"]), tmp_path / "model.onnx")


def test_a_region_of_the_frames_is_refused(tmp_path):
    model = trained(VARIANTS["linear_probe"])
    model.info["sampling"] = Sampling(num_frames=4, region="motion").to_dict()
    with pytest.raises(ConfigurationError, match=r"sampling\.region=motion"):
        to_onnx(model, tmp_path / "onnx")


def test_an_absent_library_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ExportError, match=r"needs onnxruntime.*stillmotion\[export\]"):
        to_onnx(trained(VARIANTS["linear_probe"]), tmp_path / "onnx")


def test_the_command_says_what_it_wrote_and_what_is_next(tmp_path, capsys):
    run, folder = tmp_path / "run", tmp_path / "onnx"
    names = {"class_names": ["jump", "wave"], "num_frames": 2}
    adapt(DEMO_BACKBONE, "linear_probe", **names).save_pretrained(run)
    assert stillmotion("export", run, folder, "--to", "onnx") == 0
    out, err = capsys.readouterr()
    assert "run.py VIDEO" in out
    assert err == ""
    assert files_below(folder) == FILES
    told = json.loads((folder / "model.json").read_text())
    assert told["class_names"] == ["jump", "wave"]
    assert told["difference"] <= TOLERANCE
    assert "(batch, 2, 3, 64, 64)" in (folder / "README.md").read_text()
    assert stillmotion("export", run, folder, "--to", "onnx") == 2
    assert "is there already" in capsys.readouterr().err
