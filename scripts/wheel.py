"""Builds the wheel and the sdist twice and compares their bytes; exit status 1 where they differ.

python scripts/wheel.py [FOLDER]

What git tracks is copied into two folders whose files differ in their times and permissions, and
built there under other umasks and time zones. FOLDER takes the files; by default it is dist/.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Build, keep the files and print what they are where both builds agree; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", default=Path("dist"), metavar="FOLDER")
    out: Path = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as folder:
        first, second = map(contents, build_twice(tracked(), Path(folder)))
    if first != second:
        print("two builds of the same files differ:", *different(first, second), sep="\n")
        return 1
    out.mkdir(parents=True, exist_ok=True)
    for name, held in first.items():
        (out / name).write_bytes(held)
        print(f"{sha256(held).hexdigest()}  {name}")
    return 0


def tracked() -> list[Path]:
    """The files that git tracks, relative to the root, where they are still there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    names = map(Path, os.fsdecode(listed.stdout).split("\0")[:-1])
    return [name for name in names if (ROOT / name).is_file()]


def build_twice(files: Sequence[Path], folder: Path) -> tuple[Path, Path]:
    """Build copies of these files that differ in all that a build should not heed.

    Returns:
        The folders of what was built.
    """
    one, other = folder / "one", folder / "another/folder"
    copy(files, one, modified=1_000_000_000, rights=0o755)
    copy(files, other, modified=1_500_000_000, rights=0o700)
    return build(one, umask=0o022, zone="UTC"), build(other, umask=0o077, zone="Asia/Kathmandu")


def copy(files: Sequence[Path], folder: Path, *, modified: int, rights: int) -> None:
    """Copy files of the root, all with this time in seconds, none with more than these rights."""
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, path)
        path.chmod(path.stat().st_mode & rights)
        os.utime(path, (modified, modified))


def build(folder: Path, *, umask: int, zone: str) -> Path:
    """Build a copy with the hatchling that is installed; the folder of the files."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", "dist"],
        cwd=folder,
        env={**os.environ, "TZ": zone},
        umask=umask,
        check=True,
    )
    return folder / "dist"


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def different(first: dict[str, bytes], second: dict[str, bytes]) -> Iterator[str]:
    """A line for each archive that differs, with the names of what differs in it."""
    for name in sorted(first.keys() | second.keys()):
        if name not in first or name not in second:
            yield f"{name}: built once only"
        elif first[name] != second[name]:
            one, other = held_in(first[name]), held_in(second[name])
            inside = sorted(
                held for held in one.keys() | other.keys() if one.get(held) != other.get(held)
            )
            yield f"{name}: {', '.join(inside) or 'the order or the headers of what it holds'}"


def held_in(archive: bytes) -> dict[str, bytes]:
    """The files of a wheel or an sdist by name."""
    if zipfile.is_zipfile(BytesIO(archive)):
        with zipfile.ZipFile(BytesIO(archive)) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist()}
    with tarfile.open(fileobj=BytesIO(archive)) as sdist:
        files = {held.name: sdist.extractfile(held) for held in sdist.getmembers()}
        return {name: file.read() for name, file in files.items() if file is not None}


if __name__ == "__main__":
    sys.exit(main())
