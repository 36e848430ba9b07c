"""The targets of the training step compare what they name."""

import importlib
from pathlib import Path

import pytest

MB = {"aim": 100, "aim, authors' block": 100, "linear_probe": 10}
COMPILED = {"aim, compiled": 70, "aim, authors' block, compiled": 100}


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # set by the import where it is not set
    return importlib.import_module("training_step")


def told(benchmark, *, device, compiled):
    """The measured figures of made-up runs, by their target."""
    image = "image model alone"
    share = dict.fromkeys((image, *MB, "adaptformer", "amflow.parallel"), 0.9)
    share |= {"aim": 0.5, "aim, blocks checkpointed": 0.1, "aim, authors' block": 0.2}
    share |= dict.fromkeys(COMPILED, 0.88) | {image + ", compiled": 1.0} if compiled else {}
    seconds = {name: [1.0, 1.0, 1.0] for name in share}
    seconds |= {"aim": [2.0, 9.0, 3.0], "aim, authors' block": [4.0, 3.0, 3.0]}
    work = benchmark.Work("vit_base_patch16_224", device, 8, compiled)
    found = benchmark.targets(work, seconds, MB | (COMPILED if compiled else {}), share)
    return {target.what.rpartition(": ")[2]: target.measured for target in found}


@pytest.mark.parametrize(("compiled", "memory", "lowest"), [(False, 1.0, 0.5), (True, 0.7, 0.88)])
def test_where_runs_are_compiled_these_count(benchmark, compiled, memory, lowest):
    """And neither the authors' block nor what is computed twice says how well methods do."""
    figures = told(benchmark, device="cuda", compiled=compiled)
    assert figures["AIM's peak memory over its authors' block's"] == memory
    assert figures["lowest utilisation of the image model's"] == lowest


def test_ratios_are_medians_over_rounds(benchmark):
    figures = told(benchmark, device="cpu", compiled=False)
    assert figures["AIM's step over that of its authors' block"] == 1.0  # of 1/2, 3 and 1
    assert figures["lowest utilisation of the image model's"] is None


@pytest.mark.usefixtures("unchecked")
def test_what_is_computed_twice_counts_once(benchmark):
    (work,) = benchmark.works("cpu", quick=True, compiled=False)
    rows, _ = benchmark.measure(work, rounds=1)
    products = {row["method"]: row["GFLOPs"] for row in rows}
    assert products["aim, blocks checkpointed"] == products["aim"] > 0
