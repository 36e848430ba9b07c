"""A folder of numbered images is a video like any other, or it is said what is wrong with it."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stillmotion.data.check import check_videos
from stillmotion.data.contents import told_apart
from stillmotion.data.frame_folder import _faults, is_frame_folder, is_numbered_image, problems
from stillmotion.data.reading import read_videos
from stillmotion.data.rows import videos_below
from stillmotion.data.sets.tree import Tree
from stillmotion.data.video import open_video
from stillmotion.errors import VideoError, some
from stillmotion.prediction import video_files
from videos import levels, write_video


def write_frame(path, level=0, *, size=(64, 48), mode="RGB", **options):
    """An image whose grey says which frame it is; size is width and height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.full((size[1], size[0], 3), 16 + 10 * level, np.uint8)
    Image.fromarray(grey).convert(mode).save(path, **options)


def png_header(width, height):
    """A file that claims to hold so many pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT"


def write_frames(folder, *, count=12, name="img_{:05d}.jpg", first=1):
    for index in range(count):
        write_frame(folder / name.format(index + first), index)
    return folder


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("img_{:05d}.jpg", 1),
        ("frame_{:010d}.jpg", 0),
        ("{}.png", 7),
        ("v2-{}.webp", 95),
        ("x{:03d}.bmp", 1),
        ("A_{:06d}.JPEG", 3),
    ],
)
def test_frames_come_in_the_order_of_their_numbers(name, first, tmp_path):
    folder = write_frames(tmp_path / "f", name=name, first=first)
    with open_video(folder) as video:
        assert levels(video.frames_at([11, 0, 5, 5]).data) == [11, 0, 5, 5]
        assert levels(video.frames_at(range(12)).data) == list(range(12))
        assert (len(video), video.height, video.width) == (12, 48, 64)
        assert video.frames_at([0], short_side=24).data.shape == (1, 3, 24, 32)
        assert video.decodable().num_frames == 12


def test_the_rate_is_thirty_or_what_is_said(tmp_path):
    folder = write_frames(tmp_path / "f")
    with open_video(folder) as video:
        assert video.duration_seconds == pytest.approx(0.4)
        assert video.timeline.ticks(start=0.1, end=0.2) == [3, 4, 5]
        assert not video.is_variable_rate
    with open_video(folder, rate=10.0) as video:
        assert video.timeline.ticks(start=0.1, end=0.2) == [1]
    with pytest.raises(VideoError, match="must be positive"):
        open_video(folder, rate=0.0)


@pytest.mark.parametrize(
    ("change", "kind", "named"),
    [
        ({"remove": ("img_00004.jpg", "img_00007.jpg", "img_00008.jpg")}, "gaps", "4, 7 to 8"),
        ({"add": ("thumb_00001.jpg",)}, "two series", r"img_\*, thumb_\*"),
        ({"add": ("img_3.jpg",)}, "frame twice", "img_00003.jpg, img_3.jpg"),
        ({"add": ("cover.png",)}, "frames without number", "cover.png"),
        (
            {"remove": tuple(f"img_{n:05d}.jpg" for n in range(1, 13))},
            "empty folder",
            "no images",
        ),
    ],
)
def test_what_is_wrong_with_the_names_is_named(change, kind, named, tmp_path):
    folder = write_frames(tmp_path / "f")
    assert problems(folder) == []
    for name in change.get("remove", ()):
        (folder / name).unlink()
    for name in change.get("add", ()):
        write_frame(folder / name)
    (found,) = problems(folder)
    assert (found.place, found.kind) == (str(folder), kind)
    with pytest.raises(VideoError, match=named) as raised:
        open_video(folder)
    assert str(raised.value) == f"{folder}: {found.what}"


@given(st.sets(st.integers(0, 400), min_size=1, max_size=40))
def test_gaps_are_all_numbers_in_between_that_are_missing(numbers):
    missing = sorted(set(range(min(numbers), max(numbers))) - numbers)
    faults = _faults({number: [Path(f"{number}.jpg")] for number in numbers})
    assert bool(faults) == bool(missing)
    if missing:
        assert f": {missing[0]}" in faults[0][1]
        runs = sum(1 for number in missing if number - 1 in numbers)
        told = faults[0][1].split(": ", 1)[1]
        assert len(told.split(", ")) == min(runs, 5) == len(some(["x"] * runs).split(", "))


def test_optical_flow_and_other_files_beside_the_frames_are_passed_over(tmp_path):
    folder = write_frames(tmp_path / "f", count=3)
    write_frames(folder, count=2, name="flow_x_{:05d}.jpg")
    (folder / "notes 1.txt").write_text("")
    (folder / ".img_00009.jpg").write_text("")
    with open_video(folder) as video:
        assert len(video) == 3
    flow = write_frames(tmp_path / "g", count=2, name="flow_x_{:05d}.jpg")
    with open_video(flow) as video:
        assert len(video) == 2


def test_broken_and_strange_images_are_named(tmp_path):
    folder = write_frames(tmp_path / "f")
    whole = (folder / "img_00003.jpg").read_bytes()
    (folder / "img_00003.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "img_00005.jpg").write_text("<svg/>")
    write_frame(folder / "img_00007.jpg", size=(48, 64))
    write_frame(folder / "deep.png", mode="I;16")
    (folder / "deep.png").rename(folder / "img_00009.jpg")
    with open_video(folder) as video:
        assert levels(video.frames_at([0, 1, 3]).data) == [0, 1, 3]
        for index, reason in {
            2: "img_00003.jpg: ",
            4: "img_00005.jpg: damaged, or not an image",
            6: "img_00007.jpg: 48 x 64 pixels, where other frames",
            8: "img_00009.jpg: I;16 pixels",
        }.items():
            with pytest.raises(VideoError, match=reason):
                video.frames_at([index])
        assert video.decodable().num_frames == 2
    (tmp_path / "large").mkdir()
    (tmp_path / "large/1.png").write_bytes(png_header(20_000, 20_000))
    with (
        open_video(tmp_path / "large") as video,
        pytest.raises(VideoError, match=r"1\.png: .*(exceeds|at most)"),
    ):
        video.frames_at([0])


def test_frames_are_upright_as_their_exif_data_say(tmp_path):
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:, :30] = 255  # the left half; turned clockwise it is the upper one
    exif = Image.Exif()
    exif[0x0112] = 6
    for number in (1, 2):
        Image.fromarray(picture).save(tmp_path / f"{number}.png", exif=exif)
    with open_video(tmp_path) as video:
        assert (video.height, video.width) == (60, 40)
        for short_side in (None, 20):
            frame = video.frames_at([1], short_side=short_side).data[0].float()
            upper, lower = frame.chunk(2, dim=1)
            assert frame.shape[1] * 2 == frame.shape[2] * 3
            assert float(upper.mean()) > 240 > 15 > float(lower.mean())


def test_lists_check_split_and_predict_take_folders_of_frames(tmp_path):
    for label in ("jump", "wave"):
        for video in ("a", "b"):
            write_frames(tmp_path / "data" / label / video, count=4, first=len(label + video))
    write_video(tmp_path / "data/wave/c.mp4", num_frames=4)
    write_frame(tmp_path / "data/wave/c.jpg")
    videos = read_videos(tmp_path / "data")
    assert [path.split("/", 1)[1] for path in videos.relative_paths] == [
        "a",
        "b",
        "a",
        "b",
        "c.mp4",
    ]
    listing = tmp_path / "list.txt"
    listing.write_text("data/jump/a 0\ndata/wave/b 1\n")
    assert [s.path.name for s in read_videos(listing).samples] == ["a", "b"]
    report = check_videos(videos, workers=1)
    assert report.unreadable == ()
    assert len(report.duplicates) == 1, "the same frames, whatever their numbers"
    assert len(report.duplicates[0]) == 4
    assert len(set(told_apart(s.path for s in videos.samples).values())) == 2
    assert list(video_files([tmp_path / "data/jump/a"])) == [tmp_path / "data/jump/a"]
    assert len(videos_below(tmp_path / "data")) == 5


@pytest.mark.parametrize("beside", ["Thumbs.db", ".DS_Store", "cover.jpg", "0.txt", "a.csv"])
@pytest.mark.parametrize("name", ["{:05}.jpg", "img_{}.webp", "{:03}.BMP", "frame{:010}.png"])
def test_everybody_sees_the_same_folders_of_frames(name, beside, tmp_path):
    folder = write_frames(tmp_path / "class" / "clip", count=3, name=name)
    (folder / beside).touch()
    assert is_frame_folder(folder)
    assert videos_below(tmp_path) == [folder] == Tree(tmp_path).videos
    (folder / "clip.mp4").touch()  # then they are its thumbnails
    assert not is_frame_folder(folder)
    assert videos_below(tmp_path) == [folder / "clip.mp4"] == Tree(tmp_path).videos


def test_images_beside_lists_are_no_video_and_hide_no_list(tmp_path):
    write_frames(tmp_path, count=2, name="figure{}.png")
    write_frames(tmp_path / "annotations", count=2, name="plot{}.png")
    for folder in (tmp_path, tmp_path / "annotations"):
        (folder / f"{folder.name}.csv").touch()
    tree = Tree(tmp_path)
    assert tmp_path not in tree.videos
    assert tree.find_list("annotations.csv")
    assert tree.find_list(f"{tmp_path.name}.csv")


def test_what_is_no_folder_of_frames(tmp_path):
    write_frame(tmp_path / "a/cover.png")
    assert not is_frame_folder(tmp_path / "a")
    assert not is_frame_folder(tmp_path / "absent")
    assert not is_frame_folder(tmp_path / "a/cover.png")
    assert not is_numbered_image("a1.txt")
    assert not is_numbered_image("a\u0663.png"), "other alphabets' digits"
    assert is_numbered_image("1.PNG")
