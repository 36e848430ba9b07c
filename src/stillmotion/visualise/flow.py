"""Attention-map flow as pictures: its channels as colours (the paper's Figure 5), or as heat."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from stillmotion.errors import ClipError
from stillmotion.visualise.clips import Clip, Pictures, as_pictures, resized, strip
from stillmotion.visualise.sheet import Sheet
from stillmotion.visualise.theme import LIGHT, Theme

OUTLIERS = 1.0
"""Per cent of tokens whose colour may leave the range, so that a few do not dim the rest."""

NOISE = 1e-5
"""Flow below this is rounding of float32, not motion."""

SEEN = {
    "rgb": "Each square is a patch; grey is no motion. Patches of one colour change alike: red,"
    "\ngreen and blue are the first three principal components, for each block on its own.",
    "heat": "The brighter, the more the attention that a patch receives changes from frame to"
    "\nframe, for each block on its own.",
}
"""How flow is to be read as colours and as heat."""


@dataclass(frozen=True, kw_only=True)
class BlockFlow:
    """The attention-map flow of one block on one clip.

    Attributes:
        block: its number, from 0.
        flow: F numbers for each patch token of each frame.
        still: what no motion gives: 1 for the static flow, 0 for the aligned one.
        pairing: frames are compared with the ``next`` or the ``previous`` one; the last or the
            first has no partner and shows no motion.
        read: the block's adapter reads this flow; otherwise it was computed for the picture.
    """

    block: int
    flow: Float[np.ndarray, "T H W F"]
    still: float
    pairing: Literal["next", "previous"]
    read: bool

    @property
    def title(self) -> str:
        """The block counted from 1, as the paper counts."""
        return f"block {self.block + 1}"

    @property
    def excess(self) -> Float[np.ndarray, "T H W"]:
        """How much more attention changes than without motion, at least 0: the channels' mean."""
        return np.maximum(self.flow.mean(axis=-1) - self.still, 0)


def flow_as_rgb(block: BlockFlow) -> Pictures:
    """The first three principal components over all tokens of the clip as red, green and blue.

    Grey is what no motion gives, and every component is scaled alike to both sides of it. The
    result is reproducible: of each component the channel with the largest weight counts as
    positive. One channel gives levels of grey; components that do not exist add nothing.

    Returns:
        (T, H, W, 3), a pixel a patch; each component fills its range but for `OUTLIERS`.
    """
    tokens = block.flow.reshape(-1, block.flow.shape[-1]).astype(np.float64)
    _, axes = np.linalg.eigh(np.atleast_2d(np.cov(tokens.T)))  # variances ascend
    axes = axes[:, ::-1][:, :3]
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.sign(axes[largest, np.arange(axes.shape[1])])
    components = (tokens - block.still) @ axes
    if components.shape[1] == 1:
        components = np.repeat(components, 3, axis=1)
    components = np.pad(components, ((0, 0), (0, 3 - components.shape[1])))
    reach = np.percentile(np.abs(components), 100 - OUTLIERS, axis=0)
    scaled = components / np.where(reach > NOISE, reach, np.inf)
    return _to_bytes(0.5 + scaled.reshape(*block.flow.shape[:3], 3) / 2)


def flow_as_heat(block: BlockFlow, clip: Clip) -> Pictures:
    """Where attention changes more than without motion, as heat over the darkened frames.

    The mean over channels, less what no motion gives; below that, nothing is laid over the frame.

    Args:
        clip: the frames that the model saw.

    Returns:
        Pictures of the size of the frames.

    Raises:
        ClipError: another number of frames than the flow has.
    """
    if len(clip) != len(block.flow):
        raise ClipError(f"a flow of {len(block.flow)} frames over a clip of {len(clip)}")
    return heat_over(on_one_scale(block.excess), clip)


def on_one_scale(excess: Float[np.ndarray, "T H W"]) -> Float[np.ndarray, "T H W"]:
    """Strengths of at least 0 such that all but the strongest few (`OUTLIERS`) are at most 1."""
    top = np.percentile(excess, 100 - OUTLIERS)
    return excess / top if top > NOISE else np.zeros_like(excess)


def heat_over(strength: Float[np.ndarray, "T H W"], clip: Clip) -> Pictures:
    """Numbers as heat over the darkened frames.

    Args:
        strength: of each patch; 0 and below is nothing, 1 and above the brightest.
        clip: as many frames.
    """
    height, width = clip.shape[2:]
    heat = _enlarged(np.clip(strength, 0, 1), height, width)[..., None]
    grey = as_pictures(clip).mean(axis=-1, keepdims=True) / 255
    colour = matplotlib.colormaps["inferno"](0.25 + 0.7 * heat[..., 0])[..., :3]
    cover = np.sqrt(heat) * 0.9
    return _to_bytes((1 - cover) * grey * 0.55 + cover * colour)


def flow_picture(
    clip: Clip,
    blocks: Sequence[BlockFlow],
    *,
    show: Literal["rgb", "heat"] = "rgb",
    title: str = "Attention-map flow",
    theme: Theme = LIGHT,
) -> Figure:
    """The frames, and below them a row a block; a column a frame."""
    rows = [as_pictures(clip)]
    rows += [flow_as_rgb(b) if show == "rgb" else flow_as_heat(b, clip) for b in blocks]
    names = ["frames", *(b.title + ("" if b.read else " *") for b in blocks)]
    legend = flow_legend(blocks, show=show)
    height, width = clip.shape[2:]
    tall, left = height / width, 1.0
    with theme.active():
        foot = 0.75 + (tall + 0.05) * len(rows)
        sheet = Sheet(theme, width=left + len(clip) + 0.3, height=foot + 0.75)
        sheet.write(title, left=0.25, top=0.25, size=11.0, strong=True)
        for number, (name, pictures) in enumerate(zip(names, rows, strict=True)):
            top = 0.65 + (tall + 0.05) * number
            sheet.write(name, left=0.25, top=top + tall / 2 - 0.06, size=9.0)
            axes = sheet.axes(left=left, top=top, width=float(len(clip)), height=tall)
            row = strip(resized(pictures, height=height, smooth=False), gap=max(1, width // 40))
            axes.imshow(row, interpolation="antialiased")
            axes.axis("off")
        sheet.write(legend, left=0.25, top=foot, size=8.0)
    return sheet.figure


def flow_legend(blocks: Sequence[BlockFlow], *, show: Literal["rgb", "heat"]) -> str:
    """What the picture shows, in two or three lines."""
    lonely = {"next": "last", "previous": "first"}
    ends = " and ".join(sorted({lonely[b.pairing] for b in blocks}))
    note = f"{SEEN[show]} The {ends} frame has no partner."
    unread = "\n* The model does not read the flow of this block; it was computed for the picture."
    return note if all(b.read for b in blocks) else note + unread


def _enlarged(
    maps: Float[np.ndarray, "T H W"], height: int, width: int
) -> Float[np.ndarray, "T height width"]:
    """Bilinear between the centres of patches, flat beyond the outermost."""
    tall = np.stack([_weights(height, maps.shape[1]) @ m for m in maps])
    return tall @ _weights(width, maps.shape[2]).T


def _weights(pixels: int, patches: int) -> Float[np.ndarray, "pixels patches"]:
    """How much each patch counts in each pixel of one axis."""
    places = np.clip((np.arange(pixels) + 0.5) * patches / pixels - 0.5, 0, patches - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(patches)))


def _to_bytes(shares: Float[np.ndarray, "T height width 3"]) -> Pictures:
    return (np.clip(shares, 0, 1) * 255).round().astype(np.uint8)
