"""Numbers of frames that come out even."""

import torch
from jaxtyping import Float
from torch import Tensor

from stillmotion.shapes import NormalisedClip


def fill_up(clip: NormalisedClip, multiple: int) -> Float[Tensor, "B filled 3 height width"]:
    """The last frame repeated until the number of frames is a multiple."""
    missing = -clip.shape[1] % multiple
    return torch.cat([clip, clip[:, -1:].expand(-1, missing, -1, -1, -1)], dim=1)
