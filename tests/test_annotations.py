"""Lists and folders of labelled videos are read as their authors meant them, or refused by line."""

import csv
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stillmotion.data.annotations import Sample, VideoList
from stillmotion.data.reading import read_videos
from stillmotion.data.splits import classes_missing, split_by_group
from stillmotion.errors import ConfigurationError, DataError, StorageError

SHARED = Path(os.environ.get("STILLMOTION_SHARED", Path(__file__).parents[2] / "shared"))


def touch(folder, *names):
    """Makes files of different contents; a list is read without decoding."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(path))


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def pairs(videos):
    """(file name, class name) of each sample."""
    return [(sample.path.name, videos.classes[sample.label]) for sample in videos.samples]


WAVE_AND_JUMP = [("a b.mp4", "wave"), ("c.mp4", "jump")]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("list.txt", ["a b.mp4 wave", "c.mp4 jump"]),
        ("list.csv", ["a b.mp4 wave", "c.mp4 jump"]),
        ("list.txt", ["a b.mp4\twave", "c.mp4\tjump"]),
        ("list.csv", ["a b.mp4,wave", "c.mp4,jump"]),
        ("list.csv", ["a b,wave", "c,jump"]),
        ("list.csv", ["path,label", "a b.mp4,wave", "c.mp4,jump"]),
        ("list.csv", ["label,note,video", 'wave,"x, y",a b.mp4', "jump,,c.mp4"]),
        ("list.txt", ["file_name label", "a b.mp4 wave", "c.mp4 jump", ""]),
        ("list.csv", ["\ufeffpath,label", "a b.mp4,wave", "c.mp4,jump"]),
        ("list.json", ['[{"video": "a b.mp4", "label": "wave"},', '{"video":"c","label":"jump"}]']),
        ("list.jsonl", ['{"path": "a b", "label": "wave"}', '{"path":"c.mp4","label":"jump"}']),
    ],
)
def test_every_convention_gives_the_same_videos(tmp_path, name, lines):
    touch(tmp_path, "a b.mp4", "c.mp4")
    videos = read_videos(write(tmp_path / name, *lines))
    assert pairs(videos) == WAVE_AND_JUMP
    assert videos.classes == ("jump", "wave")


def test_indices_are_classes_and_names_may_be_given(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4")
    listing = write(tmp_path / "list.txt", "a.mp4 2", "b.mp4 0")
    assert read_videos(listing).classes == ("0", "1", "2")
    names = write(tmp_path / "names.txt", "jump", "sit down", "wave")
    for classes in (("jump", "sit down", "wave"), names):
        videos = read_videos(listing, classes=classes)
        assert pairs(videos) == [("a.mp4", "wave"), ("b.mp4", "jump")]


def test_times_groups_and_splits_are_read(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4")
    listing = write(
        tmp_path / "list.csv",
        "path,label,start,end,person,split",
        "a.mp4,wave,0.5,2,p1,training",
        "a.mp4,jump,2,,p1,Validation",
        "b.mp4,jump,,,p2,fold3",
    )
    videos = read_videos(listing, columns={"group": "person"})
    path = tmp_path / "a.mp4"
    assert videos.samples[0] == Sample(path, 1, 0.5, 2.0, "p1", "train", subject="p1")
    assert videos.samples[1] == Sample(path, 0, 2.0, None, "p1", "val", subject="p1")
    assert videos.splits == ("fold3", "train", "val")
    assert len(videos.only("validation")) == 1
    with pytest.raises(DataError, match="unknown split 'test'"):
        videos.only("test")
    bare = write(tmp_path / "bare.csv", "a.mp4,wave,0,1.5", "a.mp4,jump,2,3")
    assert [(s.start, s.end) for s in read_videos(bare).samples] == [(0, 1.5), (2, 3)]


def test_folders_of_classes_with_and_without_splits(tmp_path):
    touch(tmp_path / "plain", "wave/a.mp4", "jump/deep/b.MP4", "jump/notes.txt", ".trash/c.mp4")
    videos = read_videos(tmp_path / "plain")
    assert pairs(videos) == [("b.MP4", "jump"), ("a.mp4", "wave")]
    touch(tmp_path / "split", "train/wave/a.mp4", "train/jump/b.mp4", "validation/wave/c.mp4")
    videos = read_videos(tmp_path / "split")
    assert [sample.split for sample in videos.samples] == ["train", "train", "val"]
    assert videos.classes == ("jump", "wave")


def test_labels_can_be_left_out(tmp_path):
    touch(tmp_path, "wave/a.mp4", "jump/b.mp4", "junk/c.mp4")
    assert read_videos(tmp_path, exclude=["junk"]).classes == ("jump", "wave")
    with pytest.raises(DataError, match="did you mean 'junk'"):
        read_videos(tmp_path, exclude=["junky"])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a.mp4 wave", "b.mp4 wave"], "only one class"),
        (["a.mp4 wave", "x.mp4 jump", "y.mp4 jump"], "2 problems: .*line 2: there is no x.mp4"),
        (["a.mp4 wave", "b.mp4 jump", "a.mp4 jump"], "line 3: a.mp4 is 'jump' here.*line 1"),
        (["a.mp4 wave", "b.mp4 jump", "a.mp4 wave"], "line 3: a.mp4 is at .*line 1 already"),
        (["path,label", "a.mp4,wave", "b.mp4,"], "line 3: no label"),
        (["path,label", "a.mp4,wave", "b.mp4"], "line 3: 1 columns, where the header has 2"),
        (["path,label,start,end", "a.mp4,wave,2,1", "b.mp4,jump,,"], "line 2: the part from 2"),
        (["path,label,start,end", "a.mp4,wave,x,", "b.mp4,jump,,"], "line 2: start and end are"),
        (["a.mp4 0", "b.mp4 123456"], "line 2: label 123456 would mean"),
        ([""], "no videos are listed"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, lines, message):
    touch(tmp_path, "a.mp4", "b.mp4")
    with pytest.raises(DataError, match=message):
        read_videos(write(tmp_path / "list.csv", *lines))


def test_labels_that_do_not_fit_the_classes_are_refused(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4")
    listing = write(tmp_path / "list.txt", "a.mp4 wave", "b.mp4 jumps")
    with pytest.raises(DataError, match=r"line 2: unknown label 'jumps'; did you mean 'jump'"):
        read_videos(listing, classes=("jump", "wave"))
    listing = write(tmp_path / "list.txt", "a.mp4 1", "b.mp4 2")
    with pytest.raises(DataError, match=r"line 2: label 2 is out of range.* 0 to 1"):
        read_videos(listing, classes=("jump", "wave"))
    with pytest.raises(DataError, match="occur twice"):
        read_videos(listing, classes=("jump", "jump"))


def test_sources_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        read_videos(tmp_path / "absent")
    with pytest.raises(DataError, match="one folder a class"):
        read_videos(tmp_path)
    (tmp_path / "wave").mkdir()
    with pytest.raises(DataError, match="no videos in this class"):
        read_videos(tmp_path)
    (tmp_path / "list.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not UTF-8"):
        read_videos(tmp_path / "list.csv")
    for text in ("{", "[1]", "3"):
        with pytest.raises(DataError, match=r"JSON|expected an object"):
            read_videos(write(tmp_path / "list.json", text))
    listing = write(tmp_path / "list.txt", "path label", "a.mp4 x")
    with pytest.raises(ConfigurationError, match="unknown field 'person'"):
        read_videos(listing, columns={"person": "label"})
    with pytest.raises(DataError, match="unknown column 'person'"):
        read_videos(listing, columns={"group": "person"})


names = st.text(
    st.characters(categories=["L", "N", "P", "Zs"], exclude_characters="/\\\0"), min_size=1
)
times = st.none() | st.floats(0.0, 1e4)


@given(
    st.lists(st.tuples(names, names, times, st.none() | names), min_size=2, max_size=8),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_a_written_list_reads_back_as_it_was(tmp_path, entries):
    samples = []
    classes = sorted({label.strip() or "x" for _, label, _, _ in entries} | {"w", "z"})
    if all(label.isdigit() for label in classes):
        return
    for index, (_, label, start, group) in enumerate(entries):
        touch(tmp_path, f"{index}, a.mp4")
        group = group.strip() if group else None
        label_index = classes.index(label.strip() or "x")
        path = tmp_path / f"{index}, a.mp4"
        samples.append(Sample(path, label_index, start, None, group or None, None))
    videos = VideoList(tuple(samples), tuple(classes), "test")
    videos.write(tmp_path / "list.csv")
    again = read_videos(tmp_path / "list.csv", classes=videos.classes)
    assert again.samples == videos.samples
    assert again.sha256 == videos.sha256


def test_the_hash_is_that_of_the_list_wherever_its_videos_lie(tmp_path):
    touch(tmp_path / "one", "wave/a.mp4", "jump/b.mp4")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    one, two = read_videos(tmp_path / "one"), read_videos(tmp_path / "two")
    assert one.sha256 == two.sha256
    shuffled = VideoList(one.samples[::-1], one.classes, "elsewhere")
    assert shuffled.sha256 == one.sha256
    relabelled = VideoList(one.samples, ("wave", "jump"), "elsewhere")
    assert relabelled.sha256 != one.sha256


def test_a_list_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    touch(tmp_path, "wave/a.mp4", "jump/b.mp4")
    videos = read_videos(tmp_path)
    (tmp_path / "taken").mkdir()
    with pytest.raises(StorageError, match="cannot write"):
        videos.write(tmp_path / "taken")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["jump", "taken", "wave"]


groups = st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(0, 5)), min_size=4)


@given(groups, st.integers(0, 9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_groups_never_straddle_and_no_sample_is_lost(tmp_path, entries, seed):
    samples = []
    for index, (label, group) in enumerate(entries):
        touch(tmp_path, f"{index}.mp4")
        name = None if group is None else f"g{group}"
        samples.append(Sample(tmp_path / f"{index}.mp4", label, group=name))
    videos = VideoList(tuple(samples), ("a", "b", "c", "d"), "test")
    split = split_by_group(videos, fractions={"train": 0.7, "val": 0.3}, seed=seed)
    assert [sample.path for sample in split.samples] == [sample.path for sample in samples]
    assert {sample.split for sample in split.samples} <= {"train", "val"}
    places = {}
    for sample in split.samples:
        if sample.group:
            places.setdefault(sample.group, set()).add(sample.split)
    assert all(len(found) == 1 for found in places.values())


def test_copies_stay_together_and_classes_are_shared_out(tmp_path):
    samples = []
    for label in range(3):
        for index in range(20):
            path = tmp_path / f"{label}-{index}.mp4"
            path.write_text(f"{label} {index // 2}")
            samples.append(Sample(path, label))
    videos = VideoList(tuple(samples), ("a", "b", "c"), "test")
    split = split_by_group(videos, fractions={"train": 0.8, "val": 0.2})
    for first, second in zip(split.samples[::2], split.samples[1::2], strict=True):
        assert first.split == second.split
    for label in range(3):
        held_out = [s for s in split.only("val").samples if s.label == label]
        assert len(held_out) == 4
    assert classes_missing(split) == {}


def test_a_class_too_small_to_split_is_reported(tmp_path):
    touch(tmp_path, *(f"wave/{index}.mp4" for index in range(5)), "jump/only.mp4")
    split = split_by_group(read_videos(tmp_path), fractions={"train": 0.8, "val": 0.2})
    assert len(split) == 6
    assert classes_missing(split) == {"val": ("jump",)}
    with pytest.raises(ConfigurationError, match="add up to 1"):
        split_by_group(split, fractions={"train": 0.8, "val": 0.3})


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data is not here")
def test_egogestar_is_read_by_its_scenes():
    listing = SHARED / "data/egogestar/index.csv"
    columns = {"group": "scene_auto", "split": "fold"}
    videos = read_videos(listing, columns=columns, exclude=("unclassified",))
    assert len(videos) == 217
    assert len(videos.classes) == 10
    assert videos.splits == ("0", "1", "2", "3", "4")
    with listing.open() as file:
        scenes = {row["path"]: row["scene_auto"] for row in csv.DictReader(file)}
    sample = videos.samples[100]
    assert sample.group == scenes[sample.path.relative_to(listing.parent).as_posix()]


def test_a_folder_named_with_a_number_is_a_class_of_that_name(tmp_path):
    touch(tmp_path, "1/a.mp4", "2/b.mp4", "010/c.mp4")
    videos = read_videos(tmp_path)
    assert videos.classes == ("010", "1", "2")
    assert {s.path.name: videos.classes[s.label] for s in videos.samples} == {
        "a.mp4": "1",
        "b.mp4": "2",
        "c.mp4": "010",
    }


def test_videos_beside_the_class_folders_are_not_passed_over(tmp_path):
    touch(tmp_path, "wave/a.mp4", "jump/b.mp4", "lost.mp4")
    with pytest.raises(DataError, match=r"1 videos lie beside the class folders \(lost.mp4\)"):
        read_videos(tmp_path)


def test_a_line_parted_by_spaces_may_end_in_start_and_end(tmp_path):
    touch(tmp_path, "my clip.mp4", "b.mp4")
    (tmp_path / "list.txt").write_text("my clip.mp4 wave 0.5 2.0\nb.mp4 jump\n")
    videos = read_videos(tmp_path / "list.txt")
    assert [(s.path.name, videos.classes[s.label], s.start, s.end) for s in videos.samples] == [
        ("my clip.mp4", "wave", 0.5, 2.0),
        ("b.mp4", "jump", None, None),
    ]
