"""Classes that combine parts, such as a verb and a noun, from one set of logits for each part."""

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Combination(nn.Module):
    """Logits of each part, side by side (..., sum of sizes), to those of all combinations.

    The logit of a combination is the sum of its parts' log-probabilities, the index of the last
    part the fastest:

        z_{vn} = log p_v + log p_n

    So its softmax is the product of the parts' own (the action score of EPIC-KITCHENS), and its
    cross-entropy is the sum of theirs; label smoothing and mixed labels included, for both are
    linear in z. A single part is left as it is.

    Args:
        sizes: how many classes each part has.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.sizes = tuple(sizes)

    def forward(self, logits: Float[Tensor, "*batch outputs"]) -> Float[Tensor, "*batch K"]:
        if len(self.sizes) == 1:
            return logits
        first, *others = (F.log_softmax(part, -1) for part in logits.split(self.sizes, -1))
        for part in others:
            first = (first[..., :, None] + part[..., None, :]).flatten(-2)
        return first
