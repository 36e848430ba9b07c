"""Benchmarks can be run by anybody, and their tables say what their rows say."""

import importlib
import importlib.util
import json
import logging
import re
import runpy
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(
    path for path in FOLDER.glob("*.py") if path.stem not in ("authors_aim", "harness", "page")
)
MEASURING = [
    path
    for path in SCRIPTS
    if path.stem not in ("clients", "data_reading")  # test_web_load runs the first
]

LONG = {"sharing", "long_video", "scaling", "flow_memory"}
"""Those that take longest, `slow` here."""


@pytest.fixture(autouse=True)
def harness(monkeypatch):
    """Scripts import it from their own folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # set where it is not set
    log = logging.getLogger("stillmotion")
    level = log.level
    yield importlib.import_module("harness")
    log.setLevel(level)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_each_explains_itself(path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(path), run_name="__main__")
    assert ended.value.code == 0
    assert f"benchmarks/{path.name}" in capsys.readouterr().out


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "path",
    [pytest.param(p, marks=pytest.mark.slow if p.stem in LONG else ()) for p in MEASURING],
    ids=lambda path: path.stem,
)
def test_each_measures_and_keeps_its_tables(path, tmp_path, capsys):
    threads = torch.get_num_threads()
    try:
        importlib.import_module(path.stem).main(["--quick", "--out", str(tmp_path)])
    finally:
        torch.set_num_threads(threads)
    printed = capsys.readouterr().out
    files = list(tmp_path.glob("*-cpu.json"))
    assert files
    for file in files:
        told = json.loads(file.read_text())
        assert told["rows"]
        assert all(row.keys() == told["rows"][0].keys() for row in told["rows"])
        assert told["name"] in printed


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["--rounds", "0"], "0 is less than 1"),
        pytest.param(
            ["--device", "cuda"],
            "torch finds no GPU here",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_what_cannot_be_run_is_refused_in_a_line(harness, given, reason, capsys):
    with pytest.raises(SystemExit) as ended:
        harness.arguments("doc").parse_args(given)
    assert ended.value.code == 2
    assert reason in capsys.readouterr().err


def test_tiny_sizes_replace_no_result(harness):
    assert harness.arguments("doc").parse_args([]).out == harness.RESULTS
    quick = harness.arguments("doc").parse_args(["--quick"]).out
    assert quick.is_dir()
    assert quick != harness.RESULTS


def test_the_pages_show_what_was_measured():
    page = importlib.import_module("page")
    text = "".join(path.read_text(encoding="utf-8") for path in page.PAGES)
    assert page.with_results(text) == text, "run: python benchmarks/page.py"
    files = list(page.RESULTS.glob("*.json"))
    assert files
    for path in files:
        name, _, device = path.stem.rpartition("-")
        assert re.search(rf"<!-- results {name}( {device})? -->", text)


def test_runs_take_turns_and_every_other_round_goes_backwards(harness):
    seen = []
    runs = {name: lambda name=name: seen.append(name) for name in "abc"}
    seconds = harness.take_turns(runs, rounds=2, warmup=1)
    assert "".join(seen) == "abc" + "abc" + "cba"
    assert {name: len(times) for name, times in seconds.items()} == {"a": 2, "b": 2, "c": 2}


def test_the_peak_is_what_exists_at_once(harness):
    def run():
        first = torch.ones(1000, 1000)
        second = first + 1
        del first
        return second * 2  # two of the three exist at any time

    assert 8e6 <= harness.peak_bytes(run) < 8.1e6


@pytest.mark.parametrize(
    ("measured", "better", "verdict"),
    [
        (1.0, "lower", "reached"),
        (1.1, "lower", "missed"),
        (1.0, "higher", "reached"),
        (0.9, "higher", "missed"),
        (None, "lower", "not measured"),
    ],
)
def test_a_target_is_reached_missed_or_not_measured(harness, measured, better, verdict):
    assert harness.Target("speed", 1.0, measured, better).verdict == verdict
