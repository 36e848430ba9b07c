"""Pictures of a film that shows a video beside what a model makes of it.

The board (answers, curves, heat, legend) is drawn once for each frame of the clip; of each frame of
the video only its picture and the cursor are new.
"""

import io
import textwrap
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from PIL import Image

from stillmotion.visualise.explanation import Explanation
from stillmotion.visualise.explanation_charts import (
    draw_answers,
    draw_importance,
    draw_so_far,
)
from stillmotion.visualise.sheet import Sheet
from stillmotion.visualise.theme import LIGHT, Theme

DPI = 100
WIDTH, HEIGHT = 12.8, 7.2
"""Inches: 1280 x 720 pixels."""

MARGIN, GAP = 0.3, 0.25
PANELS, TALL = 1.25, 3.0
"""Where pictures begin, and how high they are at most, in inches."""

CHARTS, CHART = 4.85, 1.2
"""Where charts begin, and how high they are."""

NAMES, CAPTION, LINE = 10.5, 11.0, 140
"""Points of names and of how to read it, and the letters in a line of the latter."""

Box = tuple[int, int, int, int]
"""Left, top, width and height, in pixels."""


class Board(NamedTuple):
    """Everything but the video: where its picture goes, and the charts that a cursor crosses."""

    picture: UInt8[np.ndarray, "height width 3"]
    video: Box
    charts: list[Box]


class Overlay:
    """Pictures of a film, 1280 x 720.

    Args:
        explanation: what is shown; of several blocks' flow the first and the last find room.
        theme: its colours.
    """

    width, height = round(WIDTH * DPI), round(HEIGHT * DPI)

    def __init__(self, explanation: Explanation, *, theme: Theme = LIGHT) -> None:
        self.explanation, self.theme = explanation, theme
        flow = explanation.flow
        self.heats = replace(explanation, flow=flow[:1] + flow[1:][-1:]).heats()
        self.board = lru_cache(maxsize=1)(self._board)  # frames come in the order of time

    def picture(
        self, frame: UInt8[np.ndarray, "high wide 3"], *, second: float
    ) -> UInt8[np.ndarray, "height width 3"]:
        """One picture of the film.

        Args:
            frame: of the video, shown at ``second``.
        """
        seconds = self.explanation.seconds
        board = self.board(int(np.abs(seconds - second).argmin()))
        whole = board.picture.copy()
        paste(whole, frame, board.video)
        at = np.interp(second, seconds, np.arange(len(seconds)))
        for left, top, width, height in board.charts:
            x = left + round((at + 0.5) / len(seconds) * width)
            whole[top : top + height, x - 1 : x + 1] = ink(self.theme.text)
        return whole

    def _board(self, place: int) -> Board:
        """The board while this frame of the clip is the nearest."""
        e, theme = self.explanation, self.theme
        with theme.active():
            sheet = Sheet(theme, width=WIDTH, height=HEIGHT)
            sheet.write(e.heading, left=MARGIN, top=0.25, size=17.0, strong=True)
            sheet.write(e.source, left=MARGIN, top=0.65, size=NAMES)
            video = self._panels(sheet, place)
            charts = self._charts(sheet, place)
            sheet.write(caption(e), left=MARGIN, top=6.5, size=CAPTION)
            data = theme.png(sheet.figure, dpi=DPI)
        picture = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        return Board(picture, video, [box_of(axes) for axes in charts])

    def _panels(self, sheet: Sheet, place: int) -> Box:
        """The heats over the clip's frame; the box of the video, left of them."""
        count = len(self.heats) + 1
        room = (WIDTH - 2 * MARGIN - GAP * len(self.heats)) / count
        square = min(room, TALL)
        first = WIDTH - 2 * MARGIN - (square + GAP) * len(self.heats)
        sheet.write("video", left=MARGIN, top=PANELS - 0.25, size=NAMES)
        for number, (name, pictures) in enumerate(self.heats.items()):
            left = MARGIN + first + GAP + (square + GAP) * number
            sheet.write(name, left=left, top=PANELS - 0.25, size=NAMES)
            axes = sheet.axes(left=left, top=PANELS, width=square, height=square)
            axes.imshow(pictures[place], aspect="auto", interpolation="bicubic")
            axes.axis("off")
        return pixels(MARGIN, PANELS, first, TALL if count == 1 else square)

    def _charts(self, sheet: Sheet, place: int) -> list[Axes]:
        """The answers so far, and the curves, which are returned."""
        e, theme = self.explanation, self.theme
        now = e.probabilities if e.so_far is None else tuple(e.so_far[place].tolist())
        sheet.write(
            "answer" if e.so_far is None else "so far", left=MARGIN, top=CHARTS - 0.3, size=NAMES
        )
        bars = sheet.axes(left=MARGIN, top=CHARTS - 0.05, width=2.9, height=CHART + 0.25)
        draw_answers(bars, e.labels, now, theme=theme)
        charts = []
        if e.importance is not None:
            sheet.write("importance of each frame", left=4.1, top=CHARTS - 0.3, size=NAMES)
        if e.indecision:
            words = textwrap.fill(e.indecision, 38)
            sheet.write(words, left=4.1, top=CHARTS, size=NAMES, colour=theme.text)
        elif e.importance is not None:
            charts.append(sheet.axes(left=4.1, top=CHARTS, width=3.1, height=CHART))
            draw_importance(charts[-1], e, theme=theme)
        if e.so_far is not None:
            sheet.write("what it would say so far", left=7.9, top=CHARTS - 0.3, size=NAMES)
            charts.append(sheet.axes(left=7.9, top=CHARTS, width=2.9, height=CHART))
            draw_so_far(charts[-1], e, theme=theme)
        return charts


def caption(e: Explanation) -> str:
    """How each signal is to be read: shorter than in a picture, as a film does not wait."""
    told = {
        "Flow: where attention changes from frame to frame.": bool(e.flow),
        "Rollout: where what is read of a frame comes from.": e.rollout is not None,
        "Brighter is more.": bool(e.flow) or e.rollout is not None,
        "Importance: how much less probable the answer is without a frame (0.7 nats: half).": (
            e.importance is not None and not e.indecision
        ),
        "So far: the answer if the video stopped here.": e.so_far is not None,
    }
    return textwrap.fill(" ".join(words for words, there in told.items() if there), LINE)


def paste(
    whole: UInt8[np.ndarray, "height width 3"], frame: UInt8[np.ndarray, "high wide 3"], box: Box
) -> None:
    """Put a frame into a box, as large as it fits, at its left upper corner."""
    left, top, width, height = box
    scale = min(width / frame.shape[1], height / frame.shape[0])
    size = max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale))
    small = np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR))
    whole[top : top + size[1], left : left + size[0]] = small


def box_of(axes: Axes) -> Box:
    """Where axes lie."""
    place = axes.get_position()
    return pixels(
        place.x0 * WIDTH, (1 - place.y1) * HEIGHT, place.width * WIDTH, place.height * HEIGHT
    )


def pixels(left: float, top: float, width: float, height: float) -> Box:
    """A rectangle in inches from the top left corner."""
    return round(left * DPI), round(top * DPI), round(width * DPI), round(height * DPI)


def ink(colour: str) -> tuple[int, ...]:
    """A hexadecimal colour as three bytes."""
    return tuple(bytes.fromhex(colour.removeprefix("#")))
