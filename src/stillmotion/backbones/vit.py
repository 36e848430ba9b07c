"""timm's ``VisionTransformer`` blocks: ViT, DeiT, CLIP, SigLIP, DINOv2, MAE."""

from timm.models.vision_transformer import Attention, Block
from torch import Tensor, nn

from stillmotion.backbones.open_block import OpenBlock
from stillmotion.nn.attention import merge_heads, split_heads
from stillmotion.shapes import Heads


class OpenViTBlock(OpenBlock):
    """The reference family. Drop path is dead in a frozen block and left out."""

    block: Block

    @staticmethod
    def refusal(block: nn.Module) -> str | None:
        """Why this block cannot be opened; None where it can."""
        if type(block) is not Block or type(block.attn) is not Attention:
            return f"{type(block).__name__} with {type(getattr(block, 'attn', None)).__name__}"
        return "gated attention" if getattr(block.attn, "gate", None) is not None else None

    def project(self, x: Tensor) -> tuple[Heads, Heads, Heads]:
        attn = self.block.attn
        q, k, v = (split_heads(t, attn.num_heads) for t in attn.qkv(x).chunk(3, dim=-1))
        return attn.q_norm(q), attn.k_norm(k), v

    def out(self, heads: Heads) -> Tensor:
        attn = self.block.attn
        return self.block.ls1(attn.proj(attn.norm(merge_heads(heads))))
