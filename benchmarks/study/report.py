"""The study's tables and pictures in its two pages, between marks `<!-- study NAME -->`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import tables
from asked import Result
from draws import draws, few_questions
from guidance import backed
from picture import scores_picture, training_picture
from tables import Table

from harness import markdown, refreshed

DOCS = Path(__file__).parents[2] / "docs"
PAGES = (DOCS / "results.md", DOCS / "choosing.md")
PICTURES = {"study.png": scores_picture, "study-training.png": training_picture}

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
    """Fresh tables and fresh pictures."""
    for path in PAGES:
        path.write_text(with_tables(path.read_text(encoding="utf-8"), results), encoding="utf-8")
    for name, drawn in PICTURES.items():
        (DOCS / name).write_bytes(drawn(results))
