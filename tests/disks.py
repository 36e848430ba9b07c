"""Real disks that are full or read-only, mounted where one forked process alone sees them.

A test marked `mounting` runs in a child of the test process, in a namespace of mounts of its own:
nothing stays mounted, whatever becomes of it. Users without privileges may do this too, where the
kernel lets them have namespaces.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path

import pytest

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MOST_SECONDS = 300
"""A child that hangs ends by itself."""


def can_mount() -> bool:
    """Whether this machine lets a process have mounts of its own."""
    if sys.platform != "linux" or not shutil.which("unshare"):
        return False
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def mounting(test: Callable[..., None]) -> Callable[..., None]:
    """A test in a child with mounts of its own; fixtures are made before, in the parent."""

    @wraps(test)
    def forked(*args, **kwargs) -> None:
        if (child := os.fork()) == 0:
            signal.alarm(MOST_SECONDS)
            status = 1
            try:
                own_mounts()
                test(*args, **kwargs)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0, "its traceback is on standard error"

    return pytest.mark.skipif(not can_mount(), reason="no mounts of one's own here")(forked)


def own_mounts() -> None:
    """What this process, which has one thread, mounts from now on, no other sees."""
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS | CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "no namespace of mounts")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """An empty disk in memory, of any size until `room` says otherwise."""
    place.mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "tmpfs", place)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def leave_room(disk: Path, *, pages: int) -> None:
    """Of a small disk: room for so many pages of 4096 bytes more. A file takes one at least."""
    found = os.statvfs(disk)
    mount("-o", f"remount,nr_blocks={max(1, found.f_blocks - found.f_bfree + pages)}", disk)
    if pages == 0 and found.f_blocks == found.f_bfree:
        (disk / "filler").write_bytes(b"x")


def make_room(disk: Path) -> None:
    """Let a small disk be of any size again."""
    mount("-o", "remount,nr_blocks=0", disk)


def make_read_only(disk: Path) -> None:
    """Nothing can be changed from now on, by root neither."""
    mount("-o", "remount,ro", disk)


def mount(*words: object) -> None:
    """The system's own command."""
    subprocess.run(["mount", *map(str, words)], check=True, capture_output=True)
