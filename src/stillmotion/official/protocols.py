"""How each method's authors test on each data set: frames, clips and crops.

Sources: the configuration files and READMEs of the repositories that the methods' files name.
AdaptFormer's and DualPath's code averages logits over views; here probabilities are averaged.
"""

from dataclasses import asdict, dataclass
from typing import Any

from stillmotion.data.sampling import Sampling, Short


@dataclass(frozen=True)
class Protocol:
    """The views of a video, and the frames of each.

    Attributes:
        clips, crops: a video has their product of views.
        span: stride times T, where frames of a clip follow each other at a stride.
        stride: the same, where it does not depend on T. Without both, a clip has one frame from
            each of T segments.
        short: what is done with a video that is too short.
    """

    clips: int
    crops: int
    span: int | None = None
    stride: int | None = None
    short: Short = "repeat"

    def sampling(self, num_frames: int) -> Sampling:
        """The clips of a model that takes so many frames."""
        if self.span is None and self.stride is None:
            return Sampling(num_frames=num_frames, short=self.short)
        stride = self.stride or max(1, (self.span or 1) // num_frames)
        return Sampling(num_frames=num_frames, kind="dense", stride=stride, short=self.short)


_MMACTION = Protocol(3, 1, span=128, short="loop")
_EVERY_FOURTH = Protocol(3, 1, stride=4)
_SEGMENTS = Protocol(1, 3)

PROTOCOLS: dict[str, dict[str, Protocol]] = {
    "aim": {"kinetics400": _MMACTION, "ssv2": _SEGMENTS, "diving48": Protocol(1, 1)},
    "zeroi2v": {
        "kinetics400": _MMACTION,
        "ssv2": _SEGMENTS,
        "ucf101": _SEGMENTS,
        "hmdb51": _SEGMENTS,
        "hmdb51 32": Protocol(2, 3),
    },
    "st_adapter": {"kinetics400": Protocol(3, 1, span=128), "ssv2": _SEGMENTS},
    "dualpath": {
        "kinetics400": _EVERY_FOURTH,
        "ssv2": Protocol(1, 3, stride=4),
        "diving48": _EVERY_FOURTH,
        "hmdb51": _EVERY_FOURTH,
    },
    "adaptformer": {
        "ssv2": Protocol(4, 3, stride=4),
        "hmdb51": Protocol(4, 3, stride=4),
    },
}
"""By method and data set (and number of frames, where one differs). Whatever is not here is seen
once, a frame from each segment."""


def protocol_info(method: str, labels: str, num_frames: int) -> dict[str, Any]:
    """``sampling`` and ``views`` as a model's `info` holds them."""
    known = PROTOCOLS[method]
    protocol = known.get(f"{labels} {num_frames}") or known.get(labels) or Protocol(1, 1)
    return {
        "sampling": asdict(protocol.sampling(num_frames)),
        "views": {"clips": protocol.clips, "crops": protocol.crops},
    }
