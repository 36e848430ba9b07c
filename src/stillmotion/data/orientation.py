"""How a frame must be turned to stand upright: the display matrix that phones write."""

import struct
from dataclasses import dataclass

from jaxtyping import UInt8
from torch import Tensor


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to turn and mirror a picture: transpose first, then flip."""

    transposed: bool = False
    flipped_horizontally: bool = False
    flipped_vertically: bool = False

    def apply(
        self, frame: UInt8[Tensor, "3 height width"]
    ) -> UInt8[Tensor, "3 upright_height upright_width"]:
        """The frame as it should be seen (a view where possible)."""
        upright = frame.transpose(1, 2) if self.transposed else frame
        if self.flipped_vertically:
            upright = upright.flip(1)
        return upright.flip(2) if self.flipped_horizontally else upright

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after turning."""
        return (width, height) if self.transposed else (height, width)


def orientation_from_matrix(matrix: bytes) -> Orientation:
    """The orientation nearest to a display matrix.

    Args:
        matrix: 36 bytes, nine 32-bit integers (a b u, c d v, x y w) in the machine's order: the
            pixel at (p, q) is shown at (a p + c q + x, b p + d q + y). The layout is that of
            libavutil/display.h. Shears and angles between right ones are rounded to the nearest
            quarter turn; an empty matrix, which some writers leave, turns nothing.
    """
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(transposed=True, flipped_horizontally=c < 0, flipped_vertically=b < 0)
    return Orientation(flipped_horizontally=a < 0, flipped_vertically=d < 0)
