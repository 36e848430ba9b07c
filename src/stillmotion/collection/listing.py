"""A collection: videos without labels, perhaps millions, as a list or a folder names them."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, nan
from pathlib import Path
from typing import Any

from stillmotion.data.annotations import Sample
from stillmotion.data.list_files import COLUMNS, list_text, records_of
from stillmotion.data.rows import canonical_split, videos_below
from stillmotion.errors import DataError, unknown


@dataclass(frozen=True)
class Collection:
    """Videos, or parts of them, in their order.

    Attributes:
        names: of the files, as the list writes them.
        samples: the same as they are opened; their labels mean nothing.
    """

    names: tuple[str, ...]
    samples: tuple[Sample, ...]

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def sha256(self) -> str:
        """Of the names, times and their order."""
        digest = hashlib.sha256()
        for name, sample in zip(self.names, self.samples, strict=True):
            digest.update(json.dumps([name, sample.start, sample.end]).encode() + b"\n")
        return digest.hexdigest()


def read_collection(
    source: str | Path, *, root: str | Path | None = None, split: str | None = None
) -> Collection:
    """The videos below a folder, or those of a list.

    A list is JSON lines with a ``path`` (a manifest, too), a table with a header that names
    ``path``, or text with a path a line; ``start`` and ``end`` are seconds, labels do not matter.
    Whether the files are there is seen when their turn comes.

    Args:
        root: folder to which paths are relative; None: the list's own.
        split: take the videos of this one; None: all.

    Raises:
        DataError: the list cannot be read, a line has no path, or there is no video, or none of the
            split.
    """
    source = Path(source)
    if source.is_dir():
        found = videos_below(source)
        records: list[dict[str, Any]] = [{"path": str(path.relative_to(source))} for path in found]
        folder = source
    else:
        records, folder = listed(source), Path(root) if root else source.parent
    if not records:
        raise DataError(f"there are no videos in {source}")
    if split is not None:
        records = of_split(records, split, source)
    names = tuple(str(record["path"]) for record in records)
    samples = tuple(
        Sample(folder / name, label=0, start=record.get("start"), end=record.get("end"))
        for name, record in zip(names, records, strict=True)
    )
    return Collection(names, samples)


def of_split(records: list[dict[str, Any]], split: str, source: Path) -> list[dict[str, Any]]:
    """The lines of one split.

    Raises:
        DataError: there is none.
    """
    known = {record["split"] for record in records if "split" in record}
    if not known:
        raise DataError(f"{source} names no splits: leave out --split")
    wanted = canonical_split(split)
    if wanted not in known:
        raise DataError(f"{source}: {unknown('split', split, known)}")
    return [record for record in records if record.get("split") == wanted]


def listed(path: Path) -> list[dict[str, Any]]:
    """The path of each line of a list; its start, end and split where it has them."""
    text = list_text(path)
    if path.suffix.lower() == ".txt":
        return [{"path": line.strip()} for line in text.split("\n") if line.strip()]
    return [picked(record, place=place) for place, record in records_of(path, text, {})]


def seconds(told: object, what: str) -> float:
    """A time.

    Raises:
        DataError: it is no finite number.
    """
    try:
        moment = float(told)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        moment = nan
    if not isfinite(moment):
        raise DataError(f"{what} {told!r} is no number of seconds")
    return moment


def picked(record: dict[str, Any], *, place: str) -> dict[str, Any]:
    """What counts of a line.

    Raises:
        DataError: it has no path, or a time that is no number.
    """
    path = next((record[name] for name in COLUMNS["path"] if record.get(name)), None)
    if not isinstance(path, str):
        raise DataError(f"{place}: no path; the columns are {', '.join(record)}")
    told: dict[str, Any] = {"path": path}
    if record.get("split"):
        told["split"] = canonical_split(str(record["split"]))
    for name in ("start", "end"):
        if record.get(name) not in (None, ""):
            told[name] = seconds(record[name], f"{place}: {name}")
    return told
