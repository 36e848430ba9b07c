"""A member of a tar is read as the file that it is a copy of; hostile tars are refused."""

import io
import os
import tarfile

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stillmotion.data.check import check_videos
from stillmotion.data.contents import Stamp, is_there, sha256_of, stamp_of
from stillmotion.data.reading import read_videos
from stillmotion.data.tar_member import Extent, Window, members, split_member
from stillmotion.data.video import open_video
from stillmotion.errors import ProblemsError, VideoError
from videos import write_video

PAYLOAD = bytes(range(256)) * 8


def write_tar(path, files, *, mode="w"):
    """A tar of (name, bytes), or of whole headers."""
    with tarfile.open(path, mode) as tar:
        for name, content in files:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("a.mp4", {"keyframe_every": 4}),
        ("a.mkv", {"keyframe_every": 4}),
        ("a.avi", {"codec": "mpeg4"}),
        ("a.ts", {"codec": "libx264"}),
    ],
)
def test_a_member_gives_the_frames_of_the_file(name, settings, tmp_path):
    path = write_video(tmp_path / name, num_frames=20, **settings)
    tar = write_tar(
        tmp_path / "a, b.tar", [("first.txt", b"x" * 700), (f"in/{name}", path.read_bytes())]
    )
    with open_video(path) as file, open_video(tar / "in" / name) as member:
        assert member.timeline == file.timeline
        for wanted in (range(20), [17, 3], [9]):
            assert torch.equal(member.frames_at(wanted).data, file.frames_at(wanted).data)
        assert member.decodable() == file.decodable()
    assert sha256_of(tar / "in" / name) == sha256_of(path)
    assert stamp_of(tar / "in" / name) == Stamp(path.stat().st_size, tar.stat().st_mtime_ns)


def test_lists_and_check_take_members(tmp_path):
    files = [(f"v/{n}.mp4", write_video(tmp_path / f"{n}.mp4", first_level=n)) for n in (0, 1)]
    write_tar(tmp_path / "a.tar", [(name, path.read_bytes()) for name, path in files])
    listing = tmp_path / "list.csv"
    listing.write_text("path,label\na.tar/v/0.mp4,jump\na.tar/v/1,wave\n")
    with pytest.raises(ProblemsError, match=r"there is no a\.tar/v/1 below"):
        read_videos(listing)
    listing.write_text("path,label\na.tar/v/0.mp4,jump\na.tar/v/1.mp4,wave\n")
    videos = read_videos(listing)
    report = check_videos(videos, workers=1)
    assert (len(report.videos), report.unreadable) == (2, ())
    assert report.videos[0].num_frames == 12


def link(name, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/hostname"
    return info


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([("../a.mp4", b"")], "leads out"),
        ([("a/../../b.mp4", b"")], "leads out"),
        ([("/etc/a.mp4", b"")], "leads out"),
        ([(link("a.mp4"), b"")], "a link or a special file"),
        ([(link("a.mp4", tarfile.LNKTYPE), b"")], "a link or a special file"),
        ([(link("a.mp4", tarfile.FIFOTYPE), b"")], "a link or a special file"),
        ([(link("a.mp4", tarfile.CHRTYPE), b"")], "a link or a special file"),
        ([("a.mp4", b"1"), ("./a.mp4", b"2")], "two members are called 'a.mp4'"),
    ],
)
def test_hostile_tars_are_refused_as_a_whole(files, reason, tmp_path):
    tar = write_tar(tmp_path / "x.tar", [("good.mp4", b"1"), *files])
    with pytest.raises(VideoError, match=reason):
        members(tar)
    with pytest.raises(VideoError, match=reason):
        open_video(tar / "good.mp4")


def test_sparse_members_are_refused(tmp_path):
    info = tarfile.TarInfo("a.mp4")
    info.pax_headers = {
        "GNU.sparse.map": "0,1",
        "GNU.sparse.size": "900000",
        "GNU.sparse.major": "0",
    }
    tar = write_tar(tmp_path / "x.tar", [(info, b"1")])
    with pytest.raises(VideoError, match="special file"):
        members(tar)


def test_compressed_short_and_other_files_are_refused(tmp_path):
    write_tar(tmp_path / "gz.tar", [("a.mp4", PAYLOAD)], mode="w:gz")
    whole = write_tar(tmp_path / "whole.tar", [("a.mp4", PAYLOAD)]).read_bytes()
    (tmp_path / "short.tar").write_bytes(whole[:1500])
    (tmp_path / "text.tar").write_text("no tar" * 500)
    for name, reason in {
        "gz.tar": "damaged, compressed, or not a tar",
        "short.tar": "damaged|cut short",
        "text.tar": "damaged, compressed, or not a tar",
    }.items():
        with pytest.raises(VideoError, match=reason):
            open_video(tmp_path / name / "a.mp4")


def test_a_chain_of_headers_without_end_is_refused(tmp_path):
    name = tarfile.TarInfo("././@LongLink")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 2
    header = name.tobuf(tarfile.GNU_FORMAT) + b"a".ljust(512, b"\0")
    tar = tmp_path / "x.tar"
    tar.write_bytes(header * 5000)
    with pytest.raises(VideoError, match="damaged"):
        members(tar)


def test_what_is_not_in_the_tar_is_no_file(tmp_path):
    tar = write_tar(tmp_path / "x.tar", [("a.mp4", PAYLOAD), ("empty.mp4", b"")])
    for name, reason in {
        "b.mp4": "there is no 'b.mp4' in",
        "../x.tar": "there is no",
        "empty.mp4": "the file is empty",
    }.items():
        with pytest.raises(VideoError, match=reason):
            open_video(tar / name)
    assert is_there(tar / "a.mp4")
    assert not is_there(tar / "b.mp4")
    (tmp_path / "folder.tar").mkdir()
    assert split_member(tmp_path / "folder.tar/a.mp4") is None
    assert split_member(tar) is None


def test_a_tar_that_was_replaced_is_read_again(tmp_path):
    tar = write_tar(tmp_path / "x.tar", [("a.mp4", PAYLOAD)])
    assert list(members(tar)) == ["a.mp4"]
    write_tar(tar, [("b.mp4", PAYLOAD)])
    os.utime(tar, ns=(1, 1))
    assert list(members(tar)) == ["b.mp4"]


@given(
    st.integers(0, 300),
    st.integers(0, 300),
    st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.integers(-400, 400), st.integers(0, 400))),
)
def test_a_window_is_a_file_of_its_own(tmp_path_factory, offset, size, moves):
    path = tmp_path_factory.mktemp("window") / "f"
    path.write_bytes(PAYLOAD)
    own = io.BytesIO(PAYLOAD[offset : offset + size])
    with Window(path, Extent(offset, size), name="f") as window:
        for whence, distance, count in moves:
            base = (0, own.tell(), size)[whence]
            if base + distance < 0:
                with pytest.raises(ValueError, match="before the start"):
                    window.seek(distance, whence)
            else:
                assert window.seek(distance, whence) == own.seek(base + distance)
            assert window.read(count) == own.read(count)
            assert window.tell() == own.tell()


def test_behind_a_windows_end_is_nothing_however_far(tmp_path):
    (tmp_path / "f").write_bytes(PAYLOAD)
    with Window(tmp_path / "f", Extent(5, 10), name="f") as window:
        for place in (10, 2**40, 2**63 - 1, 2**70):
            window.seek(place)
            assert window.read(4) == b""
