"""Tars hold what the list says, an interrupted call goes on, and the order reads in sequence."""

import json
import os
import signal
import tarfile
from collections import Counter
from dataclasses import replace
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs import TINY, files_below, stillmotion
from sharded import write_small_shards
from stillmotion.data import shard_writing
from stillmotion.data.annotations import Sample, VideoList
from stillmotion.data.contents import open_contents, sha256_of
from stillmotion.data.reading import read_videos
from stillmotion.data.shard_plan import member_names
from stillmotion.data.shard_writing import write_shards
from stillmotion.errors import ConfigurationError, DataError, StorageError
from videos import write_classes, write_video


@pytest.fixture(scope="module")
def listing(tmp_path_factory):
    """A list with splits, groups and two segments of one file; one name has dots."""
    folder = tmp_path_factory.mktemp("listing")
    for n in range(8):
        write_video(folder / f"videos/clip.{n}.mp4", num_frames=10, first_level=n)
    samples = [
        f"videos/clip.{n}.mp4,{'jump' if n % 2 else 'wave'},,,g{n},{'val' if n > 5 else 'train'}"
        for n in range(7)
    ]
    segments = (("jump", 0), ("wave", 0.5))
    samples += [f"videos/clip.7.mp4,{k},{s},{s + 0.4},g7,train" for k, s in segments]
    path = folder / "list.csv"
    path.write_text("\n".join(["path,label,start,end,group,split", *samples]))
    return path


def test_the_manifest_gives_the_same_samples_over_the_tars(listing, tmp_path):
    videos = read_videos(listing)
    done = write_shards(videos, tmp_path / "out", shard_bytes=4000)
    again = read_videos(done.manifest)
    assert again.classes == videos.classes
    told = [
        Counter((sha256_of(s.path), replace(s, path=listing)) for s in v.samples)
        for v in (again, videos)
    ]
    assert told[0] == told[1]
    read = [s.path.parent.name for s in again.samples]
    assert list(dict.fromkeys(read)) == [name for name, _ in groupby(read)] == list(done.shards)
    assert len({s.path for s in again.samples}) == 8, "the file with two segments is there once"
    assert files_below(tmp_path / "out") == {*done.shards, "manifest.jsonl"}
    assert {name.split("-")[0] for name in done.shards} == {"train", "val"}
    assert len(done.shards) > 2


def test_webdataset_finds_a_sample_by_its_name_up_to_the_first_dot(listing, tmp_path):
    """What the library does: neighbours with the same folder and base name are one sample."""
    done = write_shards(read_videos(listing), tmp_path, shard_bytes=9000)
    keys = []
    for name in done.shards:
        with tarfile.open(tmp_path / name) as tar:
            found = [(m.name, tar.extractfile(m).read()) for m in tar]
        for (video, _), (labels, told) in zip(found[::2], found[1::2], strict=True):
            folder, _, base = video.rpartition("/")
            keys.append((folder, base.partition(".")[0]))
            assert (base.partition(".")[2], labels) == ("mp4", video.replace(".mp4", ".json"))
            told = json.loads(told)
            assert told["path"].startswith("clip.")
            assert {s["label"] for s in told["samples"]} <= {"jump", "wave"}
            assert len(told["samples"]) == (2 if "clip.7" in told["path"] else 1)
    assert len(set(keys)) == len(keys) == 8


def test_names_that_are_no_utf8_come_back(tmp_path):
    names = [os.fsdecode(b"\xff.mp4"), "b\u2028.mp4"]
    for n, name in enumerate(names):
        write_video(tmp_path / f"{n}.mp4", num_frames=2).rename(tmp_path / name)
    samples = tuple(Sample(tmp_path / name, label) for label, name in enumerate(names))
    done = write_shards(VideoList(samples, ("jump\u2028", "wave"), "here"), tmp_path / "out")
    again = read_videos(done.manifest)
    assert {s.path.name for s in again.samples} == set(names)
    assert again.classes == ("jump\u2028", "wave")
    for sample in again.samples:
        labels = json.loads(open_contents(sample.path.with_suffix(".json")).read())
        assert labels["path"] == sample.path.name


@given(st.lists(st.text("ab./_-2", min_size=1, max_size=8), max_size=30))
def test_member_names_are_distinct_up_to_the_first_dot_and_stay_inside(paths):
    paths = [path for path in dict.fromkeys(paths) if path.rpartition("/")[2].strip(".")]
    names = member_names(paths)
    parted = [name.rpartition("/") for name in names]
    keys = [(folder, base.partition(".")[0]) for folder, _, base in parted]
    assert len(set(keys)) == len(paths)
    assert all(base for _, base in keys)
    assert not any({"..", ".", ""} & set(name.split("/")) for name in names)
    assert all(name.rpartition("/")[2].count(".") == 1 for name in names)


def test_an_interrupted_call_is_gone_on_with(listing, tmp_path, monkeypatch):
    videos, out = read_videos(listing), tmp_path / "out"
    write_shards(videos, tmp_path / "whole", shard_bytes=4000)
    real, written = shard_writing.write_shard, []

    def interrupted(path, shard):
        if len(written) == 2:
            (out / f".{shard.name}.left").write_bytes(b"of a process that was killed")
            raise KeyboardInterrupt
        written.append(shard.name)
        real(path, shard)

    with monkeypatch.context() as patch:
        patch.setattr(shard_writing, "write_shard", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_shards(videos, out, shard_bytes=4000)
    assert not (out / "manifest.jsonl").exists()
    before = {name: (out / name).stat().st_mtime_ns for name in written}
    damaged = out / written[1]
    content = bytearray(damaged.read_bytes())
    content[700] ^= 1
    damaged.write_bytes(content)
    done = write_shards(videos, out, shard_bytes=4000)
    assert (done.kept, done.mended) == ((written[0],), (written[1],))
    assert (out / written[0]).stat().st_mtime_ns == before[written[0]]
    assert files_below(out) == files_below(tmp_path / "whole")
    for name in files_below(out):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_stop_in_the_middle_of_a_tar_leaves_no_tar(listing, tmp_path, monkeypatch):
    def stopped(*_):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(shard_writing, "_header", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_shards(read_videos(listing), tmp_path / "out")
    assert files_below(tmp_path / "out") == set()


def test_a_video_that_changes_meanwhile_is_noticed(listing, tmp_path, monkeypatch):
    videos = read_videos(listing)
    plan = shard_writing.plan_shards

    def too_long(*args, **options):
        shards = plan(*args, **options)
        first = replace(shards[0].videos[0], size=shards[0].videos[0].size - 3)
        return [replace(shards[0], videos=(first, *shards[0].videos[1:])), *shards[1:]]

    monkeypatch.setattr(shard_writing, "plan_shards", too_long)
    with pytest.raises(StorageError, match="did a video change"):
        write_shards(videos, tmp_path / "out")


def test_tars_of_another_list_and_folders_of_frames_are_refused(listing, tmp_path):
    videos = read_videos(listing)
    (tmp_path / "other.tar").touch()
    with pytest.raises(
        ConfigurationError, match=r"tars that this list does not make \(other.tar\)"
    ):
        write_shards(videos, tmp_path)
    folder = replace(videos.samples[0], path=tmp_path)
    with pytest.raises(DataError, match="1 of 1 samples are folders of frames"):
        write_shards(replace(videos, samples=(folder,)), tmp_path / "new")


def test_the_command_leaves_out_what_does_not_open_and_says_so(tmp_path, capsys):
    videos = write_classes(tmp_path / "videos", videos_each=3)
    (videos / "wave/broken.mp4").write_bytes(b"no video")
    out = tmp_path / "out"
    assert stillmotion("shard", videos, out) == 2
    assert "damaged, or not a video" in " ".join(capsys.readouterr().err.split())
    assert not out.exists()
    assert stillmotion("shard", videos, out, "--max_unreadable", "0.2") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "left out: " in told
    assert "broken.mp4" in told
    assert "6 of 7 samples in 1 tars" in told
    assert stillmotion("shard", videos, out, "--max_unreadable", "0.2") == 0
    assert "1 of them there already" in capsys.readouterr().out
    assert stillmotion("shard", videos, out, "--shard_gb", "0") == 2


def test_shards_train_like_any_other_list(few_videos, tmp_path):
    done = write_small_shards(few_videos, tmp_path / "shards")
    out = tmp_path / "run"
    assert stillmotion("train", done.manifest, "--out", out, *TINY) == 0
    assert json.loads((out / "evaluation.json").read_text())
