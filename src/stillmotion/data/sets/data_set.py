"""What a known data set is, and what reading one gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stillmotion.data.annotations import Sample
from stillmotion.data.manifest import Metric
from stillmotion.data.parts import Part
from stillmotion.errors import ConfigurationError, Problem, unknown


@dataclass(frozen=True)
class Listing:
    """What a data set's own lists say, and which of its videos are there."""

    samples: tuple[Sample, ...]
    """Videos that are there and make sense."""
    classes: tuple[str, ...]
    problems: tuple[Problem, ...]
    """What is wrong with the others, one problem each."""
    listed: Mapping[str, int]
    """How many videos, or parts of videos, the lists name in each split, and in "all"."""
    parts: tuple[Part, ...] = ()
    """What each class combines; mostly nothing."""
    notes: tuple[str, ...] = ()
    """What is worth knowing and is not wrong: splits that are not there, videos that a protocol
    does not use."""


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set that `stillmotion prepare` knows by name."""

    name: str
    what: str
    """In one line, for people."""
    layout: str
    """The files that are expected, drawn as a tree."""
    read: Callable[[Path, str], Listing]
    """Reads the lists in a folder under a protocol ("" where there is only one).

    Raises:
        DataError: the lists are not there, or are those of another data set.
    """
    protocols: tuple[str, ...] = ()
    """Names of its protocols, the usual one first; empty where there is only one."""
    official: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """For each protocol, how many videos its owners state for each split, and for "all"."""
    metric: Metric = "top1"
    """The score that its papers quote."""

    def protocol(self, name: str | None) -> str:
        """The protocol of this name; the usual one for None.

        Raises:
            ConfigurationError: there is no such protocol.
        """
        if name is None:
            return self.protocols[0] if self.protocols else ""
        if not self.protocols:
            raise ConfigurationError(f"{self.name} has one protocol only: leave --protocol out")
        if name not in self.protocols:
            raise ConfigurationError(unknown(f"protocol of {self.name}", name, self.protocols))
        return name

    def full_name(self, protocol: str) -> str:
        """The name with the protocol, as a manifest states it: "ucf101/1"."""
        return f"{self.name}/{protocol}" if protocol else self.name
