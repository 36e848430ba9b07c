"""Benchmarks can be run by anybody, and their tables say what their rows say."""

import importlib.util
import json
import runpy
import statistics
import sys
from pathlib import Path

import pytest

from stillmotion.metrics import interval
from stillmotion.training.splits import read_splits

FOLDER = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(FOLDER.glob("*.py"))


@pytest.fixture
def egogestar(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # the script sets it where it is not set
    spec = importlib.util.spec_from_file_location("egogestar", FOLDER / "egogestar.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_each_explains_itself(path, monkeypatch, capsys):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(path), run_name="__main__")
    assert ended.value.code == 0
    assert f"benchmarks/{path.name}" in capsys.readouterr().out


def row(variant, fold, seed, top1, n):
    return {
        "variant": variant, "fold": fold, "seed": seed, "n": n, "seconds": 100.0 + fold,
        "top1": top1, "top1_shuffled": top1 / 2, "top1_reversed": top1 / 4,
    }  # fmt: skip


def test_the_table_pools_videos_over_folds_and_averages_seeds(egogestar, tmp_path, monkeypatch):
    sizes, scores = [10, 20, 30, 40, 50], [0.5, 0.6, 0.7, 0.8, 0.9]
    rows = [row("small", fold, 0, scores[fold], sizes[fold]) for fold in range(5)]
    rows += [row("small", 0, seed, 0.5 + seed / 10, 10) for seed in (2, 1)]
    rows += [row("aligned", 3, 0, 0.25, 40)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    monkeypatch.setattr(egogestar, "RESULTS", path)
    header, _, small, aligned = egogestar.table().splitlines()
    cells = [cell.strip() for cell in small.strip("|").split("|")]
    pooled = sum(n * score for n, score in zip(sizes, scores, strict=True)) / 150
    low, high = interval(pooled, 150)
    assert cells[:3] == [
        "small",
        "**0.600** (0.500, 0.600, 0.700)",
        f"{pooled:.3f} ({low:.2f} to {high:.2f})",
    ]
    assert cells[3].startswith(f"{pooled / 2:.3f} ")
    assert cells[4].startswith(f"{pooled / 4:.3f} ")
    assert cells[5] == f"{statistics.mean(r['seconds'] for r in rows[:-1]):.0f}"
    assert "(folds 3)" in aligned
    assert header.count("|") == small.count("|") == aligned.count("|")


def test_nothing_measured_is_an_empty_table(egogestar, tmp_path, monkeypatch):
    monkeypatch.setattr(egogestar, "RESULTS", tmp_path / "absent.jsonl")
    assert len(egogestar.table().splitlines()) == 2


def test_the_folds_share_no_scene(egogestar, shared):
    """Five test sets that together are all videos, and nothing leaks into training."""
    if not (egogestar.SHARED / "egogestar").is_dir():
        pytest.skip(f"no EgoGestAR at {egogestar.SHARED}")
    tested = []
    for fold in range(5):
        splits = read_splits(egogestar.recipe("small", fold, 0, "unused"))
        parts = [splits.train, splits.val, splits.test]
        groups = [{sample.group for sample in part.samples} for part in parts if part]
        assert sum(map(len, groups)) == len(set.union(*groups))
        tested += [sample.path for sample in splits.test.samples]
    assert len(tested) == len(set(tested)) == 217
