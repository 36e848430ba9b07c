"""Which frames an answer hangs on, and when it came: a model is asked again about other clips made
of the same frames.

Both questions need no more than the frames in another order, so every method can be asked, also one
that averages over frames; clips keep their length.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from stillmotion.errors import ConfigurationError

Model = Callable[[Tensor], Tensor]
"""Clips (B, T, 3, H, W) to logits (B, K): a model, or `Chunked`, which bounds its memory."""

AT_ONCE = 16
"""Clips that are put together at once; how many of them a model sees at once is its own matter."""


def frame_importance(
    model: Model, clip: UInt8[Tensor, "T 3 height width"], *, label: int
) -> Float[Tensor, " T"]:
    """How much less probable a class is without each frame, in nats.

        log p(class | clip) - mean over both neighbours of log p(class | the neighbour's picture
        in the frame's place)

    A neighbour's picture keeps the clip a likely one; a grey or mean picture would be a sight that
    no model was trained on. So this is what a frame alone shows: of pictures that are alike none
    matters. Below 0: the frame speaks against the class.

    Raises:
        ConfigurationError: the clip has one frame, which has no neighbour.
    """
    if len(clip) < 2:
        raise ConfigurationError("a clip of one frame has no neighbouring picture to put in place")
    orders = occlusions(len(clip))
    without = log_probabilities(model, clip, orders.flatten(0, 1))[:, label]
    whole = log_probabilities(model, clip, torch.arange(len(clip))[None])[0, label]
    return whole - without.unflatten(0, (-1, 2)).mean(dim=1)


def answers_so_far(model: Model, clip: UInt8[Tensor, "T 3 height width"]) -> Float[Tensor, "T K"]:
    """The probability of every class, had the video stopped at each frame: the frames up to it as
    they are, its picture in the place of all later ones. The last row is the answer itself."""
    return log_probabilities(model, clip, stops(len(clip))).exp()


def occlusions(num_frames: int) -> Int[Tensor, "T 2 T"]:
    """For each frame two orders of the T >= 2 frames: the one before it, and the one after, in its
    place. The first and the last have one neighbour, twice.

    >>> occlusions(3)[0].tolist(), occlusions(3)[1].tolist()
    ([[1, 1, 2], [1, 1, 2]], [[0, 0, 2], [0, 2, 2]])
    """
    places = torch.arange(num_frames)
    before, after = (places - 1).abs(), num_frames - 1 - (num_frames - 2 - places).abs()
    orders = places.repeat(num_frames, 2, 1)
    orders[places, :, places] = torch.stack([before, after], dim=1)
    return orders


def stops(num_frames: int) -> Int[Tensor, "T T"]:
    """For each frame the order in which it takes the place of all later ones.

    >>> stops(3).tolist()
    [[0, 0, 0], [0, 1, 1], [0, 1, 2]]
    """
    places = torch.arange(num_frames)
    return torch.minimum(places, places[:, None])


@torch.no_grad()
def log_probabilities(
    model: Model, clip: UInt8[Tensor, "T 3 height width"], orders: Int[Tensor, "n T"]
) -> Float[Tensor, "n K"]:
    """What the model says of the clip in each order of its frames; float32, on the CPU."""
    parts = orders.to(clip.device).split(AT_ONCE)
    return torch.cat([model(clip[part]).float().log_softmax(dim=-1).cpu() for part in parts])
