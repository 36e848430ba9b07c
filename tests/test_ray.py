"""The example on Ray answers every video once, as `predict --manifest` does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pyarrow import parquet

from plain import environment
from stillmotion import Predictor, load
from stillmotion.collection import answer_collection, read_collection

EXAMPLE = Path(__file__).parents[1] / "examples/ray_data.py"


def rows_of(path):
    """What a file of answers holds."""
    return parquet.read_table(path).to_pylist()


@pytest.mark.slow
def test_each_video_is_answered_once_and_unreadable_ones_say_why(
    few_videos, finished_run, tmp_path
):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'stillmotion[ray]'")
    names = sorted(str(path) for path in few_videos.rglob("*.mp4"))
    rows = [{"path": name} for name in [*names, "gone.mp4"]] + [{"path": names[0], "start": 0.2}]
    listed = tmp_path / "videos.jsonl"
    listed.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [sys.executable, EXAMPLE, finished_run, listed, tmp_path / "ray", "--batch", "3"]
    subprocess.run(command, env=environment(RAY_USAGE_STATS_ENABLED="0"), check=True)

    predictor = Predictor(load(finished_run), device="cpu")
    answer_collection(
        predictor, read_collection(listed), tmp_path / "ours", form="parquet", workers=0
    )
    on_ray, ours = (
        [row for path in (tmp_path / name).glob("*.parquet") for row in rows_of(path)]
        for name in ("ray", "ours")
    )
    assert sorted(on_ray, key=str) == sorted(ours, key=str)
    assert len(on_ray) == len(rows)
    assert sum(row["error"] is not None for row in on_ray) == 1
    again = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "is there already" in again.stderr
