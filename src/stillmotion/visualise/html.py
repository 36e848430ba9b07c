"""What pages of numbers are made of: whole pages, sections, sortable tables, small bars in them.

Every function that takes words escapes them; those named ``inner`` are HTML already.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template

from stillmotion.visualise.theme import percent

Interval = tuple[float, float]


@dataclass(frozen=True)
class Cell:
    """A cell of a table: what is shown, as HTML, and by what it is sorted; None comes last."""

    inner: str
    value: int | float | str | None


@dataclass(frozen=True)
class Column:
    """A head cell; ``descending``: the greatest come first when it is pressed."""

    name: str
    descending: bool = False
    text: bool = False


def page(*, title: str, kicker: str, lede: str, headline: str, sections: Iterable[str]) -> str:
    """A whole page that needs no network; its one script may run and no other.

    Args:
        headline: HTML below the first words.
        sections: HTML; empty ones are left out.
    """
    assets = files("stillmotion") / "assets"
    read = {
        name: (assets / name).read_text(encoding="utf-8")
        for name in ("evaluation.html", "report.css", "evaluation.css", "sort.js")
    }
    script = f"\n{read['sort.js']}"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Template(read["evaluation.html"]).substitute(
        title=escape(f"{title} - stillmotion"),
        style=read["report.css"] + read["evaluation.css"],
        kicker=escape(kicker),
        heading=escape(title),
        lede=escape(lede),
        headline=headline,
        sections="\n".join(filter(None, sections)),
        script=script,
        script_hash=f"sha256-{digest}",
    )


def section(name: str, title: str, *inner: str) -> str:
    """A part of a page under its own heading."""
    body = "\n".join(filter(None, inner))
    return (
        f'<section aria-labelledby="{name}">\n<h2 id="{name}">{escape(title)}</h2>\n{body}\n'
        "</section>"
    )


def paragraph(words: str) -> str:
    """Words."""
    return f"<p>{escape(words)}</p>"


def note(words: str) -> str:
    """Words that are read second."""
    return f'<p class="note">{escape(words)}</p>'


def figure(inner: str, caption: str) -> str:
    """A picture with what it shows."""
    return f"<figure>\n{inner}\n<figcaption>{escape(caption)}</figcaption>\n</figure>"


def titled(name: str, inner: str) -> str:
    """A part of a section under a heading of its own."""
    return f"<h3>{escape(name)}</h3>\n{inner}"


def side_by_side(*inner: str) -> str:
    """Beside each other where there is room."""
    return '<div class="pair">' + "".join(f"<div>{each}</div>" for each in inner if each) + "</div>"


def headline(scores: Sequence[tuple[float, str, Interval | None]]) -> str:
    """Great numbers: each with what it is and its 95 % interval."""
    items = []
    for value, name, interval in scores:
        small = f"<small>95% interval {span(interval)}</small>" if interval else ""
        items.append(f"<div><dt>{escape(name)}{small}</dt><dd>{percent(value)}</dd></div>")
    return '<dl class="scores">\n' + "\n".join(items) + "\n</dl>"


def facts(told: dict[str, str]) -> str:
    """Names and values."""
    rows = (f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in told.items())
    return '<dl class="facts">\n' + "\n".join(rows) + "\n</dl>"


def table(
    caption: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    *,
    titled: bool = True,
) -> str:
    """A table whose columns sort it when they are pressed, with the mouse or the keyboard.

    Args:
        titled: show the caption; otherwise it is for those who cannot see the heading above.
    """
    kind = "" if titled else ' class="unseen"'
    heads = "".join(_head(column) for column in columns)
    body = "\n".join(_row(cells) for cells in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">\n'
        f'<table class="sortable">\n<caption{kind}>{escape(caption)}</caption>\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>"
    )


def _head(column: Column) -> str:
    kind = ' class="words" data-text' if column.text else ""
    first = ' data-first="descending"' if column.descending else ""
    button = f'<button type="button">{escape(column.name)}</button>'
    return f'<th scope="col"{kind}{first}>{button}</th>'


def _row(cells: Sequence[Cell]) -> str:
    first, *others = cells
    told = "".join(f"<td{_value(cell)}>{cell.inner}</td>" for cell in others)
    return f'<tr><th scope="row"{_value(first)}>{first.inner}</th>{told}</tr>'


def _value(cell: Cell) -> str:
    """By what a cell is sorted, as an attribute; words are told by their class."""
    kind = ' class="words"' if isinstance(cell.value, str) else ""
    return f'{kind} data-value="{"" if cell.value is None else escape(str(cell.value))}"'


def words(text: str) -> Cell:
    """A cell of words."""
    return Cell(escape(text), text)


def count(number: int) -> Cell:
    """A cell with a whole number."""
    return Cell(f"{number:,}", number)


def share(value: float | None, *, bar: bool = False, mistake: bool = False) -> Cell:
    """A cell with a share in per cent; with a bar, in the colour of mistakes if it is one."""
    if value is None:
        return Cell('<span class="quiet">none</span>', None)
    kind = "bar mistake" if mistake else "bar"
    drawn = f'<span class="{kind}" style="--share:{value:.4f}"></span>' if bar else ""
    return Cell(percent(value) + drawn, round(value, 6))


def on_track(value: float, interval: Interval) -> Cell:
    """A cell with a share, and where it and its interval lie between 0 and 100 %."""
    style = f"--share:{value:.4f};--low:{interval[0]:.4f};--high:{interval[1]:.4f}"
    drawn = f'<span class="track" style="{style}"><i></i><b></b></span>'
    return Cell(percent(value) + drawn, round(value, 6))


def span(interval: Interval) -> str:
    """``94% to 97%``."""
    low, high = interval
    return f"{percent(low)} to {percent(high)}"
