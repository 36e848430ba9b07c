"""Lists, tables and annotations of others: read, or refused with our own words; nothing hangs."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stillmotion.collection import read_collection
from stillmotion.collection.answering import begin
from stillmotion.data.class_lists import read_class_names
from stillmotion.data.list_files import list_text
from stillmotion.data.mirror_file import read_pairs
from stillmotion.data.reading import read_videos
from stillmotion.data.sets.index_lists import last_number, read_lines
from stillmotion.data.sets.lists import csv_records, json_records, text_lines
from stillmotion.data.sets.slowfast import read_slowfast
from stillmotion.errors import DataError, StillmotionError
from stillmotion.localisation.truth import read_truth

HUGE = 10**400
READERS = {
    "videos": (read_videos, ("csv", "txt", "json", "jsonl")),
    "collection": (read_collection, ("csv", "txt", "json", "jsonl")),
    "classes": (read_class_names, ("txt", "json")),
    "mirror": (lambda path: read_pairs(path, ("a", "b")), ("txt", "json", "yaml")),
    "truth": (lambda path: read_truth(path, classes=("a", "b")), ("csv", "json")),
    "table": (lambda path: list(csv_records(path, needed=("a",))), ("csv",)),
    "entries": (lambda path: list(json_records(path, needed=("a",))), ("json",)),
    "lines": (lambda path: list(text_lines(path)), ("txt",)),
    "index": (lambda path: read_lines([path], numbers=1), ("txt",)),
}
CASES = [(name, ending) for name, (_, endings) in READERS.items() for ending in endings]
EVERY = pytest.mark.parametrize(("name", "ending"), CASES)
ODD = st.sampled_from([HUGE, -HUGE, 1e999, float("nan"), None, True, "\ud800", "a\0b", [], {}, "a"])
TOLD = st.recursive(
    ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("a"), inner)
)


def read_or_refuse(name, path):
    """Whether it was read."""
    try:
        READERS[name][0](path)
    except StillmotionError:
        return False
    return True


@EVERY
def test_what_cannot_be_read_is_refused(name, ending, tmp_path):
    path = tmp_path / f"train.{ending}"
    os.mkfifo(path)
    assert not read_or_refuse(name, path)
    path.unlink()
    for content in (b"\xff\xfe", b"[" * 100_000 if ending == "json" else b"\xff"):
        path.write_bytes(content)
        assert not read_or_refuse(name, path)
    path.unlink()
    path.mkdir()
    assert not read_or_refuse(name, path)


@EVERY
@given(
    st.binary(max_size=40)
    | st.text(alphabet="a1,.:\t \n\"'[]{}", max_size=60).map(str.encode)
    | TOLD.map(lambda told: json.dumps(told).encode())
)
@example(json.dumps({"a": HUGE}).encode())
@example(b'{"a": 1e999}')
@example(b'[{"path": "v.mp4", "start": 1%s}]' % (400 * b"0"))
@example(b'{"database": {"v": {"annotations": [{"segment": [0, 1%s]}]}}}' % (400 * b"0"))
@example(b"video,start,end,label\nv\n")
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_anything_is_read_or_refused(tmp_path, name, ending, content):
    path = tmp_path / f"train.{ending}"
    path.write_bytes(content)
    read_or_refuse(name, path)


def test_a_manifest_with_a_byte_order_mark_is_one(tmp_path):
    (tmp_path / "v.mp4").touch()
    lines = [{"stillmotion_manifest": 1, "classes": ["a", "b"]}, {"path": "v.mp4", "label": 1}]
    text = "\n".join(map(json.dumps, lines))
    (tmp_path / "list.jsonl").write_text(text, encoding="utf-8-sig")
    assert read_videos(tmp_path / "list.jsonl").classes == ("a", "b")


def test_combinations_of_a_manifest_are_counted_before_they_are_made(tmp_path):
    parts = {name: ["x"] * 10**4 for name in "abc"}
    header = {"stillmotion_manifest": 1, "parts": parts}
    lines = [header, {"path": "v.mp4", "label": 0}]
    (tmp_path / "list.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(DataError, match="combine to 1,000,000,000,000 classes"):
        read_videos(tmp_path / "list.jsonl")


@given(st.text(alphabet="a.,0 \t19", max_size=12))
def test_the_last_number_of_a_line_is_what_it_ends_with(line):
    ended = last_number(line)
    if ended is None:
        rest = line.rstrip("019")
        assert rest == line or not rest.strip(", \t") or rest[-1] not in ", \t"
        return
    video, number = ended
    assert line.startswith(video)
    between, digits = line[len(video) :].rstrip("019"), line[len(line.rstrip("019")) :]
    assert not between.strip(", \t")
    assert between
    assert int(digits) == number


@pytest.mark.parametrize("line", ["v " + "5" * 5000, "v " + "5" * 5000 + " 1"])
def test_numbers_without_end_are_said_with_their_line(line, tmp_path):
    (tmp_path / "train.csv").write_text(f"{line}\nv.mp4 1\n")
    told = read_slowfast(tmp_path, "")
    assert not told.samples
    assert [problem.place for problem in told.problems] == ["train.csv line 1", "train.csv line 2"]


def test_a_name_that_no_file_can_have_is_not_said_to_be_text():
    with pytest.raises(DataError, match=r"a.*\.csv: cannot be read: embedded null byte"):
        list_text(Path("a\0.csv"))


@pytest.mark.parametrize("line", ["a" + " " * 10**6 + "x", "a" + " 1" * 10**6, ".mp4 1" * 10**5])
def test_lines_without_end_do_not_take_for_ever(line, tmp_path):
    (tmp_path / "train.txt").write_text(f"{line}\nv.mp4 1\n")
    wrong, right = read_lines([tmp_path / "train.txt"], numbers=1)
    assert wrong.kind == "line"
    assert right.video == "v.mp4"


@pytest.mark.parametrize("content", ["3", "null", "[1]", "{", "[" * 100_000])
def test_a_damaged_plan_of_answers_is_said(content, tmp_path):
    (tmp_path / "collection.json").write_text(content)
    with pytest.raises(StillmotionError, match="is damaged"):
        begin(tmp_path, {"videos": 1})
