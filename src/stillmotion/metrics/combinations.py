"""Classes that are combinations of parts, such as verb and noun.

A model's logits are of all K combinations; but for a batch at a time, nothing is (n, K) or K x K.
``sizes`` are the numbers of verbs and of nouns. A combination's index is written in them like a
number in its digits: verb * nouns + noun. What is said of the parts lies side by side in one matrix
(n, W), W = verbs + nouns, and a combination's probability is the product of its parts'. Classes
that are no combinations have no sizes, and W = K.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor


def marginals(
    log_probabilities: Float[Tensor, "*lead K"], sizes: Sequence[int] = ()
) -> Float[Tensor, "*lead W"]:
    """Exact logarithms of each part's probabilities, side by side, from those of all K pairs.

    Logits do as well as logarithms of probabilities; what comes out is then off by a constant, as
    logits are.
    """
    if len(sizes) < 2:
        return log_probabilities
    joint = log_probabilities.unflatten(-1, tuple(sizes))
    axes = range(-len(sizes), 0)
    return torch.cat(
        [joint.logsumexp(dim=[other for other in axes if other != axis]) for axis in axes], dim=-1
    )


def in_parts(
    matrix: Float[Tensor, "*lead W"], sizes: Sequence[int] = ()
) -> tuple[Float[Tensor, "*lead _"], ...]:
    """The columns of each part; of all classes where there are no parts."""
    return matrix.split(list(sizes) or matrix.shape[-1], dim=-1)


def softmax(
    logits: Float[Tensor, "*lead W"], sizes: Sequence[int] = ()
) -> Float[Tensor, "*lead W"]:
    """Probabilities; those of each part add up to 1."""
    return torch.cat([part.softmax(dim=-1) for part in in_parts(logits, sizes)], dim=-1)


def part_labels(labels: Int[Tensor, " n"], sizes: Sequence[int] = ()) -> tuple[Tensor, ...]:
    """The label of each part."""
    return torch.unravel_index(labels, tuple(sizes)) if sizes else (labels,)


def num_classes(probabilities: Float[Tensor, "n W"], sizes: Sequence[int] = ()) -> int:
    """K: columns, or as many combinations as there are."""
    return math.prod(sizes) if sizes else probabilities.shape[1]


def most_probable(
    probabilities: Float[Tensor, "n W"], sizes: Sequence[int] = (), *, first: int
) -> tuple[Float[Tensor, "n first"], Int[Tensor, "n first"]]:
    """Probabilities and indices of the ``first`` classes, or all where there are fewer.

    The best combinations are made of the best of each part, so no others are looked at.
    """
    best = probabilities.new_ones(len(probabilities), 1)
    index = torch.zeros_like(best, dtype=torch.long)
    for part in in_parts(probabilities, sizes):
        value, digit = part.topk(min(first, part.shape[1]))
        pairs = (best[:, :, None] * value[:, None]).flatten(1)
        indices = (index[:, :, None] * part.shape[1] + digit[:, None]).flatten(1)
        best, order = pairs.topk(min(first, pairs.shape[1]))
        index = indices.gather(1, order)
    return best, index
