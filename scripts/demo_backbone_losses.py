"""What the demonstration's image backbone learns from a still picture.

The class token learns which shape is there and where, how large and how turned it is; every patch
token which of its pixels the object and its mark cover, its colours, and the same facts as seen
from the patch; the mean of the patch tokens the shape.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stillmotion.data.synthetic import SHAPES, Stills

NUM_FACTS = 12
GRID = 8
"""Patches a side."""
CELLS = 4
"""What the object and its mark cover is learnt in 4 x 4 cells a patch."""


def facts(stills: Stills) -> Tensor:
    """What is known of each still's object, scaled to similar ranges: (N, 12), the centre first."""
    return torch.cat(
        [
            stills.centre * 2,
            stills.log_radius[:, None] * 2 + 1.5,
            stills.direction * 2,
            stills.opacity[:, None] * 2 - 1,
            stills.object_colour * 2 - 1,
            stills.scenery_colour * 2 - 1,
        ],
        dim=1,
    )


def visible(stills: Stills) -> Tensor:
    """Whether there is an object to speak of: (N,), 0 or 1."""
    seen = stills.coverage.mean(dim=(1, 2)) > 0.01
    return (seen & (stills.opacity > 0.3)).float()


def patch_centres() -> Tensor:
    """Where the patches lie, in halves of the picture's side: (64, 2), x first."""
    edge = (torch.arange(GRID) + 0.5) / GRID * 2 - 1
    return torch.cartesian_prod(edge, edge).flip(1)


class Readouts(nn.Module):
    """Linear heads on the backbone's tokens; thrown away after training."""

    def __init__(self, width: int) -> None:
        super().__init__()
        num_shapes, num_cells = len(SHAPES), 2 * CELLS * CELLS
        self.heads = nn.ModuleDict(
            {
                "shape of class token": nn.Linear(width, num_shapes),
                "shape of mean": nn.Linear(width, num_shapes),
                "shape of patch": nn.Linear(width, num_shapes),
                "facts of class token": nn.Linear(width, NUM_FACTS),
                "facts of patch": nn.Linear(width, NUM_FACTS),
                "coverage of patch": nn.Linear(width, num_cells),
                "colour of patch": nn.Linear(width, 3),
            }
        )

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        """What each head says of tokens (N, 65, width)."""
        patches = tokens[:, 1:]
        source = {"class token": tokens[:, 0], "mean": patches.mean(dim=1), "patch": patches}
        return {name: head(source[name.split(" of ")[1]]) for name, head in self.heads.items()}


def mean_where(loss: Tensor, weight: Tensor) -> Tensor:
    """The weighted mean."""
    return (loss * weight).sum() / weight.sum()


def shape_loss(logits: Tensor, shape: Tensor, weight: Tensor) -> Tensor:
    """Smoothed cross-entropy of logits (N, 6), or of every patch's (N, 64, 6)."""
    truth = shape.view(-1, *[1] * (weight.ndim - 1)).expand_as(weight).flatten()
    logits = logits.flatten(0, -2)
    loss = F.cross_entropy(logits, truth, reduction="none", label_smoothing=0.05)
    return mean_where(loss, weight.flatten())


def facts_loss(guess: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Summed over the facts: a mean over twelve would let the shape outshine the angle."""
    loss = F.smooth_l1_loss(guess, truth, reduction="none", beta=0.2).sum(dim=-1)
    return mean_where(loss, weight) / 4


def cells_of_patches(coverage: Tensor) -> Tensor:
    """Coverages (N, k, size, size) as every patch sees them: (N, 64, k x 16)."""
    cells = F.interpolate(coverage, (GRID * CELLS, GRID * CELLS), mode="area")
    return F.pixel_unshuffle(cells, CELLS).flatten(2).transpose(1, 2)


def losses(tokens: Tensor, readouts: Readouts, stills: Stills) -> dict[str, Tensor]:
    """The seven losses of tokens (N, 65, width), each over what it can be asked of."""
    seen, shape, known = visible(stills), stills.shape, facts(stills)
    from_patch = known[:, None].repeat(1, GRID * GRID, 1)
    from_patch[:, :, :2] -= patch_centres() * 2
    cells = cells_of_patches(torch.stack([stills.coverage, stills.mark], dim=1))
    covered = (cells[:, :, : CELLS * CELLS].mean(dim=2) > 0.2) * seen[:, None]
    pixels = stills.pictures.float() / 255
    colours = F.adaptive_avg_pool2d(pixels, GRID).flatten(2).transpose(1, 2)
    guess = readouts(tokens)
    return {
        "shape of class token": shape_loss(guess["shape of class token"], shape, seen),
        "shape of mean": shape_loss(guess["shape of mean"], shape, seen),
        "shape of patch": shape_loss(guess["shape of patch"], shape, covered),
        "facts of class token": facts_loss(guess["facts of class token"], known, 0.1 + seen),
        "facts of patch": facts_loss(guess["facts of patch"], from_patch, covered),
        "coverage of patch": F.binary_cross_entropy_with_logits(guess["coverage of patch"], cells)
        * 4,
        "colour of patch": F.smooth_l1_loss(guess["colour of patch"], colours * 2 - 1, beta=0.2),
    }
