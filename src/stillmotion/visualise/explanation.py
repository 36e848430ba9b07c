"""What is known of one answer, to be drawn: signals over the frames of the clip that was asked."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from stillmotion.files import readable
from stillmotion.visualise.clips import Clip, Pictures, as_pictures, resized
from stillmotion.visualise.flow import (
    SEEN,
    BlockFlow,
    flow_as_heat,
    flow_as_rgb,
    flow_legend,
    heat_over,
)
from stillmotion.visualise.theme import percent

DECIDES = 0.05
"""Nats below which a frame hardly matters: the class becomes 5 % less probable without it."""


class Row(NamedTuple):
    """Pictures of one signal, a frame each, with their name, a smaller note, and words for who
    cannot see them."""

    name: str
    note: str
    pictures: Pictures
    alt: str


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One clip of a video, the answer to it, and what the answer rests on; None: was not found.

    Attributes:
        path: the video.
        answer: as `stillmotion predict` gives it, which may be "none of these".
        label: the class that is explained, the most probable one.
        model: what answered, for people: "amflow on vit_base_patch16_224".
        crop: which part of the frames it saw, for people.
        clip: that part of the frames.
        seconds: when each is shown in the video.
        labels: the most probable classes, the first is ``label``.
        probabilities: theirs, for the whole clip.
        flow: attention-map flow, a block each; empty: not asked for, or none.
        rollout: the share of each patch, see `explaining.rollout`.
        rollout_reader: "class token" or "mean over patches".
        importance: of each frame in nats, see `explaining.frame_importance`.
        so_far: probabilities of ``labels`` had the video stopped at each frame.
        missing: why a signal is not there, by its name.
    """

    path: str
    answer: str
    label: str
    model: str
    crop: str
    clip: Clip
    seconds: Float[np.ndarray, " T"]
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    flow: tuple[BlockFlow, ...] = ()
    rollout: Float[np.ndarray, "T H W"] | None = None
    rollout_reader: str = ""
    importance: Float[np.ndarray, " T"] | None = None
    so_far: Float[np.ndarray, "T labels"] | None = None
    missing: dict[str, str] = field(default_factory=dict)

    def rollout_as_heat(self) -> Pictures:
        """Where the rollout is above what it is everywhere, over the darkened frames."""
        assert self.rollout is not None
        low, high = np.percentile(self.rollout, [5, 99])
        return heat_over((self.rollout - low) / max(high - low, 1e-9), self.clip)

    def rows(self) -> list[Row]:
        """The frames; heat and colours of each block's flow; the rollout."""
        rows = [Row("frames", "", as_pictures(self.clip), f"The clip: {self.span}")]
        for block in self.flow:
            use = "flow" if block.read else "flow, not read"
            heat = flow_as_heat(block, self.clip)
            rows.append(Row(block.title, use, heat, f"Heat: flow of {block.title}"))
            colours = resized(flow_as_rgb(block), height=self.clip.shape[2], smooth=False)
            alt = f"Colours: principal components of the flow of {block.title}"
            rows.append(Row("", "three components", colours, alt))
        if self.rollout is not None:
            heat = self.rollout_as_heat()
            rows.append(Row("rollout", "all blocks", heat, "Heat: attention rollout"))
        return rows

    def heats(self) -> dict[str, Pictures]:
        """Every heat over the frames, by what it shows."""
        shown = {f"flow, {block.title}": flow_as_heat(block, self.clip) for block in self.flow}
        return shown if self.rollout is None else shown | {"rollout": self.rollout_as_heat()}

    @property
    def indecision(self) -> str:
        """That no single frame decides, in a sentence; empty where one does, or nobody asked."""
        if self.importance is None or (most := np.abs(self.importance).max()) >= DECIDES:
            return ""
        within = max(1, np.ceil(100 * np.expm1(most)))
        return (
            "No single frame decides: whichever gives way to its neighbours' pictures, "
            f"“{self.label}” stays as probable to within {within:.0f}%."
        )

    @property
    def heading(self) -> str:
        """The answer, and how probable the class is that is explained."""
        sure = f"{self.label} {percent(self.probabilities[0])}"
        return sure if self.answer == self.label else f"{self.answer} (most probable: {sure})"

    @property
    def source(self) -> str:
        """What was asked of what, in a line."""
        return f"{readable(Path(self.path).name)}   {self.span}   {self.model}"

    @property
    def span(self) -> str:
        """What the clip is of the video, for people."""
        first, last = self.seconds[[0, -1]]
        return f"{len(self.clip)} frames from {first:.1f} s to {last:.1f} s"

    def legends(self) -> dict[str, str]:
        """How each signal that is there is to be read."""
        told = {}
        if self.flow:
            told["Attention-map flow"] = flow_legend(self.flow, show="heat").replace("\n", " ")
            told["Colours"] = SEEN["rgb"].replace("\n", " ")
        if self.rollout is not None:
            told["Rollout"] = (
                f"How much of what is read of a frame (the {self.rollout_reader}) comes from each "
                "patch through the frozen attention of all blocks, each halved with the residual "
                "stream. Brighter is more."
            )
        if self.importance is not None and not self.indecision:
            told["Importance"] = (
                f"How much less probable “{self.label}” is when a frame gives way to its "
                "neighbours' pictures, in nats (0.7 halves it). Below zero, the frame speaks "
                "against it."
            )
        if self.so_far is not None:
            told["So far"] = (
                "What the model says if the video stops at a frame, whose picture then stays to "
                "the end of the clip. The last frame gives the answer itself."
            )
        return told
