"""How each method's authors test on each data set: frames, clips and crops.

Sources: the configuration files and READMEs of the repositories that the methods' files name.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

from stillmotion.data.crops import Interpolation
from stillmotion.data.indices import Short, Spread
from stillmotion.data.sampling import Sampling


@dataclass(frozen=True)
class Protocol:
    """The views of a video, and the frames of each.

    Attributes:
        clips, crops: a video has their product of views.
        span: stride times T, where frames of a clip follow each other at a stride.
        stride: the same, where it does not depend on T. Without both, a clip has one frame from
            each of T segments.
        short: what is done with a video that is too short.
        spread, interpolation, average: as in `Views`.
    """

    clips: int
    crops: int
    span: int | None = None
    stride: int | None = None
    short: Short = "repeat"
    spread: Spread = "ends"
    interpolation: Interpolation = "bilinear"
    average: Literal["probabilities", "logits"] = "probabilities"

    def sampling(self, num_frames: int) -> Sampling:
        """The clips of a model that takes so many frames."""
        if self.span is None and self.stride is None:
            return Sampling(num_frames=num_frames, kind="frame_uniform", short=self.short)
        stride = self.stride or max(1, (self.span or 1) // num_frames)
        return Sampling(num_frames=num_frames, kind="dense", stride=stride, short=self.short)

    @property
    def views(self) -> dict[str, Any]:
        """The fields of `Views` that are not its defaults, and how many there are."""
        how = {"spread": "ends", "interpolation": "bilinear", "average": "probabilities"}
        given = {name: getattr(self, name) for name in how}
        return {"clips": self.clips, "crops": self.crops} | dict(given.items() - how.items())


_MMACTION = Protocol(3, 1, span=128, short="loop", spread="middles")
_SEGMENTS = Protocol(1, 3)
_DUALPATH = Protocol(3, 1, stride=4, spread="starts", average="logits")
_ADAPTFORMER = Protocol(4, 3, stride=4, average="logits")

PROTOCOLS: dict[str, dict[str, Protocol]] = {
    "aim": {"kinetics400": _MMACTION, "ssv2": _SEGMENTS, "diving48": Protocol(1, 1)},
    "zeroi2v": {
        "kinetics400": _MMACTION,
        "ssv2": _SEGMENTS,
        "ucf101": _SEGMENTS,
        "hmdb51": _SEGMENTS,
        "hmdb51 32": Protocol(2, 3),
    },
    "st_adapter": {
        "kinetics400": Protocol(3, 1, span=128, interpolation="bicubic"),
        "ssv2": Protocol(1, 3, interpolation="bicubic"),
    },
    "dualpath": {
        "kinetics400": _DUALPATH,
        "ssv2": replace(_DUALPATH, clips=1, crops=3),
        "diving48": _DUALPATH,
        "hmdb51": _DUALPATH,
    },
    "adaptformer": {"ssv2": _ADAPTFORMER, "hmdb51": _ADAPTFORMER},
}
"""By method and data set (and number of frames, where one differs). Whatever is not here is seen
once, a frame from each segment."""


def protocol_info(method: str, labels: str, num_frames: int) -> dict[str, Any]:
    """``sampling`` and ``views`` as a model's `info` holds them."""
    known = PROTOCOLS[method]
    protocol = known.get(f"{labels} {num_frames}") or known.get(labels) or Protocol(1, 1)
    return {
        "sampling": protocol.sampling(num_frames).to_dict(),
        "views": protocol.views,
    }
