"""The study's tables and curves in its two pages, between marks `<!-- study NAME -->`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import tables
from asked import Result, untouched
from draws import draws, few_questions
from guidance import backed
from matplotlib.ticker import MaxNLocator
from rows import ROWS
from tables import Table

from harness import markdown, refreshed
from stillmotion.methods import AMFlow
from stillmotion.visualise.theme import LIGHT

DOCS = Path(__file__).parents[2] / "docs"
PAGES = (DOCS / "results.md", DOCS / "choosing.md")
PICTURE = DOCS / "study.png"
CURVES = ("parallel", "side", "linear probe, positional", "ST-Adapter", "AIM", "full fine-tuning")
"""Whose training is drawn."""

PARTS: dict[str, Callable[[list[Result]], Table]] = {
    "egogestar": partial(tables.methods, data="egogestar"),
    "weizmann": partial(tables.methods, data="weizmann"),
    "seeds": partial(tables.seeds, data="egogestar"),
    "questions": partial(tables.questions, data="egogestar"),
    "weizmann-questions": partial(tables.questions, data="weizmann"),
    "few": partial(draws, stage="few"),
    "few-questions": few_questions,
    "candidates": partial(draws, stage="choice"),
    "rates": tables.rates,
}


def written(results: list[Result], part: str) -> str:
    """One table, or that there is nothing yet."""
    if part.endswith("-unfinished"):
        return tables.unfinished(results, data=part.removesuffix("-unfinished"))
    table = backed(results, part) if ": " in part else PARTS[part](results)
    return markdown(table) if table else "Not measured yet."


def report(results: list[Result], data: str) -> str:
    """What is known of one data set."""
    parts = ("few", "few-questions", "candidates", "rates") if data == "egogestar" else ()
    names = (data, "questions" if data == "egogestar" else f"{data}-questions", *parts)
    return "\n\n".join(written(results, name) for name in names)


def with_tables(page: str, results: list[Result]) -> str:
    """A page with fresh tables between its marks."""
    return refreshed(page, "study", partial(written, results))


def write_pages(results: list[Result]) -> None:
    """Fresh tables and a fresh picture."""
    for path in PAGES:
        path.write_text(with_tables(path.read_text(encoding="utf-8"), results), encoding="utf-8")
    PICTURE.write_bytes(picture(results))


def picture(results: list[Result]) -> bytes:
    """Scores with their intervals, a line a row; training accuracy by epoch, a curve a row."""
    done = tables.compared(results, data="egogestar")
    tested = {name: untouched(runs) for name, runs in done.items()}
    best_last = sorted(tested, key=lambda name: tables.pooled(tested[name], "top1")[0])
    with LIGHT.active():
        figure = LIGHT.figure(11, 1.6 + 0.2 * len(best_last))
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        for place, name in enumerate(best_last):
            score, n = tables.pooled(tested[name], "top1")
            low, high = tables.interval(score, n)
            of_ours = isinstance(ROWS[name].method, AMFlow)
            colour = LIGHT.fade(0 if of_ours else 1)
            left.plot([low, high], [place, place], color=colour)
            left.plot([score], [place], "o", color=colour)
        left.set_yticks(range(len(best_last)), best_last)
        left.set_xlabel("top-1 where no rate was chosen, 95 % interval")
        for number, name in enumerate(name for name in CURVES if name in tested):
            mean = tables.mean_curve(tested[name])
            right.plot(range(1, len(mean) + 1), mean, color=LIGHT.fade(number), label=name)
        right.xaxis.set_major_locator(MaxNLocator(integer=True))
        right.set_xlabel("epoch")
        right.set_ylabel("training top-1")
        right.legend()
        return LIGHT.png(figure)
