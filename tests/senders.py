"""A camera on a network: MPEG-TS over TCP and UDP, sent by plain sockets from a thread."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from videos import write_video

DATAGRAM = 7 * 188
"""Bytes: seven packets of a transport stream, as senders do."""


def transport_stream(folder, **changes) -> bytes:
    """A short video as MPEG-TS; what changes is for `videos.write_video`."""
    told = {"num_frames": 12, "options": {"tune": "zerolatency"}, "keyframe_every": 4}
    return write_video(folder / "sent.ts", **told | changes).read_bytes()


@contextmanager
def tcp_sender(
    *connections: bytes, hold: bool = False, then: Callable[[], object] = lambda: None
) -> Iterator[str]:
    """Sends these bytes to whoever connects, one after the other; the address to connect to.

    Args:
        hold: leave the last connection open and silent, until the block ends.
        then: done when the last byte was sent.
    """
    over = Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def send() -> None:
            for place, data in enumerate(connections, start=1):
                client, _ = server.accept()
                with client:
                    client.sendall(data)
                    if place == len(connections):
                        then()
                        over.wait(60 if hold else 0)

        thread = Thread(target=send, daemon=True)
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()


@contextmanager
def udp_sender(data: bytes) -> Iterator[str]:
    """Sends these bytes in datagrams, again and again, until the block ends; the address."""
    over = Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not over.is_set():
                for begin in range(0, len(data), DATAGRAM):
                    sender.sendto(data[begin : begin + DATAGRAM], ("127.0.0.1", port))
                    over.wait(0.005)

    thread = Thread(target=send, daemon=True)
    thread.start()
    try:
        yield f"udp://127.0.0.1:{port}"
    finally:
        over.set()
        thread.join()
