"""The published figures beside ours, for the terminal and as JSON."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stillmotion.published.entry import Count, Entry, Publication
from stillmotion.published.publications import PUBLICATIONS

LEGEND = """\
Ours / theirs. Views: frames x clips x crops, of 224 x 224 pixels. Trained: millions of trained
parameters, without the classifier. All: millions of parameters, with it. Multiply-adds: thousand
millions of all views; one is two FLOPs, and what AIM and ZeroI2V print as FLOPs. Accuracies are
theirs, in per cent. * A misprint. ? Not said. -: not published, or not known to us. All digits
of ours: --json."""


def published_table(publications: Iterable[Publication] = PUBLICATIONS) -> Group:
    """Their configurations with ours, counted now (all: a quarter of a minute); 80 columns wide."""
    tables = (part for publication in publications for part in _publication(publication))
    return Group(*tables, Text(LEGEND.replace("\n", " ")))


def to_dict(publications: Iterable[Publication] = PUBLICATIONS) -> list[dict[str, Any]]:
    """The same, JSON-able: exact counts; published figures in the units of `Entry`."""
    return [
        {
            "publication": publication.title,
            "note": publication.note,
            **asdict(entry),
            "arguments": dict(entry.arguments),
            "method": entry.method.to_dict(),
            "ours": asdict(entry.count()),
        }
        for publication in publications
        for entry in publication.entries
    ]


def _publication(publication: Publication) -> tuple[RenderableType, ...]:
    table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    for heading, width in (("", 11), ("data", 8), ("views", 7)):
        table.add_column(heading, min_width=width, no_wrap=True)
    for heading, width in (("trained M", 10), ("all M", 11), ("multiply-adds G", 15)):
        table.add_column(heading, min_width=width, no_wrap=True)
    for heading in ("top-1", "top-5"):
        table.add_column(heading, justify="right", no_wrap=True)
    for entry in publication.entries:
        table.add_row(*_cells(entry, entry.count()))
    return (
        Text(publication.title, style="bold"),
        table,
        Padding(Text(publication.note, style="dim"), (0, 0, 1, 0)),
    )


def _cells(entry: Entry, ours: Count) -> tuple[str, ...]:
    return (
        entry.label,
        entry.data,
        entry.views + _mark(entry, "views"),
        f"{ours.trained / 1e6:5.1f} / {_number(entry.trained)}",
        f"{ours.parameters / 1e6:5.1f} / {_number(entry.parameters)}",
        f"{ours.multiply_adds / 1e9:5.0f} / {_number(entry.multiply_adds)}"
        + _mark(entry, "multiply_adds"),
        _percent(entry.top1),
        _percent(entry.top5),
    )


def _mark(entry: Entry, figure: str) -> str:
    return "*" * (figure in entry.misprints) + "?" * (figure in entry.unsaid)


def _number(printed: int | None) -> str:
    return "-" if printed is None else str(printed)


def _percent(accuracy: float | None) -> str:
    return "-" if accuracy is None else f"{100 * accuracy:.1f}"
