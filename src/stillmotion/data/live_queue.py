"""Between a thread that reads and one that works: a queue that forgets rather than grows."""

from collections import deque
from collections.abc import Iterator
from threading import Condition
from typing import Generic, TypeVar

from stillmotion.errors import ConfigurationError

Item = TypeVar("Item")

GLANCE = 0.5
"""Seconds after which a waiting thread looks up: some systems deliver Ctrl-C only then."""


class Newest(Generic[Item]):
    """At most ``size`` items in their order; where it is full, the oldest makes room.

    One thread puts, another iterates.

    Attributes:
        dropped: how many items had to make room.

    Raises:
        ConfigurationError: for a size below 1.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ConfigurationError(f"a buffer holds at least one frame, not {size}")
        self.size, self.dropped = size, 0
        self._items: deque[Item] = deque()
        self._closed = False
        self._changed = Condition()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item, *, patiently: bool = False) -> None:
        """Add the newest item; once the queue is closed, nothing happens.

        Args:
            patiently: wait until there is room, and drop nothing.
        """
        with self._changed:
            while patiently and len(self._items) == self.size and not self._closed:
                self._changed.wait()
            if self._closed:
                return
            if len(self._items) == self.size:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing is added any more; what is there can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Item]:
        """Items as they come, the oldest first, until the queue is closed and empty."""
        while True:
            with self._changed:
                while not self._items and not self._closed:
                    self._changed.wait(GLANCE)
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item
