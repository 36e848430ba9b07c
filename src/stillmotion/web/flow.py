"""Attention-map flow for the page: one block's, frame by frame, in a byte a patch."""

from base64 import b64encode
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from stillmotion.errors import ConfigurationError
from stillmotion.model import VideoClassifier
from stillmotion.visualise.extract import attention_flow
from stillmotion.visualise.flow import BlockFlow, on_one_scale
from stillmotion.web.schemas import Box, FlowTold


@dataclass(frozen=True)
class Excess:
    """How much more than without motion attention changes, in one clip."""

    block: str
    read: bool
    """Whether the model reads the flow of this block."""
    strength: Float[np.ndarray, "T height width"]
    """The mean over channels, at least 0."""


@dataclass
class FlowFrames:
    """What is gathered of a video's flow while its clips are scored."""

    box: Box
    """What of the picture it covers."""
    times: list[float] = field(default_factory=list)
    """When each frame is shown, in seconds."""
    clips: list[Excess] = field(default_factory=list)

    def add(self, times: list[float], excess: Excess) -> None:
        """The frames of the next clip; those that were there already are passed over."""
        latest = self.times[-1] if self.times else -1.0
        new = [place for place, moment in enumerate(times) if moment > latest]
        if new:
            self.times += [times[place] for place in new]
            self.clips.append(Excess(excess.block, excess.read, excess.strength[new]))

    def told(self) -> FlowTold:
        """All frames on one scale; strongest is 255, but for the brightest few."""
        strength = np.concatenate([clip.strength for clip in self.clips])
        shares = np.minimum(on_one_scale(strength), 1)
        return FlowTold(
            times=self.times,
            height=strength.shape[1],
            width=strength.shape[2],
            block=self.clips[0].block,
            read=self.clips[0].read,
            box=self.box,
            strength=b64encode((255 * shares).round().astype(np.uint8).tobytes()).decode("ascii"),
        )


def flow_excess(model: VideoClassifier, clip: UInt8[Tensor, "T 3 size size"]) -> Excess:
    """How much more than without motion attention changes in the block that is `shown`.

    Raises:
        ConfigurationError: the model's blocks show no flow.
    """
    block = shown(attention_flow(model, clip))
    return Excess(block.title, block.read, block.excess)


def shown(flows: list[BlockFlow]) -> BlockFlow:
    """The last block whose flow the model reads; the middle one where it reads none.

    Raises:
        ConfigurationError: there is none.
    """
    if not flows:
        raise ConfigurationError("no block of this model's image model shows a flow")
    read = [flow for flow in flows if flow.read]
    return read[-1] if read else flows[len(flows) // 2]


def central_square(*, width: int, height: int, part: float = 1.0) -> Box:
    """The square in the middle of a frame whose side is a part of the frame's shorter one.

    >>> central_square(width=400, height=200)
    (0.25, 0.0, 0.5, 1.0)
    """
    side = part * min(width, height)
    return ((1 - side / width) / 2, (1 - side / height) / 2, side / width, side / height)
