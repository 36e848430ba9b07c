"""A temporal processing unit without its last layer: embeddings in, one vector a clip out."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.backbones import TokenGrid
from stillmotion.errors import ConfigurationError
from stillmotion.nn.past import Past, average
from stillmotion.nn.temporal import Centring, Uncentred
from stillmotion.shapes import Tokens

Series = Float[Tensor, "B T M D"]
"""M series of D numbers a frame."""


class Reader(nn.Module, ABC):
    """(B, T, N, r) -> (B, T, M, D): the M series that a temporal module follows; dim is D."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    @abstractmethod
    def forward(self, e: Tokens) -> Series:
        """What is read of each frame."""


class AllTokens(Reader):
    """Each token's own series, as the paper's FLOPs suggest: M = N."""

    def __init__(self, dim: int, grid: TokenGrid) -> None:
        super().__init__(dim)

    def forward(self, e: Tokens) -> Series:
        return e


class MeanToken(Reader):
    """The mean of a frame's tokens: M = 1."""

    def __init__(self, dim: int, grid: TokenGrid) -> None:
        super().__init__(dim)

    def forward(self, e: Tokens) -> Series:
        return e.mean(dim=2, keepdim=True)


class ClassToken(Reader):
    """The class token: M = 1."""

    def __init__(self, dim: int, grid: TokenGrid) -> None:
        super().__init__(dim)
        if grid.prefix == 0:
            raise ConfigurationError(
                "tpm_tokens='cls': this image model has no class token; choose all, mean, grid or "
                "attention"
            )

    def forward(self, e: Tokens) -> Series:
        return e[:, :, :1]


class AttentionPool(Reader):
    """A mean weighted by a learned score of each token: M = 1."""

    def __init__(self, dim: int, grid: TokenGrid) -> None:
        super().__init__(dim)
        self.score = nn.Linear(dim, 1, bias=False)  # the softmax would cancel a bias

    def forward(self, e: Tokens) -> Series:
        return (self.score(e).softmax(dim=2) * e).sum(dim=2, keepdim=True)


class CoarseGrid(Reader):
    """Patches through few channels, pooled to g x g and flattened: where things happen is kept.

    M = 1 series of channels g g numbers.
    """

    cells: Float[Tensor, "gg HW"]

    def __init__(self, dim: int, grid: TokenGrid, *, cells: int, channels: int) -> None:
        super().__init__(channels * cells**2)
        self.grid = grid
        self.reduce = nn.Linear(dim, channels, bias=False)  # the projection that follows has one
        self.register_buffer("cells", grid.cells(cells), persistent=False)

    def forward(self, e: Tokens) -> Series:
        _, patches = self.grid.split(self.reduce(e))
        return (self.cells @ patches.flatten(2, 3)).flatten(2)[:, :, None]


class TemporalBranch(nn.Module):
    """Read tokens and project (`series`), centre, follow them over time, squeeze (`forward`).

    (B, T, N, r) -> (B, T, M, D) -> (B, C); C is dim.
    """

    def __init__(
        self, reader: Reader, project: nn.Module, centre: Centring | None, temporal: nn.Module
    ) -> None:
        super().__init__()
        self.reader, self.project, self.temporal = reader, project, temporal
        self.centre = centre or Uncentred()
        self.dim: int = temporal.dim  # type: ignore[assignment]

    def series(self, e: Tokens) -> Series:
        """What is followed, made of each frame for itself."""
        return self.project(self.reader(e))

    def forward(self, series: Series) -> Float[Tensor, "B C"]:
        x = series.transpose(1, 2)  # (B, M, T, D): M series a clip
        return squeezed(self.temporal(self.centre(x.flatten(0, 1))).mean(dim=1), x.shape[0])

    def step(self, series: Series, past: Past) -> tuple[Float[Tensor, "B C"], Past]:
        """Frames that follow others to one vector of all frames so far."""
        centring, seen, means = past or (None, None, None)
        x = series.transpose(1, 2)
        y, centring = self.centre.step(x.flatten(0, 1), centring)
        y, seen = self.temporal.step(y, seen)  # type: ignore[operator]
        mean, means = average(y, means)
        return squeezed(mean, x.shape[0]), (centring, seen, means)


def squeezed(means: Float[Tensor, "BM C"], num_clips: int) -> Float[Tensor, "B C"]:
    """Of the means over frames, the mean over the series of a clip."""
    return means.unflatten(0, (num_clips, -1)).mean(dim=1)
