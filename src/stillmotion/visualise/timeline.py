"""A long video at one glance: scores over time, the segments found, and those that are known."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from stillmotion.data.timeline import clock
from stillmotion.visualise.drawing import shorten
from stillmotion.visualise.theme import LIGHT, Theme, percent, percent_axis

Bar = tuple[float, float, str]
"""From when to when, in seconds, and what."""

WIDTH = 11.0
"""Inches of the picture."""

MARGIN = 0.08
"""Inches that stay free above the title."""

NAMES_A_ROW = 4
LEGEND_ROW = 0.2
"""Inches."""

LETTERS = 155
"""Letters of a bar's label that the whole width has room for."""


def timeline_picture(
    moments: Float64[np.ndarray, " S"],
    probabilities: Float[np.ndarray, "S few"],
    labels: Sequence[str],
    *,
    seconds: float,
    found: Sequence[Bar],
    known: Sequence[Bar] | None = None,
    threshold: float = 0.0,
    title: str = "",
    theme: Theme = LIGHT,
) -> Figure:
    """Scores as lines above, segments as bars below, a colour a class.

    Args:
        moments: when each row of probabilities holds, in seconds, rising.
        labels: the classes that have lines; bars of others are hollow.
        seconds: length of the video.
        found, known: segments of the model and of people; None: nobody has said.
        threshold: drawn across the scores where it is above 0.
    """
    rows = {"found": found} | ({} if known is None else {"known": known})
    legend_rows = -(-(len(labels) + (threshold > 0)) // NAMES_A_ROW)
    height = 2.7 + 0.45 * len(rows) + LEGEND_ROW * legend_rows
    with theme.active():
        figure = theme.figure(WIDTH, height)
        figure.get_layout_engine().set(rect=(0, 0, 1, 1 - MARGIN / height))  # type: ignore[union-attr, call-arg]
        ratios = [2.0, *(0.3 for _ in rows)]
        scores, *strips = figure.subplots(1 + len(rows), sharex=True, height_ratios=ratios)
        lines = [
            draw_line(scores, moments, probabilities[:, number], pen(number, theme), until=seconds)
            for number in range(len(labels))
        ]
        names = [shorten(label) for label in labels]
        if threshold > 0:
            lines.append(scores.axhline(threshold, color=theme.text, lw=0.9, ls=(0, (3, 3))))
            names.append(f"{percent(threshold)}: below, none of these")
        scores.set(title=title, xlim=(0, seconds), ylim=(0, 1.02))
        percent_axis(scores, "y")
        for axes, (name, bars) in zip(strips, rows.items(), strict=True):
            draw_strip(axes, bars, labels, seconds=seconds, theme=theme)
            axes.set_yticks([0], [name])
        strips[-1].xaxis.set_major_locator(MaxNLocator(10, steps=[1, 1.5, 2, 3, 6, 10]))
        strips[-1].xaxis.set_major_formatter(lambda at, _: clock(at).removesuffix(".0"))
        # Given by hand: matplotlib leaves out of a legend of its own what begins with "_".
        figure.legend(lines, names, loc="outside lower center", ncols=NAMES_A_ROW, fontsize=8.5)
    return figure


def draw_line(
    axes: Axes,
    moments: Float64[np.ndarray, " S"],
    scores: Float[np.ndarray, " S"],
    pen: tuple[str, str],
    *,
    until: float,
) -> Line2D:
    """Scores of one class, flat from the video's first moment and to its last: so far the first and
    the last window speak."""
    times = np.concatenate([[0.0], moments, [until]])
    colour, dashes = pen
    (line,) = axes.plot(times, np.pad(scores, 1, mode="edge"), color=colour, ls=dashes, lw=1.5)
    return line


def draw_strip(
    axes: Axes, bars: Sequence[Bar], labels: Sequence[str], *, seconds: float, theme: Theme
) -> None:
    """Segments on one line, each with its label where there is room for it."""
    axes.axhspan(-0.4, 0.4, color=theme.line, lw=0, alpha=0.5)
    for start, end, label in bars:
        colour, edge = theme.background, theme.muted
        if label in labels:
            colour, edge = pen(labels.index(label), theme)[0], theme.background
        axes.barh(0, end - start, left=start, height=0.76, color=colour, ec=edge, lw=0.6)
        if len(label) < LETTERS * (end - start) / seconds:
            ink = theme.ink_on(colour)
            axes.text((start + end) / 2, 0, label, color=ink, fontsize=8, ha="center", va="center")
    axes.set_ylim(-0.4, 0.4)
    axes.spines[:].set_visible(False)


def pen(number: int, theme: Theme) -> tuple[str, str]:
    """The colour and the line of a class: once through the colours, then paler and dashed."""
    around, place = divmod(number, len(theme.series))
    return theme.fade(place, min(0.6, 0.45 * around)), ("-", "--", ":")[min(around, 2)]
