"""The socket: it listens until it is told to stop, and lets accepted jobs end."""

import sys
import threading
from types import FrameType

import uvicorn
from fastapi import FastAPI


class Server(uvicorn.Server):
    """Answers questions about jobs until they have ended, or their grace time has.

    The first signal takes no more jobs; the second one ends at once.
    """

    def __init__(self, app: FastAPI, *, host: str, port: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_level="warning",
                timeout_graceful_shutdown=1,
                server_header=False,
            )
        )
        self.service = app.state.service
        self.is_draining = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """What uvicorn calls on SIGINT and SIGTERM."""
        if self.is_draining:
            self.should_exit = True
            return
        self.is_draining = True
        threading.Thread(target=self._drain, name="draining", daemon=True).start()

    def _drain(self) -> None:
        """Off the main thread, which may hold the very lock that is asked for here."""
        waiting = len(self.service.book.unfinished())
        if waiting:
            seconds = f"{self.service.limits.grace_seconds:g} s"
            told = f"{waiting} jobs may end within {seconds}; press Ctrl-C again to stop now"
            print(f"\n{told}", file=sys.stderr)
        self.service.drain()
        self.should_exit = True
