"""The study's scores, and how training went, as pictures."""

import tables
from asked import Result, untouched
from draws import drawn
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from questions import short
from rows import ROWS

from stillmotion.methods import AMFlow
from stillmotion.visualise.theme import LIGHT

TRAINED = ("side", "full fine-tuning, positional", "ZeroI2V", "full fine-tuning")
"""Whose training is drawn: no more than the theme has colours."""

Score = tuple[str, float, tuple[float, float]]
"""A row's name, its top-1 and its 95 % interval."""


def scores_picture(results: list[Result]) -> bytes:
    """Top-1 of each row with all videos, and of each with few, best above; a PNG."""
    every, few = with_all(results), with_few(results)
    with LIGHT.active():
        figure = LIGHT.figure(12.0, 1.2 + 0.2 * max(len(every), len(few)))
        left, right = figure.subplots(1, 2)
        dots(left, every, "All videos")
        dots(right, few, "Two videos of each class")
        return LIGHT.png(figure)


def training_picture(results: list[Result]) -> bytes:
    """Training accuracy by epoch, the mean over folds, a curve for each finished row; a PNG."""
    done = tables.compared(results, data="egogestar")
    with LIGHT.active():
        figure = LIGHT.figure(8.0, 3.0)
        axes = figure.subplots()
        for number, name in enumerate(TRAINED):
            if name in done:
                curve = tables.mean_curve(untouched(done[name]))
                axes.plot(range(1, len(curve) + 1), curve, color=LIGHT.fade(number), label=name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
        axes.set_ylabel("training top-1")
        axes.legend()
        return LIGHT.png(figure)


def with_all(results: list[Result]) -> list[Score]:
    """Over the videos of folds on which no rate was chosen, with Wilson's interval."""
    scores: list[Score] = []
    for name, runs in tables.compared(results, data="egogestar").items():
        score, n = tables.pooled(untouched(runs), "top1")
        scores.append((name, score, tables.interval(score, n)))
    return scores


def with_few(results: list[Result]) -> list[Score]:
    """Over draws, with Student's interval of their mean."""
    runs = drawn(results, stage="few")
    return [(name, *tables.over([run["top1"] for run in of])) for name, of in runs.items()]


def dots(axes: Axes, scores: list[Score], title: str) -> None:
    """A dot with its interval for each, the best above; AM Flow in the first colour."""
    best_last = sorted(scores, key=lambda score: score[1])
    for place, (name, score, interval) in enumerate(best_last):
        colour = LIGHT.fade(0 if isinstance(ROWS[name].method, AMFlow) else 1)
        axes.plot(interval, [place, place], color=colour)
        axes.plot([score], [place], "o", color=colour)
    axes.set_yticks(range(len(scores)), [short(name) for name, *_ in best_last])
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("top-1, 95 % interval")
    axes.set_title(title)
