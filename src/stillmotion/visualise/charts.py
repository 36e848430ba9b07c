"""Charts of scores: numbers in, a matplotlib figure out; `Theme.png` or `Theme.svg` comes next."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stillmotion.errors import DataError
from stillmotion.visualise.drawing import (
    SPLITS,
    History,
    Matrix,
    Score,
    draw_bars,
    draw_confused_pairs,
    draw_confusion_matrix,
    draw_curves,
    draw_per_class,
    draw_reliability,
    series,
    shorten,
)
from stillmotion.visualise.sheet import Sheet
from stillmotion.visualise.theme import LIGHT, Theme, percent

TOP = 2.2
"""Where the charts of an evaluation's picture begin, in inches."""

TILED = 24
"""The most classes whose confusion matrix can be read; above, the worst pairs say more."""


def confusion_matrix(
    matrix: Matrix, class_names: Sequence[str], *, title: str = "", theme: Theme = LIGHT
) -> Figure:
    """Tiles coloured by their share of the row; truth down, prediction across.

    Raises:
        DataError: the matrix does not have as many rows as there are class names.
    """
    side = max(3.6, 1.8 + 0.225 * len(class_names))
    with theme.active():
        figure = theme.figure(side, side)
        draw_confusion_matrix(figure.subplots(), matrix, class_names, title=title, theme=theme)
    return figure


def bars(
    scores: Sequence[Score],
    *,
    references: Mapping[str, float] | None = None,
    title: str = "",
    theme: Theme = LIGHT,
) -> Figure:
    """Horizontal bars with their intervals; each group under its name, fading from bar to bar.

    Args:
        references: shares to compare with, by what they are: chance, a ceiling.
    """
    groups = len({score.group for score in scores})
    with theme.active():
        figure = theme.figure(4.4, 0.9 + 0.26 * len(scores) + 0.36 * groups)
        draw_bars(figure.subplots(), scores, references=references, title=title, theme=theme)
    return figure


def curves(runs: Mapping[str, History], *, title: str = "", theme: Theme = LIGHT) -> Figure:
    """Loss and accuracy per epoch: a colour a run, dotted in training, solid in validation.

    Raises:
        DataError: no run tells of a loss or an accuracy.
    """
    panels = {"loss": "Loss", "top1": "Accuracy"}
    told = [q for q in panels if any(series(h, s, q) for h in runs.values() for s in SPLITS)]
    if not told:
        raise DataError(f"no losses and no accuracies to draw in the runs {', '.join(runs)}")
    with theme.active():
        figure = theme.figure(4.4, 0.9 + 1.8 * len(told))
        if title:
            figure.suptitle(title, x=0, ha="left", weight="bold", size=10)
        rows = figure.subplots(len(told), squeeze=False, sharex=True)[:, 0]
        for axes, quantity in zip(rows, told, strict=True):
            draw_curves(axes, runs, quantity=quantity, title=panels[quantity], theme=theme)
        rows[-1].set_xlabel("epoch")
        colours = [
            Line2D([], [], color=c, lw=2.5) for c, _ in zip(theme.series, runs, strict=False)
        ]
        styles = [Line2D([], [], color=theme.muted, ls=style) for _, style in SPLITS.values()]
        words = [*runs, *(word for word, _ in SPLITS.values())]
        figure.legend(colours + styles, words, loc="outside lower center", ncols=3, fontsize=8.0)
    return figure


def per_class(
    accuracy: Float[np.ndarray, " K"],
    class_names: Sequence[str],
    *,
    title: str = "",
    theme: Theme = LIGHT,
) -> Figure:
    """A bar a class, in the order given; NaN is a class without clips, and is said."""
    with theme.active():
        figure = theme.figure(4.4, 0.6 + 0.25 * len(class_names))
        axes = figure.subplots()
        draw_per_class(axes, accuracy, title=title, theme=theme)
        axes.set_yticks(np.arange(len(class_names)), [shorten(name) for name in class_names])
    return figure


def time_check(told: Mapping[str, Any], *, theme: Theme = LIGHT) -> Figure:
    """The score with frames in order, shuffled and reversed, of an evaluation that checked it."""
    return bars(_orders(told), references={"chance": 1 / told["num_classes"]}, theme=theme)


def reliability(bins: Sequence[Mapping[str, Any]], *, theme: Theme = LIGHT) -> Figure:
    """How often answers are right, by how sure the model is; `calibration.bins` of an evaluation.

    Stronger colours are more videos.
    """
    with theme.active():
        figure = theme.figure(4.4, 3.1)
        draw_reliability(figure.subplots(), bins, theme=theme)
    return figure


def evaluation_picture(evaluation: Mapping[str, Any], *, theme: Theme = LIGHT) -> bytes:
    """What `evaluation.json` says, for people, as a PNG.

    Above, the scores; then who is taken for whom (with more than `TILED` classes: the worst pairs),
    each class's own accuracy, and whether the model uses time; below, what was scored.

    Args:
        evaluation: the dictionary of `Evaluation.to_dict`.
    """
    classes = evaluation["num_classes"]
    side = min(max(2.4, 0.27 * classes), 5.6)
    with theme.active():
        height = max(side + 4.3, TOP + 6.1)
        sheet = Sheet(theme, width=12.0 + max(0, side - 3.3), height=height)
        _write_scores(sheet, evaluation)
        _draw_mistakes(sheet, evaluation, side=side)
        _draw_time_check(sheet, evaluation)
        _draw_reliability(sheet, evaluation)
        sheet.write(_small_print(evaluation), left=0.4, top=sheet.height - 0.55, size=8.0)
    return theme.png(sheet.figure)


def _write_scores(sheet: Sheet, told: Mapping[str, Any]) -> None:
    low, high = told["intervals"][told["metric"]]
    dataset = f", {told['dataset']}" if told["dataset"] else ""
    parts = "".join(f";  {name} {percent(own['top1'])}" for name, own in told["parts"].items())
    title = f"{told['n']} videos of “{told['split']}”{dataset}{parts}"
    sheet.write(title, left=0.4, top=0.35, size=11.0)
    words = {"top1": "right", "mean_class": "right, mean over classes"}
    first = words.pop(told["metric"])
    ((other, word),) = words.items()
    shown = {
        f"{first}\n95% interval {percent(low)} to {percent(high)}": told[told["metric"]],
        word: told[other],
        "top-5": told["top5"],
        "macro-F1": told["macro_f1"],
        "calibration error": told["calibration_error"],
    }
    for left, (name, share) in zip((0.4, 3.0, 5.4, 6.8, 8.3), shown.items(), strict=True):
        sheet.write(percent(share), left=left, top=0.72, size=21.0, strong=True)
        sheet.write(name, left=left, top=1.16, size=9.0)


def _draw_mistakes(sheet: Sheet, told: Mapping[str, Any], *, side: float) -> None:
    theme, rows, top = sheet.theme, told["per_class"], TOP
    names = [row["name"] for row in rows]
    accuracy = np.array([row["accuracy"] for row in rows], dtype=float)
    if told["num_classes"] <= TILED:
        matrix = np.array(told["confusion"])
        tiles = sheet.axes(left=2.1, top=top, width=side, height=side)
        draw_confusion_matrix(tiles, matrix, names, title="Who is taken for whom", theme=theme)
        column = sheet.axes(left=2.25 + side, top=top, width=1.9, height=side)
        draw_per_class(column, accuracy, title="Right in each class", theme=theme)
        return
    count = 18
    pairs = sheet.axes(left=3.6, top=top, width=1.7, height=side)
    title = f"The {count} commonest mistakes"
    worst = told["most_confused"][:count]
    draw_confused_pairs(pairs, worst, count=count, title=title, theme=theme)
    videos = np.array([row["n"] for row in rows])
    hardest = np.lexsort((-videos, accuracy))[:count]  # NaN last: no clip is no mistake
    column = sheet.axes(left=7.3, top=top, width=1.9, height=side)
    title = f"The {count} hardest of {told['num_classes']} classes"
    draw_per_class(column, accuracy[hardest], title=title, theme=theme)
    column.set_yticks(np.arange(len(hardest)), [shorten(names[i]) for i in hardest])


def _draw_time_check(sheet: Sheet, told: Mapping[str, Any]) -> None:
    scores = _orders(told)
    left, chance = sheet.width - 3.2, {"chance": 1 / told["num_classes"]}
    axes = sheet.axes(left=left, top=TOP, width=2.8, height=0.6 + 0.3 * len(scores))
    draw_bars(axes, scores, references=chance, title="Does it use time?", theme=sheet.theme)
    sheet.write(time_verdict(told), left=left, top=TOP + 1.2 + 0.3 * len(scores), size=9.0)


def _orders(told: Mapping[str, Any]) -> list[Score]:
    """A bar an order of frames that was asked about."""
    orders = {"in order": "top1", "shuffled": "top1_shuffled", "reversed": "top1_reversed"}
    return [
        Score(group="Top-1", name=word, value=told[key], interval=tuple(told["intervals"][key]))
        for word, key in orders.items()
        if told[key] is not None
    ]


def _draw_reliability(sheet: Sheet, told: Mapping[str, Any]) -> None:
    axes = sheet.axes(left=sheet.width - 3.2, top=TOP + 3.2, width=2.8, height=1.5)
    title = "Is it as sure as it is right?"
    draw_reliability(axes, told["calibration"]["bins"], title=title, theme=sheet.theme)


def time_verdict(told: Mapping[str, Any]) -> str:
    """What the bars mean, by a comparison of their intervals."""
    if told["top1_shuffled"] is None:
        return "Whether order matters was not checked."
    in_order, shuffled = (told["intervals"][key] for key in ("top1", "top1_shuffled"))
    if in_order[0] > shuffled[1]:
        return "Shuffled frames score lower:\nthe model uses the order of frames."
    return "Shuffled frames score about as well:\nnothing shows that it uses order."


def _small_print(told: Mapping[str, Any]) -> str:
    views, unreadable = told["views"], len(told["unreadable"])
    return (
        f"{views['frames']} frames x {views['clips']} clips x {views['crops']} crops;  "
        f"videos that could not be read: {unreadable}\n"
        f"list {told['list_sha256'][:12]},  backbone {(told['backbone_sha256'] or 'unknown')[:12]}"
    )
