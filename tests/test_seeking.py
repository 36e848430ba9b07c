"""No more is decoded than what was asked for needs, and that gives the same frames."""

import av
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stillmotion.data.stretches import stretches
from stillmotion.data.video import open_video
from stillmotion.errors import VideoError
from videos import levels, write_video

B_FRAMES = {"x264-params": "bframes=3:b-adapt=0:b-pyramid=normal:scenecut=0:keyint=12"}


@pytest.fixture
def video_file(tmp_path):
    return write_video(tmp_path / "a.mp4", num_frames=20, options=B_FRAMES)


def spans(path):
    """Where each frame's packet lies in the file, in the order of decoding: index, start, size."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    order = sorted(packet.pts for packet in packets)
    return [(order.index(packet.pts), packet.pos, packet.size) for packet in packets]


def is_dispensable(data, start, size):
    """Whether all slices of an H.264 packet (units behind a length of four bytes) say so."""
    references, place = [], start
    while place < start + size:
        length = int.from_bytes(data[place : place + 4])
        if data[place + 4] & 31 in (1, 5):
            references.append(data[place + 4] >> 5 & 3)
        place += 4 + length
    return not any(references)


def overwritten(path, wanted_spans):
    data = bytearray(path.read_bytes())
    for _, start, size in wanted_spans:
        data[start + 5 : start + size] = b"\xff" * (size - 5)
    path.write_bytes(data)


def test_nothing_after_the_last_wanted_frame_is_decoded(video_file):
    all_spans = spans(video_file)
    whole = video_file.read_bytes()
    for place, (index, _, _) in enumerate(all_spans[:12]):
        video_file.write_bytes(whole)
        overwritten(video_file, all_spans[place + 1 :])
        with open_video(video_file) as video:
            assert levels(video.frames_at([index]).data) == [index]


def test_frames_to_which_none_refers_are_not_decoded_for_others(video_file):
    with open_video(video_file) as video:
        walk = video.frames_at(range(20)).data
    data = video_file.read_bytes()
    loose = [span for span in spans(video_file) if is_dispensable(data, *span[1:])]
    assert 4 <= len(loose) <= 12
    overwritten(video_file, loose)
    indices = {index for index, _, _ in loose}
    with open_video(video_file) as video:
        kept = [index for index in range(20) if index not in indices]
        assert torch.equal(video.frames_at(kept).data, walk[kept])
        for index in indices:
            with pytest.raises(VideoError, match=f"frame {index} of 20 cannot be decoded"):
                video.frames_at([index])


def test_threads_change_no_frame(video_file):
    wanted = [1, 4, 5, 13, 19]
    with open_video(video_file) as one, open_video(video_file, num_threads=3) as three:
        assert torch.equal(one.frames_at(wanted).data, three.frames_at(wanted).data)


wanted_frames = st.sets(st.integers(0, 60), min_size=1).map(sorted)
keyframes = st.sets(st.integers(1, 60)).map(lambda places: [0, *sorted(places)])


@given(wanted_frames, keyframes)
def test_as_few_frames_as_possible_lie_on_the_way(wanted, keyframes):
    parts = stretches(wanted, keyframes=keyframes)
    assert [index for _, part in parts for index in part] == wanted
    assert all(keyframe in keyframes and keyframe <= part[0] for keyframe, part in parts)
    decoded = sum(part[-1] + 1 - keyframe for keyframe, part in parts)
    before = [max(place for place in keyframes if place <= index) for index in wanted]
    # Every frame between a wanted one and its keyframe is needed, once.
    needed = {index for a, b in zip(before, wanted, strict=True) for index in range(a, b + 1)}
    assert decoded == len(needed)
