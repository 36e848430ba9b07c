"""Frames come out as they were put in, whatever the container, the order or the damage."""

import gc
import runpy
import sys
from itertools import pairwise

import av
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stillmotion.data.decoder import scaled_size
from stillmotion.data.orientation import Orientation
from stillmotion.data.timeline import Timeline, timeline_from_pts
from stillmotion.data.video import available_decoders, open_video
from stillmotion.errors import ConfigurationError, VideoError
from stillmotion.exporting.runner import video as runner_video
from videos import levels, write_sound, write_video

OPEN_GOP = {"x264-params": "open-gop=1:bframes=3:b-adapt=0:scenecut=0"}
ENCODINGS = {
    "mp4": ("clip.mp4", {"codec": "libx264"}),
    "mp4, B-frames, open GOP": (
        "clip.mp4",
        {"codec": "libx264", "keyframe_every": 6, "options": OPEN_GOP},
    ),
    "hevc, open GOP": (
        "clip.mp4",
        {"codec": "libx265", "keyframe_every": 6, "options": {"x265-params": "log-level=none"}},
    ),
    "matroska, closed GOP": ("clip.mkv", {"codec": "libx264", "keyframe_every": 5}),
    "webm, vp8": ("clip.webm", {"codec": "libvpx", "options": {"auto-alt-ref": "1"}}),
    "webm, vp9": ("clip.webm", {"codec": "libvpx-vp9", "keyframe_every": 6}),
    "avi, B-frames": ("clip.avi", {"codec": "mpeg4", "options": {"bf": "2"}}),
    "mpeg-ts": ("clip.ts", {"codec": "libx264", "keyframe_every": 6}),
}


@pytest.fixture(params=ENCODINGS, scope="module")
def encoded(request, tmp_path_factory):
    name, settings = ENCODINGS[request.param]
    return write_video(tmp_path_factory.mktemp("video") / name, num_frames=20, **settings)


def test_every_frame_is_the_one_asked_for(encoded):
    with open_video(encoded) as video:
        assert len(video) == 20
        assert levels(video.frames_at(range(20)).data) == list(range(20))


def test_any_order_and_repeats_give_the_frames_of_a_walk_from_the_start(encoded):
    with open_video(encoded) as video:
        walk = video.frames_at(range(20)).data
        for wanted in ([19, 0, 7, 7, 13], [6], [5], [12, 4], [18, 17], [11, 13]):
            batch = video.frames_at(wanted)
            assert torch.equal(batch.data, walk[wanted])
            assert batch.indices.tolist() == wanted


def test_seconds_begin_at_the_first_frame(encoded):
    with open_video(encoded) as video:
        assert video.frames_at([0, 10]).pts_seconds.tolist() == pytest.approx([0, 1], abs=0.11)
        assert video.fps == pytest.approx(10, rel=0.05)
        assert not video.is_variable_rate


def test_open_gop_really_has_keyframes_that_refer_to_what_lies_before(tmp_path):
    path = write_video(tmp_path / "a.mp4", num_frames=20, keyframe_every=6, options=OPEN_GOP)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    keyframes = [place for place, packet in enumerate(packets) if packet.is_keyframe]
    assert len(keyframes) > 1
    assert any(packet.pts < packets[keyframes[1]].pts for packet in packets[keyframes[1] :])


def test_frames_are_shown_at_their_own_time_when_the_rate_varies(tmp_path):
    stamps = [0, 10, 20, 120, 130, 140]
    with open_video(write_video(tmp_path / "a.mp4", pts=stamps)) as video:
        assert video.is_variable_rate
        batch = video.frames_played_at([0.0, 0.19, 0.2, 1.15, 1.2, 1.3999])
        assert levels(batch.data) == [0, 1, 2, 2, 3, 4]
        assert batch.pts_seconds.tolist() == pytest.approx([0, 0.1, 0.2, 0.2, 1.2, 1.3])


def test_scaling_while_converting_keeps_the_aspect_and_never_enlarges(tmp_path):
    with open_video(write_video(tmp_path / "a.mp4")) as video:
        assert video.frames_at([0], short_side=24).data.shape == (1, 3, 24, 32)
        assert video.frames_at([0], short_side=500).data.shape == (1, 3, 48, 64)


# A white corner at the upper left goes where a player that turns the frame would show it.
def test_no_frame_waits_for_pythons_search_for_circles(tmp_path):
    path = write_video(tmp_path / "a.mp4", num_frames=2, rotation=90)
    runner = runpy.run_path(runner_video.__file__)
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            with open_video(path) as video:
                assert (video.height, video.width) == (64, 48)
        assert runner["decoded"](path, [0, 1], None, None).shape == (2, 64, 48, 3)
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("rotation", "corner"), [(0, (0, 0)), (90, (1, 0)), (180, (1, 1)), (-90, (0, 1))]
)
def test_rotation_is_applied(tmp_path, rotation, corner):
    path = write_video(tmp_path / "a.mp4", num_frames=2, rotation=rotation)
    with open_video(path) as video:
        size = (64, 48) if rotation in (90, -90) else (48, 64)
        assert (video.height, video.width) == size
        frame = video.frames_at([0]).data[0]
        assert frame.shape[1:] == size
        down, right = corner
        pixel = frame[:, -2 if down else 1, -2 if right else 1]
        assert pixel.min() > 200
        opposite = frame[:, 1 if down else -2, 1 if right else -2]
        assert opposite.max() < 60


@given(st.booleans(), st.booleans(), st.booleans())
def test_turning_keeps_every_pixel(transposed, horizontally, vertically):
    frame = torch.arange(3 * 4 * 5, dtype=torch.uint8).view(3, 4, 5)
    orientation = Orientation(transposed, horizontally, vertically)
    upright = orientation.apply(frame)
    assert tuple(upright.shape[1:]) == orientation.size(4, 5)
    assert torch.equal(upright.flatten().sort().values, frame.flatten())


def test_an_index_out_of_range_says_the_length(tmp_path):
    with open_video(write_video(tmp_path / "a.mp4")) as video:
        for index in (-1, 12):
            with pytest.raises(VideoError, match=f"no frame {index}: the video has 12 frames"):
                video.frames_at([index])
        with pytest.raises(VideoError, match="no frame was asked for"):
            video.frames_at([])
        with pytest.raises(VideoError, match=r"lasts from 0 to 1\.2 s"):
            video.frames_played_at([1.2])


def damage(path, *, keep_packets):
    """Overwrites every frame from one on with noise, up to the file's last keyframe."""
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        spans = [(p.pos, p.size) for p in packets]
        last = max(place for place, p in enumerate(packets) if p.is_keyframe)
    data = bytearray(path.read_bytes())
    for start, size in spans[keep_packets : last if last > keep_packets else None]:
        data[start : start + size] = b"\xff" * size
    path.write_bytes(data)
    return path


def test_damage_spoils_frames_up_to_the_next_keyframe_and_says_so(tmp_path):
    clip = write_video(
        tmp_path / "a.mp4",
        num_frames=20,
        keyframe_every=10,
        options={"bf": "0", "sc_threshold": "0"},
    )
    with open_video(damage(clip, keep_packets=4)) as video:
        assert len(video) == 20
        assert levels(video.frames_at([0, 3, 10, 19]).data) == [0, 3, 10, 19]
        for wanted in ([4], [9], [0, 7, 15], range(20)):
            with pytest.raises(VideoError, match=r"of 20 cannot be decoded \(the first 4 can\)"):
                video.frames_at(wanted)
        assert video.decodable().num_frames == 4
        assert video.decodable().reason


def outcome(path):
    """ "frames" where the first frame is the right one, or why there is none."""
    try:
        with open_video(path) as video:
            assert levels(video.frames_at([0]).data) == [0]
    except VideoError as error:
        return str(error)
    return "frames"


def test_a_file_cut_short_ends_in_frames_or_a_reason(tmp_path):
    whole = write_video(tmp_path / "a.mkv", num_frames=20).read_bytes()
    outcomes = set()
    for size in range(0, len(whole), max(1, len(whole) // 40)):
        path = tmp_path / "cut.mkv"
        path.write_bytes(whole[:size])
        outcomes.add(outcome(path))
    assert "frames" in outcomes
    assert len(outcomes) > 1
    assert all(reason == "frames" or "cut.mkv: " in reason for reason in outcomes)


def test_what_is_no_video_is_refused_with_a_reason(tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\n/etc/hostname\n")
    write_sound(tmp_path / "sound.mp4")
    for name, reason in {
        "absent.mp4": "no such file",
        "empty.mp4": "the file is empty",
        "text.mp4": "not a video",
        "list.m3u8": "not a video",
        "sound.mp4": "only sound",
        "": "no images in this folder",
    }.items():
        with pytest.raises(VideoError, match=reason):
            open_video(tmp_path / name)


def test_a_header_that_claims_a_huge_frame_is_refused(tmp_path):
    path = write_video(tmp_path / "a.avi", codec="ffv1")
    data = path.read_bytes()
    at = data.index(b"strf") + 12
    assert data[at : at + 8] == (64).to_bytes(4, "little") + (48).to_bytes(4, "little")
    path.write_bytes(data[:at] + (30000).to_bytes(4, "little") * 2 + data[at + 8 :])
    with pytest.raises(VideoError, match=r"30000 x 30000|no frame size"):
        open_video(path)


def test_decoders_that_are_absent_say_why():
    found = available_decoders()
    assert found["pyav"] == av.__version__
    with pytest.raises(ConfigurationError, match="pyav"):
        open_video("clip.mp4", decoder="decord")
    if "torchcodec" not in sys.modules and found["torchcodec"].startswith("not available"):
        with pytest.raises(ConfigurationError, match="not available"):
            open_video("clip.mp4", decoder="torchcodec")


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(1, 300))
def test_scaled_size_is_at_most_the_short_side(height, width, short_side):
    new_height, new_width = scaled_size(height, width, short_side=short_side)
    assert min(new_height, new_width) == min(height, width, short_side)
    assert new_height <= height
    assert new_width <= width


@given(st.integers(1, 300), st.sampled_from([1, 33, 512, 1001]), st.sampled_from([1e-3, 1 / 15360]))
def test_ticks_of_a_constant_rate_are_its_frames(num_frames, step, unit):
    pts = [7 + step * index for index in range(num_frames)]
    timeline = timeline_from_pts(pts, last_step=step, seconds_per_unit=unit)
    assert not timeline.is_variable_rate
    assert timeline.ticks() == list(range(num_frames))


rising = st.lists(st.integers(1, 500), max_size=60).map(
    lambda steps: [sum(steps[:count]) for count in range(len(steps) + 1)]
)


@given(rising, st.integers(0, 500))
def test_ticks_show_each_frame_for_as_long_as_it_lasts(pts, last_step):
    timeline = timeline_from_pts(pts, last_step=last_step, seconds_per_unit=0.001)
    ticks = timeline.ticks()
    assert len(ticks) == len(timeline)
    assert ticks == sorted(ticks)
    lasts = [b - a for a, b in pairwise([*timeline.starts, timeline.duration])]
    for frame, seconds in enumerate(lasts):
        assert abs(ticks.count(frame) - seconds * timeline.fps) <= (
            1 + 1e-6 if timeline.is_variable_rate else len(pts)
        )


@given(rising, st.floats(0, 0.99), st.floats(0.001, 1))
def test_a_range_of_ticks_lies_in_the_range(pts, start, share):
    timeline = timeline_from_pts(pts, last_step=100, seconds_per_unit=0.001)
    first = start * timeline.duration
    last = first + share * (timeline.duration - first)
    ticks = timeline.ticks(start=first, end=last)
    assert ticks
    if timeline.is_variable_rate:
        assert timeline.frame_at(first) <= ticks[0] <= ticks[-1] < len(timeline)
        assert timeline.starts[ticks[-1]] <= last
    assert timeline.ticks(start=0.0, end=timeline.duration + 5) == timeline.ticks()


def test_a_range_outside_the_video_is_refused():
    timeline = Timeline(starts=(0.0, 0.5), duration=1.0)
    for start, end in ((1.0, None), (2.0, 3.0), (0.5, 0.5)):
        with pytest.raises(VideoError, match="lasts from 0 to 1 s"):
            timeline.ticks(start=start, end=end)
