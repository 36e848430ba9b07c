"""Few videos of each class, overlaps that are refused, and leaks that are told."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs import TINY, stillmotion
from stillmotion import load
from stillmotion.calibrating import known_and_none
from stillmotion.data import contents
from stillmotion.data.annotations import Sample, VideoList
from stillmotion.data.few_shot import few_shots, some_classes
from stillmotion.data.verify import leaks, overlaps
from stillmotion.errors import DataError, ProblemsError
from stillmotion.recipe import Recipe
from stillmotion.selection import choose_split
from stillmotion.settings import Videos
from stillmotion.training.splits import read_splits
from videos import write_classes


def listed(counts):
    """So many videos of each class."""
    samples = [Sample(Path(f"{k}-{i}"), k) for k, n in enumerate(counts) for i in range(n)]
    return VideoList(tuple(samples), tuple("abcdefgh"[: len(counts)]), "list")


@given(st.lists(st.integers(2, 9), min_size=2, max_size=6), st.integers(0, 50))
def test_each_class_gives_as_many_and_more_shots_contain_fewer(counts, episode):
    videos = listed(counts)
    one, two = (few_shots(videos, shots, episode=episode) for shots in (1, 2))
    for videos_drawn, shots in ((one, 1), (two, 2)):
        labels = [sample.label for sample in videos_drawn.samples]
        assert labels == [label for label in range(len(counts)) for _ in range(shots)]
        assert videos_drawn.classes == videos.classes
    assert set(one.samples) < set(two.samples) <= set(videos.samples)
    assert few_shots(videos, 2, episode=episode) == two


def test_episodes_draw_other_videos():
    videos = listed([30, 30])
    drawn = {few_shots(videos, 1, episode=episode).samples for episode in range(40)}
    assert len(drawn) > 20


@given(st.integers(2, 6), st.integers(0, 50))
def test_some_classes_keep_their_videos_names_and_order(ways, episode):
    videos = listed([1, 2, 3, 1, 2, 3])
    few = some_classes(videos, ways, episode=episode)
    assert len(few.classes) == ways
    assert list(few.classes) == sorted(few.classes)
    named = {(s.path, few.classes[s.label]) for s in few.samples}
    all_named = {(s.path, videos.classes[s.label]) for s in videos.samples}
    assert named == {(path, name) for path, name in all_named if name in few.classes}


def test_too_few_are_named():
    with pytest.raises(DataError, match=r"1 classes have fewer than 3 training videos \(b\)"):
        few_shots(listed([3, 2]), 3, episode=0)
    with pytest.raises(DataError, match="ways=3 of 2 classes"):
        some_classes(listed([3, 2]), 3, episode=0)


@pytest.fixture
def files(tmp_path):
    """Five small files, of which the first two are the same."""
    paths = [tmp_path / f"{n}.mp4" for n in range(5)]
    for n, path in enumerate(paths):
        path.write_text(f"content {max(n, 1)}")
    return paths


def test_a_copy_or_a_part_in_two_splits_is_found(files):
    train = [Sample(files[0], 0), Sample(files[2], 0, 0.0, 5.0, "anna")]
    test = [
        Sample(files[1], 0),
        Sample(files[2], 0, 4.0, 6.0, "anna"),
        Sample(files[2], 0, 5.0, None),
        Sample(files[3], 1),
    ]
    found = overlaps({"train": train, "test": test})
    assert [problem.place for problem in found] == [str(files[1]), str(files[2])]
    assert f"a copy of {files[0]}" in found[0].what
    assert set(leaks({"train": train, "test": test})) == {"group anna", f"file {files[2]}"}
    assert overlaps({"train": train, "test": test[3:]}) == []


def test_training_looks_at_each_video_once_and_says_so(few_videos, tmp_path, monkeypatch):
    sized, told = [], []
    look = contents._size_of
    monkeypatch.setattr(contents, "_size_of", lambda path: sized.append(path) or look(path))
    recipe = Recipe(data=str(few_videos), out=str(tmp_path), videos=Videos(val_fraction=0.5))
    splits = read_splits(recipe, on_progress=lambda *count: told.append(count))
    assert splits.val is not None
    assert sorted(sized) == sorted(sample.path for sample in splits.together.samples)
    assert told.count((len(sized), len(sized))) >= 2, "faults, and then sizes"


def test_training_refuses_what_is_scored(few_videos, tmp_path, caplog):
    rows = ["path,label,group,split"]
    for name in ("jump", "wave"):
        rows += [
            f"{few_videos}/{name}/{n}.mp4,{name},g{n},{s}" for n, s in enumerate(("train",) * 2)
        ]
        rows += [f"{few_videos}/{name}/0.mp4,{name},g0,test"]
    listing = tmp_path / "list.csv"
    listing.write_text("\n".join(rows) + "\n")
    recipe = Recipe(data=str(listing), out=str(tmp_path / "run"), videos=Videos(val_fraction=0.0))
    with pytest.raises(ProblemsError, match=r"2 problems: .*in train and in test"):
        read_splits(recipe)
    assert stillmotion("train", listing, "--out", tmp_path / "run") == 2
    assert not (tmp_path / "run").exists()
    allowed = replace(recipe, videos=replace(recipe.videos, allow_overlap=True))
    assert len(read_splits(allowed).train) == 4
    assert "2 videos are in two splits" in caplog.text
    assert "groups or files are in more than one split" in caplog.text


def test_shots_leave_the_test_as_it_is(few_videos, tmp_path):
    options = Videos(shots=1, ways=2, episode=3)
    recipe = Recipe(data=str(few_videos), out=str(tmp_path), videos=options)
    splits = read_splits(recipe)
    assert len(splits.train) == 2
    assert splits.val is None


def test_a_run_is_not_scored_on_what_it_was_trained_on(finished_run, few_videos, tmp_path, capsys):
    """Not even where the list says nothing of splits; and a copy is no way around it."""
    copy = tmp_path / "copy"
    shutil.copytree(few_videos, copy)
    for data in (few_videos, copy):
        assert stillmotion("evaluate", finished_run, data, "--out", tmp_path / "s.json") == 2
        assert "in two splits: 6" in capsys.readouterr().err
    assert not (tmp_path / "s.json").exists()
    allowed = ("--videos.allow_overlap", "true", "--videos.workers", "0")
    assert stillmotion("evaluate", finished_run, copy, "--out", tmp_path / "s.json", *allowed) == 0


def test_faults_of_files_are_told_before_training(few_videos, tmp_path, capsys):
    listing = tmp_path / "list.csv"
    rows = [
        f"{few_videos}/{c}/{n}.mp4,{c},0,{9 if n else ''}" for c in ("jump", "wave") for n in (0, 1)
    ]
    listing.write_text("\n".join(["path,label,start,end", *rows]) + "\n")
    assert stillmotion("train", listing, "--out", tmp_path / "run") == 2
    told = capsys.readouterr().err
    assert "past the end: 2" in told
    assert not (tmp_path / "run").exists()


def splits_of(few_videos, tmp_path, *splits, classes="", **options):
    """Four videos of each of two classes in these splits; and how they are used."""
    pairs = [(name, n) for name in ("jump", "wave") for n in range(4)]
    rows = [f"{few_videos}/{name}/{n}.mp4,{name},{splits[n]}" for name, n in pairs]
    (tmp_path / "list.csv").write_text("\n".join(["path,label,split", *rows]) + "\n")
    if classes:
        (tmp_path / "classes.txt").write_text(classes)
        options["classes"] = str(tmp_path / "classes.txt")
    listing = str(tmp_path / "list.csv")
    return read_splits(Recipe(data=listing, out=str(tmp_path / "run"), videos=Videos(**options)))


def test_a_slip_in_a_splits_name_does_not_train_on_test_videos(few_videos, tmp_path):
    with pytest.raises(DataError, match="unknown split 'tets'; did you mean 'test'"):
        splits_of(few_videos, tmp_path, "train", "train", "val", "tets")
    folds = splits_of(few_videos, tmp_path, *"0123", test="0", val="1")
    assert [len(part) for part in (folds.train, folds.val, folds.test)] == [4, 2, 2]
    with pytest.raises(DataError, match="no video is left to train on beside those of test"):
        splits_of(few_videos, tmp_path, "val", "val", "test", "test")


def test_classes_without_a_video_can_be_left_out(few_videos, tmp_path):
    """As in a part of a known data set, whose manifest names all classes."""
    names = "fly\njump\nswim\nwave\n"
    splits = ("train", "train", "val", "test")
    with pytest.raises(DataError, match=r"2 of 4 classes \(fly, swim\).*videos.drop_empty=true"):
        splits_of(few_videos, tmp_path, *splits, classes=names)
    left = splits_of(few_videos, tmp_path, *splits, classes=names, drop_empty=True)
    assert left.train.classes == left.test.classes == ("jump", "wave")
    some = splits_of(few_videos, tmp_path, *splits, classes=names, ways=2)
    assert some.train.classes == ("jump", "wave")


SEGMENTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 12), st.integers(1, 6)), max_size=12
)


@given(SEGMENTS)
def test_a_part_overlaps_where_a_slow_comparison_says_so(tmp_path_factory, given):
    """Of each pair that shares a moment, the one that begins later is named, and once."""
    file = tmp_path_factory.getbasetemp() / "long.mp4"
    file.write_text("long")
    splits = {}
    for split, start, length in given:
        splits.setdefault(split, []).append(Sample(file, 0, float(start), float(start + length)))
    begun = [(s, p) for s, parts in splits.items() for p in parts]
    begun.sort(key=lambda part: part[1].start)
    wanted = sum(
        any(s != t and q.start < p.end and p.start < q.end for t, q in begun[:n])
        for n, (s, p) in enumerate(begun)
    )
    assert len(overlaps(splits)) == wanted


def test_a_model_of_some_classes_is_scored_on_theirs(tmp_path, caplog):
    """With `videos.ways` the list has other classes, too; calibrate leaves them out likewise."""
    data, run, scores = tmp_path / "data", tmp_path / "run", tmp_path / "scores.json"
    write_classes(data, classes=("bow", "jump", "wave"), videos_each=4)
    listing = tmp_path / "list.csv"
    splits = ("train", "train", "val", "test")
    rows = [f"{p},{p.parent.name},{splits[int(p.stem)]}" for p in sorted(data.rglob("*.mp4"))]
    listing.write_text("\n".join(["path,label,split", *rows]))
    assert stillmotion("train", listing, "--out", run, "--videos.ways", "2", *TINY) == 0
    quiet = ("--videos.workers", "0")
    assert stillmotion("evaluate", run, listing, "--out", scores, *quiet) == 0
    assert "4 of 12 videos are left out: they show none of the 2 classes" in caplog.text
    told, wanted = (json.loads(p.read_text()) for p in (scores, run / "evaluation.json"))
    for key in ("n", "top1", "list_sha256", "class_names"):
        assert told[key] == wanted[key], key
    known, _ = known_and_none(listing, Videos(), load(run))
    assert len(known) == 2
    other = tmp_path / "other.csv"
    other.write_text("\n".join(f"{p},no_{p.parent.name}" for p in data.rglob("*.mp4")))
    with pytest.raises(DataError, match="no video shows one of"):
        choose_split(other, Videos(), load(run), None)
