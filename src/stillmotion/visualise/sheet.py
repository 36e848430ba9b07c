"""A picture laid out by hand: for pictures that hold several charts and words between them."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stillmotion.visualise.theme import Theme


class Sheet:
    """A figure on which things are placed in inches from its top left corner."""

    def __init__(self, theme: Theme, *, width: float, height: float) -> None:
        self.theme, self.width, self.height = theme, width, height
        self.figure = Figure(figsize=(width, height))

    def axes(self, *, left: float, top: float, width: float, height: float) -> Axes:
        """Axes whose frame covers this rectangle; their labels lie outside it."""
        bottom = self.height - top - height
        w, h = self.width, self.height
        return self.figure.add_axes((left / w, bottom / h, width / w, height / h))

    def write(
        self,
        words: str,
        *,
        left: float,
        top: float,
        size: float,
        strong: bool = False,
        colour: str | None = None,
    ) -> None:
        """Words whose first line hangs from here; muted unless strong or coloured."""
        ink = colour or (self.theme.text if strong else self.theme.muted)
        weight = "bold" if strong else "normal"
        # Line by line on their baselines: matplotlib hangs a line from its tallest letter.
        for number, line in enumerate(words.split("\n")):
            y = 1 - (top + size / 72 * (0.8 + 1.5 * number)) / self.height
            self.figure.text(left / self.width, y, line, size=size, color=ink, weight=weight)
