"""timm's ``Eva`` blocks: EVA-02, DINOv3, Perception Encoder. Rotary positions are spatial."""

import torch
from jaxtyping import Float
from timm.layers import apply_rot_embed_cat
from timm.models.eva import AttentionRope, EvaAttention, EvaBlock
from torch import Tensor, nn

from stillmotion.backbones.grid import TokenGrid
from stillmotion.backbones.open_block import LINEAR_NAMES, OpenBlock, Role
from stillmotion.nn.attention import merge_heads, split_heads
from stillmotion.shapes import Heads


class OpenEvaBlock(OpenBlock):
    """The rotary embedding of the block's patch grid is a buffer of the open block.

    The image size is fixed when a backbone is opened and a frozen block is never in training mode,
    so the embedding is a constant: no method has to carry it through its forward.
    """

    block: EvaBlock
    rope: Float[Tensor, "*any HW e"] | None

    def __init__(
        self, block: EvaBlock, grid: TokenGrid, rope: Float[Tensor, "*any HW e"] | None
    ) -> None:
        attn = block.attn
        if getattr(attn, "q_bias", None) is not None:  # one bias on one Linear, like everyone else
            attn.qkv.bias = nn.Parameter(
                torch.cat((attn.q_bias, attn.k_bias, attn.v_bias)).detach()
            )
            attn.q_bias = attn.v_bias = None
        super().__init__(block, grid)
        self.register_buffer("rope", None if rope is None else rope.detach(), persistent=False)

    @staticmethod
    def refusal(block: nn.Module) -> str | None:
        """Why this block cannot be opened; None where it can."""
        attn = getattr(block, "attn", None)
        if type(block) is not EvaBlock or type(attn) not in (EvaAttention, AttentionRope):
            return f"{type(block).__name__} with {type(attn).__name__}"
        if getattr(attn, "gate", None) is not None:
            return "gated attention"
        if getattr(attn, "num_kv_heads", None) not in (None, getattr(attn, "num_heads", None)):
            return "grouped-query attention"
        return None

    def project(self, x: Tensor) -> tuple[Heads, Heads, Heads]:
        a = self.block.attn
        if a.qkv is not None:
            q, k, v = a.qkv(x).chunk(3, dim=-1)
        else:
            q, k, v = a.q_proj(x), a.k_proj(x), a.v_proj(x)
        q, k, v = (split_heads(t, a.num_heads) for t in (q, k, v))
        return a.q_norm(q), a.k_norm(k), v

    def rotate(self, q: Heads, k: Heads) -> tuple[Heads, Heads]:
        return self._rotate(q), self._rotate(k)

    def _rotate(self, x: Heads) -> Heads:
        if self.rope is None:
            return x
        a = self.block.attn
        prefix, patches = x[..., : a.num_prefix_tokens, :], x[..., a.num_prefix_tokens :, :]
        patches = apply_rot_embed_cat(patches, self.rope, half=getattr(a, "rotate_half", False))
        return torch.cat([prefix, patches.type_as(x)], dim=-2)

    def out(self, heads: Heads) -> Tensor:
        a, gamma = self.block.attn, self.block.gamma_1
        x = a.proj(a.norm(merge_heads(heads)))
        return x if gamma is None else gamma * x

    def mlp(self, x: Tensor) -> Tensor:
        x, gamma = self.block.mlp(x), self.block.gamma_2
        return x if gamma is None else gamma * x

    @property
    def linear_names(self) -> dict[Role, tuple[str, ...]]:
        together, gated = self.block.attn.qkv is not None, hasattr(self.block.mlp, "fc1_g")
        return {
            **LINEAR_NAMES,
            **({} if together else {"attn_in": ("attn.q_proj", "attn.k_proj", "attn.v_proj")}),
            **({"mlp_in": ("mlp.fc1_g", "mlp.fc1_x")} if gated else {}),
        }

    @property
    def layer_scales(self) -> dict[Role, nn.Parameter | None]:
        return {"attn_out": self.block.gamma_1, "mlp_out": self.block.gamma_2}
