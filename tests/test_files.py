"""Files appear whole or not at all, and what stops them is a StorageError."""

import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from stillmotion.errors import StorageError
from stillmotion.files import (
    PARTIAL,
    clear_partial,
    readable,
    write_bytes,
    write_text,
    writing,
    writing_folder,
    writing_together,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_folders_are_made_and_contents_are_whole(tmp_path):
    write_bytes(tmp_path / "a/b/c.bin", b"\x00\xff")
    write_text(tmp_path / "a/ü.txt", "größer\n")
    assert (tmp_path / "a/b/c.bin").read_bytes() == b"\x00\xff"
    assert (tmp_path / "a/ü.txt").read_bytes() == "größer\n".encode()


def test_an_old_file_is_replaced_in_one_step(tmp_path):
    path = tmp_path / "a"
    write_text(path, "old")
    with writing(path, "w") as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, ValueError])
def test_a_failure_inside_leaves_what_was_there_and_no_rest(failure, tmp_path):
    path = tmp_path / "a"
    write_text(path, "old")
    with pytest.raises(failure), writing(path, "w") as file:  # noqa: PT012
        file.write("half")
        raise failure
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_the_mode_is_that_of_any_new_file(tmp_path):
    write_text(tmp_path / "ours", "")
    (tmp_path / "theirs").touch()
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "theirs")]
    assert modes[0] == modes[1]


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_files_that_belong_together_appear_together(tmp_path):
    write_text(tmp_path / "a.csv", "old")
    write_text(tmp_path / "mine", "mine")
    with writing_together(tmp_path / "a.json") as path:
        write_text(path.with_suffix(".csv"), "new")
        write_text(path, "{}")
        assert (tmp_path / "a.csv").read_text() == "old"
    assert contents(tmp_path) == {"a.csv": "new", "a.json": "{}", "mine": "mine"}


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_of_files_that_belong_together_none_is_new_where_one_fails(failure, tmp_path):
    write_text(tmp_path / "a.csv", "old")
    with pytest.raises(failure), writing_together(tmp_path / "a.json") as path:  # noqa: PT012
        write_text(path.with_suffix(".csv"), "new")
        raise failure
    assert contents(tmp_path) == {"a.csv": "old"}


@pytest.mark.parametrize("taken", ["a_0", "a_5", "a_9"])
def test_nothing_is_replaced_where_a_file_that_belongs_to_it_cannot_be(taken, tmp_path):
    files = [*(f"a_{number}" for number in range(10)), "a.json"]
    for name in files:
        write_text(tmp_path / name, "old")
    (tmp_path / taken).unlink()
    (tmp_path / taken).mkdir()

    def replace():
        with writing_together(tmp_path / "a.json") as path:
            for name in files:
                write_text(path.with_name(name), "new")

    with pytest.raises(StorageError, match=f"^cannot write {tmp_path / taken}: it is a directory"):
        replace()
    (tmp_path / taken).rmdir()
    assert set(contents(tmp_path).values()) == {"old"}


@pytest.fixture
def synced(monkeypatch):
    """Files and folders that were brought to the disk, in order."""
    done, fsync = [], os.fsync

    def watched(descriptor):
        fsync(descriptor)
        done.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", watched)
    return done


def test_the_names_of_new_folders_are_brought_to_the_disk(synced, tmp_path):
    write_text(tmp_path / "a/b/c", "")
    folder, a, c, b = ((tmp_path / place).stat().st_ino for place in (".", "a", "a/b/c", "a/b"))
    assert set(synced[:2]) == {folder, a}
    assert synced[2:] == [c, b]


def test_a_folder_is_on_the_disk_with_all_in_it_before_it_has_its_name(synced, tmp_path):
    with writing_folder(tmp_path / "new/model") as folder:
        (folder / "deep/deeper").mkdir(parents=True)
        (folder / "deep/deeper/a").write_text("")
        assert (tmp_path / "new").exists()
        synced.clear()
    inside = [tmp_path / "new/model", *(tmp_path / "new/model").rglob("*")]
    assert sorted(synced[:-1]) == sorted(path.stat().st_ino for path in inside)
    assert synced[-1] == (tmp_path / "new").stat().st_ino


def test_what_is_met_inside_a_folder_is_said_of_the_folder(tmp_path):
    def fill():
        with writing_folder(tmp_path / "a") as folder:
            write_text(folder / "b", "")
            write_text(folder / "b/c", "")

    with pytest.raises(StorageError, match=f"^cannot write {tmp_path / 'a'}: File exists$"):
        fill()
    assert names(tmp_path) == []


def test_what_killed_processes_left_is_cleared_and_no_more(tmp_path):
    write_text(tmp_path / f"deep/.a.1{PARTIAL}", "")
    write_text(tmp_path / f"deep/.b.2{PARTIAL}/b", "")
    write_text(tmp_path / "deep/.mine", "")
    clear_partial(tmp_path)
    assert names(tmp_path / "deep") == [".mine"]


def a_pipe(folder):
    """As /dev/null would be."""
    os.mkfifo(folder / "a")
    return folder / "a"


def a_file_in_the_way(folder):
    (folder / "way").write_text("")
    return folder / "way/a"


def a_folder_in_its_place(folder):
    (folder / "a").mkdir()
    return folder / "a"


def too_long_a_name(folder):
    return folder / ("a" * 300)


@pytest.mark.parametrize(
    "place", [a_file_in_the_way, a_folder_in_its_place, a_pipe, too_long_a_name]
)
def test_what_cannot_be_written_is_said_with_its_path(place, tmp_path):
    path = place(tmp_path)
    before = names(tmp_path)
    with pytest.raises(StorageError, match=f"cannot write {path}: "):
        write_text(path, "x")
    assert names(tmp_path) == before


def run(code, folder):
    """In a process of its own, whose limits and user may be changed."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_full_disk_leaves_no_rest(tmp_path):
    write_bytes(tmp_path / "a", b"old")
    result = run(
        """
        import pathlib, resource, signal, sys
        from stillmotion.files import write_bytes
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        write_bytes(pathlib.Path(sys.argv[1]) / "a", bytes(5000))
        """,
        tmp_path,
    )
    assert "StorageError: cannot write" in result.stderr
    assert "File too large" in result.stderr
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="no users to change to")
def test_a_read_only_directory_is_said(tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    if os.geteuid() != 0:
        with pytest.raises(StorageError, match="Permission denied"):
            write_text(locked / "a", "x")
        return
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
    result = run(
        """
        import os, pathlib, sys
        from stillmotion.files import write_text
        os.setuid(65534)
        write_text(pathlib.Path(sys.argv[1]) / "a", "x")
        """,
        locked,
    )
    assert "StorageError: cannot write" in result.stderr
    assert "Permission denied" in result.stderr
    assert names(locked) == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (b"day.mp4", "day.mp4"),
        ("größe 3.mp4".encode(), "größe 3.mp4"),
        (b"r\xe9v/a.mp4", "r\\xe9v/a.mp4"),
    ],
)
def test_any_name_of_a_file_can_be_written_down(name, told):
    assert readable(Path(os.fsdecode(name))) == told
    assert readable(os.fsdecode(name)).encode() == told.encode()
