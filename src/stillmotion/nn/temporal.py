"""Temporal processing modules: series of T vectors in, series of T vectors out.

Each maps (S, T, in) -> (S, T, out) for S series and any T up to the number it was built for. Built
causal, the output at frame t depends on frames 0 .. t only, and `step` gives it for any number of
frames at a time.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.nn.past import Average, Past, joined
from stillmotion.nn.sums import accumulator

Centre = Literal["none", "clip", "running"]
"""What is subtracted from a series: nothing, its mean, or the mean of what has been seen so far."""


class TCN(nn.Module):
    """Residual blocks of two dilated 1-D convolutions.

    Source: Bai et al., "An Empirical Evaluation of Generic Convolutional and Recurrent Networks"
    (arXiv 1803.01271), Figure 1. Departure: no weight normalisation.
    """

    def __init__(
        self, dim: int, *, kernel: int, dilations: tuple[int, ...], causal: bool, dropout: float
    ) -> None:
        super().__init__()
        self.dim = dim
        self.blocks = nn.ModuleList(
            TemporalBlock(dim, kernel=kernel, dilation=d, causal=causal, dropout=dropout)
            for d in dilations
        )

    def forward(self, x: Float[Tensor, "S T C"]) -> Float[Tensor, "S T C"]:
        return self.step(x, None)[0]

    def step(self, x: Float[Tensor, "S T C"], past: Past) -> tuple[Float[Tensor, "S T C"], Past]:
        """Frames that follow others; each block remembers those within reach."""
        x, after = x.transpose(1, 2), []
        for block, before in zip(self.blocks, past or [None] * len(self.blocks), strict=True):
            x, seen = block.step(x, before)  # type: ignore[operator]
            after.append(seen)
        return x.transpose(1, 2), after


class TemporalBlock(nn.Module):
    """relu(x + conv(conv(x))) with activation and dropout after each convolution, (S, C, T).

    Before a clip there are zeros: a frame that follows others has them in the zeros' place.
    """

    def __init__(
        self, dim: int, *, kernel: int, dilation: int, causal: bool, dropout: float
    ) -> None:
        super().__init__()
        self.first = nn.Conv1d(dim, dim, kernel, dilation=dilation)
        self.second = nn.Conv1d(dim, dim, kernel, dilation=dilation)
        self.dropout = nn.Dropout(dropout)
        reach = (kernel - 1) * dilation
        self.padding = (reach, 0) if causal else (reach // 2, reach - reach // 2)

    def forward(self, x: Float[Tensor, "S C T"]) -> Float[Tensor, "S C T"]:
        return self.step(x, None)[0]

    def step(self, x: Float[Tensor, "S C T"], past: Past) -> tuple[Float[Tensor, "S C T"], Past]:
        """Frames that follow others; (kernel - 1) dilation inputs of each layer stay."""
        first, second = past or (None, None)
        y, first = self.convolve(self.first, x, first)
        y, second = self.convolve(self.second, y, second)
        return (x + y).relu(), (first, second)

    def convolve(
        self, convolution: nn.Conv1d, x: Float[Tensor, "S C T"], before: Tensor | None
    ) -> tuple[Float[Tensor, "S C T"], Float[Tensor, "S C reach"]]:
        """One layer, and the last of what it saw."""
        seen = F.pad(x, self.padding) if before is None else torch.cat([before, x], dim=-1)
        alone = before is not None and x.shape[-1] == 1
        y = at_one_place(convolution, seen) if alone else convolution(seen)
        return self.dropout(y.relu()), seen[..., x.shape[-1] :]


def at_one_place(
    convolution: nn.Conv1d, seen: Float[Tensor, "S C span"]
) -> Float[Tensor, "S out 1"]:
    """A convolution of as many frames as it spans: a linear map of those that it touches.

    PyTorch's dilated convolution takes some ten times as long for it on a CPU.
    """
    touched = seen[..., :: convolution.dilation[0]].flatten(1)
    return F.linear(touched, convolution.weight.flatten(1), convolution.bias)[..., None]


class TemporalTransformer(nn.Module):
    """A linear map, a learned position for each frame, encoder layers."""

    def __init__(
        self,
        dim: int,
        *,
        num_frames: int,
        num_heads: int,
        hidden: int,
        layers: int,
        causal: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.dim, self.causal = dim, causal
        self.embed = nn.Linear(dim, dim)
        self.position = nn.Parameter(0.02 * torch.randn(num_frames, dim))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(dim, num_heads, hidden, dropout, batch_first=True)
            for _ in range(layers)
        )

    def forward(self, x: Float[Tensor, "S T C"]) -> Float[Tensor, "S T C"]:
        frames = x.shape[1]
        x = self.embed(x) + self.position[:frames]
        future = None
        if self.causal:
            future = torch.ones(frames, frames, dtype=torch.bool, device=x.device).triu(1)
        for layer in self.layers:
            x = layer(x, src_mask=future)
        return x

    def step(self, x: Float[Tensor, "S T C"], past: Past) -> tuple[Float[Tensor, "S T C"], Past]:
        """Frames that follow others; the inputs of the last ``num_frames`` frames are kept.

        There are positions for so many frames only: a later frame is the last of a clip of the last
        ``num_frames`` frames.
        """
        seen, longest = joined(past, x), len(self.position)
        known, stop = seen.shape[1] - x.shape[1], seen.shape[1]
        within = [self(seen[:, :longest])[:, known:]] if known < longest else []
        later = range(max(known, longest) + 1, stop + 1)
        beyond = [self(seen[:, end - longest : end])[:, -1:] for end in later]
        return torch.cat(within + beyond, dim=1), seen[:, -longest:]


class TemporalLSTM(nn.Module):
    """A stack of LSTM layers; causal by nature."""

    def __init__(self, dim: int, *, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.dim = hidden
        self.lstm = nn.LSTM(
            dim, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0
        )

    def forward(self, x: Float[Tensor, "S T C"]) -> Float[Tensor, "S T D"]:
        return self.step(x, None)[0]

    def step(self, x: Float[Tensor, "S T C"], past: Past) -> tuple[Float[Tensor, "S T D"], Past]:
        """Frames that follow others; the state of each layer is kept."""
        return self.lstm(x, past)


class Centring(nn.Module):
    """Subtract a mean over time, then LayerNorm: what moves stays, what stands goes. (S, T, C)."""

    def __init__(self, dim: int, centre: Centre) -> None:
        super().__init__()
        self.centre = centre
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Float[Tensor, "S T C"]) -> Float[Tensor, "S T C"]:
        return self.step(x, None)[0]

    def step(
        self, x: Float[Tensor, "S T C"], past: Average | None
    ) -> tuple[Float[Tensor, "S T C"], Average]:
        """Frames that follow others; the mean so far is kept."""
        mean = self.mean(x, past)
        num_frames = x.shape[1] + (0 if past is None else past.num_frames)
        return self.norm((x - mean).to(x.dtype)), Average(mean[:, -1:], num_frames)

    def mean(
        self, x: Float[Tensor, "S T C"], past: Average | None = None
    ) -> Float[Tensor, "S t C"]:
        """Over the clip (t = 1), or over the frames up to each (t = T); as `accumulator`."""
        if self.centre == "clip":
            return x.mean(dim=1, keepdim=True, dtype=accumulator(x))
        seen = torch.arange(1, x.shape[1] + 1, device=x.device, dtype=accumulator(x))[:, None]
        total = x.cumsum(dim=1, dtype=accumulator(x))
        if past is None:
            return total / seen
        return (past.mean * past.num_frames + total) / (past.num_frames + seen)


class Uncentred(nn.Identity):
    """In the place of a `Centring` that is left out."""

    def step(self, x: Float[Tensor, "S T C"], past: Past) -> tuple[Float[Tensor, "S T C"], Past]:
        """Every frame as it is."""
        return x, None
