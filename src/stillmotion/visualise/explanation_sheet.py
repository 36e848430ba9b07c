"""An explanation as one picture: frames across, a row a signal, the curves below their frames."""

import textwrap

from matplotlib.figure import Figure

from stillmotion.visualise.clips import Pictures, as_pictures, evenly, resized, strip
from stillmotion.visualise.explanation import Explanation
from stillmotion.visualise.explanation_charts import draw_importance, draw_so_far
from stillmotion.visualise.flow import flow_as_heat, flow_as_rgb
from stillmotion.visualise.sheet import Sheet
from stillmotion.visualise.theme import LIGHT, Theme

FRAMES = 12
"""Frames that are shown at most; curves are of all."""

LEFT, RIGHT, CURVE = 1.5, 1.9, 1.25
"""Inches: the names of rows, the names of curves, the height of a curve."""


def explanation_picture(explanation: Explanation, *, theme: Theme = LIGHT) -> Figure:
    """The sheet of an explanation."""
    e = explanation
    shown = evenly(len(e.clip), FRAMES)
    rows = picture_rows(e)
    wide, tall = max(6.0, float(len(shown))), e.clip.shape[2] / e.clip.shape[3]
    tall *= wide / len(shown)
    curves = {"importance": e.importance is not None, "so far": e.so_far is not None}
    drawn = [name for name, there in curves.items() if there]
    words = legend_lines(e, width=round(16 * (LEFT + wide + RIGHT)))
    first = 1.05
    below = first + (tall + 0.06) * len(rows)
    foot = below + 0.15 + (CURVE + 0.6) * len(drawn)
    with theme.active():
        sheet = Sheet(
            theme, width=LEFT + wide + RIGHT, height=foot + 0.16 * words.count("\n") + 0.45
        )
        sheet.write(e.heading, left=0.25, top=0.25, size=14, strong=True)
        sheet.write(f"{e.path}   {e.span}   {e.model}", left=0.25, top=0.6, size=8.5)
        for number, (name, pictures) in enumerate(rows):
            top = first + (tall + 0.06) * number
            sheet.write(name, left=0.25, top=top + tall / 2 - 0.12, size=8.5)
            axes = sheet.axes(left=LEFT, top=top, width=wide, height=tall)
            same = resized(pictures[shown], height=e.clip.shape[2], smooth=False)
            axes.imshow(strip(same, gap=max(1, e.clip.shape[3] // 40)), aspect="auto")
            axes.axis("off")
        for number, name in enumerate(drawn):
            top = below + 0.2 + (CURVE + 0.6) * number
            sheet.write(name, left=0.25, top=top, size=8.5)
            axes = sheet.axes(left=LEFT, top=top, width=wide, height=CURVE)
            {"importance": draw_importance, "so far": draw_so_far}[name](axes, e, theme=theme)
        sheet.write(words, left=0.25, top=foot + 0.1, size=8.0)
    return sheet.figure


def picture_rows(explanation: Explanation) -> list[tuple[str, Pictures]]:
    """The frames, heat and colours of each block's flow, the rollout; each with its name."""
    e = explanation
    rows = [("frames", as_pictures(e.clip))]
    for block in e.flow:
        unread = "" if block.read else " *"
        rows.append((f"flow,\n{block.title}{unread}", flow_as_heat(block, e.clip)))
        rows.append(("as colours", flow_as_rgb(block)))
    if e.rollout is not None:
        rows.append(("rollout", e.rollout_as_heat()))
    return rows


def legend_lines(explanation: Explanation, *, width: int) -> str:
    """How to read it, in lines of so many characters."""
    told = (f"{name}. {words}" for name, words in explanation.legends().items())
    return "\n".join(textwrap.fill(words, width) for words in told)
