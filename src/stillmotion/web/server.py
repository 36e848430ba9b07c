"""The socket: it listens until it is told to stop, and lets accepted jobs end."""

import socket
import sys
import threading
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI

from stillmotion.errors import ConfigurationError
from stillmotion.web.connections import protocol

LINGER_SECONDS = 2.0
"""After the last job has ended, for whoever waits for it to come and ask."""


class Server(uvicorn.Server):
    """Answers until accepted jobs have ended, or their grace time has.

    The first signal takes no more jobs; the second one ends at once.

    Args:
        told: printed once the service listens.
    """

    def __init__(self, app: FastAPI, *, told: str) -> None:
        self.service, self.told = app.state.service, told
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol(self.service.limits),
                ws="none",
                log_level="warning",
                timeout_graceful_shutdown=1,
                server_header=False,
            )
        )
        self.is_draining = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """What uvicorn calls first."""
        await super().startup(sockets)
        print(self.told, flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """What uvicorn calls on SIGINT and SIGTERM."""
        if self.is_draining:
            self.should_exit = True
            return
        self.is_draining = True
        # On another thread: this one may hold the very lock that is asked for.
        threading.Thread(target=self._drain, name="draining", daemon=True).start()

    def _drain(self) -> None:
        self.service.book.close()
        waiting = self.service.book.under_way()
        if waiting:
            jobs = "1 job" if waiting == 1 else f"{waiting} jobs"
            seconds = f"{self.service.limits.grace_seconds:g} s"
            told = f"\n{jobs} may end within {seconds}; press Ctrl-C again to stop now"
            print(told, file=sys.stderr, flush=True)
        self.service.drain()
        time.sleep(max(0.0, self.service.book.last_end() + LINGER_SECONDS - time.monotonic()))
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 is any that is free.

    Raises:
        ConfigurationError: the address is not this machine's, or taken.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen at {host}, port {port}: {error.strerror or error}; choose another "
            "--host or --port"
        ) from error
