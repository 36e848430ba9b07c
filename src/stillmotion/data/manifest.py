"""A manifest: one file that says all of a prepared data set, and reads like any other list.

JSON lines. The first says what the data set is and names its classes in the order of their indices;
each further line is a video, or a part of one. Paths below the manifest's folder are relative to
it. What a video does not have is not there. All is ASCII, as which JSON can write any name: also
one with Unicode's marks for line ends, or of a file whose name is not UTF-8.

    {"stillmotion_manifest": 1, "dataset": "ucf101/1", "metric": "top1", "classes": ["ApplyE...
    {"path": "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi", "label": 0, "group": "g08", ...
"""

import json
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Any, Literal, get_args

from stillmotion.data.list_files import MANIFEST
from stillmotion.data.parts import Part, combinations
from stillmotion.errors import DataError
from stillmotion.files import writing
from stillmotion.given_files import from_json

if TYPE_CHECKING:
    from stillmotion.data.annotations import VideoList

VERSION = 1
Metric = Literal["top1", "mean_class"]
"""The score that a data set's papers quote: of all videos, or the mean of the classes' own."""


@dataclass(frozen=True)
class Header:
    """What a manifest says of the whole data set."""

    classes: tuple[str, ...]
    dataset: str | None = None
    """Name of a known data set and its protocol, such as "smarthome/cv2"."""
    metric: Metric = "top1"
    parts: tuple[Part, ...] = ()
    """What the classes are combinations of; mostly nothing."""


def write_manifest(videos: "VideoList", path: str | Path) -> None:
    """Writes labelled videos so that `read_videos` gives the same ones.

    Raises:
        StorageError: the file cannot be written.
    """
    path = Path(path).absolute()
    header: dict[str, Any] = {MANIFEST: VERSION, "dataset": videos.dataset, "metric": videos.metric}
    if videos.parts:
        header["parts"] = {part.name: part.classes for part in videos.parts}
    else:
        header["classes"] = videos.classes
    with writing(path, "w") as file:
        print(json.dumps(header), file=file)
        for sample in videos.samples:
            record = vars(sample) | {"path": name_from(path.parent, sample.path)}
            told = {name: value for name, value in record.items() if value is not None}
            print(json.dumps(told), file=file)


def name_from(folder: Path, video: Path) -> str:
    """How a list in a folder names a video: relatively where it lies below; with slashes."""
    video = video.absolute()
    return (video.relative_to(folder) if video.is_relative_to(folder) else video).as_posix()


def read_header(path: Path) -> Header | None:
    """A manifest's first line; None for any other list.

    Raises:
        DataError: a manifest of another version, or one whose first line is damaged.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            told = from_json(file.readline())
    # No JSON lines, or no text, or a text of brackets: whoever reads the list says so.
    except ValueError:
        return None
    if not isinstance(told, dict) or MANIFEST not in told:
        return None
    if told[MANIFEST] != VERSION:
        raise DataError(
            f"{path}: a manifest of version {shortened(told[MANIFEST])}; this version of "
            f"stillmotion reads {VERSION}: make it again with stillmotion prepare"
        )
    parts, classes = told.get("parts", {}), told.get("classes", [])
    lists = [*parts.values(), classes] if isinstance(parts, dict) else [None]
    if not all(map(_are_names, lists)) or not (parts or classes):
        raise DataError(f"{path}: its first line names no classes; make the manifest again")
    if (metric := told.get("metric", "top1")) not in get_args(Metric):
        possible = ", ".join(get_args(Metric))
        raise DataError(f"{path}: metric {shortened(metric)} is none of {possible}")
    dataset = told.get("dataset")
    if not isinstance(dataset, str | None):
        raise DataError(f"{path}: dataset {shortened(dataset)} is not the name of one")
    made_of = tuple(Part(name, tuple(map(str, names))) for name, names in parts.items())
    names = combinations(made_of) if made_of else tuple(map(str, classes))
    return Header(names, dataset, metric, made_of)


def _are_names(told: Any) -> bool:
    return isinstance(told, list) and all(isinstance(name, str | int) for name in told)
