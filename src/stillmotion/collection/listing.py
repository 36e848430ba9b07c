"""A collection: videos without labels, perhaps millions, as a list or a folder names them."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stillmotion.data.annotations import Sample
from stillmotion.data.list_files import COLUMNS, json_records, text_records
from stillmotion.data.rows import videos_below
from stillmotion.errors import DataError


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


def read_collection(source: str | Path, *, root: str | Path | None = None) -> Collection:
    """The videos below a folder, or those of a list.

    A list is JSON lines with a ``path`` (a manifest, too), a table with a header that names
    ``path``, or text with a path a line; ``start`` and ``end`` are seconds, labels do not matter.
    Whether the files are there is seen when their turn comes.

    Args:
        root: folder to which paths are relative; None: the list's own.

    Raises:
        DataError: the list cannot be read, a line has no path, or there is no video.
    """
    source = Path(source)
    if source.is_dir():
        found = videos_below(source)
        records: list[dict[str, Any]] = [{"path": str(path.relative_to(source))} for path in found]
        folder = source
    else:
        records, folder = records_of(source), Path(root) if root else source.parent
    if not records:
        raise DataError(f"there are no videos in {source}")
    names = tuple(str(record["path"]) for record in records)
    samples = tuple(
        Sample(folder / name, label=0, start=record.get("start"), end=record.get("end"))
        for name, record in zip(names, records, strict=True)
    )
    return Collection(names, samples)


def records_of(path: Path) -> list[dict[str, Any]]:
    """The path of each line of a list; its start and end where it has them."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a list file: its bytes are not UTF-8 text") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if path.suffix.lower() == ".txt":
        return [{"path": line.strip()} for line in text.split("\n") if line.strip()]
    reader = json_records if path.suffix.lower() in (".json", ".jsonl") else text_records
    return [picked(record, place=place) for place, record in reader(path, text, {})]


def picked(record: dict[str, Any], *, place: str) -> dict[str, Any]:
    """What counts of a line.

    Raises:
        DataError: it has no path, or a time that is no number.
    """
    path = next((record[name] for name in COLUMNS["path"] if record.get(name)), None)
    if not isinstance(path, str):
        raise DataError(f"{place}: no path; the columns are {', '.join(record)}")
    told: dict[str, Any] = {"path": path}
    for name in ("start", "end"):
        if record.get(name) not in (None, ""):
            try:
                told[name] = float(record[name])
            except (TypeError, ValueError) as error:
                raise DataError(f"{place}: {name} {record[name]!r} is no number") from error
    return told
