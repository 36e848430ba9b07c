"""The timeline command: what it says, writes, refuses, and leaves behind when it is stopped."""

import csv
import json
import os
import shutil
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from rich.console import Console

import stillmotion as sm
from runs import files_below, stillmotion
from stillmotion.data.sampling import Sampling
from stillmotion.errors import ConfigurationError, VideoError
from stillmotion.localisation import Located, Segment, Track, locate
from stillmotion.prediction import Predictor
from stillmotion.rejection import KEY, NONE, Rejection
from videos import write_video

FAST = ("--window", "0.6", "--device", "cpu")


@pytest.fixture
def film(tmp_path):
    return write_video(tmp_path / "film.mp4", num_frames=24)


def told_otherwise(run, folder, **info):
    """A copy of a run that says something else of its training."""
    shutil.copytree(run / "best", folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    config["info"] |= info
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


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
    assert "mAP 100.0%" in capsys.readouterr().out
    scores = json.loads(out.read_text())["scores"]
    assert scores["map"] == 1
    assert scores["videos"] == 8


def test_videos_of_which_no_segments_are_known_are_named(
    finished_run, few_videos, tmp_path, capsys
):
    known, fewer, out = tmp_path / "known.csv", tmp_path / "fewer.csv", tmp_path / "out.json"
    assert stillmotion("timeline", finished_run, few_videos, *FAST, "--csv", known) == 0
    header, first, *rows = known.read_text(encoding="utf-8").splitlines()
    video, _ = first.split(",", maxsplit=1)
    kept = [row for row in rows if not row.startswith(f"{video},")]
    fewer.write_text("\n".join([header, *kept, ""]), encoding="utf-8")
    capsys.readouterr()
    told = ("--truth", fewer, "--json", out)
    assert stillmotion("timeline", finished_run, few_videos, *FAST, *told) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "no segments" in line]
    assert Path(video).name in line
    assert json.loads(out.read_text())["scores"]["videos"] == 8


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


def test_marks_of_what_cannot_be_read_alone_cost_no_answers(finished_run, film, tmp_path, capsys):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    marks, rows, told = (tmp_path / name for name in ("marks.csv", "out.csv", "out.json"))
    label = sm.load(finished_run).class_names[0]
    marks.write_text(f"video,start,end,label\nbad.mp4,0,1,{label}\n")
    asked = ("--truth", marks, "--csv", rows, "--json", told, "--threshold", "0")
    assert stillmotion("timeline", finished_run, tmp_path / "bad.mp4", film, *FAST, *asked) == 2
    assert "no segments are known in what was read: not scored" in capsys.readouterr().err
    assert [video["video"] for video in json.loads(told.read_text())["videos"]] == [str(film)]
    assert "scores" not in json.loads(told.read_text())
    assert str(film) in rows.read_text()


def test_one_video_that_is_too_short_does_not_end_the_others(finished_run, tmp_path, capsys):
    """Where the training refused short videos."""
    sampling = Sampling(num_frames=2, short="error")
    run = told_otherwise(finished_run, tmp_path / "run", sampling=sampling.to_dict())
    short = write_video(tmp_path / "a.mp4", num_frames=1)
    write_video(tmp_path / "b.mp4", num_frames=24)
    asked = ("timeline", run, tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert stillmotion(*asked, "--window", "2", "--device", "cpu") == 2
    out, err = capsys.readouterr()
    assert f"{short}: from 0 to 0.1 s: the video has 1 frames" in err
    assert f"{tmp_path / 'b.mp4'}:" in out


@pytest.mark.parametrize(
    "wrong",
    [
        {"per_class": True, "threshold": 0.0},
        {"smooth": -1.0},
        {"threshold": 2.0},
        {"min_seconds": -1.0},
    ],
)
def test_what_cannot_be_is_refused_before_the_video_is_opened(wrong, finished_run, tmp_path):
    with pytest.raises(ConfigurationError, match=r"threshold|smooth|min_seconds"):
        locate(sm.load(finished_run), tmp_path / "not there.mp4", **wrong)


@pytest.mark.parametrize(
    ("asked", "info", "said"),
    [
        (("--window", "1"), {}, "windows of 1 s, every 0.5 s, threshold 0%"),
        ((), {"usual_seconds": 3.0}, "windows of 3 s (as its training videos), every 1.5 s"),
        (
            ("--stride", "1"),
            {"usual_seconds": None, KEY: Rejection(threshold=0.786).to_dict()},
            "windows of 4 s (length of the training videos unknown: give --window), every 1 s, "
            "threshold 78.6%",
        ),
        (
            ("--threshold", "0.5"),
            {"sampling": Sampling(num_frames=2, kind="dense", stride=3).to_dict()},
            "windows of 6 frames (as a clip of its training), every half a window, threshold 50%",
        ),
    ],
)
def test_what_is_assumed_is_said(asked, info, said, finished_run, film, tmp_path, capsys):
    run = told_otherwise(finished_run, tmp_path / "run", **{KEY: None} | info)
    assert stillmotion("timeline", run, film, "--device", "cpu", *asked) == 0
    first, *rest = capsys.readouterr().err.splitlines()
    assert first.startswith(said)
    is_short = "--window" not in asked and "sampling" not in info
    assert any("no longer than a window" in line for line in rest) == is_short


def test_what_is_written_is_said_and_an_empty_file_is_called_so(
    finished_run, film, tmp_path, capsys
):
    srt, rows = tmp_path / "a.srt", tmp_path / "a.csv"
    asked = ("--threshold", "1", "--smooth", "0", "--srt", srt, "--csv", rows)
    assert stillmotion("timeline", finished_run, film, *FAST, *asked) == 0
    err = capsys.readouterr().err
    assert f"wrote {srt}, which is empty: no segment was found\n" in err
    assert f"wrote {rows}\n" in err
    assert srt.read_text() == ""


@pytest.mark.parametrize(("count", "apart"), [(15, 2), (40, 1), (41, 2), (5052, 2)])
def test_the_terminal_shows_forty_rows(count, apart, capsys):
    """And time without a class only where there is room for it."""
    found = [Segment(float(apart * n), apart * n + 1.0, "run", 0.9) for n in range(count)]
    seconds = float(apart * count)
    track = Track(("run",), np.zeros(1), np.ones(1), np.ones((1, 1), np.float32), seconds)
    located = Located(Path("day.mp4"), track, found)
    Console(width=80).print(located.table())
    _, *lines = capsys.readouterr().out.splitlines()
    gaps = [line for line in lines if NONE in line]
    if count <= 40:
        assert len(lines) == count + len(gaps)
        assert len(gaps) == (count if apart == 2 else 0)
    else:
        assert len(lines) == 41
        assert lines[-1].strip() == f"... and {count - 40:,} more (--csv holds all)"
        assert gaps == []


def test_a_name_that_is_no_text_is_written_as_its_bytes(finished_run, film, tmp_path):
    odd = tmp_path / os.fsdecode(b"r\xe9ve.mp4")
    try:
        film.rename(odd)
    except OSError as error:
        pytest.skip(f"this file system takes no such names: {error}")
    out = {name: tmp_path / f"film.{name}" for name in ("json", "csv", "png")}
    asked = ("--json", out["json"], "--csv", out["csv"], "--picture", out["png"])
    asked += ("--threshold", "0")
    assert stillmotion("timeline", finished_run, odd, *FAST, *asked) == 0
    (video,) = json.loads(out["json"].read_text())["videos"]
    assert video["video"] == f"{tmp_path}/r\\xe9ve.mp4"
    scored = tmp_path / "scored.json"
    told = ("--truth", out["csv"], "--json", scored, "--threshold", "0")
    assert stillmotion("timeline", finished_run, odd, *FAST, *told) == 0
    assert json.loads(scored.read_text())["scores"]["map"] == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--csv", "film.mp4"), "would replace what is read"),
        (("--csv", "a.csv", "--json", "a.csv"), "would replace --json"),
        (("--picture", "notes.txt"), "--picture notes.txt: its name must end with .png"),
        (("--csv", "old.csv"), "old.csv is there already; name another place"),
        (("--srt", "."), "--srt .: its name must end with .srt"),
        (("--json", "film.mp4/a.json"), "nothing can be written into"),
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
    (tmp_path / "old.csv").touch()
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
    asked, plain = [], Predictor.probabilities_each

    def interrupted(*arguments):
        asked.append(arguments)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return plain(*arguments)

    monkeypatch.setattr(Predictor, "probabilities_each", interrupted)
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
