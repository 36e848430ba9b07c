"""timm's ``VisionTransformer`` and ``Eva``: as many tokens, of one width, in every block."""

import torch
from jaxtyping import Float
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from stillmotion.backbones.eva import OpenEvaBlock
from stillmotion.backbones.grid import TokenGrid
from stillmotion.backbones.open_backbone import OpenBackbone
from stillmotion.backbones.open_block import OpenBlock
from stillmotion.backbones.vit import OpenViTBlock
from stillmotion.errors import BackboneError
from stillmotion.shapes import NormalisedClip, Tokens


class PlainBackbone(OpenBackbone):
    """A vision transformer without stages."""

    model: VisionTransformer | Eva

    def __init__(
        self, model: VisionTransformer | Eva, *, name: str | None, weights: str | None
    ) -> None:
        if not model.global_pool:
            raise BackboneError("cannot open a model that does not pool its tokens (global_pool)")
        image_size = tuple(model.patch_embed.img_size)
        refuse_cut_patches(image_size, model.patch_embed.patch_size)
        grid = TokenGrid(model.num_prefix_tokens, *model.patch_embed.grid_size)
        super().__init__(
            model,
            name=name,
            weights=weights,
            image_size=image_size,
            grid=grid,
            blocks=open_blocks(model, grid),
        )
        self.dim: int = model.embed_dim
        self.reads_patches = model.attn_pool is not None or model.global_pool != "token"

    def tokens(self, clip: NormalisedClip) -> Float[Tensor, "B steps N C"]:
        m, frames = self.model, self.frames(clip)
        patches = m.patch_embed(frames.flatten(0, 1))
        patches = patches.reshape(patches.shape[0], -1, self.dim)  # of a dynamic size: (H, W) apart
        learned = (t for t in (m.cls_token, m.reg_token) if t is not None)
        prefix = [token.expand(patches.shape[0], -1, -1) for token in learned]
        return torch.cat([*prefix, patches], dim=1).unflatten(0, frames.shape[:2])

    @property
    def position(self) -> Float[Tensor, "N C"] | None:
        position = self.model.pos_embed
        if position is None:
            return None
        padding = self.grid.num_tokens - position.shape[1]
        return nn.functional.pad(position[0], (0, 0, padding, 0))

    def enter(self, x: Tokens) -> Tokens:
        return self.model.norm_pre(x)

    def norm(self, x: Float[Tensor, "*lead N C"]) -> Float[Tensor, "*lead N C"]:
        return self.model.norm(x)

    @property
    def final_norm(self) -> nn.Module:
        m = self.model
        return m.fc_norm if isinstance(m.norm, nn.Identity) else m.norm

    @property
    def embeddings(self) -> list[nn.Parameter]:
        both = (self.model.cls_token, self.model.pos_embed)
        return [embedding for embedding in both if embedding is not None]


def refuse_cut_patches(image_size: tuple[int, int], patch_size: tuple[int, int]) -> None:
    """An image that is no whole number of patches would lose its edge unnoticed."""
    if any(pixels % patch for pixels, patch in zip(image_size, patch_size, strict=True)):
        nearest = round(image_size[0] / patch_size[0]) * patch_size[0]
        raise BackboneError(
            f"images of {image_size[0]} pixels cannot be cut into patches of {patch_size[0]}; "
            f"the nearest size that can is {nearest}"
        )


def open_blocks(model: VisionTransformer | Eva, grid: TokenGrid) -> list[OpenBlock]:
    """Each block opened by its family's opener."""
    if getattr(model, "rope_mixed", False):
        raise BackboneError(
            "cannot open a model whose rotary embedding differs from block to block"
        )
    is_eva, rope = isinstance(model, Eva), rotary_embedding(model)
    blocks: list[OpenBlock] = []
    for number, block in enumerate(model.blocks):
        reason = OpenEvaBlock.refusal(block) if is_eva else OpenViTBlock.refusal(block)
        if reason is not None:
            raise BackboneError(f"cannot open block {number}: {reason} is not supported")
        blocks.append(OpenEvaBlock(block, grid, rope) if is_eva else OpenViTBlock(block, grid))
    return blocks


def rotary_embedding(model: VisionTransformer | Eva) -> Float[Tensor, "*any HW e"] | None:
    """The rotary embedding of the model's patch grid, as its blocks receive it."""
    rope = getattr(model, "rope", None)
    return None if rope is None else rope.eval().get_embed(shape=model.patch_embed.grid_size)
