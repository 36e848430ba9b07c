"""What charts are made of: each function draws one thing on given axes, in a given theme.

Scores are fractions in [0, 1]; they become per cent in print only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from stillmotion.errors import DataError
from stillmotion.visualise.theme import Theme, percent, percent_axis

Matrix = Int[np.ndarray, "K K"]
"""Counts; rows are the truth, columns what the model said."""

History = Sequence[Mapping[str, float | int]]
"""One row an epoch: ``epoch`` and any of ``train_loss``, ``val_loss``, ``train_top1``,
``val_top1``."""

SPLITS = {"train": ("training", ":"), "val": ("validation", "-")}
"""The splits a history may tell of: their words, and how their lines are drawn."""

COUNTED = 20
"""The most classes for which tiles carry their counts."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One bar: a score in [0, 1] of a group (a model) under some condition."""

    group: str
    name: str
    value: float
    interval: tuple[float, float] | None = None


def draw_confusion_matrix(
    axes: Axes, matrix: Matrix, class_names: Sequence[str], *, theme: Theme, title: str = ""
) -> None:
    """Tiles coloured by their share of the row; truth down, prediction across.

    Raises:
        DataError: the matrix does not have as many rows as there are class names.
    """
    if len(matrix) != len(class_names):
        raise DataError(f"{len(matrix)} rows of a confusion matrix, {len(class_names)} class names")
    places, names = np.arange(len(matrix)), [shorten(name) for name in class_names]
    edges = np.arange(len(matrix) + 1) - 0.5
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.pcolormesh(
        edges, edges, shares, cmap=theme.tiles, vmin=0, vmax=1, edgecolors=theme.line, linewidth=0.6
    )
    axes.set(aspect="equal", title=title, xlabel="predicted", ylabel="truth")
    axes.invert_yaxis()
    axes.spines[:].set_visible(False)
    axes.set_xticks(places, names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, names)
    if len(matrix) <= COUNTED:
        for row, column in np.argwhere(matrix > 0):
            ink = theme.ink_on(theme.tiles(shares[row, column]))
            count = str(matrix[row, column])
            axes.text(column, row, count, ha="center", va="center", color=ink, fontsize=7.5)


def draw_bars(
    axes: Axes,
    scores: Sequence[Score],
    *,
    theme: Theme,
    references: Mapping[str, float] | None = None,
    title: str = "",
) -> None:
    """Horizontal bars with their intervals; each group under its name, fading from bar to bar.

    Args:
        references: shares to compare with, by what they are: chance, a ceiling.
    """
    place, ticks = 0.0, []
    for number, group in enumerate(dict.fromkeys(score.group for score in scores)):
        axes.text(0, place, group, weight="bold", va="center", bbox=_plate(theme))
        members = [score for score in scores if score.group == group]
        for faded, score in enumerate(members):
            place += 1
            ticks.append((place, score.name))
            colour = theme.fade(number, 0.6 * faded / max(len(members) - 1, 1))
            axes.barh(place, score.value, height=0.66, color=colour)
            _label_bar(axes, score, place, theme)
        place += 1.3
    for name, share in (references or {}).items():
        axes.axvline(share, color=theme.muted, linewidth=0.9, linestyle=(0, (3, 3)), zorder=0)
        axes.text(share, place - 0.4, name, color=theme.muted, fontsize=8, ha="center", va="top")
    axes.set(title=title, xlim=(0, 1.16), ylim=(place - 0.5, -0.7))
    axes.set_yticks(*zip(*ticks, strict=True))
    percent_axis(axes, "x")
    axes.spines[:].set_visible(False)
    axes.tick_params(axis="x", pad=14 if references else 3)


def _label_bar(axes: Axes, score: Score, place: float, theme: Theme) -> None:
    low, high = score.interval or (score.value, score.value)
    if score.interval is not None:
        axes.plot([low, high], [place, place], color=theme.text, linewidth=1.1)
    end = max(high, score.value) + 0.02
    axes.text(end, place, percent(score.value), va="center", bbox=_plate(theme))


def _plate(theme: Theme) -> dict[str, object]:
    """Keeps grid lines from running through words."""
    return {"facecolor": theme.background, "edgecolor": "none", "pad": 1}


def draw_curves(
    axes: Axes, runs: Mapping[str, History], *, quantity: str, theme: Theme, title: str = ""
) -> None:
    """One quantity, ``loss`` or ``top1``, of every run: a colour a run."""
    for number, history in enumerate(runs.values()):
        for split, (_, style) in SPLITS.items():
            if points := series(history, split, quantity):
                epochs, values = zip(*points, strict=True)
                axes.plot(epochs, values, style, color=theme.fade(number), linewidth=1.7)
    axes.set_title(title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if quantity == "top1":
        axes.set_ylim(0, 1.03)
        percent_axis(axes, "y")
    else:
        axes.set_ylim(bottom=0)
        axes.grid(axis="y")


def series(history: History, split: str, quantity: str) -> list[tuple[float, float]]:
    """(epoch, value) of every epoch that tells of this quantity on this split."""
    key = f"{split}_{quantity}"
    return [(float(row["epoch"]), float(row[key])) for row in history if row.get(key) is not None]


def draw_per_class(
    axes: Axes, accuracy: Float[np.ndarray, " K"], *, theme: Theme, title: str = ""
) -> None:
    """A bar a class, one a unit from the top, as the rows of a confusion matrix lie.

    NaN is a class without clips, and is said.
    """
    places = np.arange(len(accuracy))
    axes.barh(places, np.ones(len(accuracy)), height=0.62, color=theme.line)
    axes.barh(places, np.nan_to_num(accuracy), height=0.62, color=theme.fade(0))
    for place, share in enumerate(accuracy.tolist()):
        word = "no clip" if np.isnan(share) else percent(share)
        axes.text(1.03, place, word, va="center", fontsize=8)
    axes.set(title=title, xlim=(0, 1.3), ylim=(len(accuracy) - 0.5, -0.5), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def draw_confused_pairs(
    axes: Axes, pairs: Sequence[Mapping[str, Any]], *, count: int, theme: Theme, title: str = ""
) -> None:
    """The most frequent mistakes, by how many clips: what a large matrix would hide.

    Args:
        pairs: as `most_confused` of an evaluation: ``truth``, ``predicted``, ``n``, ``of``.
        count: room for so many.
    """
    for place, pair in enumerate(pairs):
        axes.barh(place, 1, height=0.62, color=theme.line)
        axes.barh(place, pair["n"] / pair["of"], height=0.62, color=theme.wrong)
        axes.text(1.03, place, f"{pair['n']} of {pair['of']}", va="center", fontsize=8)
    labels = [f"{shorten(pair['truth'])} → {shorten(pair['predicted'])}" for pair in pairs]
    axes.set(title=title, xlim=(0, 1.3), ylim=(count - 0.5, -0.5), xticks=[])
    axes.set_yticks(np.arange(len(pairs)), labels)
    axes.spines[:].set_visible(False)


def draw_reliability(
    axes: Axes, bins: Sequence[Mapping[str, Any]], *, theme: Theme, title: str = ""
) -> None:
    """How often answers are right, by how sure the model is of them; the line is what would be.

    Args:
        bins: as `calibration.bins` of an evaluation: ``low``, ``high``, ``n``, ``accuracy``.
    """
    most = max(bin["n"] for bin in bins)
    for bin in (bin for bin in bins if bin["n"]):
        width, middle = 0.86 * (bin["high"] - bin["low"]), (bin["low"] + bin["high"]) / 2
        colour = theme.fade(0, 0.75 * (1 - (bin["n"] / most) ** 0.5))
        axes.bar(middle, bin["accuracy"], width=width, color=colour)
    axes.plot([0, 1], [0, 1], color=theme.muted, linewidth=1.0, linestyle=(0, (3, 3)))
    axes.set(title=title, xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence", ylabel="right")
    percent_axis(axes, "x")
    percent_axis(axes, "y")
    axes.spines[:].set_visible(False)


def shorten(name: str, *, length: int = 22) -> str:
    """A class name that fits beside a bar."""
    return name if len(name) <= length else f"{name[: length - 1].rstrip()}…"
