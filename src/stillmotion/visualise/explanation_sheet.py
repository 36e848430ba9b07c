"""An explanation as one picture: frames across, a row a signal, the curves below their frames."""

import textwrap
from collections.abc import Callable

from matplotlib.figure import Figure

from stillmotion.visualise.clips import evenly, strip
from stillmotion.visualise.explanation import Explanation
from stillmotion.visualise.explanation_charts import draw_importance, draw_so_far
from stillmotion.visualise.sheet import Sheet
from stillmotion.visualise.theme import LIGHT, Theme

FRAMES = 12
"""Frames that are shown at most; curves are of all."""

LEFT, RIGHT = 1.5, 1.9
"""Inches beside the frames: for the names of rows, and for those of lines."""

TOP, BETWEEN, CURVE, BELOW = 1.05, 0.06, 1.25, 0.6
"""Inches: above the rows, between them, the height of a curve, and what stands below one."""

SAID = 0.6
"""Inches of the words that stand in a curve's place."""


def explanation_picture(explanation: Explanation, *, theme: Theme = LIGHT) -> Figure:
    """The sheet of an explanation."""
    e, rows, curves = explanation, explanation.rows(), curves_of(explanation)
    shown = evenly(len(e.clip), FRAMES)
    wide = max(6.0, float(len(shown)))
    tall = wide / len(shown) * e.clip.shape[2] / e.clip.shape[3]
    said = TOP + (tall + BETWEEN) * len(rows) + 0.2
    first = said + (SAID if e.indecision else 0)
    foot = first + (CURVE + BELOW) * len(curves)
    words = legend_lines(e, width=round(16 * (LEFT + wide + RIGHT)))
    with theme.active():
        height = foot + 0.16 * words.count("\n") + 0.4
        sheet = Sheet(theme, width=LEFT + wide + RIGHT, height=height)
        sheet.write(e.heading, left=0.25, top=0.25, size=14.0, strong=True)
        sheet.write(e.source, left=0.25, top=0.6, size=8.5)
        for number, row in enumerate(rows):
            top = TOP + (tall + BETWEEN) * number
            sheet.write(row.name, left=0.25, top=top + tall / 2 - 0.16, size=9.0, strong=True)
            sheet.write(row.note, left=0.25, top=top + tall / 2 + 0.03, size=8.0)
            axes = sheet.axes(left=LEFT, top=top, width=wide, height=tall)
            axes.imshow(strip(row.pictures[shown], gap=e.clip.shape[3] // 40), aspect="auto")
            axes.axis("off")
        if e.indecision:
            sheet.write("importance", left=0.25, top=said, size=9.0, strong=True)
            told = textwrap.fill(e.indecision, round(13 * wide))
            sheet.write(told, left=LEFT, top=said, size=9.0, colour=theme.text)
        for number, (name, draw) in enumerate(curves.items()):
            top = first + (CURVE + BELOW) * number
            sheet.write(name, left=0.25, top=top, size=9.0, strong=True)
            draw(sheet.axes(left=LEFT, top=top, width=wide, height=CURVE), e, theme=theme)
        sheet.write(words, left=0.25, top=foot, size=8.0)
    return sheet.figure


def curves_of(explanation: Explanation) -> dict[str, Callable[..., None]]:
    """What draws each curve that there is to see, by its name."""
    curves: dict[str, Callable[..., None]] = {}
    if explanation.importance is not None and not explanation.indecision:
        curves["importance"] = draw_importance
    if explanation.so_far is not None:
        curves["so far"] = draw_so_far
    return curves


def legend_lines(explanation: Explanation, *, width: int) -> str:
    """How to read it, in lines of so many characters."""
    told = (f"{name}. {words}" for name, words in explanation.legends().items())
    return "\n".join(textwrap.fill(words, width) for words in told)
