"""A check ends in a report for every file, and leaves no process behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stillmotion.data.check import CheckReport, check_videos
from stillmotion.data.check_tables import class_table
from stillmotion.data.contents import sha256_of
from stillmotion.data.probe import VideoReport
from stillmotion.data.probing import Prober, probe_all
from stillmotion.data.reading import read_videos
from stillmotion.errors import DataError
from test_frame_folder import write_frames
from videos import write_classes, write_sound, write_video


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes of four videos, one of them twice, one damaged, one only sound."""
    folder = write_classes(tmp_path_factory.mktemp("data"), videos_each=4)
    shutil.copy(folder / "wave/0.mp4", folder / "wave/copy.mp4")
    whole = write_video(folder / "jump/cut.mkv", num_frames=12).read_bytes()
    (folder / "jump/cut.mkv").write_bytes(whole[:40])
    write_sound(folder / "jump/sound.mp4")
    return folder


@pytest.fixture(scope="module")
def report(folder):
    return check_videos(read_videos(folder), workers=1)


def test_every_file_is_reported(report):
    assert len(report.videos) == 11
    reasons = {Path(video.path).name: video.reason for video in report.unreadable}
    assert set(reasons) == {"cut.mkv", "sound.mp4"}
    assert "only sound" in reasons["sound.mp4"]
    good = next(video for video in report.videos if video.path.endswith("wave/0.mp4"))
    assert (good.num_frames, good.num_decoded, good.height, good.width) == (10, 10, 48, 64)
    assert good.duration_seconds == pytest.approx(1)
    assert report.counts == {"jump": 6, "wave": 5}


def test_files_of_the_same_bytes_are_named_and_stay_together(report):
    ((one, two),) = report.duplicates
    assert {Path(one).name, Path(two).name} == {"0.mp4", "copy.mp4"}
    splits = {str(sample.path): sample.split for sample in report.proposal.samples}
    assert splits[one] == splits[two]


def test_the_proposal_leaves_out_what_cannot_be_read_and_can_be_written(report, tmp_path):
    report.write_list(tmp_path / "list.csv")
    videos = read_videos(tmp_path / "list.csv")
    assert len(videos) == 9
    assert videos.splits == ("test", "train", "val")
    assert [path.name for path in tmp_path.iterdir()] == ["list.csv"]


def test_the_report_reads_as_text_and_as_json(report):
    text = report.text()
    for word in (
        "11 videos, 2 unreadable",
        "jump",
        "cut.mkv",
        "only sound",
        "Same bytes",
        "64 x 48",
    ):
        assert word in text
    assert json.loads(json.dumps(report.to_dict()))["num_videos"] == 11


def checked(videos):
    """The report of a list whose videos all decode, without decoding them."""
    paths = dict.fromkeys(sample.path for sample in videos.samples)
    reports = [VideoReport(path=str(path), sha256=sha256_of(path)) for path in paths]
    return CheckReport(videos.source, tuple(reports), videos)


def test_a_list_whose_splits_leak_is_reported(folder, tmp_path):
    listing = tmp_path / "list.csv"
    listing.write_text(
        "path,label,group,split\n"
        "wave/0.mp4,wave,,train\nwave/copy.mp4,wave,,val\n"
        "jump/0.mp4,jump,anna,train\njump/1.mp4,jump,anna,val\n"
    )
    report = checked(read_videos(listing, root=folder))
    assert len(report.leaks) == 2
    assert "group anna" in report.leaks


def test_a_class_too_small_to_split_is_reported(tmp_path):
    write_classes(tmp_path, videos_each=3)
    write_video(tmp_path / "bow/only.mp4", first_level=9)
    assert checked(read_videos(tmp_path)).too_small == {"val": ("bow",)}


def test_a_folder_without_labels_is_checked_too(tmp_path):
    for index in range(3):
        write_video(tmp_path / f"{index}.mp4", num_frames=2)
    seen = []
    report = check_videos(
        tmp_path, workers=1, on_progress=lambda done, total: seen.append((done, total))
    )
    assert [video.num_decoded for video in report.videos] == [2, 2, 2]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert "3 videos, 0 unreadable" in report.text()
    with pytest.raises(DataError, match="no split to write"):
        report.write_list(tmp_path / "list.csv")


def test_nothing_to_check_is_refused(tmp_path):
    with pytest.raises(DataError, match="no videos to check"):
        check_videos(tmp_path)
    with pytest.raises(DataError, match="not a folder"):
        check_videos(tmp_path / "absent")


# Stands for a decoder: hangs or dies over some files, answers for others.
PROGRAM = """
import json, os, signal, sys, time
print("ready", flush=True)
for line in sys.stdin:
    path = json.loads(line)
    name = os.path.basename(path)
    if "hang" in name:
        print(os.getpid(), file=open(path, "w"), flush=True)
        time.sleep(600)
    if "crash" in name:
        os.kill(os.getpid(), signal.SIGKILL)
    print(json.dumps({"path": path}), flush=True)
"""


def test_a_decoder_that_hangs_or_crashes_is_reported_and_replaced(tmp_path):
    names = ["hang-1", "crash-1", "good-1", "hang-2", "good-2", "crash-2", "good-3"]
    reports = probe_all(
        [tmp_path / name for name in names],
        seconds_per_file=0.5,
        command=(sys.executable, "-c", PROGRAM),
    )
    assert [Path(report.path).name for report in reports] == names
    for name, report in zip(names, reports, strict=True):
        expected = {"hang": "did not end within 0.5 s", "crash": "crashed"}.get(name.split("-")[0])
        assert expected in report.reason if expected else report.reason is None
    assert not any(runs(int((tmp_path / name).read_text())) for name in ("hang-1", "hang-2"))


def test_a_prober_that_does_not_start_says_so(tmp_path):
    with (
        Prober(seconds_per_file=1.0, command=(sys.executable, "-c", "")) as prober,
        pytest.raises(RuntimeError, match="does not start"),
    ):
        prober.probe(tmp_path)


def runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_test_videos_that_the_list_names_stay_test_videos(tmp_path):
    folder = write_classes(tmp_path / "videos", videos_each=4)
    rows = [
        f"{path},{path.parent.name},{'test' if path.stem == '0' else 'train'}"
        for path in sorted(folder.rglob("*.mp4"))
    ]
    (tmp_path / "list.csv").write_text("path,label,split\n" + "\n".join(rows))
    proposal = check_videos(read_videos(tmp_path / "list.csv")).proposal
    assert {s.path.stem for s in proposal.samples if s.split == "test"} == {"0"}
    assert {s.split for s in proposal.samples} == {"train", "val", "test"}


def heed_interrupts():
    """In a child: a shell's background job, such as a test run may be, ignores SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


SCRIPT = """
import sys
from pathlib import Path
from stillmotion.data.probing import probe_all
probe_all([Path(p) for p in sys.argv[2:]], command=(sys.executable, "-c", sys.argv[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_an_interrupt_leaves_no_process_behind(tmp_path):
    paths = [tmp_path / "hang-1", tmp_path / "hang-2"]
    check = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, PROGRAM, *map(str, paths)],
        stderr=subprocess.PIPE,
        preexec_fn=heed_interrupts,
    )
    while check.poll() is None and not all(p.exists() and p.read_text() for p in paths):
        time.sleep(0.05)
    pids = [int(path.read_text()) for path in paths]
    assert all(runs(pid) for pid in pids)
    check.send_signal(signal.SIGINT)
    _, errors = check.communicate()
    assert b"KeyboardInterrupt" in errors
    assert not any(runs(pid) for pid in pids)


def test_segments_past_the_end_are_told(few_videos, tmp_path):
    listing = tmp_path / "list.csv"
    parts = [("jump", 0, ""), ("jump", 1, "0.5"), ("wave", 0, "9.0"), ("wave", 1, "")]
    rows = [f"{few_videos}/{name}/{n}.mp4,{name},0,{end}" for name, n, end in parts]
    listing.write_text("\n".join(["path,label,start,end", *rows]) + "\n")
    report = check_videos(read_videos(listing), workers=1)
    assert [fault.place for fault in report.faults] == [f"{few_videos}/wave/0.mp4"]
    assert "past the end: 1" in report.text()
    assert report.to_dict()["faults"][0]["kind"] == "past the end"


def test_of_very_many_classes_the_rarest_are_listed():
    told = class_table({f"class {n}": max(0, n - 9) for n in range(100)})
    assert told.title == "The 60 rarest of 100 classes; 10 have no video"
    assert told.row_count == 60
    assert next(iter(told.columns[1].cells)).plain == "1"


def test_a_folder_with_a_gap_is_reported_like_any_other_fault(few_videos, tmp_path):
    gap = write_frames(tmp_path / "gap", count=5)
    (gap / "img_00003.jpg").unlink()
    rows = [f"{few_videos}/jump/0.mp4,jump,train", f"{few_videos}/wave/0.mp4,wave,test"]
    listing = tmp_path / "list.csv"
    listing.write_text("\n".join(["path,label,split", *rows, f"{gap},wave,train"]) + "\n")
    report = check_videos(read_videos(listing), workers=1)
    assert [Path(video.path).name for video in report.unreadable] == ["gap"]
    assert "frames are missing" in report.text()
    assert report.to_dict()["leaks"] == []
