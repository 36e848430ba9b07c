"""The curves of an explanation: a place a frame, from left to right, told in seconds."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stillmotion.visualise.drawing import shorten
from stillmotion.visualise.explanation import Explanation
from stillmotion.visualise.theme import LIGHT, Theme, percent, percent_axis

LEAST_REACH = 0.1
"""Nats that the axis of importance reaches at least to both sides: what is small looks small."""

TOLD = 8
"""Moments that are written below a chart at most."""

DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (9, 2)))
"""One a class, so that lines are told apart without their colours."""


def importance_chart(explanation: Explanation, *, theme: Theme = LIGHT) -> Figure:
    """Bars, one a frame."""
    return _chart(lambda axes: draw_importance(axes, explanation, theme=theme), theme)


def so_far_chart(explanation: Explanation, *, theme: Theme = LIGHT) -> Figure:
    """A line a class, over the frames."""
    return _chart(lambda axes: draw_so_far(axes, explanation, theme=theme), theme)


def _chart(draw: Callable[[Axes], None], theme: Theme) -> Figure:
    with theme.active():
        figure = theme.figure(5.2, 2.7)
        draw(figure.subplots())
    return figure


def draw_importance(axes: Axes, explanation: Explanation, *, theme: Theme, title: str = "") -> None:
    """Bars, one a frame; those that speak against the class in the colour of mistakes."""
    importance = explanation.importance
    assert importance is not None
    colours = [theme.fade(0) if value >= 0 else theme.wrong for value in importance]
    axes.bar(np.arange(len(importance)), importance, width=0.72, color=colours)
    axes.axhline(0, color=theme.muted, linewidth=0.8)
    low, high = min(importance.min(), -LEAST_REACH), max(importance.max(), LEAST_REACH)
    axes.set(title=title, ylim=(1.08 * low, 1.08 * high), ylabel="nats")
    axes.spines[:].set_visible(False)
    axes.locator_params(axis="y", nbins=5)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    tell_moments(axes, explanation)


def draw_so_far(axes: Axes, explanation: Explanation, *, theme: Theme, title: str = "") -> None:
    """A line a class, the explained one thick, each with its name."""
    so_far = explanation.so_far
    assert so_far is not None
    places = np.arange(len(so_far))
    lines = []
    for number, dashes in enumerate(DASHES[: len(explanation.labels)]):
        lines += axes.plot(
            places,
            so_far[:, number],
            color=theme.fade(number) if number < len(theme.series) else theme.muted,
            linestyle=dashes,
            linewidth=2.4 if number == 0 else 1.5,
        )
    axes.set(title=title, ylim=(0, 1.04))
    percent_axis(axes, "y")
    axes.spines[:].set_visible(False)
    # Given by hand: matplotlib leaves out of a legend of its own what begins with "_".
    axes.legend(
        lines,
        [shorten(name) for name in explanation.labels[: len(lines)]],
        loc="upper left",
        bbox_to_anchor=(1.01, 1.04),
        fontsize=8,
        handlelength=2.4,
        borderpad=0,
    )
    tell_moments(axes, explanation)


def draw_answers(
    axes: Axes, labels: Sequence[str], probabilities: Sequence[float], *, theme: Theme
) -> None:
    """A bar a class, its name above and its probability at its end."""
    for place, (name, share) in enumerate(zip(labels, probabilities, strict=True)):
        axes.barh(place, 1, height=0.34, color=theme.line)
        axes.barh(place, share, height=0.34, color=theme.fade(0 if place == 0 else 2))
        axes.text(0, place - 0.27, shorten(name, length=30), va="bottom", fontsize=9)
        axes.text(1, place - 0.27, percent(share), va="bottom", ha="right", fontsize=9)
    axes.set(xlim=(0, 1), ylim=(len(labels) - 0.7, -0.75), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def tell_moments(axes: Axes, explanation: Explanation) -> None:
    """Frames across, some of them with the second at which they are shown."""
    places = range(0, len(explanation.seconds), -(-len(explanation.seconds) // TOLD))
    axes.set_xticks(places, [f"{explanation.seconds[place]:.1f}" for place in places])
    axes.set_xlim(-0.5, len(explanation.seconds) - 0.5)
    axes.set_xlabel("seconds")
