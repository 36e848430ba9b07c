"""Temporal processing modules: series of T vectors in, series of T vectors out.

Each maps (S, T, in) -> (S, T, out) for S series and any T up to the number it was built for. Built
causal, the output at frame t depends on frames 0 .. t only.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

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
        x = x.transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        return x.transpose(1, 2)


class TemporalBlock(nn.Module):
    """relu(x + conv(conv(x))) with activation and dropout after each convolution, (S, C, T)."""

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
        y = self.dropout(self.first(F.pad(x, self.padding)).relu())
        y = self.dropout(self.second(F.pad(y, self.padding)).relu())
        return (x + y).relu()


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


class TemporalLSTM(nn.Module):
    """A stack of LSTM layers; causal by nature."""

    def __init__(self, dim: int, *, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.dim = hidden
        self.lstm = nn.LSTM(
            dim, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0
        )

    def forward(self, x: Float[Tensor, "S T C"]) -> Float[Tensor, "S T D"]:
        return self.lstm(x)[0]


class Centring(nn.Module):
    """Subtract a mean over time, then LayerNorm: what moves stays, what stands goes. (S, T, C)."""

    def __init__(self, dim: int, centre: Centre) -> None:
        super().__init__()
        self.centre = centre
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Float[Tensor, "S T C"]) -> Float[Tensor, "S T C"]:
        return self.norm(x - self.mean(x))

    def mean(self, x: Float[Tensor, "S T C"]) -> Float[Tensor, "S t C"]:
        """Over the clip (t = 1), or over the frames up to each (t = T)."""
        if self.centre == "clip":
            return x.mean(dim=1, keepdim=True)
        seen = torch.arange(1, x.shape[1] + 1, device=x.device, dtype=x.dtype)
        return x.cumsum(dim=1) / seen[:, None]
