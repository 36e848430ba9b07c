"""A model that says after each frame what is going on."""

from dataclasses import replace
from math import exp
from typing import Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from stillmotion.answering import average_of_views
from stillmotion.as_trained import sampling_of
from stillmotion.errors import ConfigurationError
from stillmotion.loading import view_dataset
from stillmotion.metrics import marginals
from stillmotion.model import VideoClassifier
from stillmotion.prediction import Prediction, Predictor
from stillmotion.settings import Views
from stillmotion.streaming import SlidingWindow, Stream

Context = Literal["last", "all"]


class Watcher:
    """Frames in, one by one, answers out: with the crops and the threshold that `Predictor` takes.

    Attributes:
        short_side: to what frames are scaled while they are decoded; None: not at all.
        num_frames: how many frames an answer is of at most; None: of all so far.

    Args:
        model: a trained model.
        context: "last": an answer is of as many frames as the model was built for, as
            `SlidingWindow` gives it; "all": of all frames so far, for causal models, as `Stream`
            gives it: quicker, but each frame counts less than the one before, so that it is for
            what has an end.
        views: how frames are resized and cropped; None: as in training. One clip is taken.
        threshold: the least confidence of an answer; None: as the model was calibrated.
        smooth: seconds over which probabilities are averaged, those of the past ever less; 0: none.
        device: where to compute; None: a GPU where there is one.

    Raises:
        ConfigurationError: for a model that looks at part of the frames only, or cannot take them
            one by one in this context, and for what `Predictor` refuses.
    """

    def __init__(
        self,
        model: VideoClassifier,
        *,
        context: Context = "last",
        views: Views | None = None,
        threshold: float | None = None,
        smooth: float = 0.0,
        device: str | torch.device | None = None,
    ) -> None:
        self.asked = Predictor(model, views=views, threshold=threshold, device=device)
        self.views = replace(self.asked.views, clips=1)
        sampling = sampling_of(model)
        if sampling.region != "frame":
            raise ConfigurationError(
                f"this model was trained on part of each frame (sampling.region={sampling.region}),"
                " and where that lies is known of whole clips only: train with region frame"
            )
        size = model.backbone.image_size[0]
        self._pixels = view_dataset([], sampling=sampling, image_size=size, views=self.views)
        self.short_side = self._pixels.short_side
        self._follow = Stream(model) if context == "all" else SlidingWindow(model)
        self.num_frames = model.num_frames if context == "last" else None
        self._smoothing = Smoothing(smooth)

    def reset(self) -> None:
        """Forget all frames: the next ones do not follow them."""
        self._follow.reset()
        self._smoothing = Smoothing(self._smoothing.span)

    def __call__(
        self, frame: UInt8[Tensor, "3 height width"], *, seconds: float, name: str = ""
    ) -> Prediction:
        """The next frame, RGB and scaled to ``short_side``, to what the model makes of it.

        Args:
            seconds: its time, for smoothing.
            name: of the source, for the prediction.
        """
        crops = self._pixels.transform(frame[None])[:, 0]
        logits = marginals(self._follow(crops).float().cpu(), self.asked.sizes)
        said = average_of_views(logits[None], self.views.average, self.asked.sizes)[0]
        return self.asked.prediction(self._smoothing(said, seconds=seconds), path=name)


def usual_context(model: VideoClassifier, *, has_end: bool) -> Context:
    """All frames so far of what has an end, where a model is causal; else the last.

    On what has none, a mean over all frames so far would hardly change any more after minutes.
    """
    one_by_one = model.method.is_causal and model.backbone.tubelet == 1
    return "all" if has_end and one_by_one else "last"


class Smoothing:
    """A mean over time in which what was said ``span`` seconds ago counts 1/e of what is said now.

    Raises:
        ConfigurationError: for a span below 0.
    """

    def __init__(self, span: float) -> None:
        if not span >= 0:
            raise ConfigurationError(f"smooth={span}: give seconds, 0 or more")
        self.span = span
        self._mean: Tensor | None = None
        self._seconds = 0.0

    def __call__(self, said: Float[Tensor, " W"], *, seconds: float) -> Float[Tensor, " W"]:
        """The mean so far, with what is said at this moment."""
        if self._mean is not None and self.span > 0:
            kept = exp(-(seconds - self._seconds) / self.span)
            said = kept * self._mean + (1 - kept) * said
        self._mean, self._seconds = said, seconds
        return said
