"""A known data set becomes one manifest, with its counts beside the official ones, or nothing."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import trees
from runs import stillmotion
from stillmotion.data.annotations import Sample, VideoList
from stillmotion.data.reading import read_videos
from stillmotion.data.reading_problems import reading_problems
from stillmotion.data.sets import DATA_SETS, Listing, get_data_set
from stillmotion.data.sets.preparing import Preparation, prepare
from stillmotion.data.sets.report import preparation_dict
from stillmotion.errors import DataError


@pytest.mark.parametrize("name", [n for n in trees.TREES if "kinetics" not in n])
def test_a_prepared_manifest_reads_as_what_was_prepared(name, tmp_path, capsys):
    source = trees.TREES[name](tmp_path / "tree")
    out = tmp_path / "manifests" / "all.jsonl"
    assert stillmotion("prepare", name, source, out, "--allow_missing") == 0
    videos, prepared = read_videos(out), prepare(get_data_set(name), source)
    assert videos.samples == prepared.videos.samples
    assert reading_problems(videos.samples) == [], "train would refuse it"
    assert videos.classes == prepared.listing.classes
    assert videos.parts == prepared.listing.parts
    assert videos.dataset == get_data_set(name).full_name(prepared.protocol)
    assert videos.metric == ("mean_class" if name == "smarthome" else "top1")
    assert f"{len(videos):,} videos in {out}" in capsys.readouterr().out.replace("\n", "")


def test_equal_trees_give_equal_hashes_wherever_they_are(tmp_path):
    one, two = (
        prepare(get_data_set("ucf101"), trees.ucf101(tmp_path / name / "ucf"))
        for name in ("here", "there")
    )
    assert one.videos.sha256 == two.videos.sha256
    assert one.splits["train"].sha256 == two.splits["train"].sha256 != one.splits["test"].sha256


def test_protocols_give_other_splits(tmp_path):
    source = trees.ucf101(tmp_path)
    for protocol, trained in (("1", 2), ("2", 1)):
        out = tmp_path / f"{protocol}.jsonl"
        flags = ["--protocol", protocol, "--allow_missing"]
        assert stillmotion("prepare", "ucf101", source, out, *flags) == 0
        assert len(read_videos(out).only("train")) == trained
        assert read_videos(out).dataset == f"ucf101/{protocol}"


def test_counts_stand_beside_the_official_ones(tmp_path):
    prepared = prepare(get_data_set("ucf101"), trees.ucf101(tmp_path))
    assert list(prepared.splits) == ["train", "test", "all"]
    counts = prepared.splits["train"]
    assert (counts.official, counts.listed, counts.usable, counts.lacking) == (9_537, 2, 2, 0)
    assert prepared.splits["all"].official == 13_320


@pytest.mark.parametrize("data_set", DATA_SETS.values(), ids=DATA_SETS)
def test_official_counts_of_splits_of_the_same_videos_agree(data_set):
    totals = {sum(counts.values()) for counts in data_set.official.values()}
    assert len(totals) <= 1


def test_too_many_missing_videos_are_refused_unless_allowed(tmp_path, capsys):
    source, out = trees.kinetics(tmp_path), tmp_path / "k400.jsonl"
    assert stillmotion("prepare", "kinetics400", source, out) == 2
    told = capsys.readouterr()
    assert "1 of 4 train videos (25.0%) cannot be used" in told.err
    assert "--allow_missing" in told.err
    assert "gone4567890" in told.out
    assert not out.exists()
    assert stillmotion("prepare", "kinetics400", source, out, "--allow_missing") == 0
    assert len(read_videos(out)) == 4


def test_a_few_missing_videos_are_said_and_left_out(tmp_path, capsys):
    lines = [f"{n}.mp4 {n % 2}" for n in range(40)]
    trees.text(tmp_path / "train.csv", *lines)
    for n in range(39):
        trees.video(tmp_path / f"{n}.mp4")
    assert stillmotion("prepare", "slowfast", tmp_path, tmp_path / "out.jsonl") == 0
    told = capsys.readouterr().out
    assert "missing: 1" in told
    assert "1 (2.5%)" in told
    assert len(read_videos(tmp_path / "out.jsonl")) == 39


@pytest.mark.parametrize(
    ("name", "protocol", "split", "count", "comparable"),
    [
        ("kinetics400", "", "val", 19_877, True),
        ("kinetics400", "", "val", 19_796, True),
        ("kinetics400", "", "val", 18_990, False),
        ("diving48", "", "test", 1_970, True),
        ("diving48", "", "test", 2_080, False),  # another version
        ("smarthome", "cs", "train", 16_000, True),  # of 16,115 in both splits
        ("smarthome", "cs", "train", 15_000, False),
        ("smarthome", "cv1", "train", 5, True),  # nobody states how many
    ],
)
def test_far_fewer_or_more_videos_than_official_are_refused_unless_allowed(
    name, protocol, split, count, comparable, tmp_path
):
    data_set, out = get_data_set(name), tmp_path / "out.jsonl"
    samples = tuple(Sample(tmp_path / f"{n}.mp4", n % 2, split=split) for n in range(count))
    listing = Listing(samples, ("bow", "jump"), (), {split: count, "all": count})
    videos = VideoList(samples, listing.classes, "here")
    prepared = Preparation(data_set, protocol, tmp_path, listing, (), videos)
    if not comparable:
        with pytest.raises(DataError, match=rf"{count:,} .*a score is no longer comparable"):
            prepared.write(out)
        assert not out.exists()
    prepared.write(out, allow_missing=not comparable)
    assert out.exists()


def test_five_files_are_not_smarthome(tmp_path, capsys):
    source, out = trees.smarthome(tmp_path), tmp_path / "out.jsonl"
    assert stillmotion("prepare", "smarthome", source, out) == 2
    told = capsys.readouterr().err
    assert "5 videos can be used where the owners state 16,115 (-100.0%)" in told
    assert not out.exists()


@pytest.mark.parametrize("decode", [False, True])
def test_segments_past_the_end_are_lacking_and_the_others_are_used(decode, tmp_path):
    prepared = prepare(get_data_set("epic100"), trees.epic100(tmp_path), decode=decode)
    (problem,) = prepared.problems
    assert problem.kind == "past the end"
    assert "from 3542.5 s to 3600 s" in problem.what
    train = prepared.splits["train"]
    assert (train.listed, train.usable, train.lacking) == (4, 3, 1)


@pytest.mark.parametrize("decode", [False, True])
def test_unreadable_files_are_named_with_their_reason(decode, tmp_path, capsys):
    source = trees.ssv2(tmp_path / "tree")
    folder = source / "20bn-something-something-v2"
    (folder / "42.webm").write_bytes(b"")
    report = tmp_path / "report.json"
    flags = ["--json", report, "--allow_missing", *["--decode"] * decode]
    assert stillmotion("prepare", "ssv2", source, tmp_path / "out.jsonl", *flags) == 0
    (problem,) = json.loads(report.read_text())["problems"]
    assert problem["kind"] == "unreadable"
    assert problem["place"].endswith("42.webm")
    assert "empty" in problem["what"]
    assert "unreadable: 1" in capsys.readouterr().out
    assert {s.path.stem for s in read_videos(tmp_path / "out.jsonl").samples} == {"78687", "7"}


def test_a_full_decode_finds_what_headers_hide(tmp_path):
    source = trees.ucf101(tmp_path)
    path = source / "UCF-101" / "ApplyEyeMakeup" / "v_ApplyEyeMakeup_g08_c01.avi"
    whole = path.read_bytes()
    start = whole.index(b"movi") + 12
    path.write_bytes(whole[:start] + bytes(len(whole) - start))
    data_set = get_data_set("ucf101")
    assert not prepare(data_set, source).problems
    (problem,) = prepare(data_set, source, decode=True).problems
    assert problem.place == str(path)


def test_frames_with_a_gap_are_no_video(tmp_path):
    source = trees.jester(tmp_path)
    (source / "20bn-jester-v1" / "2" / "00002.jpg").unlink()
    prepared = prepare(get_data_set("jester"), source)
    (problem,) = prepared.problems
    assert (problem.kind, problem.place) == ("gaps", str(source / "20bn-jester-v1" / "2"))
    assert preparation_dict(prepared)["splits"]["train"]["lacking"] == 1


def test_one_class_is_refused_as_train_would(tmp_path):
    trees.video(tmp_path / "a.mp4")
    trees.text(tmp_path / "train.csv", "a.mp4 0")
    with pytest.raises(DataError, match="only one class, '0'; a classifier needs two or more"):
        prepare(get_data_set("slowfast"), tmp_path)
    trees.text(tmp_path / "classes.txt", "jump", "wave")
    assert len(prepare(get_data_set("slowfast"), tmp_path).videos) == 1


def test_nothing_to_use_is_not_written(tmp_path):
    source = trees.diving48(tmp_path)
    for path in (source / "rgb").iterdir():
        path.unlink()
    prepared = prepare(get_data_set("diving48"), source)
    with pytest.raises(DataError, match="none of 3 listed videos can be used"):
        prepared.write(tmp_path / "out.jsonl", allow_missing=True)
    assert not (tmp_path / "out.jsonl").exists()


def test_progress_counts_every_file_once(tmp_path):
    seen = []
    prepare(
        get_data_set("epic100"),
        trees.epic100(tmp_path),
        on_progress=lambda done, of: seen.append((done, of)),
    )
    assert seen == [(1, 2), (2, 2)]  # four segments share a file


def test_the_command_alone_lists_the_data_sets_and_a_name_shows_its_files(capsys):
    assert stillmotion("prepare") == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in DATA_SETS)
    assert stillmotion("prepare", "hmdb51") == 0
    shown = capsys.readouterr().out
    assert DATA_SETS["hmdb51"].layout in shown
    assert "--protocol 1, 2, 3" in shown
    assert stillmotion("prepare", "hmbd51") == 2
    assert "did you mean 'hmdb51'?" in capsys.readouterr().err
    assert stillmotion("prepare", "hmdb51", "data") == 2
    assert "such as hmdb51.jsonl" in capsys.readouterr().err
    assert stillmotion("prepare", "ucf101", "nowhere", "out.jsonl") == 2
    assert "nowhere: no such folder" in capsys.readouterr().err


def heed_interrupts():
    """In a child: a shell's background job, such as a test run may be, ignores SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="open files are not to be seen here")
def test_an_interrupt_leaves_no_manifest(tmp_path):
    source = trees.diving48(tmp_path / "tree")
    long = source / "rgb" / "c_00002.mp4"
    os.truncate(long, 8 * 2**30)  # a hole, which takes no room on the disk and long to read
    out = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "stillmotion", "prepare", "diving48", str(source), str(out)]
    child = subprocess.Popen([*command, "--decode", "--workers", "1"], preexec_fn=heed_interrupts)
    while not is_open(long):
        assert child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    assert child.wait() == 130
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def is_open(path):
    """Whether some process reads a file."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if link.readlink() == path:
                return True
    return False


def test_what_cannot_or_ought_not_be_written_is_said_before_reading(tmp_path, capsys):
    source = trees.ucf101(tmp_path / "tree")
    lists = next(source.rglob("trainlist02.txt"))
    (tmp_path / "own.jsonl").write_text('{"path": "a.mp4", "label": "b"}\n')
    wrong = {
        lists: "name it trainlist02.jsonl",
        tmp_path / "m.csv": "name it m.jsonl",
        tmp_path / "own.jsonl": "is no manifest, and would be replaced",
    }
    before = lists.read_bytes()
    for out, what in wrong.items():
        assert stillmotion("prepare", "ucf101", source, out) == 2
        told = capsys.readouterr()
        assert what in told.err
        assert told.out == ""
    assert lists.read_bytes() == before
