"""The two lists of MMAction2: of video files (`path label`), and of folders of frames
(`folder total label`). A list's name tells its split: ucf101_train_split_1_videos.txt.

Paths are relative to SOURCE, or to a folder in it that MMAction2's configurations name as the
prefix: videos_train, rawframes_val, videos, rawframes.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from stillmotion.data.frame_folder import frame_files
from stillmotion.data.sets.data_set import DataSet, Listing
from stillmotion.data.sets.entries import Entry, listing
from stillmotion.data.sets.index_lists import Line, classes_of, read_lines, video_entry
from stillmotion.data.sets.tree import Tree
from stillmotion.errors import DataError, Problem, VideoError, some

_VIDEO_LISTS = r"(?!.*rawframe).*(train|val|test).*\.txt"
_FRAME_LISTS = r"(?!.*video).*(train|val|test).*\.txt"
_COUNTED = re.compile(r".*\s\d+")
"""A path with a number after it."""


def read_videos_lists(source: Path, protocol: str) -> Listing:
    """Reads lists of video files."""
    tree = Tree(source)
    lines = _lines(tree, _VIDEO_LISTS, numbers=1)
    entries = [
        video_entry(line, _roots(source, line, "videos")) if isinstance(line, Line) else line
        for line in lines
    ]
    return listing(entries, classes=classes_of(tree, lines))


def read_frames_lists(source: Path, protocol: str) -> Listing:
    """Reads lists of folders of frames."""
    tree = Tree(source)
    lines = _lines(tree, _FRAME_LISTS, numbers=2)
    return listing(_folders(tree.source, lines), classes=classes_of(tree, lines))


def _lines(tree: Tree, pattern: str, *, numbers: int) -> list[Line | Problem]:
    lists = [path for path in tree.lists_like(pattern) if not path.name.startswith("label_map")]
    if not lists:
        raise tree.lacks("list such as train_list_videos.txt or val_list_rawframes.txt")
    lines = read_lines(lists, numbers=numbers)
    told = [line.video for line in lines if isinstance(line, Line)]
    if numbers == 1 and told and all(_COUNTED.fullmatch(video) for video in told):
        raise DataError(
            f"{tree.source}: every line of the lists has two numbers: for folders of frames it is "
            "mmaction_frames; several labels for a video are not read"
        )
    return lines


def _roots(source: Path, line: Line, kind: str) -> list[Path]:
    return [source, source / f"{kind}_{line.split}", source / kind, source / line.split]


def _folders(source: Path, lines: list[Line | Problem]) -> Iterator[Entry | Problem]:
    for line in lines:
        if isinstance(line, Problem):
            yield line
            continue
        folders = [root / line.video for root in _roots(source, line, "rawframes")]
        found = next((folder for folder in folders if os.path.isdir(folder)), None)
        if found and (wrong := _wrong_count(found, line.numbers[0])):
            yield Problem(line.place, "frames", wrong)
            continue
        yield Entry(
            place=line.place,
            path=found,
            name=line.video,
            label=line.numbers[-1],
            split=line.split,
        )


def _wrong_count(folder: Path, total: int) -> str | None:
    """What is wrong with the number of frames that a list states."""
    try:
        files = frame_files(folder)
    except VideoError as error:
        return str(error)
    if len(files) == total:
        return None
    return f"{folder} has {len(files)} frames ({some([files[0].name])}, ...), the list says {total}"


MMACTION_VIDEOS = DataSet(
    name="mmaction_videos",
    what="MMAction2's lists of video files: a path and the index of its class",
    layout="""\
SOURCE/
  any_train_list_videos.txt, any_val_list_videos.txt   "class a/clip 1.mp4 0"
  label_map.txt                                        names of the classes, where you have it
  videos_train/, videos_val/, or videos/               what the paths are relative to, or SOURCE
""",
    read=read_videos_lists,
)
MMACTION_FRAMES = DataSet(
    name="mmaction_frames",
    what="MMAction2's lists of folders of frames: a path, how many frames, the class's index",
    layout="""\
SOURCE/
  any_train_list_rawframes.txt, any_val_list_rawframes.txt   "class a/clip 1 163 0"
  label_map.txt                                              names of the classes
  rawframes_train/class a/clip 1/img_00001.jpg, ...          or rawframes/, or SOURCE
""",
    read=read_frames_lists,
)
