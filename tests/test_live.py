"""Frames as they come: queues that forget, clocks that go on, sources that come back."""

import gc
import socket
from collections import deque
from itertools import pairwise
from math import inf
from threading import Thread

import av
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from senders import tcp_sender, transport_stream, udp_sender
from stillmotion.data.live import Live
from stillmotion.data.live_clock import LEAP, LONGEST_PAUSE, REORDERED, Clock, pauses
from stillmotion.data.live_queue import Newest
from stillmotion.data.live_source import source_of
from stillmotion.data.video import open_video
from stillmotion.errors import ConfigurationError, VideoError
from videos import levels, write_sound, write_video

TIMES = st.floats(0, 1e6)


@given(st.lists(st.booleans()), st.integers(1, 5))
def test_a_queue_keeps_the_newest_in_their_order_and_counts_the_others(puts, size):
    queue, items, kept, dropped = Newest(size), iter(range(len(puts))), deque(maxlen=size), 0
    taken = iter(queue)
    for put in puts:
        if put:
            item = next(items)
            dropped += len(kept) == size
            queue.put(item)
            kept.append(item)
        elif kept:
            assert next(taken) == kept.popleft()
        assert (len(queue), queue.dropped) == (len(kept), dropped)
    queue.close()
    queue.put("too late")
    assert list(taken) == list(kept)


def test_patience_drops_nothing_and_ends_with_the_queue():
    queue = Newest(2)

    def put() -> None:
        for item in range(1000):
            queue.put(item, patiently=True)

    thread = Thread(target=put)
    thread.start()
    taken = [item for item, _ in zip(queue, range(500), strict=False)]
    queue.close()
    thread.join()
    assert taken == list(range(500))
    assert queue.dropped == 0


@given(st.floats(0, 500))
def test_pauses_grow_to_a_bound_and_take_as_long_as_allowed(total):
    waits = list(pauses(total))
    assert sum(waits) == pytest.approx(total)
    assert all(early <= late for early, late in pairwise(waits[:-1]))
    assert all(0 < wait <= LONGEST_PAUSE for wait in waits)


@given(st.lists(st.tuples(TIMES, TIMES, st.booleans())))
def test_a_clock_never_falls_whatever_a_source_says(told):
    clock, now, seen = Clock(), 0.0, [0.0]
    for stamp, later, is_new in told:
        now += later
        if is_new:
            clock.renew()
        seen.append(clock.at(stamp, now=now))
    assert seen == sorted(seen)


@given(TIMES, st.lists(st.floats(0, LEAP), min_size=1), TIMES)
def test_a_clock_keeps_the_steps_of_a_connection(stamp, steps, gap):
    """And a lost connection takes as long as it did."""
    clock = Clock()
    assert clock.at(stamp, now=5.0) == 0
    for step in steps:
        stamp += step
        seconds = clock.at(stamp, now=5.0)
    assert seconds == pytest.approx(sum(steps), abs=1e-4)
    clock.renew()
    assert clock.at(0.0, now=5 + gap) == pytest.approx(sum(steps) + gap, abs=1e-4)


@given(TIMES, TIMES)
def test_a_stamp_that_cannot_be_moves_no_clock(stamp, wrong):
    """Of a stream: neither the frame that bears it nor those after it. A file may pause as long."""
    clock, now = Clock(), 0.0
    for told in (stamp, stamp + 0.1, stamp + 20 + wrong, stamp + 0.3, -wrong, stamp + 0.5):
        now += 0.1
        seconds = clock.at(told, now=now)
    assert 0.5 - 1e-4 <= seconds <= 0.6 + LEAP
    assert Clock().at(stamp, now=0.0, leap=inf) == 0
    clock = Clock()
    assert [clock.at(t, now=0.0, leap=inf) for t in (stamp, stamp + 60)] == pytest.approx([0, 60])


@given(st.permutations(range(24)), st.integers(1, 100))
def test_frames_out_of_order_cost_no_time(order, fps):
    """Each comes up to six places from its own; the latest so far tells the time."""
    places = sorted(range(24), key=lambda place: place + order[place] / 4)
    clock = Clock()
    told = [clock.at(place / fps, now=0.0, leap=inf) for place in places]
    highest = [max(places[: n + 1]) - places[0] for n in range(24)]
    assert told == pytest.approx([max(0, steps) / fps for steps in highest])


@given(st.integers(1, 40), st.integers(2, 50), st.booleans())
def test_a_clock_goes_on_where_a_source_begins_again(frames, times, is_file):
    """Again and again the same stamps, at 10 frames a second."""
    clock = Clock()
    for place in range(frames * times):
        seconds = clock.at(place % frames / 10, now=place / 10, leap=inf if is_file else LEAP)
    assert place / 10 - (REORDERED + 1) / 10 - 1e-6 <= seconds


@pytest.mark.parametrize(
    ("given", "platform", "address", "format"),
    [
        ("camera", "linux", "/dev/video0", "v4l2"),
        ("camera:2", "linux", "/dev/video2", "v4l2"),
        ("/dev/video7", "linux", "/dev/video7", "v4l2"),
        ("camera", "darwin", "0", "avfoundation"),
        ("camera:Desk", "win32", "video=Desk", "dshow"),
        ("udp://127.0.0.1:1", "linux", "udp://127.0.0.1:1", None),
    ],
)
def test_a_camera_is_reached_as_the_system_has_it(given, platform, address, format):
    source = source_of(given, platform=platform)
    assert (source.address, source.format, source.is_file) == (address, format, False)
    assert given in source.name


def test_other_sources_are_taken_as_they_are_and_impossible_ones_refused(tmp_path):
    assert source_of("rtsp://door/1").options["rtsp_transport"] == "tcp"
    assert source_of(tmp_path / "a.mp4").is_file
    with pytest.raises(ConfigurationError, match="is a folder: give one file"):
        source_of(tmp_path)
    with pytest.raises(ConfigurationError, match="give camera:NAME"):
        source_of("camera:0", platform="win32")
    with pytest.raises(ConfigurationError, match="not known how cameras are reached on plan9"):
        source_of("camera", platform="plan9")


@pytest.mark.parametrize("wrong", [{"buffer": 0}, {"timeout": 0.0}, {"reconnect": -1.0}])
def test_numbers_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        Live("a.mp4", **wrong)


@pytest.mark.parametrize("rotation", [0, 90])
def test_a_file_gives_the_frames_that_it_gives_elsewhere(rotation, tmp_path):
    path = write_video(tmp_path / "a.mp4", rotation=rotation)
    with open_video(path) as video, Live(path, fast=True, buffer=1) as live:
        want = video.frames_at(range(12), short_side=32)
        frames = list(live)
    assert [frame.index for frame in frames] == list(range(12))
    assert [frame.seconds for frame in frames] == pytest.approx(want.pts_seconds.tolist())
    got = torch.stack([frame.pixels(short_side=32) for frame in frames])
    assert torch.equal(got, want.data)
    assert (live.read, live.dropped, live.damaged, live.has_end) == (12, 0, 0, True)


def test_no_frame_waits_for_pythons_search_for_circles(tmp_path):
    path = write_video(tmp_path / "a.mp4", num_frames=24, rotation=90)
    with Live(path, fast=True, buffer=1) as live:
        gc.collect()
        gc.disable()
        try:
            assert sum(frame.pixels().shape == (3, 64, 48) for frame in live) == 24
            assert gc.collect() == 0
        finally:
            gc.enable()


def test_a_file_is_never_ahead_of_its_own_speed(tmp_path):
    with Live(write_video(tmp_path / "a.mp4", num_frames=4)) as live:
        frames = list(live)
    assert len(frames) == 4
    for frame in frames:
        assert frame.arrived - frames[0].arrived >= frame.seconds - 0.01


def test_who_takes_frames_slowly_gets_the_newest(tmp_path):
    with Live(write_video(tmp_path / "a.mp4", num_frames=6, fps=50), buffer=2) as live:
        live._thread.join()
        assert levels(torch.stack([frame.pixels() for frame in live])) == [4, 5]
    assert (live.read, live.dropped) == (6, 4)


@pytest.mark.parametrize("name", ["missing.mp4", "text.mp4", "empty.mp4", "sound.mp4"])
def test_a_file_that_is_no_video_is_said(name, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").write_bytes(b"")
    write_sound(tmp_path / "sound.mp4")
    with Live(tmp_path / name) as live, pytest.raises(VideoError, match=name):
        list(live)


def test_an_address_where_nobody_is_is_said():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    for source in (address, "nothing://here"):
        with Live(source) as live, pytest.raises(VideoError, match=source):
            list(live)


def test_the_password_of_an_address_is_used_and_not_shown():
    source = source_of("rtsp://user:secret@door/1")
    assert (source.name, source.address) == ("rtsp://door/1", "rtsp://user:secret@door/1")


def test_a_silent_address_is_said():
    with (
        tcp_sender(b"", hold=True) as address,
        Live(address, timeout=0.2) as live,
        pytest.raises(VideoError, match=r"nothing came for 0\.2 s"),
    ):
        list(live)


def test_a_stream_over_udp_is_followed(tmp_path):
    data, frames = transport_stream(tmp_path), []
    with udp_sender(data) as address, Live(address) as live:
        for frame in live:
            frames.append(frame)
            if len(frames) == 10:
                break
    assert all(0 <= level <= 11 for level in levels(torch.stack([f.pixels() for f in frames])))
    assert [early.seconds <= late.seconds for early, late in pairwise(frames)] == [True] * 9
    assert not live.has_end
    assert live.fps == 10


def test_a_stream_may_be_joined_long_before_a_key_frame(tmp_path):
    """Twice a video without its key frame, then the video."""
    rare = {"tune": "zerolatency", "sc_threshold": "0"}
    data = transport_stream(tmp_path, num_frames=24, keyframe_every=250, options=rare)
    with av.open(str(tmp_path / "sent.ts")) as container:
        later = [packet.pos for packet in container.demux(video=0) if packet.size][1]
    with (
        tcp_sender(data[later:] * 2 + data) as address,
        Live(address, buffer=99, reconnect=0.0) as live,
    ):
        taken = []
        with pytest.raises(VideoError, match="the stream ended"):
            taken.extend(frame.pixels() for frame in live)
    assert levels(torch.stack(taken))[-24:] == list(range(24))


@pytest.mark.parametrize("hold", [False, True], ids=["closed", "silent"])
def test_a_lost_stream_is_opened_again_and_given_up_in_the_end(hold, tmp_path, monkeypatch):
    monkeypatch.setattr("stillmotion.data.live_clock.FIRST_PAUSE", 0.1)
    data, notices = transport_stream(tmp_path), []
    with (
        tcp_sender(data, data, hold=hold) as address,
        Live(address, buffer=99, timeout=0.3, reconnect=0.15, on_notice=notices.append) as live,
    ):
        frames = iter(live)
        got = [next(frames) for _ in range(24)]
        with pytest.raises(VideoError, match=r"given up after 0\.15 s"):
            next(frames)
    assert [frame.connection for frame in got] == [0] * 12 + [1] * 12
    assert levels(torch.stack([frame.pixels() for frame in got])) == [*range(12)] * 2
    seconds = [frame.seconds for frame in got]
    assert seconds == sorted(seconds)
    assert seconds[12] >= 0.1  # the first pause
    assert "the stream ended; opened again in 0.1 s" in notices[0]
    assert live.reconnections == 3


def test_damage_costs_frames_and_not_the_stream(tmp_path):
    path = write_video(tmp_path / "a.mp4", keyframe_every=4, options={"tune": "zerolatency"})
    damage(path, {6})
    with Live(path, fast=True) as live:
        seen = levels(torch.stack([frame.pixels() for frame in live]))
    assert (len(seen), live.damaged) == (11, 1)
    assert {*range(6), *range(9, 12)} <= set(seen)


def damage(path, which):
    """Claim that the data of these pictures are longer than they can be."""
    with av.open(str(path)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for place in which:
        data[places[place] : places[place] + 4] = b"\xff" * 4
    path.write_bytes(data)


def test_a_file_of_which_no_frame_decodes_is_said(tmp_path):
    path = write_video(tmp_path / "a.mp4", options={"tune": "zerolatency"})
    damage(path, range(12))
    with Live(path) as live, pytest.raises(VideoError, match=r"a\.mp4: no frame decodes \(12 dam"):
        list(live)
    locked = tmp_path / "locked.mp4"
    secret = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "0" * 32}
    with av.open(str(locked), "w", options=secret | {"encryption_kid": "1" * 32}) as container:
        container.add_stream("libx264", rate=10)
        container.mux(container.streams.video[0].encode(av.VideoFrame(640, 480, "yuv420p")))
        container.mux(container.streams.video[0].encode(None))
    with Live(locked) as live, pytest.raises(VideoError, match=r"locked\.mp4: the video is encr"):
        list(live)


def test_leaving_early_ends_the_thread(tmp_path):
    with Live(write_video(tmp_path / "a.mp4"), fast=True, buffer=1) as live:
        next(iter(live))
    assert not live._thread.is_alive()
