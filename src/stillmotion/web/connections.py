"""One connection: it ends where nothing moves on it, and there are only so many of them."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from stillmotion.web.limits import Limits


class Connection(H11Protocol):
    """uvicorn's, without its patience.

    uvicorn itself ends connections that rest between two requests, and no others: who sends half a
    header, or takes half an answer, could hold one for ever, and with it a file of this process.
    """

    def __init__(self, *args: Any, limits: Limits, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.limits = limits
        self.waits_since = 0.0
        self._wait: asyncio.TimerHandle | None = None

    @property
    def is_asking(self) -> bool:
        """Whether a request is there that is not answered yet."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def waits(self) -> bool:
        """Whether it waits for whoever is at its other end."""
        return not self.is_asking or self.flow.write_paused

    @property
    def address(self) -> str:
        """Of its other end."""
        return self.client[0] if self.client else ""

    def patience(self) -> tuple[bool, bool, float]:
        """Less than another's: it never asked, else asks nothing just now, else waits longest."""
        return self.cycle is not None, self.flow.write_paused, self.waits_since

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first request is waited for; where there are too many connections, one goes."""
        super().connection_made(transport)
        self._await_request()
        there = [one for one in self.connections if isinstance(one, Connection)]
        if len(there) > self.limits.connections:
            least = self.least(there)
            least.transport.abort()
            self.connections.discard(least)  # it is lost only when the loop comes to it

    def least(self, there: Sequence["Connection"]) -> "Connection":
        """The one to close where this one is too many: of the address that has the most.

        One that waits for its other end. Where none does, this one, if its own address has the
        most, else one that is worked for.
        """
        counts = Counter(one.address for one in there)
        most = max(counts.values())
        is_own = counts[self.address] == most
        crowd = [one for one in there if counts[one.address] == most and one is not self]
        waiting = [one for one in crowd if one.waits]
        return min(waiting or ([self] if is_own else crowd), key=Connection.patience)

    def on_response_complete(self) -> None:
        """The next request is waited for."""
        super().on_response_complete()
        if not self.flow.write_paused:
            self._await_request()

    def pause_writing(self) -> None:
        """The network has enough: somebody must take some of it."""
        super().pause_writing()
        self._wait_at_most(self.limits.answer_seconds)

    def resume_writing(self) -> None:
        """Somebody did."""
        super().resume_writing()
        self._forget_wait()
        if not self.is_asking:
            self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._forget_wait()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The service ends: nobody waits for who takes no more of an answer."""
        if self.flow.write_paused:
            self.transport.abort()
        super().shutdown()

    def _await_request(self) -> None:
        self._wait_at_most(self.limits.request_seconds)

    def _wait_at_most(self, seconds: float) -> None:
        self._forget_wait()
        self.waits_since = self.loop.time()
        self._wait = self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        if self.waits:
            self.transport.abort()

    def _forget_wait(self) -> None:
        if self._wait is not None:
            self._wait.cancel()


def protocol(limits: Limits) -> Any:
    """What uvicorn makes of each connection, as its option ``http``."""
    return partial(Connection, limits=limits)
