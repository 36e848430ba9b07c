"""Everything that stillmotion raises for a user's mistake or a broken input.

    StillmotionError
    ├── ConfigurationError   an unknown method, backbone or field; contradictory settings
    ├── BackboneError        an image model that cannot be opened
    │   └── WeightsError     weights that do not fit the image model
    ├── MergeError           adapters that do not fold into the image model closely enough
    ├── QuantisingError      a model that answers otherwise in fewer bits, or cannot be had in them
    ├── ExportError          a model that cannot be written in another form, or answers otherwise there
    ├── CheckpointError      an adapter checkpoint that is damaged, or belongs to another backbone
    ├── ClipError            a clip of the wrong shape, type or length
    ├── DataError            a data set, list file or label that cannot be used
    │   ├── ProblemsError    all that is wrong with a data set, place by place
    │   └── VideoError       one video that cannot be read
    └── StorageError         a file that cannot be written: a full disk, a read-only directory

The command line prints the message alone and exits with status 2. Anything else that is raised is a
fault of ours: it keeps its traceback and exits with status 1.
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class StillmotionError(Exception):
    """Above all errors that stillmotion raises on purpose."""


class ConfigurationError(StillmotionError, ValueError):
    """An unknown method, backbone or field, or settings that contradict each other."""


class BackboneError(StillmotionError):
    """An image model that cannot be opened."""


class WeightsError(BackboneError):
    """Weights that cannot be found, or do not fit the image model."""


class MergeError(StillmotionError):
    """Adapters that do not fold into the image model closely enough."""


class QuantisingError(StillmotionError):
    """A model that answers otherwise in fewer bits, or cannot be had in them."""


class ExportError(StillmotionError):
    """A model that cannot be written in another form, or answers otherwise there."""


class CheckpointError(StillmotionError):
    """An adapter checkpoint that is damaged, or belongs to another backbone."""


class ClipError(StillmotionError, ValueError):
    """A clip of the wrong shape, type or length."""


class DataError(StillmotionError):
    """A data set, list file or label that cannot be used."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a data set."""

    place: str
    """Where: a line of a list, or a file."""
    kind: str
    """In a word or two, the same for problems of one kind: "missing", "listed twice"."""
    what: str
    """What is wrong there, and what would be right."""


class ProblemsError(DataError):
    """All that is wrong with a data set; the command line shows it as a table."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        first = "; ".join(f"{p.place}: {p.what}" for p in problems[:3])
        more = "; ..." if len(problems) > 3 else ""
        count = f"{len(problems)} problems: " if len(problems) > 1 else ""
        super().__init__(f"{source}: {count}{first}{more}")


class VideoError(DataError):
    """One video that cannot be read."""


class StorageError(StillmotionError, OSError):
    """A file that cannot be written."""


def unknown(kind: str, given: str, possible: Iterable[str]) -> str:
    """The message for a name that is not known: what was given, the nearest name, what is possible.

    Of more than twenty possible names the nearest ten are listed.

    >>> unknown("method", "amflw", ["aim", "amflow"])
    "unknown method 'amflw'; did you mean 'amflow'? Possible: aim, amflow"
    """
    names = sorted(set(possible))
    near = difflib.get_close_matches(given, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    listed = ", ".join(names)
    if len(names) > 20:
        nearest = difflib.get_close_matches(given, names, n=10, cutoff=0.0)
        listed = f"{', '.join(nearest)} and {len(names) - 10} more"
    return f"unknown {kind} {given!r}{hint} Possible: {listed}"


def some(names: Sequence[str], *, show: int = 4) -> str:
    """The first few names, and how many more there are."""
    more = f", and {len(names) - show} more" if len(names) > show else ""
    return ", ".join(names[:show]) + more
