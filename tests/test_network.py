"""The guard that keeps every test on this machine works."""

import socket

import pytest

from conftest import BEYOND


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("huggingface.co", 443)])
def test_who_reaches_beyond_this_machine_is_refused_and_noted(address):
    with pytest.raises(OSError, match="may not reach"):
        socket.create_connection(address, timeout=1)
    assert BEYOND
    BEYOND.clear()


def test_this_machine_may_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
