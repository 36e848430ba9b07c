"""Directions are read as words; a mirror is its own inverse; what has no counterpart stays."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import image_model
from runs import TINY, stillmotion
from stillmotion.data.annotations import Sample, VideoList
from stillmotion.data.class_lists import read_class_names
from stillmotion.data.mirror import Mirror, find_mirror, mirrored, words
from stillmotion.errors import ConfigurationError, DataError
from stillmotion.evaluation import evaluate
from stillmotion.methods import LinearProbe
from stillmotion.model import adapt
from stillmotion.prediction import Predictor
from stillmotion.settings import Views
from videos import write_classes, write_video

JESTER = (
    *("Swiping Left", "Swiping Right", "Swiping Down", "Sliding Two Fingers Left"),
    *("Sliding Two Fingers Right", "Turning Hand Clockwise", "Turning Hand Counterclockwise"),
    *("Rolling Hand Forward", "Thumb Up", "Doing other things"),
)


def becomes(*classes, file=None):
    """The class that each class becomes, by name."""
    labels = find_mirror(classes, file).labels
    return [None if label is None else classes[label] for label in labels]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("left", "right"),
        ("swipe_left", "swipe_right"),
        ("SwipeLeft", "SwipeRight"),
        ("swipe-left 2", "swipe-right 2"),
        ("Move LEFTWARDS", "move rightward"),
        ("from left to right", "from right to left"),
        ("left-to-right", "right-to-left"),
        ("left hand up", "right hand up"),
        ("turn clockwise", "turn counterclockwise"),
        ("turn_clockwise", "turn_anti-clockwise"),
        ("turn CW", "turn CCW"),
        ("rotate counter clockwise", "rotate clockwise"),
    ],
)
def test_opposite_directions_swap(one, other):
    assert becomes(one, "wave", other) == [other, "wave", one]
    assert becomes(one, "wave") == [None, "wave"]


@pytest.mark.parametrize(
    "name",
    ["leftover", "upright", "brightness", "copyright", "cleft", "pull it right out", "go right now",
     "look left and right", "look right or left", "wave", "", "右", "été 3"],
)  # fmt: skip
def test_what_is_no_direction_stays(name):
    assert becomes(name, "other") == [name, "other"]


def test_two_classes_that_read_alike_are_not_guessed_at():
    assert becomes("turn left", "Turn_Left", "turn right") == [None, None, None]


names = st.lists(
    st.lists(st.sampled_from(["left", "right", "turn", "clockwise", "anticlockwise", "up"]),
             min_size=1, max_size=4).map("_".join),
    unique=True, max_size=12,
)  # fmt: skip


@given(names)
def test_a_mirror_is_its_own_inverse(classes):
    mirror = find_mirror(classes)
    for label, other in enumerate(mirror.labels):
        assert other is None or mirror.labels[other] == label
        told = words(classes[label])
        assert mirrored(mirrored(told)) == told
        if other is not None:
            assert words(classes[other]) == mirrored(told)
    assert len(mirror.classes) == len(classes)
    assert 2 * len(mirror.pairs) + len(mirror.never) <= len(classes)


def test_something_something_swaps_what_its_authors_models_swap():
    """The map of ZeroI2V's files: 86 and 87, 93 and 94, 166 and 167; all others stay."""
    mirror = find_mirror(read_class_names("ssv2"))
    assert mirror.pairs == ((86, 87), (93, 94), (166, 167))
    assert mirror.never == ()
    assert "168 classes stay, 3 pairs swap" in mirror.line()


@pytest.mark.parametrize("name", ["kinetics400", "ucf101", "hmdb51", "diving48"])
def test_other_read_class_names_stay(name):
    assert find_mirror(read_class_names(name)).is_plain


def test_jesters_gestures_swap():
    mirror = find_mirror(JESTER)
    assert mirror.pairs == ((0, 1), (3, 4), (5, 6))
    assert mirror.never == ()


TEXT = ("pairs.txt", "tick,cross\n\nturn left, turn left\nwave\n")
TABS = ("pairs.tsv", "tick\tcross\nturn left\tturn left\nwave\n")
INDICES = ("pairs.csv", "1,2\n0,0\n3\n")
YAML = ("pairs.yaml", "[[tick, cross], [turn left, turn left], wave]")
OBJECT = ("pairs.yml", "{1: 2, 2: 1, 0: 0, wave: null}")
JSON = ("pairs.json", json.dumps([["tick", "cross"], ["turn left", "turn left"], ["wave"]]))


@pytest.mark.parametrize(("name", "text"), [TEXT, TABS, INDICES, YAML, OBJECT, JSON])
def test_a_file_is_believed_before_names(name, text, tmp_path):
    (tmp_path / name).write_text(text)
    classes = ("turn left", "tick", "cross", "wave", "look left", "look right")
    assert becomes(*classes, file=tmp_path / name) == [
        *("turn left", "cross", "tick", None),
        *("look right", "look left"),
    ]


def test_a_class_whose_counterpart_the_file_gives_away_is_never_mirrored(tmp_path):
    (tmp_path / "a.txt").write_text("go left,walk")
    assert becomes("go left", "go right", "walk", file=tmp_path / "a.txt") == [
        *("walk", None, "go left"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.txt", "a,b,c", "a pair of classes"),
        ("a.txt", "a,nobody", "unknown class 'nobody'"),
        ("a.txt", "a,7", "unknown class '7'"),
        ("a.txt", "a,b\na,c", "'a' stands there twice"),
        ("a.yaml", "[[a, b", "cannot read"),
        ("a.json", "3", "expected a list of pairs"),
        ("a.yaml", "[[]]", "a pair of classes"),
        ("none.txt", None, "cannot read"),
    ],
)
def test_a_file_that_cannot_be_is_refused(name, text, reason, tmp_path):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=reason):
        find_mirror(("a", "b", "c"), tmp_path / name)


def test_check_shows_what_a_mirror_makes_of_the_classes(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    data = write_classes(tmp_path / "d", classes=("turn left", "turn right", "look left", "wave"))
    assert stillmotion("check", data, "--json", tmp_path / "report.json", "--workers", 1) == 0
    told = [line.split() for line in capsys.readouterr().out.splitlines()]
    rows = [" ".join(word for word in line if word != "│") for line in told]
    assert "turn left turn right" in rows
    assert "turn right turn left" in rows
    assert "look left no such class: never mirrored" in rows
    assert not any(row.startswith("wave") and "mirror" in row for row in rows)
    report = json.loads(Path(tmp_path / "report.json").read_text())
    assert report["mirror"] == {
        "look left": None, "turn left": "turn right", "turn right": "turn left"
    }  # fmt: skip


def one_view(classes, *, crops):
    """A small model of these classes that was scored with so many crops."""
    model = adapt(image_model(), LinearProbe(), class_names=classes, num_frames=2)
    model.info = {"views": {"clips": 1, "crops": crops}}
    return model


def test_ten_crops_are_refused_where_a_mirror_makes_other_classes(tmp_path):
    turns = ("turn left", "turn right", "wave")
    video = write_video(tmp_path / "a.mp4")
    with pytest.raises(ConfigurationError, match=r"views\.crops=10 .* Choose 3 crops"):
        Predictor(one_view(turns, crops=10))
    with pytest.raises(ConfigurationError, match=r"turn left / turn right"):
        evaluate(
            one_view(turns, crops=3),
            VideoList((Sample(video, 0),), turns, "a list"),
            views=Views(crops=10),
        )
    plain = Predictor(one_view(("jump", "wave"), crops=10))
    assert plain.read(video).shape[0] == 10
    assert len(plain(video).labels) == 2


def test_a_run_says_what_it_mirrors_and_refuses_what_it_cannot(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    data = write_classes(tmp_path / "d", classes=("tick", "turn left", "turn right"), videos_each=3)
    (tmp_path / "never.txt").write_text("tick\n")
    options = (*TINY, "--videos.val_fraction", 0.34, "--method", "linear_probe")
    out = ("--out", tmp_path / "run")
    flips = ("--augmentation.flip", 0.5, "--augmentation.mirror", tmp_path / "never.txt")
    assert stillmotion("train", data, *out, *options, *flips) == 0
    told = capsys.readouterr().out
    assert "50% of clips: 0 classes stay, 1 pairs swap (turn left / turn right)" in told
    assert "1 are never mirrored (tick)" in told
    out = ("--out", tmp_path / "ten")
    assert stillmotion("train", data, *out, *options, "--views.crops", 10) == 2
    assert "views.crops=10" in capsys.readouterr().err


def test_a_line_counts_all_classes():
    mirror = Mirror(("a", "b", "c", "d"), (1, 0, None, 3))
    assert mirror.line() == "1 classes stay, 1 pairs swap (a / b), 1 are never mirrored (c)"
