"""Any model on the last frames of a video, after every new one."""

import torch
from jaxtyping import Float
from torch import Tensor

from stillmotion.errors import ConfigurationError
from stillmotion.fields import allows
from stillmotion.model import VideoClassifier
from stillmotion.shapes import NormalisedClip
from stillmotion.streaming.frame import Frame, clip_of_one
from stillmotion.streaming.plan import plan
from stillmotion.streaming.ready import ready
from stillmotion.streaming.stages import Made, answered, renewed, stages_of


class SlidingWindow:
    """Logits after every frame, equal to those of the model on the last ``num_frames`` frames.

        window = SlidingWindow(stillmotion.load("runs/doors"))
        for frame in camera:
            logits = window(frame)

    Tokens of earlier frames are used again where that is exact: as far from both ends of the window
    as the blocks before look over time (`stillmotion.streaming.plan`). A model that tells every
    frame its place in the clip, as AIM does, is run anew on the window.

    Args:
        model: is put into evaluation mode, and again at a frame if somebody has trained it since.
        num_frames: of the window; None: as many as the model was built for. Until there are so
            many, the window holds all frames so far.

    Raises:
        ConfigurationError: for what is no model, or more frames than it was built for.
    """

    def __init__(self, model: VideoClassifier, *, num_frames: int | None = None) -> None:
        self.model = ready(model)
        self.num_frames = model.num_frames if num_frames is None else num_frames
        if not (allows(int, self.num_frames) and 1 <= self.num_frames <= model.num_frames):
            raise ConfigurationError(
                f"num_frames={num_frames!r}: give a whole number; this model was built for 1 to "
                f"{model.num_frames} frames"
            )
        self.reset()

    def reset(self) -> None:
        """Forget all frames: another video begins, or the model has other weights.

        Whether it tells frames their place depends on its weights, and is looked up here.
        """
        self.stages = stages_of(self.model)
        self._pixels: Tensor | None = None
        self._window = range(0)
        self._made: list[Made] = [()] * len(self.stages)

    @torch.inference_mode()
    def __call__(self, frame: Frame) -> Float[Tensor, "*videos K"]:
        """The next frame, (3, H, W) or (B, 3, H, W), to logits (K,) or (B, K).

        Raises:
            ClipError: for another image size, type or number of videos than before, or float
                pixels above 1.
        """
        m, pixels = ready(self.model), self._pixels
        clip = clip_of_one(frame, videos=None if pixels is None else len(pixels))
        newest = m.normalise(clip.to(m.mean.device))
        pixels = newest if pixels is None else torch.cat([pixels, newest], dim=1)
        pixels, stop = pixels[:, -self.num_frames :], self._window.stop + 1
        window = range(stop - pixels.shape[1], stop)
        made = self.slid(pixels, window)
        logits = answered(m, made) if self.stages else m.forward_normalised(pixels)
        self._pixels, self._window, self._made = pixels, window, made  # all of them, or none
        return logits.reshape(*frame.shape[:-3], -1)

    def slid(self, pixels: NormalisedClip, window: range) -> list[Made]:
        """Stage by stage: what is kept, and what must be computed again."""
        made: list[Made] = []
        works = plan([stage.sight for stage in self.stages], self._window, window)
        for stage, earlier, work in zip(self.stages, self._made, works, strict=True):
            x = made[-1][0] if made else pixels
            made.append(renewed(stage, x, earlier, old=self._window, new=window, work=work))
        return made

    @property
    def share(self) -> float:
        """Frames that pass blocks for each new one, as a share of those of a whole window."""
        old, new = range(self.num_frames), range(1, self.num_frames + 1)
        works = plan([stage.sight for stage in self.stages], old, new)
        passed = [w.num_frames * s.num_blocks for w, s in zip(works, self.stages, strict=True)]
        return sum(passed) / self.model.trunk.passes(self.num_frames) if passed else 1.0
