"""A demonstration in one wide picture: clips with answers, attention-map flow, scores."""

import numpy as np
from jaxtyping import UInt8

from stillmotion.visualise.clips import as_pictures, evenly, resized, strip
from stillmotion.visualise.demonstration import Demonstration, Example
from stillmotion.visualise.drawing import draw_bars
from stillmotion.visualise.flow import BlockFlow, flow_as_heat
from stillmotion.visualise.sheet import Sheet
from stillmotion.visualise.theme import LIGHT, Theme

FRAMES = 5
"""Frames of a clip in the picture."""


def summary_picture(demonstration: Demonstration, *, clips: int = 4, theme: Theme = LIGHT) -> bytes:
    """About 1200 pixels wide, as a PNG: the first clips of as many classes, flow, and scores.

    Args:
        clips: rows of clips; of `Demonstration.firsts`, in their order.
    """
    d = demonstration
    with theme.active():
        sheet = Sheet(theme, width=12.2, height=0.95 + 1.15 * clips)
        sheet.write("Held-out clips, and answers", left=0.3, top=0.3, size=11.0, strong=True)
        for row, example in enumerate(d.firsts[:clips]):
            _draw_clip(sheet, example, d, top=0.75 + 1.15 * row)
        sheet.write("What the adapters read", left=4.35, top=0.3, size=11.0, strong=True)
        read = [block for block in d.flow.blocks if block.read]
        for row, block in enumerate(read[-clips:]):
            _draw_flow(sheet, block, d, top=0.75 + 1.15 * row)
        sheet.write("Right, of all held-out clips", left=8.5, top=0.3, size=11.0, strong=True)
        axes = sheet.axes(left=9.25, top=0.7, width=2.8, height=1.15 * clips - 0.35)
        scores = [score for contender in d.contenders for score in contender.scores]
        draw_bars(axes, scores, references=d.references, theme=theme)
    return theme.png(sheet.figure, dpi=100)


def _draw_clip(sheet: Sheet, example: Example, d: Demonstration, *, top: float) -> None:
    frames = as_pictures(example.clip)[evenly(len(example.clip), FRAMES)]
    _show(sheet, frames, left=0.3, top=top)
    sheet.write(example.label, left=0.3, top=top + 0.76, size=8.5, strong=True)
    answers = {d.amflow.name: example.amflow, d.baseline.name: example.baseline}
    for left, (name, answer) in zip((1.7, 2.5), answers.items(), strict=True):
        right = answer == example.label
        said = f"{name} ✓" if right else f"{name} ✗"
        colour = sheet.theme.series[0] if right else sheet.theme.wrong
        sheet.write(said, left=left, top=top + 0.76, size=8.5, colour=colour)


def _draw_flow(sheet: Sheet, block: BlockFlow, d: Demonstration, *, top: float) -> None:
    """The frames that have a partner: without one there is nothing to see."""
    chosen = evenly(len(d.flow.clip) - 1, FRAMES) + (block.pairing == "previous")
    _show(sheet, flow_as_heat(block, d.flow.clip)[chosen], left=4.35, top=top)
    words = f"attention-map flow of {block.title}: {d.flow.label}"
    sheet.write(words, left=4.35, top=top + 0.76, size=8.5)


def _show(
    sheet: Sheet, frames: UInt8[np.ndarray, "T height width 3"], *, left: float, top: float
) -> None:
    axes = sheet.axes(left=left, top=top, width=3.65, height=0.72)
    axes.imshow(strip(resized(frames, height=96)), interpolation="antialiased")
    axes.set_anchor("NW")
    axes.axis("off")
