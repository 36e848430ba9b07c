"""Answers for files and folders, as a table or as JSON lines."""

import json
import os
import shutil

import pytest
import torch

import stillmotion as sm
from runs import stillmotion, tiny
from stillmotion.as_trained import mirror_of
from stillmotion.data.reading import read_videos
from stillmotion.data.transforms import Augmentation
from stillmotion.errors import CheckpointError, ConfigurationError, DataError, VideoError
from stillmotion.evaluation import evaluate
from stillmotion.prediction import Prediction, Predictor, video_files
from stillmotion.settings import Views
from stillmotion.training import train
from videos import write_classes, write_video


@pytest.fixture(scope="module")
def model(finished_run):
    return sm.load(finished_run)


def test_probabilities_are_sorted_and_add_up(model, few_videos):
    answer = Predictor(model)(few_videos / "jump/0.mp4")
    assert set(answer.labels) == {"jump", "wave"}
    assert list(answer.probabilities) == sorted(answer.probabilities, reverse=True)
    assert sum(answer.probabilities) == pytest.approx(1)
    assert answer.label == answer.labels[0] == answer.top(1)[0][0]
    assert len(answer.top(9)) == 2


@pytest.mark.parametrize("views", [Views(), Views(clips=3), Views(clips=2, crops=3)])
def test_prediction_and_evaluation_say_the_same(views, model, few_videos):
    told = evaluate(model, read_videos(few_videos), views=views, workers=0, time_check=False)
    predict = Predictor(model, views=views)
    for row in told.predictions:
        answer = predict(few_videos / row["path"])
        assert answer.label == row["predicted"]
        assert answer.probabilities[0] == pytest.approx(row["confidence"], abs=1e-4)


def test_views_are_averaged(model, few_videos):
    path = few_videos / "jump/0.mp4"
    predict = Predictor(model, views=Views(clips=3, crops=3))
    views = predict.read(path)
    assert views.shape == (9, 2, 3, 64, 64)
    each = torch.stack([model(view[None])[0].softmax(dim=0) for view in views])
    torch.testing.assert_close(predict.probabilities(views), each.mean(dim=0))


def test_to_dict_is_json_and_as_long_as_asked_for():
    answer = Prediction("ä.mp4", ("b", "a", "c"), (0.5, 0.3, 0.2))
    told = json.loads(json.dumps(answer.to_dict(top=2)))
    assert told == {
        "path": "ä.mp4",
        "predictions": [{"label": "b", "probability": 0.5}, {"label": "a", "probability": 0.3}],
    }


def test_a_folder_stands_for_its_videos(few_videos, tmp_path):
    found = list(video_files([few_videos / "wave", few_videos / "jump/0.mp4"]))
    assert [path.name for path in found] == ["0.mp4", "1.mp4", "2.mp4", "3.mp4", "0.mp4"]
    with pytest.raises(DataError, match="there are no videos in"):
        list(video_files([tmp_path]))


def test_a_missing_device_and_a_bad_file_are_said(model, tmp_path):
    with pytest.raises(ConfigurationError, match="cannot compute on nothing"):
        Predictor(model, device="nothing")
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError, match=r"bad\.mp4"):
        Predictor(model)(tmp_path / "bad.mp4")


def test_the_table_has_a_line_a_video(finished_run, few_videos, capsys):
    told = ("--top", "1", "--threshold", "0")
    assert stillmotion("predict", finished_run, few_videos, *told) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    for line in lines:
        path, _, said = line.partition(": ")
        assert path.endswith(".mp4")
        name, percent = said.split()
        assert name in ("jump", "wave")
        assert percent.endswith("%")


def test_json_lines_have_an_object_a_video(finished_run, few_videos, capsys):
    assert stillmotion("predict", finished_run, few_videos / "jump", "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["path"] for row in rows] == [str(few_videos / f"jump/{i}.mp4") for i in range(4)]
    for row in rows:
        assert sum(said["probability"] for said in row["predictions"]) == pytest.approx(1, abs=1e-5)


def test_the_readable_are_answered_and_the_others_said(finished_run, few_videos, tmp_path, capsys):
    shutil.copytree(few_videos / "jump", tmp_path / "in")
    (tmp_path / "in/1.mp4").write_bytes(b"")
    assert stillmotion("predict", finished_run, tmp_path / "in", "--json") == 2
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3
    first, last = err.splitlines()
    assert "1.mp4: the file is empty" in first
    assert last == "stillmotion: 1 of 4 not read"


def test_a_video_shorter_than_the_clip_is_answered(model, tmp_path):
    path = write_video(tmp_path / "one.mp4", num_frames=1)
    assert Predictor(model)(path).label in model.class_names


@pytest.mark.parametrize(
    ("classes", "pairs", "changed"),
    [
        (("go left", "go right"), "go left,go left\ngo right,go right\n", {}),
        (("jump", "wave"), "wave\n", {"wave": None}),
        (("jump", "wave"), "jump,wave\n", {"jump": "wave", "wave": "jump"}),
    ],
)
def test_what_a_mirror_does_is_what_the_training_was_told(classes, pairs, changed, tmp_path):
    """Ten crops show every video mirrored: the names alone do not say whether they may."""
    data = write_classes(tmp_path / "data", classes=classes, videos_each=2)
    (tmp_path / "pairs.csv").write_text(pairs)
    ten = Views(crops=10)
    recipe = tiny(
        data,
        tmp_path / "run",
        augmentation=Augmentation(mirror=str(tmp_path / "pairs.csv")),
        views=Views() if changed else ten,
    )
    train(recipe, quiet=True)
    model = sm.load(tmp_path / "run")
    assert mirror_of(model).to_dict() == changed
    if changed:
        with pytest.raises(ConfigurationError, match="Choose 3 crops"):
            Predictor(model, views=ten)
        with pytest.raises(ConfigurationError, match="Choose 3 crops"):
            evaluate(model, read_videos(data), views=ten, workers=0)
    else:
        assert evaluate(model, read_videos(data), workers=0, time_check=False).scores.n == 4
        assert Predictor(model)(data / classes[0] / "0.mp4").label in classes
    del model.info["mirror"]  # as of a checkpoint that was written before this was kept
    assert mirror_of(model).is_plain == (classes == ("jump", "wave"))
    model.info["mirror"] = {classes[0]: "another"}
    with pytest.raises(CheckpointError, match="mirror is damaged"):
        mirror_of(model)


def test_a_name_that_is_no_text_is_said_as_its_bytes():
    odd = Prediction(path=os.fsdecode(b"r\xe9ve.mp4"), labels=("open",), probabilities=(1.0,))
    assert odd.line() == r"r\xe9ve.mp4: open 100.0%"
    assert odd.to_dict()["path"] == r"r\xe9ve.mp4"
