"""Fewer bits are taken where they change little, and refused with the reason where they do not."""

import itertools
import json
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import stillmotion as sm
from models import FRAMES, SIZE, VARIANTS, classifier, trained
from runs import stillmotion
from stillmotion.data.reading import read_videos
from stillmotion.errors import ConfigurationError, QuantisingError
from stillmotion.evaluation import evaluate
from stillmotion.fewer_bits import CHECKED, clips_to_check, spread
from stillmotion.int8 import Int8Classifier
from stillmotion.prediction import Predictor
from stillmotion.quantising import compare, quantise
from stillmotion.settings import Views

BITS = ["bf16", "int8"]


@pytest.fixture(params=BITS)
def bits(request):
    if request.param == "int8":
        for name in ("onnx", "onnxruntime", "onnxscript"):
            pytest.importorskip(name, reason="int8 needs the extra `int8`")
    return request.param


int8_slowly = pytest.mark.parametrize(
    "bits", ["bf16", pytest.param("int8", marks=pytest.mark.slow)], indirect=True
)
"""For what takes as many exports as tests, of which others keep one by default."""


def pixels(batch, *, size=SIZE, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, FRAMES, 3, size, size)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


@torch.no_grad()
def sure(model):
    """The model with a first class that no rounding takes its place from."""
    for linear in model.head.classifiers:
        linear.bias[0] += 5
    return model


@pytest.fixture(scope="module")
def model():
    return sure(trained(VARIANTS["lora"]))


@pytest.fixture(scope="module")
def sure_run(finished_run, tmp_path_factory):
    """A checkpoint of a model that is sure."""
    folder = tmp_path_factory.mktemp("sure")
    sure(sm.load(finished_run)).save_pretrained(folder)
    return folder


@torch.no_grad()
def test_answers_are_nearly_the_same_and_the_model_stays_as_it_is(bits, model):
    clips, before = pixels(3), {k: t.clone() for k, t in model.state_dict().items()}
    want = model(clips)
    fewer, agreement = quantise(model, bits, clips)
    found = fewer(clips)
    assert 0 < (found - want).abs().max() <= agreement.difference * want.abs().max() * 1.001
    assert (agreement.clips, agreement.same_class) == (3, 3)
    assert "3 of 3 clips keep their class" in agreement.line()
    assert found.dtype == torch.float32
    assert all(torch.equal(t, before[k]) for k, t in model.state_dict().items())
    torch.testing.assert_close(model(clips), want, rtol=0, atol=0)


@pytest.mark.slow
@torch.no_grad()
def test_int8_goes_with_a_method_that_looks_over_time():
    pytest.importorskip("onnxruntime")
    model = trained(VARIANTS["zeroi2v"])
    found, want = Int8Classifier(model, pixels(1))(pixels(5)), model(pixels(5))
    _, _, difference = compare(want, found)
    assert 0 < difference < 0.1


@int8_slowly
def test_a_difference_above_what_is_allowed_is_refused(bits, model):
    with pytest.raises(QuantisingError, match=rf"{bits}: 3 of 3 clips .* and 0% is allowed"):
        quantise(model, bits, pixels(3), tolerance=1e-6)


@int8_slowly
def test_another_class_is_refused(bits):
    """Two classes that a hair's breadth lies between: fewer bits cannot keep them apart."""
    model = classifier(VARIANTS["linear_probe"])
    clips = pixels(16)
    with torch.no_grad():
        (features,) = model.features(model.normalise(clips))
        (linear,) = model.head.classifiers
        linear.weight[1:] = linear.weight[0]
        linear.weight[1] += 1e-3 * linear.weight[2].roll(1)
        gap = features @ (linear.weight[0] - linear.weight[1])
        linear.bias.copy_(torch.tensor([0.0, gap.median(), -9.0]))
    with pytest.raises(QuantisingError, match=r"of 16 clips keep their class"):
        quantise(model, bits, clips)


def test_without_clips_and_off_the_cpu_it_is_refused(model, unchecked):
    with pytest.raises(ConfigurationError, match="give clips for it"):
        quantise(model, "bf16", pixels(0))
    with pytest.raises(ConfigurationError, match="int8 computes on the CPU"):
        quantise(model, "int8", pixels(1).to("meta"))


def test_an_absent_library_is_named_with_its_extra(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(QuantisingError, match=r"needs onnxruntime.*stillmotion\[int8\]"):
        quantise(model, "int8", pixels(1))


@given(count=st.integers(1, 2000), first=st.integers(1, 20))
def test_every_beginning_of_the_order_is_spread_over_the_list(count, first):
    order = spread(count)
    assert sorted(order) == list(range(count))
    places = [*sorted(order[:first]), count]
    gaps = [after - before for before, after in itertools.pairwise(places)]
    assert max(gaps) <= 2 * count / min(first, count)


@pytest.mark.parametrize("period", [2, 3, 4, 5, 8])
def test_classes_that_take_turns_in_a_list_are_all_met(period):
    for count in range(CHECKED * period, 40 * period):
        assert {index % period for index in spread(count)[:CHECKED]} == set(range(period))


def test_the_check_takes_one_view_each_of_videos_all_over_the_list(sure_run, few_videos):
    model, samples = sm.load(sure_run), read_videos(few_videos).samples
    predictor = Predictor(model, views=Views(), device="cpu")
    first_views = [predictor.read(sample.path)[0] for sample in samples]
    clips = clips_to_check(model, samples, views=Views(clips=3, crops=3), most=4)
    seen = [[view.equal(clip) for view in first_views].index(True) for clip in clips]
    assert len(set(seen)) == len(clips) == 4
    assert {samples[index].label for index in seen} == {0, 1}


def test_without_a_readable_video_the_first_reason_is_told(sure_run, tmp_path, capsys):
    for number in range(2):
        (tmp_path / f"{number}.mp4").write_bytes(b"")
    assert stillmotion("predict", sure_run, tmp_path, "--precision", "bf16") == 2
    told = capsys.readouterr().err
    assert "none of 2 videos can be read; the first: " in told
    assert "0.mp4: the file is empty" in told


@int8_slowly
def test_a_predictor_answers_in_fewer_bits_from_then_on(bits, sure_run, few_videos, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    path = few_videos / "jump/0.mp4"
    predictor = Predictor(sm.load(sure_run), device="cpu")
    full = predictor(path)
    agreement = predictor.quantise(bits, [tmp_path / "bad.mp4", path])
    assert agreement.clips == 1
    fewer = predictor(path)
    assert fewer.label == full.label
    assert fewer.probabilities != full.probabilities
    assert fewer.probabilities == pytest.approx(full.probabilities, abs=0.05)


@int8_slowly
def test_an_evaluation_says_in_what_precision_it_asked(bits, sure_run, few_videos):
    model, videos = sm.load(sure_run), read_videos(few_videos)
    told = evaluate(model, videos, workers=0, time_check=False, precision=bits).to_dict()
    assert told["fewer_bits"]["precision"] == bits
    assert told["fewer_bits"]["same_class"] == told["fewer_bits"]["clips"] == len(videos)
    full = evaluate(model, videos, workers=0, time_check=False).to_dict()
    assert full["fewer_bits"] is None
    assert told["top1"] == full["top1"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_int8_is_evaluated_beside_a_gpu(sure_run, few_videos):
    pytest.importorskip("onnxruntime")
    model, videos = sm.load(sure_run).cuda(), read_videos(few_videos)
    told = evaluate(model, videos, workers=0, precision="int8").to_dict()
    assert told["fewer_bits"]["same_class"] == told["n"] == len(videos)


def test_the_commands_take_a_precision_and_a_bound(sure_run, few_videos, tmp_path, capsys):
    options = ("--precision", "bf16", "--memory_gib", "0.5")
    assert stillmotion("predict", sure_run, few_videos, "--json", *options) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 8
    assert err.startswith("bf16: 8 of 8 clips keep their class")
    out = tmp_path / "e.json"
    rest = ("--out", out, "--videos.workers", "0", "--time_check", "false")
    assert stillmotion("evaluate", sure_run, few_videos, *rest, *options) == 0
    assert json.loads(out.read_text())["fewer_bits"]["precision"] == "bf16"
