"""A causal model that takes one frame at a time."""

import torch
from jaxtyping import Float
from torch import Tensor

from stillmotion.errors import ConfigurationError
from stillmotion.model import VideoClassifier
from stillmotion.nn.past import Past
from stillmotion.streaming.frame import Frame, clip_of_one
from stillmotion.streaming.ready import ready


class Stream:
    """Logits after every frame, equal to those of the model on all frames so far.

        stream = Stream(stillmotion.load("runs/doors"))
        for frame in camera:
            logits = stream(frame)

    Every frame passes through the model once. What must be known of earlier frames is here, not in
    the model: many streams can share one. Its size does not grow; how long the stream may become
    does not depend on the number of frames that the model was built for. With
    ``tpm="transformer"`` alone, a frame beyond that number is followed as the last frame of a clip
    of that length.

    Attributes:
        num_frames: how many frames were seen.

    Args:
        model: a causal one. It is put into evaluation mode, and again at a frame if somebody has
            trained it since.

    Raises:
        ConfigurationError: for what is no model, or one that looks at later frames.
    """

    def __init__(self, model: VideoClassifier) -> None:
        self.model = ready(model)
        refuse_unless_causal(model)
        self.reset()

    def reset(self) -> None:
        """Forget all frames: another video begins."""
        self.num_frames = 0
        self._videos: int | None = None
        self._trunk: Past = None
        self._readout: Past = None

    @torch.inference_mode()
    def __call__(self, frame: Frame) -> Float[Tensor, "*videos K"]:
        """The next frame, (3, H, W) or (B, 3, H, W), to logits (K,) or (B, K).

        Raises:
            ClipError: for another image size, type or number of videos than before, or float
                pixels above 1.
        """
        m, clip = ready(self.model), clip_of_one(frame, videos=self._videos)
        x = m.stem(m.backbone, m.normalise(clip.to(m.mean.device)))
        x, said, trunk = m.trunk.step(x, self._trunk)
        vector, readout = m.readout.step(m.backbone, x, self._readout)
        logits = m.combine(m.head([*said, vector]))
        self._videos, self._trunk, self._readout = len(clip), trunk, readout  # all, or none
        self.num_frames += 1
        return logits.reshape(*frame.shape[:-3], -1)


def refuse_unless_causal(model: VideoClassifier) -> None:
    """Say why a model cannot take frames one by one, and what can be done."""
    if not model.method.is_causal:
        raise ConfigurationError(
            f"this model ({model.method.name}, as it is set) looks at later frames, so it cannot "
            "take them one by one: train AMFlow.small(streaming=True) (--preset streaming), or use "
            "SlidingWindow(model), which looks at the last frames after each new one"
        )
    if model.backbone.tubelet > 1:
        raise ConfigurationError(
            f"this image model makes one token of {model.backbone.tubelet} frames, so it cannot "
            "take them one by one: use SlidingWindow(model)"
        )
