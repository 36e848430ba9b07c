"""What lies below a folder, found in one walk: videos, folders of frames, and lists."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from stillmotion.data.frame_folder import are_frames
from stillmotion.data.suffixes import VIDEO_SUFFIXES
from stillmotion.errors import DataError

LIST_SUFFIXES = (".csv", ".json", ".jsonl", ".txt")
ARCHIVE_SUFFIXES = (".rar", ".zip", ".tar", ".gz", ".tgz", ".7z")
_WANTED = (*VIDEO_SUFFIXES, *LIST_SUFFIXES, *ARCHIVE_SUFFIXES)


class Tree:
    """A folder's videos and lists, found by name wherever below it they are.

    Owners and mirrors pack the same files in different folders; the names are what they share.

    Raises:
        DataError: there is no such folder.
    """

    def __init__(self, source: Path) -> None:
        if not source.is_dir():
            raise DataError(f"{source}: no such folder")
        self.source = source
        self._videos: dict[str, list[Path]] = {}
        self._lists: dict[str, list[Path]] = {}
        self._archives: list[Path] = []
        self._ambiguous: dict[str, list[Path]] = {}
        self._notes: list[str] = []
        for path in _walk(source, seen=set()):
            if path == source:  # images beside the lists are no video
                continue
            suffix = path.suffix.lower()
            if suffix in LIST_SUFFIXES:
                self._lists.setdefault(path.name.lower(), []).append(path)
            elif suffix in ARCHIVE_SUFFIXES:
                self._archives.append(path)
            else:
                self._videos.setdefault(_stem(path.name), []).append(path)

    @property
    def videos(self) -> list[Path]:
        """Every video and every folder of frames, in order."""
        return sorted(path for paths in self._videos.values() for path in paths)

    @property
    def notes(self) -> list[str]:
        """What a person should know and is not wrong."""
        if not self._ambiguous:
            return self._notes
        name, paths = next(iter(self._ambiguous.items()))
        twice = (
            f"there more than once: {len(self._ambiguous)}, such as {name}: {paths[0]} was taken, "
            f"{paths[1]} was not; give a folder with one copy if that is wrong"
        )
        return [*self._notes, twice]

    def note(self, text: str) -> None:
        """Adds to `notes`."""
        self._notes.append(text)

    def video(self, name: str) -> Path | None:
        """The video, or else the folder of frames, of this name; None where there is none.

        Args:
            name: with or without an ending. Of several files the one is taken whose folders share
                most names with the folders in `name`.
        """
        wanted = PurePosixPath(name)
        found = self._videos.get(_stem(wanted.name), [])
        if len(found) < 2:
            return found[0] if found else None
        folders = {folder.lower() for folder in wanted.parts[:-1]}

        def rank(path: Path) -> tuple[int, bool]:
            shared = folders & {part.lower() for part in path.relative_to(self.source).parts[:-1]}
            return -len(shared), path.suffix.lower() not in VIDEO_SUFFIXES

        ranked = sorted(found, key=lambda path: (rank(path), path))
        if rank(ranked[0]) == rank(ranked[1]):
            self._ambiguous[name] = ranked
        return ranked[0]

    def find_list(self, *names: str) -> Path | None:
        """The list with the first of these names that is there; letters' case does not matter.

        Raises:
            DataError: there are several.
        """
        for name in names:
            found = self._lists.get(name.lower(), [])
            if len(found) > 1:
                told = ", ".join(map(str, sorted(found)[:3]))
                raise DataError(
                    f"{self.source}: several files are called {name} ({told}): give the folder of "
                    "one of them, or move the others out"
                )
            if found:
                return found[0]
        return None

    def lists_like(self, pattern: str) -> list[Path]:
        """All lists whose name matches a regular expression as a whole, in order of their names."""
        names = sorted(name for name in self._lists if re.fullmatch(pattern, name))
        return [path for name in names for path in self._lists[name]]

    def needed(self, *names: str) -> Path:
        """The list with the first of these names that is there.

        Raises:
            DataError: there is none, or there are several.
        """
        found = self.find_list(*names)
        if found is None:
            raise self.lacks(" or ".join(names))
        return found

    def split_lists(self, **names: Sequence[str]) -> dict[str, Path]:
        """For each split the first of its lists that is there; a note says which splits have none.

        Raises:
            DataError: there is none for any split, or several of one name.
        """
        found = {split: self.find_list(*possible) for split, possible in names.items()}
        there = {split: path for split, path in found.items() if path}
        if not there:
            raise self.lacks(" or ".join(possible[0] for possible in names.values()))
        for split in names.keys() - there:
            self.note(f"there is no {names[split][0]}: nothing will be of the split {split}")
        return there

    def lacks(self, what: str) -> DataError:
        """The error for something that is not there; it names archives that wait unpacked."""
        packed = ", ".join(path.name for path in sorted(self._archives)[:3])
        hint = f" ({packed}: unpack archives first)" if packed else ""
        return DataError(f"{self.source}: there is no {what} in it or below{hint}")


def _stem(name: str) -> str:
    """A name without the ending of a video."""
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in VIDEO_SUFFIXES else path.name


def _walk(folder: Path, *, seen: set[tuple[int, int]]) -> Iterator[Path]:
    """Videos, lists, archives, and folders of frames."""
    status = folder.stat()
    if (status.st_dev, status.st_ino) in seen:  # a link led back
        return
    seen.add((status.st_dev, status.st_ino))
    with os.scandir(folder) as found:
        entries = [entry for entry in found if not entry.name.startswith(".")]
    folders = sorted(entry.name for entry in entries if entry.is_dir())
    files = [entry.name for entry in entries if not entry.is_dir()]
    if are_frames(files):
        yield folder
    yield from (folder / name for name in files if name.lower().endswith(_WANTED))
    for name in folders:
        yield from _walk(folder / name, seen=seen)
