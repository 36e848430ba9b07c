"""The timeline command: what it says, writes, refuses, and leaves behind when it is stopped."""

import csv
import json

import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_hex

import stillmotion as sm
from runs import files_below, stillmotion
from stillmotion.errors import VideoError
from stillmotion.localisation import following, locate
from stillmotion.rejection import KEY, Rejection
from stillmotion.visualise.theme import LIGHT
from stillmotion.visualise.timeline import minutes, timeline_picture
from videos import write_video

FAST = ("--window", "0.6", "--device", "cpu")


@pytest.fixture
def film(tmp_path):
    return write_video(tmp_path / "film.mp4", num_frames=24)


def test_every_output_tells_the_same_segments(finished_run, film, tmp_path, capsys):
    out = {name: tmp_path / f"film.{name}" for name in ("json", "csv", "srt", "png")}
    asked = ("--json", out["json"], "--csv", out["csv"], "--srt", out["srt"])
    asked += ("--picture", out["png"], "--threshold", "0.3")
    assert stillmotion("timeline", finished_run, film, *FAST, *asked) == 0
    told = json.loads(out["json"].read_text())
    (video,) = told["videos"]
    assert video["seconds"] == pytest.approx(2.4)
    assert video["segments"][0]["start"] == 0
    assert video["segments"][-1]["end"] == pytest.approx(2.4)
    assert np.shape(video["track"]["probabilities"]) == (7, 2)
    rows = list(csv.DictReader(out["csv"].open()))
    for row, segment in zip(rows, video["segments"], strict=True):
        assert row["video"] == str(film)
        assert {"start": float(row["start"]), "label": row["label"]}.items() <= segment.items()
    assert out["srt"].read_text().count(" --> ") == len(rows)
    assert matplotlib.image.imread(out["png"]).shape[1] > 1000
    said = capsys.readouterr().out
    assert said.startswith(f"{film}:\n")
    assert "0:02.4" in said
    assert all(segment["label"] in said for segment in video["segments"])
    assert not [name for name in files_below(tmp_path) if name.startswith(".")]


def test_what_was_found_scores_all_as_truth(finished_run, few_videos, tmp_path, capsys):
    """The CSV that is written is one that is read."""
    known, out = tmp_path / "known.csv", tmp_path / "out.json"
    assert stillmotion("timeline", finished_run, few_videos, *FAST, "--csv", known) == 0
    told = ("--truth", known, "--json", out)
    assert stillmotion("timeline", finished_run, few_videos, *FAST, *told) == 0
    out_said, err_said = capsys.readouterr()
    assert "mAP 100.0%" in out_said
    assert "no segments are known in" in err_said
    scores = json.loads(out.read_text())["scores"]
    assert scores["map"] == 1
    assert scores["videos"] == 8


def test_the_threshold_and_the_temperature_are_the_calibrated_ones(finished_run, film):
    model = sm.load(finished_run)
    model.info = dict(model.info)
    model.info.pop(KEY, None)
    plain = locate(model, film, window=0.6, smooth=0.0)
    assert plain.threshold == 0
    assert plain.segments[-1].end == pytest.approx(2.4)
    model.info[KEY] = Rejection(threshold=1.0, temperature=2.0).to_dict()
    sure = locate(model, film, window=0.6, smooth=0.0)
    assert sure.threshold == 1
    assert sure.segments == []
    softer, given = sure.track.probabilities, plain.track.probabilities
    roots = np.sqrt(given.astype(float))
    np.testing.assert_allclose(softer, roots / roots.sum(axis=1, keepdims=True), atol=1e-5)
    assert locate(model, film, window=0.6, threshold=0.0).segments


def test_the_readable_are_answered_and_the_others_said(finished_run, film, tmp_path, capsys):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    bad = tmp_path / "bad.mp4"
    assert stillmotion("timeline", finished_run, bad, film, *FAST) == 2
    out, err = capsys.readouterr()
    assert "film.mp4" in out
    assert "bad.mp4" in err
    assert err.splitlines()[-1] == "stillmotion: 1 of 2 not read"
    assert stillmotion("timeline", finished_run, bad, *FAST, "--csv", tmp_path / "no.csv") == 2
    assert not (tmp_path / "no.csv").exists()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--csv", "film.mp4"), "would replace what is read"),
        (("--csv", "a.csv", "--json", "a.csv"), "would replace --json"),
        (("--picture", "notes.txt"), "no .png file"),
        (("film.mp4", "--srt", "a.srt"), "--srt tells of one video, and 2 are given"),
        (("--truth", "notes.txt"), "no column video"),
        (("--truth", "none.csv"), "none.csv: cannot be read"),
        (("--threshold", "2"), "threshold"),
        (("--window", "0"), "window"),
    ],
)
def test_mistakes_are_one_line(asked, said, finished_run, film, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("mine\n")
    before = files_below(tmp_path)
    assert stillmotion("timeline", finished_run, "film.mp4", *asked) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1
    assert files_below(tmp_path) == before
    assert (tmp_path / "notes.txt").read_text() == "mine\n"


def test_a_stop_says_how_far_and_writes_nothing(finished_run, tmp_path, monkeypatch, capsys):
    """Ctrl-C while the second batch of windows is asked about."""
    film = write_video(tmp_path / "film.mp4", num_frames=24)
    asked, plain = [], following.each_alone

    def interrupted(*arguments):
        asked.append(arguments)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return plain(*arguments)

    monkeypatch.setattr(following, "each_alone", interrupted)
    told = ("--window", "0.2", "--stride", "0.1", "--csv", tmp_path / "out.csv")
    assert stillmotion("timeline", finished_run, film, *told) == 130
    assert "film.mp4: stopped after 70%, nothing written" in capsys.readouterr().err
    assert files_below(tmp_path) == {"film.mp4"}


def test_a_damaged_frame_ends_it_with_its_reason(finished_run, tmp_path):
    whole = write_video(tmp_path / "whole.mkv", num_frames=24, keyframe_every=4).read_bytes()
    half = len(whole) // 2
    (tmp_path / "film.mkv").write_bytes(whole[:half] + bytes(400) + whole[half + 400 :])
    with pytest.raises(VideoError, match="cannot be decoded"):
        locate(sm.load(finished_run), tmp_path / "film.mkv", window=0.2)


def test_the_picture_has_each_class_in_its_colour():
    moments = np.linspace(0.5, 9.5, 10)
    told = np.stack([np.linspace(0, 1, 10), np.linspace(1, 0, 10)], axis=1)
    figure = timeline_picture(
        moments,
        told,
        ["run", "jump"],
        seconds=10.0,
        found=[(0.0, 5.0, "jump"), (5.0, 10.0, "run")],
        known=[(0.0, 4.0, "wave")],
        threshold=0.5,
    )
    scores, found, known = figure.axes
    assert [to_hex(line.get_color()) for line in scores.lines[:2]] == list(LIGHT.series[:2])
    bars = [p for p in found.patches if p.get_width() == 5]
    assert [to_hex(bar.get_facecolor()) for bar in bars] == [LIGHT.series[1], LIGHT.series[0]]
    assert [t.get_text() for t in found.texts] == ["jump", "run"]
    assert [t.get_text() for t in known.texts] == ["wave"]
    assert LIGHT.png(figure)[:4] == b"\x89PNG"
    assert [minutes(s) for s in (5.0, 7.5, 3725.0)] == ["0:05", "0:07.5", "1:02:05"]
