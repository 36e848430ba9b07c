"""A transformer encoder whose attention costs O(N): AM Flow's aligning encoder is one.

Source: Katharopoulos et al., "Transformers are RNNs" (arXiv 2006.16236), equations 4 to 7, with the
feature map elu(x) + 1. Post-norm, ReLU, as in the encoder layer of Vaswani et al.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.nn.attention import merge_heads, split_heads


def linear_attention(
    q: Float[Tensor, "*lead h N d"],
    k: Float[Tensor, "*lead h N d"],
    v: Float[Tensor, "*lead h N d"],
) -> Float[Tensor, "*lead h N d"]:
    """phi(q) (phi(k)^T v) / (phi(q) sum phi(k)), with phi = elu + 1.

    phi rounds to zero below -17 (in bfloat16 below -6): as in the authors' code, 1e-6 in the
    denominator keeps a token without any weight from becoming 0 / 0.
    """
    # Contiguous: of a transposed view torch traces a backward that it then refuses to run.
    q, k = F.elu(q.contiguous()) + 1, F.elu(k.contiguous()) + 1
    summary = k.transpose(-2, -1) @ v
    weight = q @ k.sum(dim=-2, keepdim=True).transpose(-2, -1)
    return (q @ summary) / (weight + 1e-6)


class LinearEncoderLayer(nn.Module):
    """Self-attention and MLP over N tokens, (..., N, C) -> (..., N, C)."""

    def __init__(self, dim: int, num_heads: int, hidden: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, dim))

    def forward(self, x: Float[Tensor, "*lead N C"]) -> Float[Tensor, "*lead N C"]:
        q, k, v = (split_heads(t, self.num_heads) for t in self.qkv(x).chunk(3, dim=-1))
        x = self.norm1(x + self.out(merge_heads(linear_attention(q, k, v))))
        return self.norm2(x + self.mlp(x))


def divisor_at_most(width: int, heads: int) -> int:
    """The largest number of heads, at most ``heads``, that divides ``width``."""
    return next(h for h in range(min(heads, width), 0, -1) if width % h == 0)
