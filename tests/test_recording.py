"""A recording: what was added is what is played; it appears whole or not at all."""

import socket
import threading

import av
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from runs import files_below
from stillmotion.data.recording import RATES, Recording, rational, without_password
from stillmotion.data.video import open_video
from stillmotion.errors import ClipError, ConfigurationError, StorageError
from videos import levels


def greys(count, *, height=48, width=64):
    """Frame i is grey, 16 + 10 i."""
    return [np.full((height, width, 3), 16 + 10 * i, np.uint8) for i in range(count)]


def record(path, frames, *, fps=10.0):
    height, width = frames[0].shape[:2]
    with Recording(path, height=height, width=width, fps=fps) as recording:
        for frame in frames:
            recording.add(frame)
    return path


def test_what_was_added_is_what_is_played(tmp_path):
    with open_video(record(tmp_path / "grey.mp4", greys(12))) as video:
        assert len(video) == 12
        assert (video.fps, video.duration_seconds) == pytest.approx((10, 1.2))
        assert levels(video.frames_at(range(12)).data) == list(range(12))
    with av.open(str(tmp_path / "grey.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
    assert files_below(tmp_path) == {"grey.mp4"}


@given(height=st.integers(16, 40), width=st.integers(16, 40))
@settings(max_examples=8, deadline=None)
def test_odd_sides_repeat_their_last_row_or_column(tmp_path_factory, height, width):
    path = tmp_path_factory.mktemp("odd") / "odd.mp4"
    frames = greys(3, height=height, width=width)
    with open_video(record(path, frames)) as video:
        assert (video.height, video.width) == (height + height % 2, width + width % 2)
        shown = video.frames_at([2]).data.float()
    assert torch.allclose(shown, torch.tensor(36.0), atol=2)


@pytest.mark.parametrize("fps", [1 / 3000, 1 / 1500, 0.5, 12.5, 30000 / 1001, 120.0, *RATES])
def test_the_rate_is_as_said(tmp_path, fps):
    with open_video(record(tmp_path / "a.mp4", greys(6), fps=fps)) as video:
        assert video.fps == pytest.approx(fps, rel=1e-3)


def test_an_exception_leaves_nothing(tmp_path):
    with pytest.raises(ClipError):
        record(tmp_path / "a.mp4", [*greys(3), *greys(1, width=62)])
    assert files_below(tmp_path) == set()


def test_without_a_frame_there_is_no_file(tmp_path):
    with Recording(tmp_path / "a.mp4", height=48, width=64, fps=10.0):
        assert len(files_below(tmp_path)) == 1  # the temporary one
    assert files_below(tmp_path) == set()


def test_what_is_there_is_refused_and_stays(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"earlier")
    with pytest.raises(ConfigurationError, match="is there already; name another place"):
        record(path, greys(3))
    assert path.read_bytes() == b"earlier"


@given(st.floats(*RATES))
def test_a_rate_as_a_fraction_is_the_same_rate(fps):
    rate = rational(fps)
    assert float(rate) == pytest.approx(fps, rel=1e-3)
    assert max(rate.numerator, rate.denominator) < 2**31  # as FFmpeg holds it


def test_mistakes_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"ends with \.mp4"):
        Recording(tmp_path / "a.gif", height=48, width=64, fps=10.0)
    for height, fps in ((0, 10.0), (48, 0.0), (48, RATES[0] / 2), (48, 2.0 * RATES[1])):
        with pytest.raises(ConfigurationError, match="sides must be above 0, and the rate between"):
            Recording(tmp_path / "a.mp4", height=height, width=64, fps=fps)
    with pytest.raises(ClipError, match=r"\(48, 62, 3\)"):
        record(tmp_path / "a.mp4", [*greys(1), *greys(1, width=62)])
    with pytest.raises(StorageError, match=r"cannot record to tcp://127\.0\.0\.1:1"):
        record("tcp://user:secret@127.0.0.1:1", greys(1))
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot write"):
        record(tmp_path / "file" / "a.mp4", greys(1))


def test_an_address_is_sent_a_stream_as_frames_come():
    """The bytes of the first frame arrive while the recording is still open."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        arrived = []
        reader = threading.Thread(target=lambda: arrived.append(server.accept()[0]))
        reader.start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with Recording(address, height=48, width=64, fps=10.0) as recording:
            reader.join()
            for frame in greys(10):
                recording.add(frame)
            arrived[0].settimeout(20)
            first = arrived[0].recv(4096)
        assert first[0] == 0x47  # every packet of MPEG-TS begins so
        arrived[0].close()


@given(st.text(st.characters(exclude_characters="/?#")), st.text(st.characters(codec="ascii")))
def test_no_password_is_shown_and_the_rest_is(secret, rest):
    """The last @ before the path ends the password, as FFmpeg reads it."""
    shown = without_password(f"rtsp://user:{secret}@door/{rest}")
    assert shown == f"rtsp://door/{rest}"
    assert without_password(shown) == shown
