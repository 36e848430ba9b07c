"""A model that watches says what it says elsewhere of the same frames, at the pace it knows."""

import io
import json
import os
import signal
import sys
from dataclasses import replace
from time import sleep

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from models import SIZE, trained
from runs import stillmotion
from senders import tcp_sender, transport_stream
from stillmotion.data.live import Live
from stillmotion.data.video import open_video
from stillmotion.errors import ConfigurationError
from stillmotion.methods import AIM, AMFlow
from stillmotion.prediction import Prediction, Predictor
from stillmotion.rejection import NONE
from stillmotion.settings import Views
from stillmotion.streaming import SlidingWindow, Stream
from stillmotion.visualise.theme import DARK
from stillmotion.watching import Pace, Seen, Watcher, usual_context, usual_pace, watch
from stillmotion.watching.drawing import Drawing, caption
from stillmotion.watching.screen import screen
from stillmotion.watching.tally import Tally
from stillmotion.watching.watcher import Smoothing
from videos import levels, write_video

NAMES = ("turns-left", "turns [bold]right[/]", "stands")


@pytest.fixture(scope="module")
def causal():
    return with_names(trained(AMFlow.small(streaming=True)))


@pytest.fixture(scope="module")
def other():
    return with_names(trained(AIM()))


def with_names(model):
    model.class_names = NAMES
    return model


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "a.mp4", height=SIZE, width=2 * SIZE)


def seen_in(path, watcher, **options):
    with Live(path, fast=True) as live:
        return list(watch(watcher, live, **options))


def shares(seen):
    """Probabilities in the order of the classes."""
    said = dict(zip(seen.prediction.labels, seen.prediction.probabilities, strict=True))
    return torch.tensor([said[name] for name in NAMES])


@given(st.integers(1, 9), st.integers(1, 200))
def test_every_so_many_frames_are_shown(every, length):
    pace = Pace(every=every)
    due = [i for i in range(length) if pace.is_due(index=i, seconds=0.0)]
    assert due == list(range(0, length, every))


@given(st.floats(0.1, 100), st.floats(1, 100), st.integers(1, 300))
def test_so_many_frames_a_second_are_shown_where_there_are_so_many(fps, source, length):
    pace = Pace(fps=fps)
    due = [i for i in range(length) if pace.is_due(index=i, seconds=i / source)]
    seconds = (length - 1) / source
    assert len(due) == pytest.approx(min(length, 1 + fps * seconds), abs=1.01)


@given(st.sets(st.integers(0, 300)), st.integers(1, 20))
def test_what_was_dropped_is_not_caught_up_with(indices, every):
    pace = Pace(every=every)
    due = [i for i in sorted(indices) if pace.is_due(index=i, seconds=0.0)]
    assert due == [min(i for i in indices if i // every == k) for k in steps(indices, every)]


def steps(indices, every):
    return sorted({i // every for i in indices})


def test_the_usual_pace_is_that_of_the_training(causal):
    model = with_names(trained(AMFlow.small()))
    assert usual_pace(causal).fps == 1.0  # four frames, and nothing tells in how many seconds
    model.info["usual_seconds"] = 2.0
    assert usual_pace(model).fps == 2.0
    assert "4 frames in 2 s, as long as its training videos" in usual_pace(model).line()
    assert "unknown, 4 s assumed: give --fps" in usual_pace(causal).line()
    model.info["sampling"] = {"num_frames": 4, "kind": "dense", "stride": 3}
    assert usual_pace(model).line() == "one frame in 3 (the stride of its training)"


@pytest.mark.parametrize(
    "wrong", [{}, {"every": 2, "fps": 1.0}, {"every": 0}, {"fps": float("inf")}]
)
def test_a_pace_that_cannot_be_is_refused(wrong):
    with pytest.raises(ConfigurationError):
        Pace(**wrong)


@pytest.mark.parametrize("context", ["all", "last"])
def test_a_file_gives_what_a_stream_and_a_window_give_of_its_frames(context, causal, tmp_path):
    video = write_video(tmp_path / "a.mp4", height=SIZE, width=2 * SIZE, fps=50)
    follow = Stream(causal) if context == "all" else SlidingWindow(causal)
    with open_video(video) as opened:
        frames = opened.frames_at(range(0, 12, 2), short_side=SIZE).data[
            ..., SIZE // 2 : -SIZE // 2
        ]
    want = [follow(frame).softmax(dim=0) for frame in frames]
    watcher = Watcher(causal, context=context, device="cpu")
    with Live(video, buffer=99) as live:  # at its own speed
        got = list(watch(watcher, live, pace=Pace(every=2)))
    assert [seen.seconds for seen in got] == pytest.approx([0.04 * k for k in range(6)])
    for seen, said in zip(got, want, strict=True):
        torch.testing.assert_close(shares(seen), said)
        assert seen.latency_seconds > 0
        assert seen.dropped == 0


@pytest.mark.parametrize("views", [Views(), Views(crops=3, short_side=40), Views(clips=2)])
def test_the_last_frames_are_answered_as_predict_answers_the_clip(views, other, tmp_path):
    """A dense clip of four frames, two apart, is all of a video of seven frames."""
    path = write_video(tmp_path / "a.mp4", num_frames=7)
    other.info["sampling"] = {"num_frames": 4, "kind": "dense", "stride": 2}
    want = Predictor(other, views=replace(views, clips=1), device="cpu")(path)
    *_, last = seen_in(path, Watcher(other, views=views, device="cpu"))
    assert last.prediction.labels == want.labels
    assert last.prediction.probabilities == pytest.approx(want.probabilities, abs=1e-6)


def test_a_threshold_says_none_of_these(other, video):
    unsure = seen_in(video, Watcher(other, threshold=1.0, device="cpu"))
    assert {seen.answer for seen in unsure} == {NONE}
    sure = seen_in(video, Watcher(other, threshold=0.0, device="cpu"))
    assert {seen.answer for seen in sure} <= set(NAMES)


@given(st.floats(0, 10), st.lists(st.tuples(st.floats(0, 1), st.floats(0, 10)), min_size=1))
def test_smoothed_answers_stay_probabilities_between_those_given(span, told):
    smoothing, seconds = Smoothing(span), 0.0
    for share, later in told:
        seconds += later
        mean = smoothing(torch.tensor([share, 1 - share]), seconds=seconds)
        assert float(mean.sum()) == pytest.approx(1, abs=1e-5)
        assert min(s for s, _ in told) - 1e-5 <= mean[0] <= max(s for s, _ in told) + 1e-5
        if span == 0:
            assert float(mean[0]) == pytest.approx(share)


def test_the_past_counts_ever_less():
    smoothing, new = Smoothing(2.0), torch.tensor([0.0, 1.0])
    smoothing(torch.tensor([1.0, 0.0]), seconds=0.0)
    assert float(smoothing(new, seconds=2.0)[0]) == pytest.approx(np.exp(-1), abs=1e-6)
    assert float(smoothing(new, seconds=99.0)[0]) < 1e-6
    with pytest.raises(ConfigurationError):
        Smoothing(-1.0)


def test_after_a_loss_the_model_begins_anew(causal, tmp_path):
    """Two connections send the same frames: the same answers, twice."""
    data = transport_stream(tmp_path)
    watcher = Watcher(causal, context="all", smooth=1.0, device="cpu")
    with (
        tcp_sender(data, data) as address,
        Live(address, buffer=99, on_notice=lambda words: None) as live,
    ):
        answers = watch(watcher, live, pace=Pace(every=4))
        first, second = ([next(answers) for _ in range(3)] for _ in range(2))
    for one, two in zip(first, second, strict=True):
        assert one.seconds < two.seconds
        torch.testing.assert_close(shares(one), shares(two))
    assert not torch.equal(shares(first[0]), shares(first[2]))


def test_watching_stops_at_a_moment(other, video):
    got = seen_in(video, Watcher(other, device="cpu"), pace=Pace(every=1), seconds=0.45)
    assert [seen.seconds for seen in got] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_only_what_has_an_end_is_followed_from_its_beginning(causal, other):
    assert usual_context(causal, has_end=True) == "all"
    assert usual_context(causal, has_end=False) == "last"
    assert usual_context(other, has_end=True) == "last"


def test_models_that_cannot_watch_are_refused(other):
    with pytest.raises(ConfigurationError, match="looks at later frames"):
        Watcher(other, context="all", device="cpu")
    model = with_names(trained(AMFlow.small()))
    model.info["sampling"] = {"num_frames": 4, "region": "motion"}
    with pytest.raises(ConfigurationError, match="known of whole clips only"):
        Watcher(model, device="cpu")


SEEN = Seen(12.4, Prediction("a", NAMES, (0.7, 0.2, 0.1), 0.5, 0.6), 0.035, 3)


def test_a_screen_shows_names_as_they_are_and_how_late_answers_are():
    live = Live("a.mp4")
    tally = Tally(live)
    tally.add(SEEN)
    console = Console(record=True, width=120, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(screen(SEEN, tally, top=2))
    text = console.export_text()
    told = (NONE, "50.0% sure, 60.0% needed", NAMES[0], NAMES[1], "70.0%", "35 ms late")
    assert all(words in text for words in told)
    assert NAMES[2] not in text
    assert "latency 35 ms on average, 35 ms at most; 0 frames read, 0 dropped" in tally.line()


def test_a_caption_leaves_the_picture_above_alone():
    picture = np.full((240, 320, 3), 200, np.uint8)
    drawn = caption(picture, SEEN)
    changed = (drawn != picture).any(axis=(1, 2)).nonzero()[0]
    assert changed.min() > 120
    assert changed.max() == 239
    assert (drawn == np.array([int(DARK.series[0][k : k + 2], 16) for k in (1, 3, 5)])).all(2).any()
    assert caption(picture, None) is picture
    plain = replace(SEEN, prediction=Prediction("a", NAMES, (0.7, 0.2, 0.1)))
    lower = (caption(picture, plain) != picture).any(axis=(1, 2)).nonzero()[0].min()
    assert lower - changed.min() == 14  # a line of words, which says how sure it is


def test_a_drawing_keeps_the_clock_of_its_source(tmp_path):
    """Frames 2 to 6 of twelve are lost: frame 1 stands until frame 7."""
    path = write_video(tmp_path / "a.mp4", height=240, width=320)
    with Live(path, fast=True) as live, Drawing(tmp_path / "drawn.mp4", live) as drawing:
        for frame in live:
            if frame.index not in range(2, 7):
                drawing.add(frame, None)
    with open_video(tmp_path / "drawn.mp4") as drawn:
        assert levels(drawn.frames_at(range(12)).data) == [0, *[1] * 6, *range(7, 12)]
        assert drawn.fps == pytest.approx(10)


def test_a_picture_stands_for_a_second_at_most(tmp_path):
    """Frames a second and eight seconds apart, drawn at ten a second."""
    path = write_video(tmp_path / "a.mp4", num_frames=3, pts=[0, 100, 900])
    with Live(path, fast=True) as live, Drawing(tmp_path / "drawn.mp4", live) as drawing:
        for frame in live:
            live.fps = 10.0  # the file tells another rate
            drawing.add(frame, None)
    with open_video(tmp_path / "drawn.mp4") as drawn:
        assert levels(drawn.frames_at(range(21)).data) == [*[0] * 10, *[1] * 10, 2]


def test_lines_of_json_and_a_drawn_video(finished_run, tmp_path, capsys):
    path, out = write_video(tmp_path / "a.mp4"), tmp_path / "drawn.mp4"
    told = ("--every", "3", "--json", "--fast", "--draw", out, "--device", "cpu")
    assert stillmotion("watch", finished_run, path, *told) == 0
    said, noted = capsys.readouterr()
    rows = [json.loads(line) for line in said.splitlines()]
    assert [row["seconds"] for row in rows] == [0, 0.3, 0.6, 0.9]
    for row in rows:
        assert sum(p["probability"] for p in row["predictions"]) == pytest.approx(1, abs=1e-5)
        assert {"answer", "latency_seconds", "dropped"} <= row.keys()
    assert "one frame in 3 (as asked for); an answer is of the last 2 of them" in noted
    assert "4 answers" in noted
    assert "12 frames read, 0 dropped" in noted
    with open_video(out) as drawn:
        assert len(drawn) == 12


def test_a_line_is_printed_where_the_answer_changes(finished_run, video, capsys):
    told = ("--threshold", "1", "--every", "1", "--fast", "--device", "cpu")
    assert stillmotion("watch", finished_run, video, *told) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"0.00 s  {NONE} (")
    assert "% sure, 100.0% needed)  " in line
    assert stillmotion("watch", finished_run, video, *told[2:], "--threshold", "0") == 0
    assert "sure" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "options", "reason"),
    [
        ("missing.mp4", (), "no such file"),
        ("missing.mp4", ("--every", "2", "--fps", "3"), "either every"),
        ("a.mp4", ("--draw", "a.mp4"), "would replace what is read"),
        ("a.mp4", ("--draw", "a.gif"), "ends with .mp4"),
        ("missing.mp4", ("--draw", "a.mp4"), "a.mp4 is there already; name another place"),
        ("a.mp4", ("--crops", "0"), "views.crops cannot be 0"),
        ("a.mp4", ("--context", "all"), "looks at later frames"),
    ],
)
def test_a_mistake_is_one_line(
    source, options, reason, finished_run, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "a.mp4", num_frames=3)
    assert stillmotion("watch", finished_run, source, "--fast", *options) == 2
    said, noted = capsys.readouterr()
    assert reason in noted.splitlines()[-1]
    assert not said


def test_ctrl_c_ends_with_a_summary_and_a_finished_video(
    finished_run, tmp_path, monkeypatch, capsys
):
    said, out = io.StringIO(), tmp_path / "drawn.mp4"
    monkeypatch.setattr(sys, "stdout", said)

    def interrupt() -> None:
        while said.getvalue().count("\n") < 4:  # then three frames were drawn
            sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    data = transport_stream(tmp_path, num_frames=24)  # more than FFmpeg looks at before the first
    with tcp_sender(data, hold=True, then=interrupt) as address:
        told = ("--every", "1", "--json", "--draw", out, "--device", "cpu")
        assert stillmotion("watch", finished_run, address, *told) == 0
    assert f"watched {address}" in capsys.readouterr().err
    assert not list(tmp_path.glob(".drawn.mp4.*"))
    with open_video(out) as drawn:
        assert 3 <= len(drawn) <= 24
