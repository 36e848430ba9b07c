"""Brings benchmarks/results/*.json into docs/performance.md and docs/scaling.md, and draws curves.

    python benchmarks/page.py

Between a page's marks `<!-- results NAME -->` and `<!-- end -->` stand the tables of NAME on the
CPU and on a GPU (on one alone with `<!-- results NAME cpu -->`), with their commands and machines;
`<!-- targets -->` gathers every target.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from harness import GPU, RESULTS, Target, markdown, refreshed
from stillmotion.visualise.theme import LIGHT

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
PAGES = (PAGE, PAGE.with_name("scaling.md"), PAGE.with_name("serving.md"))
PICTURE = PAGE.with_name("performance.png")
DEVICES = {"cpu": "On the CPU", "cuda": "On a GPU"}


def load(name: str, device: str) -> dict[str, Any] | None:
    """What a benchmark left; None where it was not run."""
    path = RESULTS / f"{name}-{device}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def results(what: str) -> str:
    """The tables of one benchmark on every device, or on the one that is named behind it."""
    name, *only = what.split()
    devices = only or DEVICES
    return "\n\n".join(part for device in devices for part in of_device(name, device))


def of_device(name: str, device: str) -> Iterator[str]:
    """Where it was measured: by what, on what, rows, notes. Else, how it can be."""
    told = load(name, device)
    if told is None:
        known = load(name, "cpu")
        how = f" `{known['command']} --device {device}` would." if known else ""
        yield f"{DEVICES[device]}: not measured here.{how}"
        return
    yield f"{where(told['machine'], device)}`{told['command']}`"
    yield markdown(told["rows"])
    yield from told["notes"]


def where(machine: dict[str, Any] | None, device: str) -> str:
    """What something was measured on; nothing for what was counted."""
    if machine is None:
        return ""
    cores = f"{machine['threads']} of {machine['cores']} threads, " if device == "cpu" else ""
    told = f"{machine['processor']}, {cores}torch {machine['torch']}, {machine['day']}"
    return f"{DEVICES[device]} ({told}): "


def targets() -> str:
    """Every target. A run on the CPU names those of a GPU, too: they count until there is one."""
    rows = []
    for path in sorted(RESULTS.glob("*.json")):
        name, _, device = path.stem.rpartition("-")
        for fields in json.loads(path.read_text(encoding="utf-8"))["targets"]:
            target = Target(**fields)
            of_gpu = target.what.startswith(GPU)
            if not of_gpu or device == "cuda" or load(name, "cuda") is None:
                what = target.what.removeprefix(GPU)
                on = "GPU" if of_gpu or device == "cuda" else "CPU"
                rows.append({"on": on, **target.row(), "target": what})
    return markdown(rows) if rows else "Nothing was measured."


def with_results(page: str) -> str:
    """A page with fresh tables between its marks."""
    page = refreshed(page, "targets", lambda _: targets())
    return refreshed(page, "results", results)


def picture() -> bytes:
    """A panel a quantity: milliseconds of a training step, a line a method, as a PNG."""
    told = load("scaling", "cpu")
    assert told is not None
    quantities = list(dict.fromkeys(row["quantity"] for row in told["rows"]))
    with LIGHT.active():
        figure = LIGHT.figure(11, 3.1)
        panels = figure.subplots(1, len(quantities), sharey=True)
        for axes, quantity in zip(panels, quantities, strict=True):
            draw(axes, quantity, [row for row in told["rows"] if row["quantity"] == quantity])
        panels[0].set_ylabel("milliseconds")
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(names))
    return LIGHT.png(figure)


def draw(axes: Axes, quantity: str, rows: list[dict[str, Any]]) -> None:
    """Time over one quantity, both logarithmic: a straight line is a power."""
    values = [row["value"] for row in rows]
    for number, column in enumerate(name for name in rows[0] if name.endswith(", ms")):
        axes.plot(
            values,
            [row[column] for row in rows],
            color=LIGHT.series[number],
            marker="o",
            markersize=4,
            label=column.removesuffix(", ms"),
        )
    axes.set_title(quantity)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_xticks(values, [f"{value:,}" for value in values])
    axes.minorticks_off()
    axes.grid(visible=True, axis="y")


def main() -> None:
    """Write the pages and the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    if load("scaling", "cpu") is None:
        parser.error("there are no curves to draw before `python benchmarks/scaling.py`")
    PICTURE.write_bytes(picture())
    for page in PAGES:
        page.write_text(with_results(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
