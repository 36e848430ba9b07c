"""The frozen image transformer under the reference methods, in the plainest torch.

Tokens keep batch and time apart, (B, T, N, D), the class token first where there is one. The blocks
of OpenAI's CLIP, of timm's ViT and of AdaptFormer differ only in names, the epsilon of their norms
and the activation of their MLP; `blocks` reads all three.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

State = dict[str, Tensor]

BLOCK_NAMES = {
    "ln_1.": "norm1.",
    "attn.in_proj_": "attn.qkv.",
    "attn.out_proj.": "attn.proj.",
    "ln_2.": "norm2.",
    "mlp.c_fc.": "fc1.",
    "mlp.c_proj.": "fc2.",
    "mlp.fc1.": "fc1.",
    "mlp.fc2.": "fc2.",
}
"""What CLIP, and then timm, call the parts of a block, and what AdaptFormer and we call them."""


def part(state: State, prefix: str) -> State:
    """What a state holds under a prefix, without it."""
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}


def linear(x: Tensor, state: State, name: str) -> Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def layer_norm(x: Tensor, state: State, name: str, *, eps: float) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    spread = (centred.square().mean(-1, keepdim=True) + eps).sqrt()
    return centred / spread * state[f"{name}.weight"] + state[f"{name}.bias"]


def softmax_attention(q: Tensor, k: Tensor, v: Tensor, *, num_heads: int) -> Tensor:
    """Multi-head attention of sequences (..., N, D), before the output projection."""
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(-3, -2) for x in (q, k, v))
    attention = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)  # (..., h, N, N)
    return (attention @ v).transpose(-3, -2).flatten(-2)


def unchanged(x: Tensor) -> Tensor:
    return x


@dataclass(frozen=True)
class Block:
    """A pre-norm block, part by part; its adapters' tensors lie in the same state."""

    state: State
    num_heads: int
    is_clip: bool

    def linear(self, x: Tensor, name: str) -> Tensor:
        return linear(x, self.state, name)

    def has(self, name: str) -> bool:
        return any(key.startswith(f"{name}.") for key in self.state)

    def norm(self, x: Tensor, name: str) -> Tensor:
        return layer_norm(x, self.state, name, eps=1e-5 if self.is_clip else 1e-6)

    def attention(self, x: Tensor, *, move: Callable[[Tensor], Tensor] = unchanged) -> Tensor:
        """Self-attention of the sequences x (..., N, D); `move` changes the keys and the values."""
        q, k, v = self.linear(x, "attn.qkv").chunk(3, dim=-1)
        mixed = softmax_attention(q, move(k), move(v), num_heads=self.num_heads)
        return self.linear(mixed, "attn.proj")

    def mlp(self, x: Tensor) -> Tensor:
        hidden = self.linear(x, "fc1")
        gelu = hidden * torch.sigmoid(1.702 * hidden) if self.is_clip else F.gelu(hidden)
        return self.linear(gelu, "fc2")


def blocks(state: State, *, num_heads: int) -> list[Block]:
    """The blocks of a CLIP image tower or of a ViT, in order."""
    is_clip = "transformer.resblocks.0.ln_1.weight" in state
    prefix = "transformer.resblocks." if is_clip else "blocks."
    depth = len({key.split(".")[0] for key in part(state, prefix)})
    states = (in_one_dialect(part(state, f"{prefix}{layer}.")) for layer in range(depth))
    return [Block(block, num_heads, is_clip) for block in states]


def in_one_dialect(block: State) -> State:
    """A block's state, also under `norm1 attn.qkv attn.proj norm2 fc1 fc2`."""
    renamed = dict(block)
    for theirs, ours in BLOCK_NAMES.items():
        renamed |= {ours + rest: value for rest, value in part(block, theirs).items()}
    if "attn.q_proj.weight" in block:
        renamed |= packed(part(block, "attn."))
    return renamed


def packed(attention: State) -> State:
    """AdaptFormer's three projections as one; its video model has no bias for the keys."""
    weights = [attention[f"{x}_proj.weight"] for x in "qkv"]
    if "q_bias" in attention:
        q, v = attention["q_bias"], attention["v_bias"]
        biases = [q, torch.zeros_like(q), v]
    else:
        biases = [attention[f"{x}_proj.bias"] for x in "qkv"]
    return {"attn.qkv.weight": torch.cat(weights), "attn.qkv.bias": torch.cat(biases)}


def patches(clip: Tensor, state: State, name: str) -> Tensor:
    """Every frame of a clip (B, C, T, H, W) cut into patch tokens (B, T, N, D)."""
    weight, bias = state[f"{name}.weight"], state.get(f"{name}.bias")
    frames = clip.transpose(1, 2)
    x = F.conv2d(frames.flatten(0, 1), weight, bias, stride=weight.shape[-2:])
    return x.flatten(2).mT.unflatten(0, frames.shape[:2])


def tokens(clip: Tensor, state: State) -> Tensor:
    """Class token and patches of every frame, before positions: (B, T, N, D)."""
    is_clip = "conv1.weight" in state
    x = patches(clip, state, "conv1" if is_clip else "patch_embed.proj")
    first = state["class_embedding" if is_clip else "cls_token"].reshape(1, 1, 1, -1)
    return torch.cat([first.expand(*x.shape[:2], 1, -1), x], dim=2)


def sine_and_cosine(position: Tensor, *, width: int) -> Tensor:
    """sin and cos of position / 10000^(2i/D), interleaved: (N,) -> (N, D).

    Computed in the dtype of `position` and stored in float32, as the authors do: DualPath's angles
    are float32, those of AdaptFormer float64.
    """
    frequency = 1 / 10000 ** (torch.arange(0, width, 2, dtype=position.dtype) / width)
    angle = position[:, None] * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2).float()
