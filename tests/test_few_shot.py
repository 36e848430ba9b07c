"""Few videos of each class, overlaps that are refused, and leaks that are told."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs import stillmotion
from stillmotion.data import contents
from stillmotion.data.annotations import Sample, VideoList
from stillmotion.data.few_shot import few_shots, some_classes
from stillmotion.data.verify import leaks, overlaps
from stillmotion.errors import DataError, ProblemsError
from stillmotion.recipe import Recipe, Videos
from stillmotion.training.data import read_splits


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


PARTS = st.tuples(
    st.sampled_from(["train", "val", "test"]),
    st.sampled_from([None, 0.0, 1.0, 2.0, 3.0, 4.0]),
    st.sampled_from([None, 0.5, 1.0, 2.0, 3.0]),
)
"""Split, start and length."""


@given(st.lists(PARTS, max_size=12))
def test_each_part_that_meets_an_earlier_one_of_another_split_is_told_once(parts):
    splits = {"train": [], "val": [], "test": []}
    for n, (split, start, length) in enumerate(parts):
        end = None if length is None else (start or 0.0) + length
        splits[split].append(Sample(Path(f"{n}.mp4"), 0, start, end))
    found = overlaps(splits, content=dict.fromkeys((Path(f"{n}.mp4") for n in range(12)), ()))
    used = [(split, s) for split, samples in splits.items() for s in samples]
    used.sort(key=lambda entry: entry[1].start or 0.0)
    meeting = [
        str(sample.path)
        for n, (split, sample) in enumerate(used)
        if any(
            split != other_split and (sample.start or 0.0) < (other.end or math.inf)
            for other_split, other in used[:n]
        )
    ]
    assert [problem.place for problem in found] == meeting


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
