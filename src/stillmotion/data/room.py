"""How much more a folder may hold, where several processes write to it."""

import logging
import os
from contextlib import suppress
from pathlib import Path

from stillmotion.errors import StorageError

SHARE = 16
"""A process takes at most this part of the free room before it measures anew: as many processes at
once cannot exceed the bound."""
FULL = "full"
"""A file that says that the room was used up; whoever makes it tells the user."""

log = logging.getLogger("stillmotion")


class Room:
    """The room in a folder: taken in portions, measured again in between.

    Raises:
        StorageError: the folder cannot be made or written to.
    """

    def __init__(self, directory: Path, *, max_bytes: int) -> None:
        self.directory, self.max_bytes = directory, max_bytes
        self._portion, self._process = 0, os.getpid()
        self.is_full = False
        """Whether nothing more is taken by this process."""
        try:
            directory.mkdir(parents=True, exist_ok=True)
            (directory / FULL).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"cannot write to {directory}: {error.strerror}") from error

    def used(self) -> int:
        """Bytes in the folder, but for what another process is just removing.

        Raises:
            OSError: the folder cannot be read.
        """
        total, waiting = 0, [str(self.directory)]
        while waiting:
            with suppress(FileNotFoundError), os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                        continue
                    with suppress(FileNotFoundError):
                        total += entry.stat(follow_symlinks=False).st_size
        return total

    def take(self, num_bytes: int) -> bool:
        """Whether so many bytes may be written."""
        if self.is_full:
            return False
        if num_bytes > self._portion or os.getpid() != self._process:
            self._process = os.getpid()
            try:
                free = self.max_bytes - self.used()
            except OSError as error:
                self.refuse(f"it cannot be read ({error.strerror})")
                return False
            if num_bytes > free:
                self.refuse(f"{self.max_bytes / 2**30:.3g} GiB are used up")
                return False
            self._portion = max(num_bytes, free // SHARE)
        self._portion -= num_bytes
        return True

    def refuse(self, reason: str) -> None:
        """Take nothing more; of all processes the first says why."""
        self.is_full = True
        try:
            (self.directory / FULL).touch(exist_ok=False)
        except OSError:
            return
        log.warning(
            "the frame cache %s takes no more: %s. What it holds is used; other videos are decoded "
            "in every epoch",
            self.directory,
            reason,
        )
