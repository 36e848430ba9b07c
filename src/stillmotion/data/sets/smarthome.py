"""Toyota Smarthome, trimmed: the daily life of 18 old people, seen by 7 cameras (ICCV 2019).

A file's name says all: <activity>_p<subject>_r<repeat>_v<video>_c<camera>.mp4. The camera is c; v
is not. Classes stand in alphabetical order, Usetablet (27) before Usetelephone (28); one public
code base has them the other way round. Papers quote mean class accuracy. The paper speaks of 16K
clips; 16,115 is as commonly quoted.

    cs    31 classes; 11 subjects to train, the other 7 to test
    cv1   19 classes; camera 1 to train, 5 to validate, 2 to test
    cv2   19 classes; cameras 1, 3, 4, 6 and 7 to train, 5 to validate, 2 to test
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from stillmotion.data.class_lists import read_class_names
from stillmotion.data.sets.data_set import DataSet, Listing
from stillmotion.data.sets.entries import Entry, listing
from stillmotion.data.sets.tree import Tree
from stillmotion.errors import Problem

_NAME = re.compile(r"([A-Za-z.]+)_p(\d+)_r(\d+)_v(\d+)_c(\d+)")
_SUBJECTS = {
    "train": {3, 4, 6, 7, 9, 12, 13, 15, 17, 19, 25},
    "test": {2, 10, 11, 14, 16, 18, 20},
}
_CAMERAS = {
    "cv1": {"train": {1}, "val": {5}, "test": {2}},
    "cv2": {"train": {1, 3, 4, 6, 7}, "val": {5}, "test": {2}},
}


class Clip(NamedTuple):
    """What a file's name says."""

    activity: str
    subject: int
    repeat: int
    video: int
    camera: int


def clip_from_name(stem: str) -> Clip | None:
    """A file's name without its ending, understood; None where it is none of the data set.

    >>> clip_from_name("Cook.Cleandishes_p02_r00_v02_c03")
    Clip(activity='Cook.Cleandishes', subject=2, repeat=0, video=2, camera=3)
    """
    found = _NAME.fullmatch(stem)
    return Clip(found[1], *(int(number) for number in found.groups()[1:])) if found else None


def split_of(clip: Clip, protocol: str) -> str | None:
    """The split that a clip has under a protocol; None where the protocol does not use it."""
    number = clip.subject if protocol == "cs" else clip.camera
    splits = _SUBJECTS if protocol == "cs" else _CAMERAS[protocol]
    return next((split for split, numbers in splits.items() if number in numbers), None)


def read_smarthome(source: Path, protocol: str) -> Listing:
    """Reads the names of all files."""
    tree = Tree(source)
    if not tree.videos:
        raise tree.lacks("video")
    everything = read_class_names("smarthome")
    classes = everything if protocol == "cs" else read_class_names("smarthome_cv")
    unused: Counter[str] = Counter()
    entries = list(_entries(tree, protocol, everything=everything, classes=classes, unused=unused))
    if unused:
        told = ", ".join(f"{count} of {what}" for what, count in unused.items())
        tree.note(f"not used by {protocol}: {told}")
    return listing(entries, classes=classes, notes=tree.notes)


def _entries(
    tree: Tree,
    protocol: str,
    *,
    everything: tuple[str, ...],
    classes: tuple[str, ...],
    unused: Counter[str],
) -> Iterator[Entry | Problem]:
    for path in tree.videos:
        clip = clip_from_name(path.stem)
        if clip is None:
            yield Problem(str(path), "name", "not <activity>_p00_r00_v00_c00.mp4")
            continue
        if clip.activity in everything and clip.activity not in classes:
            unused["classes that it leaves out"] += 1
            continue
        split = split_of(clip, protocol)
        if split is None and protocol == "cs":
            yield Problem(str(path), "subject", f"p{clip.subject:02} is no subject of the data set")
        elif split is None:
            unused[f"camera {clip.camera}"] += 1
        else:
            yield Entry(
                place=str(path),
                path=path,
                name=path.name,
                label=clip.activity,
                split=split,
                # One event may be seen by several cameras, which cross-view asks for.
                group=path.stem.rsplit("_v", 1)[0] if protocol == "cs" else None,
                subject=f"p{clip.subject:02}",
                camera=f"c{clip.camera:02}",
            )


SMARTHOME = DataSet(
    name="smarthome",
    what="Toyota Smarthome, trimmed: 31 activities of daily life; mean class accuracy",
    layout="""\
SOURCE/
  mp4/<activity>_p<subject>_r<repeat>_v<video>_c<camera>.mp4   Cook.Cleandishes_p02_r00_v02_c03.mp4
""",
    read=read_smarthome,
    protocols=("cs", "cv1", "cv2"),
    official={"cs": {"all": 16_115}},
    metric="mean_class",
)
