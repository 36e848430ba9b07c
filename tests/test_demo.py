"""The demonstration: its report and page follow from what was run."""

import json
import runpy
import shlex
from pathlib import Path

import pytest
from PIL import Image

from runs import stillmotion
from stillmotion.data.reading import read_videos
from stillmotion.data.synthetic import PARTNER
from stillmotion.demo import run as demo

ROOT = Path(__file__).parents[1]
judge = runpy.run_path(str(ROOT / "scripts/judge_demo.py"))["main"]
TINY = demo.Size(num_train=24, num_val=12, num_heldout_pairs=6, epochs=1)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """The demonstration at its smallest, through the command line."""
    out = tmp_path_factory.mktemp("demo") / "a demo"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "QUICK", TINY)
        assert stillmotion("demo", "--out", out, "--quick", "--seed", "3") == 0
    return out


@pytest.fixture(scope="module")
def report(out):
    return json.loads((out / "report.json").read_text())


@pytest.fixture(scope="module")
def rows(out):
    return [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", ["amflow", "baseline"])
def test_the_report_says_what_the_answers_say(name, report, rows):
    told = report[name]
    assert report["n"] == len(rows) == 12
    for key, column in (
        ("top1", name), ("top1_shuffled", f"{name}_shuffled"), ("top1_reversed", f"{name}_reversed")
    ):  # fmt: skip
        right = sum(row[column] == row["label"] for row in rows)
        assert told[key] == pytest.approx(right / 12)
        low, high = told["intervals"][key]
        assert low <= told[key] + 1e-9
        assert told[key] - 1e-9 <= high
    assert sum(map(sum, told["confusion"])) == 12
    assert told["trainable_parameters"] > 0


def test_all_models_are_asked_about_the_same_clips_with_the_same_image_model(report):
    names = ("amflow", "baseline")
    for key in ("list_sha256", "backbone_sha256"):
        assert len({report[name][key] for name in names}) == 1
    assert len(report["amflow"]["history"]) == 1
    assert report["baseline"]["history"] == []
    assert report["amflow"]["trainable_parameters"] > report["baseline"]["trainable_parameters"]


def test_the_control_asks_what_an_order_free_model_can_know(report, rows, out):
    right = sum(row["shape"] == row["baseline_control"] for row in rows)
    assert report["baseline"]["control_top1"] == pytest.approx(right / 12)
    shapes = read_videos(out / "videos/index.csv", columns={"label": "shape"})
    assert {row["shape"] for row in rows} <= set(shapes.classes)


def test_half_of_the_clips_are_the_other_half_backwards(rows):
    by_path = {Path(row["path"]).stem: row for row in rows}
    twins = [stem for stem in by_path if stem.endswith("-reversed")]
    assert len(twins) == 6
    for stem in twins:
        assert PARTNER[by_path[stem.removesuffix("-reversed")]["label"]] == by_path[stem]["label"]


def test_an_order_free_baseline_answers_every_order_alike(rows):
    for row in rows:
        assert row["baseline"] == row["baseline_shuffled"] == row["baseline_reversed"]


def test_the_page_and_the_picture_can_be_looked_at(out, report):
    page = (out / "report.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert f"{report['amflow']['top1']:.0%}"[:-1] in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    with Image.open(out / "summary.png") as picture:
        assert min(picture.size) > 200


def test_the_page_says_how_to_repeat_it(out):
    words = shlex.split(demo.command(out, quick=True, full=True, seed=3))
    assert words == [
        "stillmotion", "demo", "--out", str(out), "--quick", "--full", "--seed", "3"
    ]  # fmt: skip
    assert "--quick --seed 3" in (out / "report.html").read_text()


def test_its_runs_are_runs_like_any_other(out, rows):
    clip = out / "videos/test" / rows[0]["path"]
    assert stillmotion("predict", out / "runs/amflow", clip) == 0


GOOD = {
    "n": 400,
    "seconds": 1.0,
    "amflow": {"top1": 0.9, "top1_reversed": 0.44},
    "baseline": {"top1": 0.55, "control_top1": 0.9},
}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 0),
        ({"n": 399}, 1),
        ({"amflow": {"top1": 0.89, "top1_reversed": 0.1}}, 1),
        ({"amflow": {"top1": 0.9, "top1_reversed": 0.45}}, 1),
        ({"baseline": {"top1": 0.56, "control_top1": 0.9}}, 1),
        ({"baseline": {"top1": 0.55, "control_top1": 0.89}}, 1),
    ],
)
def test_the_judge_is_strict(change, status, tmp_path, capsys):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(GOOD | change))
    assert judge(str(path)) == status
    assert capsys.readouterr().out.count("FAIL") == status


@pytest.mark.slow
def test_the_demonstration_shows_what_it_must(tmp_path):
    assert stillmotion("demo", "--out", tmp_path / "demo", "--full") == 0
    told = json.loads((tmp_path / "demo/report.json").read_text())
    assert told["amflow_without_flow"]["trainable_parameters"] > 0
    assert judge(str(tmp_path / "demo/report.json")) == 0
