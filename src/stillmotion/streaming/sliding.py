"""Any model on the last frames of a video, after every new one."""

import torch
from jaxtyping import Float
from torch import Tensor

from stillmotion.errors import ConfigurationError
from stillmotion.model import VideoClassifier
from stillmotion.shapes import Logits, NormalisedClip
from stillmotion.streaming.frame import Frame, clip_of_one
from stillmotion.streaming.plan import plan
from stillmotion.streaming.stages import Made, renewed, stages_of


class SlidingWindow:
    """Logits after every frame, equal to those of the model on the last ``num_frames`` frames.

        window = SlidingWindow(stillmotion.load("runs/doors"))
        for frame in camera:
            logits = window(frame)

    Tokens of earlier frames are used again where that is exact: as far from both ends of the window
    as the blocks before look over time (`stillmotion.streaming.plan`). A model that tells every
    frame its place in the clip, as AIM does, is run anew on the window.

    Args:
        model: is put into evaluation mode.
        num_frames: of the window; None: as many as the model was built for. Until there are so
            many, the window holds all frames so far.

    Raises:
        ConfigurationError: for more frames than the model was built for.
    """

    def __init__(self, model: VideoClassifier, *, num_frames: int | None = None) -> None:
        self.num_frames = model.num_frames if num_frames is None else num_frames
        if not 1 <= self.num_frames <= model.num_frames:
            raise ConfigurationError(
                f"num_frames={num_frames}: this model was built for 1 to {model.num_frames}"
            )
        self.model, self.stages = model.eval(), stages_of(model)
        self.reset()

    def reset(self) -> None:
        """Forget all frames: another video begins."""
        self._pixels: Tensor | None = None
        self._window = range(0)
        self._made: list[Made] = [()] * len(self.stages)

    @torch.inference_mode()
    def __call__(self, frame: Frame) -> Float[Tensor, "*videos K"]:
        """The next frame, (3, H, W) or (B, 3, H, W), to logits (K,) or (B, K).

        Raises:
            ClipError: for another image size, type, or number of videos than before.
        """
        m, pixels = self.model, self._pixels
        clip = clip_of_one(frame, videos=None if pixels is None else len(pixels))
        newest = m.normalise(clip.to(m.mean.device))
        pixels = newest if pixels is None else torch.cat([pixels, newest], dim=1)
        self._pixels = pixels[:, -self.num_frames :]
        logits = self.slid(self._pixels) if self.stages else m.forward_normalised(self._pixels)
        return logits.reshape(*frame.shape[:-3], -1)

    def slid(self, pixels: NormalisedClip) -> Logits:
        """Stage by stage: what is kept, and what must be computed again."""
        m, old, stop = self.model, self._window, self._window.stop + 1
        new = range(max(0, stop - self.num_frames), stop)
        made, x = [], pixels
        works = plan([stage.reach for stage in self.stages], old, new)
        for stage, earlier, work in zip(self.stages, self._made, works, strict=True):
            made.append(renewed(stage, x, earlier, old=old, new=new, work=work))
            x = made[-1][0]
        read = [series for tokens, *own in made for series in own]
        self._window, self._made = new, made
        image, said = m.trunk.finish(made[0][0], x, read)
        return m.combine(m.head([*said, m.readout(m.backbone, image)]))

    @property
    def share(self) -> float:
        """Frames that pass blocks for each new one, as a share of those of a whole window."""
        old = range(self.num_frames)
        works = list(plan([s.reach for s in self.stages], old, range(1, self.num_frames + 1)))
        if not works:
            return 1.0
        passed = sum(w.num_frames * s.num_blocks for w, s in zip(works, self.stages, strict=True))
        return passed / (self.num_frames * sum(stage.num_blocks for stage in self.stages))
