"""A manifest says all of a data set in one file, and what is wrong with it is said at once."""

import json
import os
from dataclasses import replace
from math import prod

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from runs import stillmotion
from stillmotion.data.annotations import Sample, VideoList
from stillmotion.data.manifest import write_manifest
from stillmotion.data.parts import Part, combinations, combined
from stillmotion.data.reading import read_videos
from stillmotion.errors import DataError, ProblemsError
from stillmotion.metrics import part_labels

PARTS = (Part("verb", ("take", "put")), Part("noun", ("cup", "pan", "lid")))


@pytest.fixture
def videos(tmp_path):
    """Three videos of every kind, in a data set with a class that none of them shows."""
    for name in ("a b.mp4", "deep/ä.mp4", "c.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    samples = (
        Sample(tmp_path / "a b.mp4", 2, 0.5, 2.0, "g1", "train", "p1", "c1", (0.0, 0.1, 0.5, 1.0)),
        Sample(tmp_path / "deep" / "ä.mp4", 0, split="test"),
        Sample(tmp_path / "c.mp4", 0),
    )
    classes = ("7", "unseen", 'say "hi", please')
    return VideoList(samples, classes, "here", "smarthome/cv2", "mean_class")


def test_a_manifest_gives_back_what_was_written(videos, tmp_path):
    path = tmp_path / "manifest.jsonl"
    write_manifest(videos, path)
    assert read_videos(path) == replace(videos, source=str(path))
    assert '"path": "deep/\\u00e4.mp4"' in path.read_text(encoding="ascii")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_names_may_hold_marks_that_end_lines_elsewhere_or_be_no_utf8(newline, tmp_path):
    names = ("a\u2028b.mp4", "a\u0085b.mp4", "a\x0cb.mp4", os.fsdecode(b"\xff.mp4"))
    for name in names:
        (tmp_path / name).touch()
    samples = tuple(Sample(tmp_path / name, label) for label, name in enumerate(names))
    videos = VideoList(samples, names, "here")
    path = tmp_path / "m.jsonl"
    write_manifest(videos, path)
    path.write_bytes(path.read_bytes().replace(b"\n", newline.encode()))
    assert read_videos(path) == replace(videos, source=str(path))
    lines = [json.dumps({"path": name, "label": name}, ensure_ascii=False) for name in names[:3]]
    path.write_text(newline.join(lines), encoding="utf-8", newline="")
    assert {sample.path.name for sample in read_videos(path).samples} == set(names[:3])


def test_a_list_of_text_gives_back_samples(videos, tmp_path):
    videos.write(tmp_path / "list.csv")
    told = read_videos(tmp_path / "list.csv", classes=videos.classes)
    assert told.samples == videos.samples


def test_a_manifest_read_for_a_model_takes_the_models_classes(videos, tmp_path):
    write_manifest(videos, tmp_path / "m.jsonl")
    turned = read_videos(tmp_path / "m.jsonl", classes=videos.classes[::-1])
    assert [s.label for s in turned.samples] == [0, 2, 2]
    assert (turned.dataset, turned.metric) == ("smarthome/cv2", "mean_class")
    fewer = read_videos(tmp_path / "m.jsonl", exclude=['say "hi", please'])
    assert fewer.classes == ("7", "unseen")
    assert [s.label for s in fewer.samples] == [0, 0]


def test_combinations_are_classes(videos, tmp_path):
    actions = replace(videos, classes=combinations(PARTS), parts=PARTS)
    write_manifest(actions, tmp_path / "m.jsonl")
    told = read_videos(tmp_path / "m.jsonl")
    assert told.parts == PARTS
    assert told.classes[combined((1, 2), PARTS)] == "put lid"
    with pytest.raises(DataError, match="noun 3 is out of range: there are 3"):
        combined((0, 3), PARTS)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data())
def test_the_index_of_a_combination_has_its_parts_for_digits(sizes, data):
    parts = [Part(str(n), tuple(map(str, range(size)))) for n, size in enumerate(sizes)]
    label = data.draw(st.integers(0, prod(sizes) - 1))
    indices = [int(index) for index in part_labels(torch.tensor([label]), sizes)]
    assert combined(indices, parts) == label
    assert combinations(parts)[label].split() == [str(index) for index in indices]


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ('{"stillmotion_manifest": 9, "classes": ["a", "b"]}', "a manifest of version 9"),
        ('{"stillmotion_manifest": 1}', "names no classes"),
        ('{"stillmotion_manifest": 1, "parts": [3]}', "names no classes"),
        ('{"stillmotion_manifest": 1, "classes": ["a"], "metric": "map"}', "metric 'map'"),
        ('{"stillmotion_manifest": 1, "classes": ["a", [1]]}', "names no classes"),
        ('{"stillmotion_manifest": 1, "classes": ["a"], "dataset": {"a": 1}}', "dataset {'a': 1}"),
    ],
)
def test_a_damaged_first_line_is_said(tmp_path, first, message):
    path = tmp_path / "m.jsonl"
    path.write_text(first + '\n{"path": "a.mp4", "label": 0}\n')
    with pytest.raises(DataError, match=message):
        read_videos(path)


def test_all_that_is_wrong_is_said_at_once(tmp_path, capsys):
    (tmp_path / "a.mp4").touch()
    path = tmp_path / "m.jsonl"
    lines = [
        '{"stillmotion_manifest": 1, "classes": ["jump", "wave"]}',
        '{"path": "a.mp4", "label": 0}',
        '{"path": "gone.mp4", "label": 0}',
        '{"path": "a.mp4", "label": 2}',
        '{"path": "a.mp4", "label": 0}',
        '{"path": "a.mp4", "label": 1}',
        '{"path": "a.mp4", "label": 0, "start": 3, "end": 2}',
        '{"path": "a.mp4", "label": 0, "start": 1, "box": [0, 0, 2, 1]}',
    ]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(ProblemsError) as caught:
        read_videos(path)
    assert [(p.kind, p.place.rsplit(" ", 1)[1]) for p in caught.value.problems] == [
        ("missing", "3"),
        ("label", "4"),
        ("segment", "7"),
        ("box", "8"),
        ("listed twice", "5"),
        ("two labels", "6"),
    ]
    assert stillmotion("train", path, "--out", tmp_path / "run") == 2
    told = capsys.readouterr().err
    for words in ("missing: 1", "label: 1", "gone.mp4", "mend this first: 1 x missing"):
        assert words in told
    assert not (tmp_path / "run").exists()
