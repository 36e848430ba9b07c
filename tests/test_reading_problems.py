"""What is wrong with the files is known before anything trains, and all of it."""

import shutil
from dataclasses import replace

import pytest

from stillmotion.data.annotations import Sample
from stillmotion.data.reading_problems import reading_problems, sample_problems
from test_frame_folder import write_frames
from test_tar_member import write_tar
from videos import write_video


@pytest.fixture
def video(tmp_path):
    """Two seconds."""
    return write_video(tmp_path / "a.mp4", num_frames=20)


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        (None, None, False),
        (0.0, 2.0, False),
        (1.9, None, False),
        (1.0, 2.9, False),
        (2.0, None, True),
        (5.0, 6.0, True),
        (None, 3.2, True),
    ],
)
def test_segments_past_the_end(start, end, found, video):
    problems = reading_problems([Sample(video, 0, start, end)])
    assert [problem.kind for problem in problems] == ["past the end"] * found
    if found:
        assert problems[0].place == str(video)
        assert "which lasts 2 s" in problems[0].what


def test_each_kind_is_found_for_its_own_samples(video, tmp_path):
    folder = write_frames(tmp_path / "frames", count=6)
    (folder / "img_00003.jpg").unlink()
    tar = write_tar(tmp_path / "x.tar", [("a.mp4", video.read_bytes())])
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    whole = write_frames(tmp_path / "whole", count=6)
    good = [Sample(video, 0, 0.5, 1.0), Sample(tar / "a.mp4", 0), Sample(whole, 0, 0.0, 0.1)]
    bad = [
        Sample(video, 0, 9.0, 10.0),
        Sample(folder, 0),
        Sample(tar / "b.mp4", 0),
        Sample(whole, 0, 0.2, 0.3),
        Sample(broken, 0, 0.0, 1.0),
    ]
    samples = [sample for pair in zip(good, bad, strict=False) for sample in pair] + bad[3:]
    told = []
    found = sample_problems(samples, on_progress=lambda done, of: told.append((done, of)))
    assert {samples[index] for index in found} == set(bad)
    assert told == [(n, 6) for n in range(1, 7)]
    kinds = [problem.kind for problem in reading_problems(samples)]
    assert kinds == ["past the end", "gaps", "unreadable", "past the end", "unreadable"]


def test_files_without_segments_are_opened_only_when_asked(tmp_path):
    broken = Sample(tmp_path / "broken.mp4", 0)
    broken.path.write_bytes(b"no video")
    assert reading_problems([broken]) == []
    (problem,) = sample_problems([broken], open_all=True)[0]
    assert problem.kind == "unreadable"
    assert problem.what.startswith("the file is damaged")


def test_headers_are_proof_enough_of_what_they_state(tmp_path):
    path = write_video(tmp_path / "a.webm", num_frames=20, codec="libvpx-vp9")
    header, mark, _ = path.read_bytes().partition(b"\x1f\x43\xb6\x75")  # then frames would follow
    path.write_bytes(header + mark)
    fits, past = Sample(path, 0, 0.0, 1.0), Sample(path, 0, 5.0, 6.0)
    assert sample_problems([Sample(path, 0), fits], open_all=True) == {}
    (problem,) = sample_problems([past], open_all=True)[0]
    assert problem.kind == "unreadable", "its packets were looked for"


def test_a_file_with_many_segments_is_one_problem(video, tmp_path):
    copy = shutil.copy(video, tmp_path / "b.mp4")
    copy.write_bytes(b"")
    samples = [Sample(copy, 0, n / 10, n / 10 + 0.1) for n in range(5)]
    assert len(reading_problems(samples)) == 1
    assert len(sample_problems(samples)) == 5
    assert reading_problems([replace(s, path=video) for s in samples]) == []
