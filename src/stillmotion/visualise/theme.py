"""One look for every picture: two palettes, quiet axes, and figures as PNG or SVG bytes."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_hex, to_rgb
from matplotlib.figure import Figure

RGBA = tuple[float, float, float, float]
"""Red, green, blue and opacity in [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class Theme:
    """A palette. Colours are hexadecimal RGB, legible on ``background``."""

    background: str
    text: str
    muted: str
    """For what is read second: axes, notes."""
    line: str
    """For grids and empty tiles."""
    series: tuple[str, ...]
    """One a run or model, told apart by lightness too, so that colour blindness does not matter."""
    wrong: str

    @property
    def tiles(self) -> Colormap:
        """From the background to the first series' colour, for shares in [0, 1]."""
        colours = [self.background, self.series[0]]
        return LinearSegmentedColormap.from_list("tiles", colours)

    def fade(self, number: int, amount: float = 0.0) -> str:
        """The colour of the series of this number, mixed with ``amount`` in [0, 1] of background.

        A mixture, not a transparency: grid lines do not shine through.
        """
        ink = np.array(to_rgb(self.series[number % len(self.series)]))
        return to_hex(ink + amount * (np.array(to_rgb(self.background)) - ink))

    def ink_on(self, colour: str | RGBA) -> str:
        """The text's or the background's colour, whichever is further from this one."""
        return max(self.text, self.background, key=lambda ink: abs(light(ink) - light(colour)))

    @contextmanager
    def active(self) -> Iterator[None]:
        """Draw in this palette. It sets matplotlib's global settings, and restores them."""
        settings: dict[Any, Any] = {
            "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture everywhere
            "font.size": 9,
            "text.color": self.text,
            "text.parse_math": False,  # a dollar in a file's or a class's name is a dollar
            "axes.titlesize": 10,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.titlepad": 9,
            "axes.edgecolor": self.line,
            "axes.labelcolor": self.muted,
            "axes.facecolor": "none",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": False,
            "grid.color": self.line,
            "grid.linewidth": 0.7,
            "xtick.color": self.muted,
            "ytick.color": self.muted,
            "xtick.labelcolor": self.text,
            "ytick.labelcolor": self.text,
            "xtick.major.size": 0,
            "ytick.major.size": 0,
            "legend.frameon": False,
            "figure.facecolor": "none",
            "savefig.facecolor": "none",
            "svg.fonttype": "none",
            "svg.hashsalt": "stillmotion",  # the same figure gives the same bytes
        }
        with matplotlib.rc_context(settings):
            yield

    def figure(self, width: float, height: float) -> Figure:
        """An empty figure, in inches, laid out so that nothing overlaps."""
        return Figure(figsize=(width, height), layout="constrained")

    def png(self, figure: Figure, *, dpi: int = 144, opaque: bool = True) -> bytes:
        """The figure as a PNG, on the theme's background or on none."""
        file = io.BytesIO()
        with self.active():
            colour = self.background if opaque else "none"
            figure.savefig(file, format="png", dpi=dpi, facecolor=colour)
        return file.getvalue()

    def svg(self, figure: Figure) -> str:
        """The figure as SVG without a background; its text stays text, in the reader's font."""
        file = io.StringIO()
        with self.active():
            figure.savefig(file, format="svg", metadata={"Date": None})
        return file.getvalue().replace("'DejaVu Sans'", "system-ui, 'DejaVu Sans'")


LIGHT = Theme(
    background="#ffffff",
    text="#1d2126",
    muted="#626a73",
    line="#e1e4e8",
    series=("#0b6e69", "#d08a1d", "#8d949d", "#7a4fa3"),
    wrong="#b3412e",
)
"""Dark ink on white."""

DARK = Theme(
    background="#15181c",
    text="#e7e9ec",
    muted="#9aa2ab",
    line="#2e343b",
    series=("#4cc2b5", "#e2ae4c", "#7f8790", "#b692dc"),
    wrong="#ee8a76",
)
"""Light ink on near black."""


def light(colour: str | RGBA) -> float:
    """How light a colour looks, in [0, 1]: CIE's L* over 100, roughly."""
    red, green, blue = (share**2.2 for share in to_rgb(colour))
    return float((0.2126 * red + 0.7152 * green + 0.0722 * blue) ** (1 / 3))


def percent(share: float) -> str:
    """A share in [0, 1] for print: ``96%``, with one decimal where rounding would hide errors.

    Only what misses 0 and 1 by less than a millionth, as sums of fractions do, is none and all.

    >>> percent(0.955), percent(0.9975), percent(0.9999), percent(1.0)
    ('96%', '99.8%', '99.9%', '100%')
    """
    share = round(share, 6)
    if share in (0, 1) or 0.005 <= share < 0.995:
        return f"{100 * share:.0f}%"
    return f"{100 * min(max(share, 0.001), 0.999):.1f}%"


def percent_axis(axes: Axes, which: Literal["x", "y"]) -> None:
    """Ticks at quarters from 0 to 100 %, with a quiet grid behind."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_ticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100%"])
    axis.set_tick_params(labelcolor=matplotlib.rcParams["axes.labelcolor"])
    axes.grid(axis=which)
    axes.set_axisbelow(True)
