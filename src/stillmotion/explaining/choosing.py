"""Which blocks' attention-map flow follows motion: what AM Flow's paper judged by eye (Figure 5).

Each block's heat on a clip is correlated with how much the pixels of each patch change, over all
patches of all frames that have a partner. Spearman's rank correlation: both are heavy-tailed, and
only their order is comparable.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from stillmotion.errors import DataError, some
from stillmotion.explaining.flow import flow_of_frames
from stillmotion.model import VideoClassifier
from stillmotion.visualise.clips import Clip
from stillmotion.visualise.flow import BlockFlow

LEAST_CHANGE = 1.0
"""Grey levels by which a clip's most changed patch has to change, to count as moving."""


@dataclass(frozen=True)
class BlockRanking:
    """How well the flow of each block follows motion.

    Attributes:
        blocks: their numbers, from 0, as `AMFlow.flow_blocks` counts.
        read: whether an adapter reads the flow of each; otherwise it is the frozen block's own.
        correlations: Spearman's, in [-1, 1]; a row a video, a column a block.
        still: videos in which nothing moves, left out.
    """

    blocks: tuple[int, ...]
    read: tuple[bool, ...]
    correlations: Float[np.ndarray, "videos blocks"]
    still: tuple[str, ...]

    @property
    def means(self) -> Float[np.ndarray, " blocks"]:
        """The mean over videos."""
        return self.correlations.mean(axis=0)

    @property
    def spreads(self) -> Float[np.ndarray, " blocks"] | None:
        """The standard deviation over videos; None of one video, which has none."""
        return deviations(self.correlations) if len(self.correlations) > 1 else None

    @property
    def proposal(self) -> tuple[int, ...]:
        """The best block, and those that cannot be told from it: whose mean shortfall is within its
        standard error over videos. Of one video, the best alone. None, where no mean is above 0."""
        best = int(self.means.argmax())
        if self.means[best] <= 0:
            return ()
        if len(self.correlations) == 1:
            return (self.blocks[best],)
        short = self.correlations[:, [best]] - self.correlations
        errors = deviations(short) / len(short) ** 0.5
        near = (short.mean(axis=0) <= errors) & (self.means > 0)
        return tuple(block for block, chosen in zip(self.blocks, near, strict=True) if chosen)


def rank_blocks(
    model: VideoClassifier,
    paths: Sequence[Path],
    *,
    read: Callable[[Path], Tensor],
    on_progress: Callable[[int, int], None] | None = None,
) -> BlockRanking:
    """Correlate the flow of each block with motion, over videos.

    Args:
        read: a video as one clip (T, 3, H, W) of the model's, uint8.
        on_progress: called with the number of videos that are done and in all.

    Raises:
        DataError: nothing moves in any of the videos.
        VideoError: a video cannot be read.
        ConfigurationError: the model's blocks show no flow of the clip's frames.
    """
    rows, still = [], []
    for number, path in enumerate(paths, start=1):
        clip = read(path)
        flows = flow_of_frames(model, clip)
        if moves(clip.numpy(), flows[0]):
            rows.append([motion_correlation(flow, clip.numpy()) for flow in flows])
        else:
            still.append(str(path))
        if on_progress is not None:
            on_progress(number, len(paths))
    if not rows:
        raise DataError(
            f"nothing moves in {some(still, show=1)}: blocks are chosen on videos with motion"
        )
    return BlockRanking(
        blocks=tuple(flow.block for flow in flows),
        read=tuple(flow.read for flow in flows),
        correlations=np.array(rows),
        still=tuple(still),
    )


def motion_correlation(flow: BlockFlow, clip: Clip) -> float:
    """Spearman's correlation of a block's heat with motion on one clip; 0 of a constant heat."""
    partnered = slice(None, -1) if flow.pairing == "next" else slice(1, None)
    heat = flow.flow[partnered].mean(axis=-1)
    return spearman(heat.ravel(), motion(clip, *heat.shape[1:]).ravel())


def motion(clip: Clip, rows: int, columns: int) -> Float[np.ndarray, "pairs rows columns"]:
    """By how many grey levels the pixels of each patch change from a frame to the next, on average.

    Args:
        rows: of patches; they divide the pixels, as do columns.
    """
    change = np.abs(np.diff(clip.astype(np.float32), axis=0)).mean(axis=1)
    pairs, height, width = change.shape
    cells = change.reshape(pairs, rows, height // rows, columns, width // columns)
    return cells.mean(axis=(2, 4))


def moves(clip: Clip, finest: BlockFlow) -> bool:
    """Whether any patch changes by more than compression leaves in a picture that stands still."""
    change = motion(clip, *finest.flow.shape[1:3])
    return bool(change.max(initial=0) >= LEAST_CHANGE)


def spearman(first: Float[np.ndarray, " n"], second: Float[np.ndarray, " n"]) -> float:
    """The correlation of ranks; 0 where one of them is constant."""
    ranks = np.stack([mean_ranks(first), mean_ranks(second)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    scale = np.sqrt((ranks**2).sum(axis=1).prod())
    return float(ranks.prod(axis=0).sum() / scale) if scale else 0.0


def mean_ranks(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """From 1; those of equal values are averaged."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[places]


def deviations(rows: Float[np.ndarray, "n columns"]) -> Float[np.ndarray, " columns"]:
    """Of each column of n > 1 rows, with n - 1 in the denominator."""
    return rows.std(axis=0, ddof=1)
