"""What TensorBoard shows of a run, appended to a file of its format at once and by this thread.

The writer that comes with TensorBoard has a thread of its own, which prints a traceback where the
disk is full, and names files by the clock, so that one that was set back would mix up sessions.
"""

import io
import time
from itertools import count
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from stillmotion.files import make_folder, storing

VERSION = "brain.Event:2"
"""What the first record of a file must say."""


class Board:
    """A file of events in a directory; sessions are read in the order of their files' numbers."""

    def __init__(self, directory: Path) -> None:
        names = (directory / f"events.out.tfevents.{number:05d}" for number in count())
        self.path = next(path for path in names if not path.exists())
        with storing(self.path):
            make_folder(directory)
            self._file = self.path.open("xb", buffering=0)
        self._append(Event(file_version=VERSION))

    def add(self, values: dict[str, float], *, step: int) -> None:
        """Append numbers, by name.

        Raises:
            StorageError: where the file cannot be written.
        """
        told = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._append(Event(step=step, summary=Summary(value=told)))

    def close(self) -> None:
        """Nothing is held back: this gives the file up."""
        self._file.close()

    def _append(self, event: Event) -> None:
        event.wall_time = time.time()  # for people, as an axis; nothing is ordered by it
        record = io.BytesIO()
        RecordWriter(record).write(event.SerializeToString())
        begun, rest = self._file.tell(), record.getbuffer()
        with storing(self.path):
            try:
                while rest:  # a disk takes what it has room for
                    rest = rest[self._file.write(rest) :]
            except OSError:
                self._file.seek(begun)
                self._file.truncate()
                raise
