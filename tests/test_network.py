"""The guard that keeps every test on this machine works."""

import socket

import av
import pytest

from conftest import ALONE, BEYOND
from plain import run_plain


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("huggingface.co", 443)])
def test_who_reaches_beyond_this_machine_is_refused_and_noted(address):
    with pytest.raises(OSError, match="may not reach"):
        socket.create_connection(address, timeout=1)
    assert BEYOND
    BEYOND.clear()


def test_this_machine_may_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


@pytest.mark.skipif(not ALONE, reason="only Linux's root may leave the network")
def test_nor_can_other_processes_and_other_languages():
    told = run_plain("""
        import socket

        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname()).close()
        try:
            socket.create_connection(("192.0.2.1", 80), timeout=5)
        except OSError as error:
            print(error.strerror)
    """)
    assert told == "Network is unreachable\n"
    with pytest.raises(OSError, match="Network is unreachable"):
        av.open("http://192.0.2.1/video.mp4")
    assert not BEYOND
