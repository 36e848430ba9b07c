"""How the tokens of one frame lie in space."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class TokenGrid(NamedTuple):
    """P prefix tokens (class, registers), then H x W patches.

    Patches come row by row; Hiera keeps the patches that it will pool next apart instead, in
    ``unrolled`` levels: a level puts the four members of every 2 x 2 cell into four blocks.
    """

    prefix: int
    height: int
    width: int
    unrolled: int = 0

    @property
    def num_tokens(self) -> int:
        """N = P + H W."""
        return self.prefix + self.height * self.width

    def split(
        self, x: Float[Tensor, "*lead N c"]
    ) -> tuple[Float[Tensor, "*lead P c"], Float[Tensor, "*lead H W c"]]:
        """(..., N, c) -> prefix (..., P, c), patches (..., H, W, c)."""
        prefix, patches = x[..., : self.prefix, :], x[..., self.prefix :, :]
        if self.unrolled:
            # (y1 x1 y2 x2 ... row column) -> (row ... y2 y1  column ... x2 x1), in front of c
            patches = patches.unflatten(-2, self._levels)
            first = patches.ndim - 1 - len(self._levels)
            rows, columns = self._axes
            lead, order = range(first), [first + axis for axis in rows + columns]
            patches = patches.permute(*lead, *order, patches.ndim - 1).flatten(first, -2)
        return prefix, patches.unflatten(-2, (self.height, self.width))

    def join(
        self, prefix: Float[Tensor, "*lead P c"], patches: Float[Tensor, "*lead H W c"]
    ) -> Float[Tensor, "*lead N c"]:
        """The inverse of `split`."""
        patches = patches.flatten(-3, -2)
        if self.unrolled:
            rows, columns = self._axes
            patches = patches.unflatten(-2, [self._levels[axis] for axis in rows + columns])
            first = patches.ndim - 1 - len(self._levels)
            back = [first + (rows + columns).index(axis) for axis in range(len(self._levels))]
            patches = patches.permute(*range(first), *back, patches.ndim - 1).flatten(first, -2)
        return torch.cat([prefix, patches], dim=-2)

    def cells(self, side: int) -> Float[Tensor, "cells HW"]:
        """The matrix that averages patches, row by row, into side x side cells."""
        return torch.kron(pooling(self.height, side), pooling(self.width, side))

    @property
    def _levels(self) -> tuple[int, ...]:
        """Sizes of the unrolled axes: 2 and 2 a level, then the cells' rows and columns."""
        cell = 2**self.unrolled
        return (2, 2) * self.unrolled + (self.height // cell, self.width // cell)

    @property
    def _axes(self) -> tuple[list[int], list[int]]:
        """Which of them make up the rows and the columns, the coarsest first."""
        last = 2 * self.unrolled
        return list(range(last, -1, -2)), list(range(last + 1, 0, -2))


def pooling(length: int, cells: int) -> Float[Tensor, "cells length"]:
    """The matrix that averages ``length`` places into ``cells`` that overlap as little as they can.

    Cell i covers floor(i length / cells) to ceil((i + 1) length / cells), as in torch's adaptive
    average pooling; a matrix, because the pooling operator neither exports nor compiles everywhere.
    """
    matrix = torch.zeros(cells, length)
    for i in range(cells):
        start, end = i * length // cells, -(-(i + 1) * length // cells)
        matrix[i, start:end] = 1 / (end - start)
    return matrix
