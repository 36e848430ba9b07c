"""`none of these`: the share that is kept, what helps to choose, and where it is remembered."""

import json
import re
import shutil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import stillmotion as sm
from runs import stillmotion
from stillmotion.calibrating import calibrate, known_and_none
from stillmotion.data.reading import read_videos
from stillmotion.errors import CheckpointError, ConfigurationError, DataError
from stillmotion.evaluation import evaluate
from stillmotion.metrics import most_probable
from stillmotion.prediction import Predictor
from stillmotion.rejection import (
    KEY,
    Rejection,
    acceptance,
    calibrate_rejection,
    confidence,
    rejection_of,
)
from stillmotion.settings import Videos
from videos import write_video


def said(n, classes=4, *, seed=0, sharpness=3.0):
    """Probabilities, and labels drawn from them: a model that is as sure as it is right."""
    random = torch.Generator().manual_seed(seed)
    probabilities = torch.randn(n, classes, generator=random).mul(sharpness).softmax(dim=1)
    return probabilities, torch.multinomial(probabilities, 1, generator=random)[:, 0]


@given(st.integers(1, 60), st.floats(0.5, 1.0), st.integers(0, 1000))
def test_the_promised_share_of_right_validation_answers_is_kept(n, keep, seed):
    probabilities, labels = said(n, seed=seed)
    labels[0] = probabilities[0].argmax()
    found = calibrate_rejection(probabilities, labels, keep=keep)
    right = probabilities.argmax(dim=1) == labels
    kept = found.accepts(probabilities)[right].double().mean()
    assert kept >= keep - 1e-9
    assert found.kept == pytest.approx(float(kept))
    assert found.right == int(right.sum())
    assert 0 <= found.threshold <= 1


def test_the_promised_share_of_new_right_answers_is_kept_on_average():
    shares = []
    for seed in range(200):
        found = calibrate_rejection(*said(120, seed=seed), keep=0.9)
        probabilities, labels = said(400, seed=1000 + seed)
        shares.append(acceptance(found, probabilities, labels)["kept"])
    mean = sum(shares) / len(shares)
    assert mean == pytest.approx(0.9, abs=0.01)


def test_a_higher_share_means_a_lower_threshold():
    thresholds = [calibrate_rejection(*said(500), keep=k).threshold for k in (0.5, 0.8, 0.95, 1.0)]
    assert thresholds == sorted(thresholds, reverse=True)
    assert len(set(thresholds)) == 4


def test_videos_of_no_class_help_to_choose_within_what_must_be_kept():
    probabilities, labels = said(500)
    alone = calibrate_rejection(probabilities, labels, keep=0.7)
    faint = torch.full((50, 4), 0.25)  # below every answer: nothing is won by giving up right ones
    easy = calibrate_rejection(probabilities, labels, none=faint, keep=0.7)
    assert easy.threshold < alone.threshold
    assert (easy.none_rejected, easy.none, easy.kept) == (1.0, 50, 1.0)
    alike, _ = said(400, seed=9, sharpness=1.0)
    hard = calibrate_rejection(probabilities, labels, none=alike, keep=0.7)
    assert hard.kept >= 0.7
    best = max(
        (float((confidence(alike, hard.temperature) < t).double().mean())
         + float((found >= t).double().mean()))
        for found in [confidence(probabilities[probabilities.argmax(1) == labels],
                                 hard.temperature)]
        for t in found.tolist() if (found >= t).double().mean() >= 0.7
    )  # fmt: skip
    assert hard.none_rejected + hard.kept == pytest.approx(best, abs=0.01)


def test_what_is_accepted_is_counted():
    probabilities = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.55, 0.45]])
    labels = torch.tensor([0, 0, 0, 0])
    found = acceptance(Rejection(threshold=0.7), probabilities, labels)
    assert (found["accepted"], found["coverage"], found["accuracy"]) == (2, 0.5, 0.5)
    assert found["kept"] == pytest.approx(1 / 3)
    nothing = acceptance(Rejection(threshold=1.0), probabilities, labels)
    assert (nothing["coverage"], nothing["accuracy"], nothing["kept"]) == (0, None, 0)


def test_combinations_are_as_sure_as_all_their_parts_together():
    probabilities = torch.tensor([[0.9, 0.1, 0.5, 0.3, 0.2]])
    assert confidence(probabilities, 1.0, (2, 3)).item() == pytest.approx(0.45)
    assert most_probable(probabilities, (2, 3), first=1)[1].item() == 0


def test_without_a_right_answer_nothing_can_be_kept():
    with pytest.raises(DataError, match="none of the 1 videos was answered rightly"):
        calibrate_rejection(torch.tensor([[0.9, 0.1]]), torch.tensor([1]))
    with pytest.raises(ConfigurationError, match=r"keep cannot be 1\.5"):
        calibrate_rejection(*said(9), keep=1.5)


def test_what_a_checkpoint_says_is_checked():
    assert rejection_of({}) is None
    found = Rejection(threshold=0.5, temperature=1.5, right=8)
    again = rejection_of(json.loads(json.dumps({KEY: found.to_dict()})))
    assert again == found
    for damaged in ({"threshold": 2.0}, {"threshold": "high"}, [1], {"temperature": 1.0},
                    {"threshold": 0.5, "temperature": 0.0}):  # fmt: skip
        with pytest.raises(CheckpointError, match="none_of_these is damaged"):
            rejection_of({KEY: damaged})


# --- with a model and videos


@pytest.fixture
def run(finished_run, tmp_path):
    """A copy of a finished run that may be written to."""
    return shutil.copytree(finished_run, tmp_path / "run")


def test_training_remembers_a_threshold_and_evaluation_reports_it(finished_run):
    told = json.loads((finished_run / "evaluation.json").read_text())
    model = sm.load(finished_run)
    found = rejection_of(model.info)
    if told["top1"] == 0:
        assert found is None
        return
    assert found.list_sha256 == told["list_sha256"]
    assert told["none_of_these"]["threshold"] == found.threshold
    assert told["none_of_these"]["same_videos"] is True
    assert told["none_of_these"]["kept"] >= 0.95


def test_calibrate_writes_what_predict_uses(run, few_videos, capsys):
    before = (run / "best/adapter_model.safetensors").read_bytes()
    chosen = rejection_of(sm.load(run).info).list_sha256
    assert stillmotion("calibrate", run, few_videos) == 2
    assert "in two splits: 6" in capsys.readouterr().err
    assert stillmotion("calibrate", run, few_videos, "--split", "train") == 2
    assert rejection_of(sm.load(run).info).list_sha256 == chosen
    quiet = ("--videos.workers", "0", "--videos.allow_overlap", "true")
    assert stillmotion("calibrate", run, few_videos, "--keep", "0.5", *quiet) == 0
    assert "an answer needs a confidence of" in capsys.readouterr().out
    assert (run / "best/adapter_model.safetensors").read_bytes() == before
    model = sm.load(run)
    found = rejection_of(model.info)
    assert found.keep == 0.5
    assert model.info["sampling"]["num_frames"] == 2
    assert found == calibrate(model, read_videos(few_videos), keep=0.5, workers=0)
    told = evaluate(model, read_videos(few_videos), workers=0, time_check=False).acceptance
    predict = Predictor(model)
    answers = [predict(path) for path in sorted(few_videos.rglob("*.mp4"))]
    assert sum(not answer.is_none for answer in answers) == told["accepted"]


def test_below_the_threshold_the_answer_is_none_of_these(run, few_videos, capsys):
    path = few_videos / "jump/0.mp4"
    assert stillmotion("predict", run, path, "--threshold", "0.999999") == 0
    assert ": none of these (" in capsys.readouterr().out
    assert stillmotion("predict", run, path, "--threshold", "0.001") == 0
    assert re.search(r": (\w+) \([\d.]+% sure, 0\.1% needed\)  \1 ", capsys.readouterr().out)
    assert stillmotion("predict", run, path, "--threshold", "0") == 0
    assert "none of these" not in capsys.readouterr().out
    assert stillmotion("predict", run, path, "--threshold", "1", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["answer"] == "none of these"
    assert told["confidence"] < told["threshold"] == 1


def test_videos_under_a_label_of_their_own_are_of_no_class(run, few_videos, tmp_path, capsys):
    write_video(tmp_path / "empty.mp4", num_frames=10, first_level=3)
    rows = [f"{path},{path.parent.name}" for path in few_videos.rglob("*.mp4")]
    listed = tmp_path / "list.csv"
    listed.write_text("\n".join(["path,label", *rows, f"{tmp_path / 'empty.mp4'},nothing"]))
    told = ("--none_label", "nothing", "--videos.workers", "0", "--videos.allow_overlap", "true")
    assert stillmotion("calibrate", run, listed, *told) == 0
    assert "of 1 videos of none of these" in capsys.readouterr().out
    assert rejection_of(sm.load(run).info).none == 1
    known, none = known_and_none(listed, Videos(), sm.load(run), none_label="nothing")
    assert (len(known), len(none)) == (8, 1)
    assert known.classes == none.classes == ("jump", "wave")


def test_test_videos_do_not_choose_a_threshold_by_themselves(run, few_videos, tmp_path, capsys):
    rows = [f"{path},{path.parent.name},test" for path in few_videos.rglob("*.mp4")]
    listed = tmp_path / "list.csv"
    listed.write_text("\n".join(["path,label,split", *rows]))
    assert stillmotion("calibrate", run, listed) == 2
    assert "has no validation videos, only test" in capsys.readouterr().err
    assert stillmotion("calibrate", run, few_videos, "--none_label", "wave") == 2
    assert "the model was trained to name 'wave'" in capsys.readouterr().err
    assert stillmotion("calibrate", run, few_videos, "--none_label", "other") == 2
    assert "no video of the label 'other'" in capsys.readouterr().err
    assert stillmotion("calibrate", "someone/model", few_videos) == 2
    assert "there is no directory someone/model" in capsys.readouterr().err
