"""Kept frames are those of the video, whatever happens to the folder, the file or the process."""

import logging
import multiprocessing
import os
import time
import tracemalloc
from functools import partial

import av
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from runs import files_below, tiny
from sharded import write_small_shards
from stillmotion.data import frame_cache
from stillmotion.data import records as records_file
from stillmotion.data.frame_cache import CachedDecoder, FrameCache
from stillmotion.data.pyav_decoder import PyAVDecoder
from stillmotion.data.reading import read_videos
from stillmotion.data.records import DamagedError, read_records, write_records
from stillmotion.data.room import FULL, SHARE, Room
from stillmotion.data.synthetic import write_motion_videos
from stillmotion.data.video import open_video
from stillmotion.errors import StorageError, VideoError
from stillmotion.training import train
from videos import levels, write_video

ROOM = 2**30


@pytest.fixture
def cache(tmp_path):
    return FrameCache(tmp_path / "cache", max_bytes=ROOM)


@pytest.fixture
def path(tmp_path):
    return write_video(tmp_path / "a.mp4", num_frames=20)


@pytest.fixture
def decoded(monkeypatch):
    """Which frames the video itself was asked for."""
    asked = []
    real = CachedDecoder._encoded

    def listen(self, indices, short_side):
        asked.extend(indices)
        return real(self, indices, short_side)

    monkeypatch.setattr(CachedDecoder, "_encoded", listen)
    return asked


def frames(path, cache, indices=(0, 7, 19), short_side=24):
    with open_video(path, cache=cache) as video:
        return video.frames_at(list(indices), short_side=short_side).data


def records(cache, name=""):
    return sorted(p for p in cache.directory.rglob("*.records") if name in p.name)


def test_frames_and_moments_are_those_of_the_video(cache, path, decoded):
    with open_video(path) as plain:
        for _ in range(2):
            with open_video(path, cache=cache) as video:
                assert video.timeline == plain.timeline
                assert (video.height, video.width) == (48, 64)
                batch = video.frames_at([19, 3, 3, 0], short_side=24)
                assert levels(batch.data) == [19, 3, 3, 0]
                assert batch.data.shape == (4, 3, 24, 32)
                assert torch.equal(video.frames_at([5]).data, plain.frames_at([5]).data)
                assert video.decodable() == plain.decodable()
    assert decoded == list(range(20)), "once, and the whole part"


def test_what_a_frame_looks_like_does_not_depend_on_what_is_kept(cache, path, tmp_path):
    no_room = FrameCache(tmp_path / "full", max_bytes=10)
    first, kept = frames(path, cache), frames(path, cache)
    assert torch.equal(first, kept)
    assert torch.equal(frames(path, no_room), kept)
    assert records(no_room) == []


def test_nothing_is_opened_where_all_is_kept(cache, path, monkeypatch):
    expected = frames(path, cache)

    def unopened(*_, **__):
        raise AssertionError("the video was opened")

    monkeypatch.setattr(PyAVDecoder, "__init__", unopened)
    assert torch.equal(frames(path, cache), expected)


def test_a_segment_takes_room_for_itself_alone(cache, tmp_path, decoded, monkeypatch):
    monkeypatch.setattr(frame_cache, "PART", 4)
    path = write_video(tmp_path / "long.mp4", num_frames=24)
    with open_video(path, cache=cache) as video:
        assert levels(video.frames_at([9, 10, 13], short_side=24).data) == [9, 10, 13]
    assert decoded == [8, 9, 10, 11, 12, 13, 14, 15]
    assert len(records(cache, "24-")) == 2


def test_a_video_that_changed_is_decoded_anew_and_the_old_frames_go(cache, path):
    assert levels(frames(path, cache)) == [0, 7, 19]
    old = records(cache)
    write_video(path, num_frames=20, first_level=3)
    os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns + 5))
    assert levels(frames(path, cache)) == [3, 10, 22]
    assert not any(p.exists() for p in old)
    assert len(records(cache)) == len(old) == 2


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other", "folder"])
@pytest.mark.parametrize("name", ["timeline", "24-"])
def test_damaged_entries_are_made_anew(damage, name, cache, path):
    expected = frames(path, cache)
    (entry,) = records(cache, name)
    whole = entry.read_bytes()
    if damage == "folder":
        entry.unlink()
        entry.mkdir()
    else:
        flipped = bytearray(whole)
        flipped[-5] ^= 1
        changed = {"cut": whole[:-9], "flip": bytes(flipped), "empty": b"", "other": b"x" * 99}
        entry.write_bytes(changed[damage])
    places = (0, 7, 19)
    assert torch.equal(frames(path, cache, places), expected)
    if damage != "folder":
        assert entry.read_bytes() == whole


def test_an_interruption_leaves_no_entry(cache, path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            frames(path, cache)
    assert files_below(cache.directory) == set()
    assert levels(frames(path, cache)) == [0, 7, 19]


def read_often(path, directory, barrier, answers):
    torch.set_num_threads(1)
    cache = FrameCache(directory, max_bytes=ROOM)
    barrier.wait()
    answers.put([frames(path, cache, (n,)).sum().item() for n in range(20)])


def test_processes_at_once_read_and_write_the_same(path, tmp_path):
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(3), context.Queue()
    arguments = (path, tmp_path / "cache", barrier, answers)
    processes = [context.Process(target=read_often, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    found = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    alone = FrameCache(tmp_path / "alone", max_bytes=ROOM)
    expected = [frames(path, alone, (n,)).sum().item() for n in range(20)]
    assert found == [expected] * 3
    assert all(name.endswith(".records") for name in files_below(tmp_path / "cache"))


def test_the_bound_holds_and_is_told_once(tmp_path, caplog):
    paths = [write_video(tmp_path / f"{n}.mp4", num_frames=12) for n in range(6)]
    one = FrameCache(tmp_path / "one", max_bytes=ROOM)
    frames(paths[0], one, (0,))
    bound = 3 * one.room.used() + 100
    cache = FrameCache(tmp_path / "cache", max_bytes=bound)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            kept = [levels(frames(path, cache, (3,))) for path in paths]
            assert kept == [[3]] * 6
    assert 0 < cache.room.used() <= bound
    assert len(records(cache, "24-")) == 3
    assert len(caplog.records) == 1
    assert "takes no more" in caplog.text
    assert (cache.directory / FULL).exists()
    FrameCache(tmp_path / "cache", max_bytes=ROOM)
    assert not (cache.directory / FULL).exists(), "the next run tells it again, or has room"


def test_a_disk_that_refuses_is_as_good_as_full(cache, path, monkeypatch, caplog):
    def refuse(*_):
        raise StorageError("cannot write x: no space left on device")

    monkeypatch.setattr(frame_cache, "write_records", refuse)
    assert levels(frames(path, cache)) == [0, 7, 19]
    assert "no space left on device" in caplog.text
    assert cache.room.is_full
    (cache.directory.parent / "file").touch()
    with pytest.raises(StorageError, match="cannot write to"):
        FrameCache(cache.directory.parent / "file/cache", max_bytes=1)


def test_of_a_damaged_video_what_decodes_is_there(cache, tmp_path):
    path = write_video(tmp_path / "a.mp4", num_frames=20, keyframe_every=5)
    whole = path.read_bytes()
    with open_video(path) as video:
        promised = len(video)
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    broken = bytearray(whole)
    for packet in packets[10:15]:
        broken[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    path.write_bytes(broken)
    with open_video(path, cache=cache) as video:
        assert len(video) == promised
        assert levels(video.frames_at([0, 19], short_side=24).data) == [0, 19]
        with pytest.raises(VideoError, match=r"frame 1[0-4] of 20"):
            video.frames_at([12], short_side=24)
    with pytest.raises(VideoError, match=r"no such file|cannot be read"):
        open_video(tmp_path / "absent.mp4", cache=cache)


def test_members_of_tars_and_folders_of_frames_are_kept_too(cache, few_videos, tmp_path, decoded):
    done = write_small_shards(few_videos, tmp_path / "shards")
    member = read_videos(done.manifest).samples[0].path
    plain = frames(member, None, (0, 5))
    for _ in range(2):
        assert levels(frames(member, cache, (0, 5))) == levels(plain)
    assert len(decoded) == 10


def test_frames_of_another_rate_or_decoder_are_kept_apart(cache, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for n in range(5):
        Image.new("RGB", (32, 24), (n, n, n)).save(folder / f"{n}.jpg")
    for rate in (25.0, 30.0, 25.0):
        with open_video(folder, rate=rate, cache=cache) as video:
            assert video.duration_seconds == pytest.approx(5 / rate)
    assert len(records(cache, "timeline")) == 2
    opened = partial(PyAVDecoder, write_video(tmp_path / "a.mp4"), num_threads=1)
    for origin in ("one", "other", "one"):
        cache.decoder(tmp_path / "a.mp4", opened, origin=origin).close()
    assert len(records(cache, "timeline")) == 4


def test_a_damaged_count_takes_no_memory(tmp_path):
    path = tmp_path / "r"
    write_records(path, [b"a"])
    whole = bytearray(path.read_bytes())
    place = len(records_file._MAGIC)
    whole[place : place + 4] = b"\xff" * 4
    path.write_bytes(whole)
    tracemalloc.start()
    with pytest.raises(DamagedError):
        read_records(path)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_the_quality_that_is_stated(cache, tmp_path):
    """Of small drawings with sharp edges, which are hard: about 2 of 255 levels in the mean."""
    write_motion_videos(tmp_path / "motion", num_train=3, num_val=0, num_heldout_pairs=0)
    differences = []
    for path in (tmp_path / "motion").rglob("*.mp4"):
        plain = frames(path, None, range(0, 12, 3), short_side=64).float()
        kept = frames(path, cache, range(0, 12, 3), short_side=64).float()
        differences.append(float((plain - kept).abs().mean()))
    assert 0 < max(differences) < 3


def test_a_run_over_kept_frames_learns_the_same_in_a_second_run(few_videos, tmp_path):
    runs = []
    for name in ("first", "second"):
        recipe = tiny(few_videos, tmp_path / name, videos={"cache": str(tmp_path / "cache")})
        runs.append(train(recipe, quiet=True))
    rows = [{k: v for k, v in run.history[0].items() if "second" not in k} for run in runs]
    assert rows[0] == rows[1]
    assert len(files_below(tmp_path / "cache")) >= 8


@given(st.lists(st.binary(max_size=40), max_size=6), st.data())
def test_records_come_back_or_damage_is_found(tmp_path_factory, written, data):
    path = tmp_path_factory.mktemp("records") / "r"
    write_records(path, written)
    assert read_records(path) == written
    places = data.draw(st.lists(st.integers(0, max(0, len(written) - 1)), max_size=4))
    if written:
        assert read_records(path, places) == [written[place] for place in places]
    with pytest.raises(DamagedError):
        read_records(path, [len(written)])
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
    with pytest.raises(DamagedError):
        read_records(path)
    path.write_bytes(whole[:place])
    with pytest.raises(DamagedError):
        read_records(path)


@given(st.integers(0, 3000), st.lists(st.integers(1, 300), max_size=40))
def test_room_is_never_exceeded_by_as_many_as_share_it(tmp_path_factory, bound, sizes):
    folder = tmp_path_factory.mktemp("room")
    rooms = [Room(folder, max_bytes=bound) for _ in range(3)]
    assert len(rooms) < SHARE
    for number, size in enumerate(sizes):
        if rooms[number % 3].take(size):
            (folder / str(number)).write_bytes(bytes(size))
    assert rooms[0].used() <= max(bound, 0)
    assert all(not room.take(bound + 1) for room in rooms)
