"""Which class was taken for which, of any number of classes: only what occurs is held."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Confusion:
    """Counts of videos.

    Attributes:
        pairs: truth and answer, by truth and then by answer; only pairs that occur.
        counts: videos of each pair.
        num_classes: K.
    """

    pairs: Int[Tensor, "m 2"]
    counts: Int[Tensor, " m"]
    num_classes: int

    @cached_property
    def support(self) -> Int[Tensor, " K"]:
        """Videos of each class."""
        return self._sum(self.pairs[:, 0], self.counts)

    @cached_property
    def answered(self) -> Int[Tensor, " K"]:
        """How often each class was the answer."""
        return self._sum(self.pairs[:, 1], self.counts)

    @cached_property
    def right(self) -> Int[Tensor, " K"]:
        """How often it was the answer, and right."""
        same = self.pairs[:, 0] == self.pairs[:, 1]
        return self._sum(self.pairs[same, 0], self.counts[same])

    @property
    def recall(self) -> Float[Tensor, " K"]:
        """The fraction of a class's videos that was recognised; NaN without videos."""
        return self.right / self.support

    @property
    def precision(self) -> Float[Tensor, " K"]:
        """The fraction of a class's answers that was right; NaN where it was never the answer."""
        return self.right / self.answered

    @property
    def f1(self) -> Float[Tensor, " K"]:
        """The harmonic mean of both; NaN where a class neither occurs nor is answered."""
        return 2 * self.right / (self.support + self.answered)

    @property
    def mean_class(self) -> float:
        """The mean recall of the classes that have videos."""
        return float(self.recall.nanmean())

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the classes that occur or are answered, as in scikit-learn."""
        return float(self.f1.nanmean())

    @property
    def mistakes(self) -> list[tuple[int, int, int]]:
        """Truth, answer and videos of each confused pair, the most frequent first."""
        wrong = self.pairs[:, 0] != self.pairs[:, 1]
        pairs, counts = self.pairs[wrong], self.counts[wrong]
        order = counts.argsort(descending=True, stable=True)
        rows = torch.cat([pairs, counts[:, None]], dim=1)[order].tolist()
        return [(truth, said, n) for truth, said, n in rows]

    @property
    def sparse(self) -> list[list[int]]:
        """Truth, answer and videos of every pair that occurs, right ones too."""
        return torch.cat([self.pairs, self.counts[:, None]], dim=1).tolist()

    @property
    def dense(self) -> list[list[int]]:
        """All K x K counts; rows are the truth. For few classes."""
        matrix = torch.zeros(self.num_classes, self.num_classes, dtype=torch.long)
        matrix[self.pairs[:, 0], self.pairs[:, 1]] = self.counts
        return matrix.tolist()

    def _sum(self, index: Tensor, counts: Tensor) -> Tensor:
        zeros = torch.zeros(self.num_classes, dtype=torch.long)
        return zeros.index_add(0, index, counts)


def count_confusion(
    labels: Int[Tensor, " n"], answers: Int[Tensor, " n"], *, num_classes: int
) -> Confusion:
    """Counts of (truth, answer)."""
    both = torch.stack([labels, answers], dim=1)
    pairs, counts = both.unique(dim=0, return_counts=True)
    return Confusion(pairs, counts, num_classes)
