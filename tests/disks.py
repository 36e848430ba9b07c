"""Real disks that are full or read-only: mounts that one forked process alone sees.

A test marked `mounting` runs in a child of the test process, in a namespace of mounts of its own,
so that nothing stays mounted whatever becomes of it. Unprivileged users may do this too, where the
kernel lets them make namespaces.
"""

import ctypes
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from functools import wraps
from pathlib import Path

import pytest

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
PAGE = 4096
"""A disk in memory gives room in such steps, and takes one for each file and folder."""


def own_mounts() -> None:
    """What this process mounts from now on, no other sees. It must have one thread."""
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS | CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "no namespace of mounts")
    for name, told in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {user} 1"),
        ("gid_map", f"0 {group} 1"),
    ):
        Path("/proc/self", name).write_text(told)


def in_child(function: Callable[[], None]) -> bool:
    """Whether a function ends well in a forked process; why not is on standard error."""
    if (child := os.fork()) == 0:
        status = 1
        try:
            function()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def can_mount() -> bool:
    """Whether this machine lets a process have mounts of its own."""
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    if sys.platform != "linux" or not shutil.which("unshare"):
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def mounting(test: Callable[..., None]) -> Callable[..., None]:
    """The test in a child with mounts of its own; fixtures are made before, in the parent."""

    @wraps(test)
    def forked(*args, **kwargs) -> None:
        def whole() -> None:
            own_mounts()
            test(*args, **kwargs)

        assert in_child(whole), "see the traceback on standard error"

    return pytest.mark.skipif(not can_mount(), reason="no mounts of one's own here")(forked)


@contextmanager
def small_disk(place: Path, *, pages: int):
    """A disk in memory with so much room, mounted for `mounting` tests; gives its folder."""
    place.mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", f"nr_blocks={pages}", "tmpfs", place)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def read_only(place: Path) -> None:
    """From here on nothing below a folder can be changed, by root neither."""
    mount("--bind", place, place)
    mount("-o", "remount,bind,ro", place)


def mount(*words: object) -> None:
    """The system's own command."""
    subprocess.run(["mount", *map(str, words)], check=True, capture_output=True)
