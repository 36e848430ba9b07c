"""89 awkward videos end in frames or in a reason; probe.csv says what a full decode gives."""

import csv
import os
from pathlib import Path

import pytest
import torch

from stillmotion.data.check import check_videos
from stillmotion.data.video import open_video
from stillmotion.errors import VideoError

SHARED = Path(os.environ.get("STILLMOTION_SHARED", Path(__file__).parents[2] / "shared"))
ZOO = SHARED / "data/decoder-zoo"

pytestmark = pytest.mark.skipif(not ZOO.is_dir(), reason="the shared decoder zoo is not here")


def rows():
    if not ZOO.is_dir():
        return []
    with (ZOO / "probe.csv").open() as file:
        return list(csv.DictReader(file))


# Where we refuse what the probe let through: frames that the decoder marks as damaged.
STRICTER = {"no_timescale.mp4": 0}
# Frames that the decoder held back when it met the damage: they are whole, and the probe lost them.
HELD_BACK = {"corrupted.mp4": 1}
# Where the probe took decoding order for presentation order, and found the rate to vary.
MISTAKEN = {"test.avi"}


def num_decodable(row):
    return STRICTER.get(Path(row["path"]).name, int(row["frames_decoded"] or 0))


every_video = pytest.mark.parametrize("row", rows(), ids=lambda row: Path(row["path"]).name)
every_readable_video = pytest.mark.parametrize(
    "row", [r for r in rows() if num_decodable(r)], ids=lambda row: Path(row["path"]).name
)


@every_video
def test_a_video_is_opened_or_refused_with_a_reason(row):
    path = ZOO / row["path"]
    if not num_decodable(row):
        with pytest.raises(VideoError, match=path.name), open_video(path) as video:
            video.frames_at([0])
        return
    with open_video(path) as video:
        assert len(video) >= int(row["frames_decoded"])
        if row["duration_s"]:
            assert video.duration_seconds == pytest.approx(float(row["duration_s"]), abs=0.05)
        if row["vfr"] and path.name not in MISTAKEN:
            assert video.is_variable_rate == (row["vfr"] == "1")
        size = int(row["height"]), int(row["width"])
        turned = row["rotation"] in ("90", "-90")
        assert (video.height, video.width) == (size[::-1] if turned else size)


@every_readable_video
def test_seeking_gives_the_frames_of_a_walk_from_the_start(row):
    # The first frames suffice here; the slow test takes them all.
    compare_access(ZOO / row["path"], num_frames=min(24, num_decodable(row)), places=4)


@pytest.mark.slow
@every_readable_video
def test_seeking_gives_the_frames_of_a_walk_everywhere(row):
    compare_access(ZOO / row["path"], num_frames=num_decodable(row), places=40)


@every_readable_video
def test_the_first_frame_after_the_damage_is_refused(row):
    with open_video(ZOO / row["path"]) as video:
        if num_decodable(row) < len(video):
            first = num_decodable(row) + HELD_BACK.get(Path(row["path"]).name, 0)
            with pytest.raises(VideoError, match=rf"the first {num_decodable(row)} can"):
                video.frames_at([first])
        else:
            assert len(video.frames_at([len(video) - 1], short_side=32).data) == 1


def compare_access(path, *, num_frames, places):
    with open_video(path) as video:
        walk = video.frames_at(range(num_frames), short_side=64).data
        wanted = list(range(num_frames - 1, -1, -max(1, num_frames // places)))
        for index in wanted:
            alone = video.frames_at([index], short_side=64).data[0]
            assert torch.equal(alone, walk[index]), f"frame {index}"
        assert torch.equal(video.frames_at(wanted, short_side=64).data, walk[wanted])


def test_a_check_reports_every_file():
    report = check_videos(ZOO, seconds_per_file=10.0)
    found = {Path(video.path).relative_to(ZOO).as_posix(): video for video in report.videos}
    assert set(found) == {row["path"] for row in rows()}
    for row in rows():
        video = found[row["path"]]
        assert "did not end" not in (video.reason or "")
        assert "crashed" not in (video.reason or "")
        assert video.num_decoded == num_decodable(row)
        assert (video.reason is None) == (video.num_decoded > 0 and not row["error"])
