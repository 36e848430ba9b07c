"""Generic lists: paths with blanks survive, several labels are refused, lists tell their splits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import trees
from stillmotion.data.sets.index_lists import parse_line, split_from_name
from stillmotion.data.sets.tree import Tree
from stillmotion.errors import DataError
from test_sets import read, told

WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), min_size=1)
PATHS = WORDS.map(str.strip).filter(lambda path: path and path[-1] not in ",0123456789")


@given(PATHS, st.lists(st.integers(0, 10**6), min_size=1, max_size=2), st.sampled_from(" \t,"))
def test_a_line_is_parted_from_the_right(path, numbers, mark):
    line = mark.join([path, *map(str, numbers)])
    video, found = parse_line(line, numbers=len(numbers))
    assert (video, found) == (path, tuple(numbers))


@given(st.text(max_size=20), st.integers(1, 2))
def test_any_line_is_parted_or_refused(line, numbers):
    try:
        video, found = parse_line(line, numbers=numbers)
    except ValueError as error:
        assert "expected a path" in str(error)  # noqa: PT017
    else:
        assert video
        assert len(found) == numbers


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("kinetics400_train_list_videos.txt", "train"),
        ("ucf101_val_split_1_rawframes.txt", "val"),
        ("something-validation.csv", "val"),
        ("test.csv", "test"),
        ("train_val.txt", None),
        ("contest.txt", None),
        ("trainer.txt", None),
    ],
)
def test_a_lists_name_tells_its_split(name, split):
    assert split_from_name(name) == split


def test_mmaction_finds_videos_below_its_prefixes_and_names_by_its_label_map(tmp_path):
    listing = read("mmaction_videos", trees.mmaction_videos(tmp_path))
    assert told(listing) == {
        "clip 1.mp4": ("jump", "train"),
        "clip 2.webm": ("wave", "train"),
        "clip 3.mp4": ("wave", "val"),
    }
    assert listing.classes == ("jump", "wave", "bow")


def test_several_labels_are_refused(tmp_path):
    root = trees.mmaction_videos(tmp_path)
    trees.text(root / "ours_train_list_videos.txt", "class a/clip 1.mp4 0 4 7")
    with pytest.raises(DataError, match="several labels for a video"):
        read("mmaction_videos", root)
    trees.text(root / "ours_train_list_videos.txt", "class a/clip 1 0", "class b/clip 2 1 4 7")
    with pytest.raises(
        DataError, match=r"line 2: several labels for a video \('class b/clip 2 1 4"
    ):
        read("mmaction_videos", root)


def test_folders_of_frames_listed_as_videos_are_told_their_reader(tmp_path):
    root = trees.mmaction_frames(tmp_path)
    for path in root.glob("*rawframes.txt"):
        path.rename(root / path.name.replace("rawframes", "videos"))
    with pytest.raises(DataError, match="it is mmaction_frames"):
        read("mmaction_videos", root)


def test_the_three_splits_of_one_list_are_not_mixed(tmp_path):
    root = trees.mmaction_videos(tmp_path)
    trees.text(root / "ours_train_split_2_videos.txt", "class a/clip 1.mp4 0")
    with pytest.raises(DataError, match="two lists of the split train"):
        read("mmaction_videos", root)


def test_a_folder_with_fewer_frames_than_listed_is_a_problem(tmp_path):
    root = trees.mmaction_frames(tmp_path)
    assert len(read("mmaction_frames", root).samples) == 3
    (root / "rawframes_train" / "class b" / "clip 2" / "img_00002.jpg").unlink()
    (root / "rawframes_val" / "class b" / "clip 3" / "img_00002.jpg").unlink()
    few, gap = read("mmaction_frames", root).problems
    assert "has 1 frames" in few.what
    assert "missing" in gap.what


def test_a_list_for_slowfast_has_blanks_in_spite_of_its_name(tmp_path):
    listing = read("slowfast", trees.slowfast(tmp_path / "lists"))
    assert told(listing) == {
        "clip 1.mp4": ("0", "train"),
        "far away.mp4": ("1", "train"),
        "clip 2.mp4": ("1", "val"),
    }
    trees.text(tmp_path / "lists" / "classes.txt", "jump")
    out_of_range = read("slowfast", tmp_path / "lists").problems
    assert [p.place for p in out_of_range] == ["train.csv line 2", "val.csv line 1"]
    trees.text(tmp_path / "lists" / "val.csv", "videos/clip 2.mp4 jump")
    assert "whole number" in read("slowfast", tmp_path / "lists").problems[-1].what
    (tmp_path / "lists" / "classes.txt").unlink()
    trees.text(tmp_path / "lists" / "val.csv", "videos/clip 2.mp4 1718000000")
    with pytest.raises(DataError, match="is it another column"):
        read("slowfast", tmp_path / "lists")


def test_a_videofolder_reads_metadata_of_both_kinds(tmp_path):
    root = trees.videofolder(tmp_path)
    assert told(read("videofolder", root)) == {
        "clip 1.mp4": ("jump", "train"),
        "2.mp4": ("bow", "train"),
        "3.mp4": ("jump, high", "val"),
    }
    lines = ('{"file_name": "clip 1.mp4"}', '{"file_name": "2.mp4", "label": [1]}')
    trees.text(root / "train" / "metadata.jsonl", *lines)
    assert [p.kind for p in read("videofolder", root).problems] == ["label", "label"]
    trees.text(root / "train" / "metadata.jsonl", '{"video": "clip 1.mp4"}')
    with pytest.raises(DataError, match="expected an object with file_name and label"):
        read("videofolder", root)


def test_a_videofolder_without_metadata_has_a_folder_a_class(tmp_path):
    for name in ("train/jump/1.mp4", "train/wave/2.mp4", "validation/jump/3.mp4"):
        trees.video(tmp_path / name)
    listing = read("videofolder", tmp_path)
    assert told(listing)["3.mp4"] == ("jump", "val")
    assert listing.listed == {"all": 3, "train": 2, "val": 1}


def test_a_tree_prefers_the_file_whose_folders_are_named_and_says_when_it_guesses(tmp_path):
    for folder in ("small/a", "small/b", "large/b"):
        trees.video(tmp_path / folder / "one.mp4")
    trees.frames(tmp_path / "frames" / "b" / "one")
    (tmp_path / "small" / "loop").symlink_to(tmp_path)
    tree = Tree(tmp_path)
    assert tree.video("a/one") == tmp_path / "small" / "a" / "one.mp4"
    assert not tree.notes
    assert tree.video("b/one.avi") == tmp_path / "large" / "b" / "one.mp4"
    (note,) = tree.notes
    assert "there more than once: 1, such as b/one.avi" in note
    assert tree.video("two") is None
    for folder in ("small", "large"):
        trees.text(tmp_path / folder / "train.csv", "x")
    with pytest.raises(DataError, match=r"several files are called train\.csv"):
        tree = Tree(tmp_path).find_list("train.csv")
