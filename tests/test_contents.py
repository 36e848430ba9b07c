"""Videos are told apart by as little reading as it takes, and copies are found."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from stillmotion.data import contents
from stillmotion.data.contents import END, told_apart
from test_frame_folder import write_frames


@given(st.lists(st.binary(max_size=3), max_size=8))
def test_equal_files_and_no_others_are_the_same(tmp_path_factory, given):
    """Also those that differ in the middle alone, which neither size nor ends tell."""
    folder = tmp_path_factory.mktemp("files")
    paths = [folder / str(n) for n in range(len(given))]
    for path, middle in zip(paths, given, strict=True):
        path.write_bytes(b"a" * END + middle + b"z" * END)
    told = told_apart(paths)
    for a, first in zip(paths, given, strict=True):
        for b, second in zip(paths, given, strict=True):
            assert (told[a] == told[b]) is (first == second)


def test_files_of_different_sizes_are_not_opened(tmp_path, monkeypatch):
    for n in range(5):
        (tmp_path / f"{n}").write_bytes(b"x" * n)
    opened = []
    look = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *a: opened.append(path) or look(path, *a))
    assert len(set(told_apart(tmp_path.iterdir()).values())) == 5
    assert opened == []
    assert contents.sha256_of(tmp_path / "1") != contents.sha256_of(tmp_path / "2")
    assert len(opened) == 2


def test_what_is_empty_or_cannot_be_read_is_like_nothing_else(tmp_path):
    """Downloads that failed are no copies of each other, and a folder with a gap ends nothing."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.mp4").touch()
    gap = write_frames(tmp_path / "gap", count=4)
    (gap / "img_00002.jpg").unlink()
    paths = [tmp_path / "a.mp4", tmp_path / "b.mp4", gap, tmp_path / "nowhere.mp4"]
    assert len(set(told_apart(paths).values())) == 4
