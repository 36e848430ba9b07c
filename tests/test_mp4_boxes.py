"""How many samples a header claims is known, and refused, before FFmpeg takes memory for them."""

import struct
import sys
import tempfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutants import FRAMES, write_source
from process_state import forget_highest, highest_mib, resident_mib
from stillmotion.data import mp4_header, packets
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
