"""How many samples a header claims is known, and refused, before FFmpeg takes memory for them."""

import os
import struct
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutants import FRAMES, HEIGHT, WIDTH, write_source
from process_state import forget_highest, highest_mib, resident_mib
from stillmotion.data import mp4_boxes, mp4_header, packets
from stillmotion.data.mp4_boxes import MAX_DEPTH, claimed_samples
from stillmotion.data.video import open_video
from stillmotion.errors import VideoError

MANY = 2**26


def packed(kind, content, *, wide=False):
    """A box; a wide one states its size in 64 bits."""
    if wide:
        return struct.pack(">I4sQ", 1, kind, len(content) + 16) + content
    return struct.pack(">I4s", len(content) + 8, kind) + content


def table(count):
    return packed(b"stsz", struct.pack(">III", 0, 1, count))


def claims(content):
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(content)
        return claimed_samples(file)


@pytest.mark.parametrize("name", ["h264.mp4", "fragments.mp4", "hevc.mov"])
def test_a_whole_file_claims_the_samples_it_has(tmp_path, name):
    assert claims(write_source(tmp_path / name).read_bytes()) == FRAMES


def test_other_files_claim_nothing(tmp_path):
    for name in ("h264.mkv", "mpeg4.avi", "pictures.gif", "h264.ts"):
        assert claims(write_source(tmp_path / name).read_bytes()) == 0


@given(
    counts=st.lists(st.integers(0, 2**32 - 1), max_size=5),
    way=st.lists(st.sampled_from([b"moov", b"trak", b"stbl", b"free"]), max_size=MAX_DEPTH - 2),
    wide=st.booleans(),
    beyond=st.integers(0, 2**20),
)
def test_claims_are_found_however_deep_and_add_up(counts, way, wide, beyond):
    content = b"".join(packed(b"udta", table(count)) for count in counts)
    for kind in way:
        content = packed(b"name", b"1234") + packed(kind, content, wide=wide)
    # A box that says it is longer than its place is cut, as FFmpeg cuts it.
    longer = struct.pack(">I4s", len(content) + 8 + beyond, b"moov")
    assert claims(packed(b"mdat", b"12345678") + longer + content) == sum(counts)


BOXES = st.recursive(
    st.binary(max_size=40),
    lambda inner: st.builds(
        lambda size, kind, parts: struct.pack(">I4s", size, kind) + b"".join(parts),
        st.integers(0, 80) | st.integers(0, 2**32 - 1),
        st.sampled_from([b"moov", b"trak", b"stsz", b"trun", b"mdat", b"cmov"]),
        st.lists(inner, max_size=4),
    ),
)


@given(BOXES)
def test_any_bytes_end_in_a_number_or_a_reason(content):
    with suppress(ValueError):
        assert claims(content) >= 0


def claiming(path, tag, *, at, count):
    """The file with a count behind a tag changed."""
    content = bytearray(path.read_bytes())
    place = content.index(tag) + at
    content[place - 4 : place + 4] = struct.pack(">II", 1, count)
    path.write_bytes(content)
    return path


def old_movie(path, *, seconds=4):
    """A QuickTime movie with IMA sound as old writers have it: its samples are uncompressed ones.

    Returns:
        The places of the contents of the sound's "stts", "stsc" and "stsz".
    """
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=5)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = container.add_stream("adpcm_ima_qt", rate=44100, layout="mono")
        for level in range(seconds * 5):
            picture = np.full((HEIGHT, WIDTH, 3), level, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        for begin in range(0, seconds * 44100, 64):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 64), np.int16), "s16p", "mono")
            frame.rate, frame.pts = 44100, begin
            container.mux(sound.encode(frame))
        for stream in (video, sound):
            container.mux(stream.encode(None))
    content = bytearray(path.read_bytes())
    begin = content.index(b"soun")
    stts, stsc, stsz = (content.index(tag, begin) + 4 for tag in (b"stts", b"stsc", b"stsz"))
    (packets,) = struct.unpack_from(">I", content, stsz + 8)
    for place in range(stsc + 8, stsc + 8 + 12 * number_at(content, stsc + 4), 12):
        struct.pack_into(">I", content, place + 4, 64 * number_at(content, place + 4))
    struct.pack_into(">III", content, stts + 4, 1, 64 * packets, 1)
    struct.pack_into(">II", content, stsz + 4, 1, 64 * packets)
    struct.pack_into(">IIII", content, content.index(b"ima4", begin) + 32, 64, 34, 34, 2)
    path.write_bytes(content)
    return {"stts": stts, "stsc": stsc, "stsz": stsz}


def number_at(content, place):
    return struct.unpack_from(">I", content, place)[0]


def test_old_sound_may_count_more_samples_than_there_are_bytes(tmp_path):
    path = tmp_path / "a.mov"
    places = old_movie(path)
    content = path.read_bytes()
    assert number_at(content, places["stsz"] + 8) > len(content)
    with av.open(str(path)) as container:
        packets = sum(len(stream.index_entries) for stream in container.streams)
    assert packets <= claims(content) < len(content)
    assert len(open_video(path)) == 20


@pytest.mark.parametrize(
    ("table", "at", "number"),
    [
        ("stsc", 12, 2**28),  # many samples in each chunk
        ("stts", 4, 2),  # not one tick a sample: each sample counts
        ("stts", 12, 2),
        ("stsz", 4, 0),  # each sample has its own size
    ],
)
def test_old_sound_takes_no_memory_for_what_is_not_there(tmp_path, table, at, number):
    path = tmp_path / "a.mov"
    place = old_movie(path)[table] + at
    content = bytearray(path.read_bytes())
    content[place : place + 4] = struct.pack(">I", number)
    path.write_bytes(content)
    with pytest.raises(VideoError, match=r"claims \d+ samples in \d+ bytes"):
        open_video(path)


@pytest.mark.parametrize("change", [(b"soun", b"vide"), (b"hdlr", b"none"), (b"stsd", b"ctts")])
def test_only_what_is_surely_old_sound_may_count_more(tmp_path, change):
    path = tmp_path / "a.mov"
    old_movie(path)
    content = path.read_bytes()
    begin = content.index(b"soun") - 16
    assert claims(content[:begin] + content[begin:].replace(*change, 1)) > len(content)


def test_more_boxes_than_a_video_has_are_refused(tmp_path, monkeypatch):
    path = write_source(tmp_path / "fragments.mp4")
    monkeypatch.setattr(mp4_boxes, "MAX_BOXES", 60)
    assert len(open_video(path)) == FRAMES
    monkeypatch.setattr(mp4_boxes, "MAX_BOXES", 20)
    with pytest.raises(VideoError, match="more than 20 boxes"):
        open_video(path)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of the highest memory")
@pytest.mark.parametrize(
    ("name", "tag", "at"), [("h264.mp4", b"stsz", 12), ("fragments.mp4", b"trun", 8)]
)
def test_four_kilobytes_that_claim_many_samples_take_no_memory(tmp_path, name, tag, at):
    path = claiming(write_source(tmp_path / name), tag, at=at, count=MANY)
    before = resident_mib()
    forget_highest()
    with pytest.raises(VideoError, match=r"claims 671088\d\d samples in \d+ bytes"):
        open_video(path)
    assert highest_mib() - before < 64


@pytest.mark.slow  # alone: what the suite has freed before is memory, too
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds memory so")
def test_a_lack_of_memory_is_no_damage(tmp_path):
    path = tmp_path / "a.mp4"
    open_ended = (struct.pack(">I4s", 0, kind) for kind in (b"moov", b"trak", b"stbl", b"stsz"))
    count = 2**24
    path.write_bytes(b"".join([*open_ended, struct.pack(">III", 0, 0, count)]))
    os.truncate(path, 4 * count + 100)  # zeros, which take no place: what is claimed is there
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + 2**25, before[1]))
    try:
        with pytest.raises(VideoError, match=r"a.mp4: there is too little memory to read it"):
            open_video(path)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("version", [0, 1])
def test_a_track_of_a_negative_number_is_refused(version):
    """FFmpeg worked for sixteen seconds on a file of a hundred kilobytes that had one."""
    times = bytes(16 if version else 8)
    for number in (1, 2**31 - 1, 2**31, 2**32 - 1):
        header = bytes([version, 0, 0, 7]) + times + struct.pack(">I", number) + bytes(60)
        content = packed(b"moov", packed(b"trak", packed(b"tkhd", header)))
        if number < 2**31:
            assert claims(content) == 0
        else:
            with pytest.raises(ValueError, match=f"has the number {number}"):
                claims(content)


def test_a_compressed_header_is_refused(tmp_path):
    path = tmp_path / "a.mov"
    path.write_bytes(packed(b"ftyp", b"qt  0000") + packed(b"moov", packed(b"cmov", bytes(40))))
    with pytest.raises(VideoError, match="header is compressed"):
        open_video(path)


@pytest.mark.parametrize("name", ["h264.mp4", "h264.mkv"])
def test_a_video_of_too_many_frames_is_refused(tmp_path, monkeypatch, name):
    path = write_source(tmp_path / name)
    for module in (packets, mp4_header):
        monkeypatch.setattr(module, "MAX_FRAMES", FRAMES)
    assert len(open_video(path)) == FRAMES
    for module in (packets, mp4_header):
        monkeypatch.setattr(module, "MAX_FRAMES", FRAMES - 1)
    with pytest.raises(VideoError, match=f"more than {FRAMES - 1} frames"):
        open_video(path)
