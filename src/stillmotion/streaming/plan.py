"""Which frames of a window must pass a block again when the window moves on. Arithmetic alone.

What a block makes of frame t depends on the frames from t - back to t + ahead: its reach. Behind
several blocks the reaches of their tokens add up, since these are passed on; what a block says
beside them may look further, for itself alone. What was computed in the old window is exact in the
new one where no end of either window is within that distance:

    new.start + back <= t            or both windows begin with the same frame
    t + ahead < old.stop

The frames before and after those are computed again, together with the frames that they look at.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stillmotion.shapes import Reach

WORTHWHILE = 0.75
"""Above this share of a window all of it passes: two pieces cost more than their frames alone."""


class Sight(NamedTuple):
    """How far a block looks."""

    reach: Reach
    """For all that it makes of a frame."""
    token_reach: Reach
    """For the tokens that it passes on: no further."""


class Piece(NamedTuple):
    """Frames that pass a block together, and those of which what it makes comes out right."""

    given: range
    wanted: range


class Work(NamedTuple):
    """What a block has to do: the frames that are kept, and the pieces before and after them."""

    kept: range
    """Of the old window; empty: all frames of the new one pass again."""
    pieces: tuple[Piece, Piece]

    @property
    def num_frames(self) -> int:
        """Frames that pass the block."""
        return sum(len(piece.given) for piece in self.pieces)


def plan(sights: Sequence[Sight], old: range, new: range) -> Iterator[Work]:
    """The work of each block, in their order.

    Args:
        sights: of each block; from one on that looks at the whole clip (None), nothing is kept.
        old: frames of the old window, counted from the first of the video; empty before it.
        new: frames of the new window: neither end lies before the old one's.
    """
    nothing = range(new.start, new.start)
    anew = Work(nothing, (Piece(nothing, nothing), Piece(new, new)))
    before_back, before_ahead, known = 0, 0, True
    for reach, token_reach in sights:
        known = known and None not in (reach, token_reach)
        back, ahead = reach or (0, 0)
        start = new.start + (before_back + back if new.start > old.start else 0)
        kept = range(start, old.stop - before_ahead - ahead)
        before, after = range(new.start, start), range(kept.stop, new.stop)
        work = Work(kept, (seen_by(before, back, ahead, new), seen_by(after, back, ahead, new)))
        yield work if known and kept and work.num_frames <= WORTHWHILE * len(new) else anew
        token_back, token_ahead = token_reach or (0, 0)
        before_back, before_ahead = before_back + token_back, before_ahead + token_ahead


def seen_by(wanted: range, back: int, ahead: int, window: range) -> Piece:
    """These frames of a window, and the others that one block looks at for them."""
    if not wanted:
        return Piece(wanted, wanted)
    start, stop = wanted.start - back, wanted.stop + ahead
    return Piece(range(max(start, window.start), min(stop, window.stop)), wanted)
