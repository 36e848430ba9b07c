"""What an MP4 file's header tells of its packets is what reading them tells, or nothing."""

import struct
from contextlib import suppress

import av
from hypothesis import given, settings
from hypothesis import strategies as st

from stillmotion.data.container import open_container
from stillmotion.data.mp4_header import display_offsets, indexed_packets
from stillmotion.data.packets import told_by
from stillmotion.data.video import open_video
from stillmotion.errors import VideoError
from videos import levels, write_video


def by_header(path):
    container, stream = open_container(path, num_threads=1)
    with container:
        offsets = display_offsets(stream, path)
        return offsets and indexed_packets(container, stream, offsets=offsets)


def by_reading(path):
    container, stream = open_container(path, num_threads=1)
    with container:
        return [told_by(packet) for packet in container.demux(stream) if packet.size]


def without_durations(packets):
    return [packet._replace(duration=0) for packet in packets]


@settings(max_examples=15, deadline=None)
@given(
    steps=st.lists(st.integers(1, 40), min_size=0, max_size=30),
    keyframe_every=st.integers(1, 12),
    b_frames=st.integers(0, 3),
    name=st.sampled_from(["a.mp4", "a.mov"]),
)
def test_the_header_tells_what_reading_tells(
    tmp_path_factory, steps, keyframe_every, b_frames, name
):
    path = write_video(
        tmp_path_factory.mktemp("header") / name,
        pts=[sum(steps[:count]) for count in range(len(steps) + 1)],
        keyframe_every=keyframe_every,
        options={"bf": str(b_frames)},
    )
    told, read = by_header(path), by_reading(path)
    assert told is not None
    assert without_durations(told) == without_durations(read)
    last = max(range(len(read)), key=lambda place: read[place].pts)
    assert told[last].duration == read[last].duration


def with_offset_changed(path):
    """Moves one frame in the header's table of offsets."""
    data = bytearray(path.read_bytes())
    at = data.index(b"ctts") + 4
    (runs,) = struct.unpack_from(">I", data, at + 4)
    place = at + 8 + 8 * (runs // 2) + 4
    (offset,) = struct.unpack_from(">i", data, place)
    struct.pack_into(">i", data, place, offset + 3)
    path.write_bytes(data)
    return path


def test_the_offsets_are_those_of_the_file(tmp_path):
    path = with_offset_changed(write_video(tmp_path / "a.mp4", num_frames=20, keyframe_every=10))
    assert without_durations(by_header(path)) == without_durations(by_reading(path))


def remuxed(source, path, **options):
    """The same packets in another file."""
    with av.open(str(source)) as old, av.open(str(path), "w", options=options) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    return path


def test_fragments_and_other_containers_are_read_through(tmp_path):
    plain = write_video(tmp_path / "plain.mp4")
    fragments = remuxed(plain, tmp_path / "a.mp4", movflags="frag_keyframe+empty_moov")
    for path in (fragments, remuxed(plain, tmp_path / "a.mkv")):
        assert by_header(path) is None
        with open_video(path) as video:
            assert levels(video.frames_at(range(12)).data) == list(range(12))


def test_a_file_cut_short_is_read_through(tmp_path):
    path = remuxed(write_video(tmp_path / "plain.mp4"), tmp_path / "a.mp4", movflags="faststart")
    assert by_header(path)
    path.write_bytes(path.read_bytes()[:-50])
    assert by_header(path) is None
    with open_video(path) as video:
        assert levels(video.frames_at([0, 4]).data) == [0, 4]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_header_ends_in_frames_or_a_reason(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    path = folder / "whole-header.mp4"
    if not path.exists():
        write_video(path, num_frames=6)
    content = bytearray(path.read_bytes())
    begin = content.index(b"moov") - 4
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(begin, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    damaged = folder / "damaged-header.mp4"
    damaged.write_bytes(content)
    with suppress(VideoError), open_video(damaged) as video:
        assert len(video) >= 1
