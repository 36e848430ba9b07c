"""Smoothing, segments, their score, what people know, and subtitles: plain arithmetic."""

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stillmotion.errors import ConfigurationError, DataError, ProblemsError
from stillmotion.localisation import (
    Segment,
    Track,
    calibrated,
    matched,
    read_truth,
    score_segments,
    segments,
    smoothed,
    subtitles,
    windows,
)
from stillmotion.localisation.scoring import temporal_iou
from stillmotion.localisation.smoothing import strongest

NAMES = ("jump", "run", "wave")
YARD, STREET = Path("videos/yard/0.mp4"), Path("videos/street/1.mp4")


@st.composite
def numbers(draw):
    """Of a video of any length: seconds, window, stride, and a generous number of rows."""
    rows = arrays(np.float32, (160, 3), elements=st.floats(0.015625, 1, width=32))
    return draw(st.floats(0.5, 30)), draw(st.floats(0.4, 5)), draw(st.floats(0.2, 5)), draw(rows)


def any_track(seconds, window, stride, rows):
    """A track of these windows; outside the strategy, where beartype may draw items to look at."""
    starts, stops = np.array(windows(seconds, window=window, stride=stride)).T
    rows = rows[: len(starts)]
    return Track(NAMES, starts, stops, rows / rows.sum(axis=1, keepdims=True), seconds)


def segment(start, end, label="run", confidence=1.0):
    return Segment(float(start), float(end), label, confidence)


def track_of(*rows, seconds=None):
    """One window a second, with these probabilities of jump; run takes the rest."""
    starts = np.arange(len(rows), dtype=float)
    told = np.array([[p, 1 - p, 0] for p in rows], dtype=np.float32)
    return Track(NAMES, starts, starts + 1, told, float(seconds or len(rows)))


@given(numbers(), st.floats(0.05, 3))
def test_smoothing_is_a_weighted_mean_over_all_windows(told, seconds):
    """The plain reference leaves no window out; beyond four deviations is next to nothing."""
    track = any_track(*told)
    apart = track.centres[:, None] - track.centres
    weights = np.exp(-((apart / seconds) ** 2) / 2)
    plain = (weights / weights.sum(axis=1, keepdims=True)) @ track.probabilities
    found = smoothed(track, seconds=seconds).probabilities
    np.testing.assert_allclose(found, plain, atol=2e-3)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert smoothed(track, seconds=0.0) is track


def test_a_deviation_is_not_below_nothing():
    with pytest.raises(ConfigurationError, match="smooth=-1"):
        smoothed(track_of(0.5), seconds=-1.0)


@given(numbers(), st.floats(0.5, 4))
def test_calibration_keeps_the_order_of_classes(told, temperature):
    track = any_track(*told)
    found = calibrated(track, temperature).probabilities
    assert (found.argmax(axis=1) == track.probabilities.argmax(axis=1)).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(calibrated(track, 1.0).probabilities, track.probabilities, atol=1e-5)


@given(numbers(), st.floats(0, 1), st.floats(0, 3))
def test_segments_are_apart_long_enough_and_what_the_windows_say(told, threshold, least):
    track = any_track(*told)
    found = segments(track, threshold=threshold, min_seconds=least)
    for one, other in pairwise(found):
        assert one.end <= other.start
        assert one.label != other.label or other.start - one.end >= least
    for segment in found:
        assert 0 <= segment.start < segment.end <= track.seconds
        assert segment.seconds >= least
    if least == 0:
        for centre, row in zip(track.centres, track.probabilities, strict=True):
            said = [s for s in found if s.start <= centre < s.end]
            expected = [NAMES[row.argmax()]] if row.max() >= threshold else []
            assert [segment.label for segment in said] == expected


@given(numbers(), st.floats(0.01, 1))
def test_each_class_for_itself_goes_on_where_it_reaches_the_threshold(told, threshold):
    track = any_track(*told)
    found = segments(track, threshold=threshold, per_class=True)
    for label, name in enumerate(NAMES):
        own = [s for s in found if s.label == name]
        for centre, reached in zip(
            track.centres, track.probabilities[:, label] >= threshold, strict=True
        ):
            assert any(s.start <= centre < s.end for s in own) == reached


def test_a_flicker_is_left_out_and_the_gap_closed():
    track = track_of(0.9, 0.8, 0.2, 0.7, 0.8, seconds=5.0)
    assert [(s.start, s.end, s.label) for s in segments(track)] == [
        (0, 2, "jump"),
        (2, 3, "run"),
        (3, 5, "jump"),
    ]
    (whole,) = segments(track, min_seconds=1.5)
    assert (whole.start, whole.end, whole.label) == (0, 5, "jump")
    assert whole.confidence == pytest.approx(np.mean([0.9, 0.8, 0.2, 0.7, 0.8]))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"threshold": 1.5}, "threshold=1.5"),
        ({"min_seconds": -1.0}, "min_seconds=-1"),
        ({"per_class": True}, "without a threshold"),
    ],
)
def test_numbers_out_of_their_range_are_refused(wrong, said):
    with pytest.raises(ConfigurationError, match=said):
        segments(track_of(0.5), **wrong)


def test_the_classes_to_show_are_those_asked_for_then_the_highest():
    track = track_of(0.9, 0.2)
    assert strongest(track, most=2).class_names == ("jump", "run")
    shown = strongest(track, most=2, first=["wave"])
    assert shown.class_names == ("wave", "jump")
    assert shown.probabilities.tolist() == pytest.approx(np.array([[0, 0.9], [0, 0.2]]))


def plain_average_precision(found, truth, threshold):
    """One class, written out: for each recall the best precision at it or beyond."""
    ranked = sorted(
        [(video, s) for video, own in found.items() for s in own], key=lambda p: -p[1].confidence
    )
    taken, points, right = set(), [(0.0, 0.0)], 0
    total = sum(len(known) for known in truth.values())
    for count, (video, segment) in enumerate(ranked, start=1):
        overlaps = [
            (-temporal_iou(segment, known), place)
            for place, known in enumerate(truth.get(video, []))
            if (video, place) not in taken
        ]
        if overlaps and -min(overlaps)[0] >= threshold:
            taken.add((video, min(overlaps)[1]))
            right += 1
        points.append((right / total, right / count))
    area = 0.0
    for (before, _), (recall, _) in pairwise(points):
        best = max(precision for reached, precision in points if reached >= recall)
        area += (recall - before) * best
    return area


LENGTHS = st.tuples(st.integers(0, 9), st.integers(1, 6))
KNOWN = st.lists(LENGTHS, max_size=4)
FOUND = st.lists(LENGTHS, max_size=6)


@given(
    st.fixed_dictionaries({"a": FOUND, "b": FOUND}),
    st.fixed_dictionaries({"a": KNOWN, "c": KNOWN}),
    st.randoms(use_true_random=False),
)
def test_average_precision_is_that_of_a_plain_count(found, known, draw):
    sure = [place / 100 for place in range(1, 100)]  # distinct, so that the order is one
    draw.shuffle(sure)
    found = {
        video: [segment(a, a + n, "run", sure.pop()) for a, n in own]
        for video, own in found.items()
    }
    truth = {video: [segment(a, a + n) for a, n in own] for video, own in known.items()}
    if not any(truth.values()):
        with pytest.raises(DataError, match="no known segments"):
            score_segments(found, truth)
        return
    scores = score_segments(found, truth, thresholds=(0.3, 0.5, 1.0))
    plain = [plain_average_precision(found, truth, t) for t in (0.3, 0.5, 1.0)]
    assert scores.mean == pytest.approx(plain)
    assert scores.average == pytest.approx(np.mean(plain))
    assert json.loads(json.dumps(scores.to_dict()))["segments"] == scores.num_segments


def test_the_truth_scores_all_and_nothing_scores_nothing():
    truth = {"a": [segment(0, 2), segment(2, 5, "jump")], "b": [segment(1, 3)]}
    assert score_segments(truth, truth).average == 1
    assert score_segments({"a": []}, truth).average == 0
    late = {"a": [segment(1, 2, "run", 0.9)]}  # half of one of three
    scores = score_segments(late, truth, thresholds=(0.5, 0.6))
    assert scores.per_class == {"jump": (0, 0), "run": (0.5, 0)}
    assert scores.mean == (0.25, 0)
    assert "mAP 12.5%" in scores.line()


def test_both_forms_of_annotations_are_read(tmp_path):
    rows = "video,start,end,label\nday.mp4,0,1.5,run\nday.mp4,2,3,jump\n"
    (tmp_path / "known.csv").write_text(rows, encoding="utf-8-sig")
    told = [{"segment": [0, 1.5], "label": "run"}, {"segment": [2, 3], "label": "jump"}]
    anet = {"version": "1.3", "database": {"day.mp4": {"subset": "val", "annotations": told}}}
    (tmp_path / "known.json").write_text(json.dumps(anet))
    expected = {"day.mp4": [segment(0, 1.5), segment(2, 3, "jump")]}
    for name in ("known.csv", "known.json"):
        assert read_truth(tmp_path / name, classes=NAMES) == expected


WRONG = {
    "a,2,1,run": "the end must be later than the start",
    "a,-1,1,run": "the start lies before the video",
    "a,x,1,run": "give seconds, two numbers",
    "a,0,inf,run": "give seconds, two numbers",
    "a,0,1,runs": "did you mean 'run'",
    "a,0": "give seconds, two numbers",
}
"""Rows that make no sense, and what is said of each."""


def test_every_row_that_makes_no_sense_is_told(tmp_path):
    path = tmp_path / "known.csv"
    path.write_text("\n".join(["video,start,end,label", "a,0,1,run", *WRONG]))
    with pytest.raises(ProblemsError) as raised:
        read_truth(path, classes=NAMES)
    problems = raised.value.problems
    assert [problem.place for problem in problems] == [f"line {n}" for n in range(3, 9)]
    for problem, said in zip(problems, WRONG.values(), strict=True):
        assert said in problem.what


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "video,from,to,label\n", "no column start, end"),
        ("a.csv", "", "no column video"),
        ("a.json", "{", "cannot be read"),
        ("a.json", "[]", "ActivityNet's form"),
        (
            "a.json",
            '{"database": {"x": {"annotations": [{"segment": [1]}]}}}',
            "ActivityNet's form",
        ),
    ],
)
def test_another_form_is_refused(name, text, said, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=said):
        read_truth(tmp_path / name, classes=NAMES)
    with pytest.raises(DataError, match="cannot be read: No such file or directory"):
        read_truth(tmp_path / f"missing{name}", classes=NAMES)


def test_a_video_is_no_list_of_segments(tmp_path):
    (tmp_path / "day.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42\xff\xfe")
    with pytest.raises(DataError, match=r"no text in UTF-8. Known segments are CSV \(video,start"):
        read_truth(tmp_path / "day.mp4", classes=NAMES)


@pytest.mark.parametrize("name", ["0.mp4", "0", "yard/0.mp4", "yard/0", str(YARD.absolute())])
def test_annotations_may_name_a_file_by_the_end_of_its_path(name):
    known = {name: [segment(0, 1)], "other": [segment(0, 1, "jump")]}
    yard, street = Path("videos/yard/0.mp4"), Path("videos/street/1.mp4")
    assert matched(known, [yard, street]) == {yard: [segment(0, 1)], street: []}
    with pytest.raises(DataError, match="none of the videos is among those annotated: 0"):
        matched({"0": []}, [street])


def test_names_that_could_be_any_are_refused_and_activitynets_known():
    with pytest.raises(DataError, match="could be any of"):
        matched({"0": []}, [Path("yard/0.mp4"), Path("street/0.mp4")])
    path = Path("v_QOlSCBRmfWY.mp4")
    assert matched({"QOlSCBRmfWY": [segment(0, 1)]}, [path])[path]


@given(st.lists(st.tuples(st.floats(0, 360000), st.floats(0.001, 10)), max_size=5))
def test_subtitles_are_numbered_and_their_times_to_the_millisecond(spans):
    text = subtitles([segment(a, a + n, "go\nleft ä", 0.5) for a, n in spans])
    blocks = text.split("\n\n")
    assert blocks.pop() == ""
    assert len(blocks) == len(spans)
    for number, (block, (start, length)) in enumerate(zip(blocks, spans, strict=True), start=1):
        first, times, words = block.split("\n")
        assert first == str(number)
        assert words == "go left ä (50%)"
        parts = re.fullmatch(r"(\d+):(\d\d):(\d\d),(\d{3}) --> (\d+):(\d\d):(\d\d),(\d{3})", times)
        h, m, s, ms, *end = map(int, parts.groups())
        assert 3600 * h + 60 * m + s + ms / 1000 == pytest.approx(start, abs=6e-4)
        h, m, s, ms = end
        assert 3600 * h + 60 * m + s + ms / 1000 == pytest.approx(start + length, abs=6e-4)
