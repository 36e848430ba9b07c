"""A frozen image model, opened: frames to tokens, blocks, final norm, the model's own pooling."""

import hashlib
from typing import NamedTuple

import torch
from jaxtyping import Float
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from stillmotion.backbones.eva import OpenEvaBlock
from stillmotion.backbones.open_block import Frozen, OpenBlock
from stillmotion.backbones.vit import OpenViTBlock
from stillmotion.errors import BackboneError
from stillmotion.shapes import NormalisedClip, Tokens


class TokenGrid(NamedTuple):
    """How a frame's tokens lie: P prefix tokens (class, registers), then H x W patches."""

    prefix: int
    height: int
    width: int

    @property
    def num_tokens(self) -> int:
        """N = P + H W."""
        return self.prefix + self.height * self.width

    def split(
        self, x: Float[Tensor, "*lead N c"]
    ) -> tuple[Float[Tensor, "*lead P c"], Float[Tensor, "*lead H W c"]]:
        """(..., N, c) -> prefix (..., P, c), patches (..., H, W, c)."""
        prefix, patches = x[..., : self.prefix, :], x[..., self.prefix :, :]
        return prefix, patches.unflatten(-2, (self.height, self.width))

    def join(
        self, prefix: Float[Tensor, "*lead P c"], patches: Float[Tensor, "*lead H W c"]
    ) -> Float[Tensor, "*lead N c"]:
        """The inverse of `split`."""
        return torch.cat([prefix, patches.flatten(-3, -2)], dim=-2)


class OpenBackbone(Frozen):
    """What a video method works with. Built by `open_backbone`; everything in it is frozen.

    Attributes:
        name: timm's name, from which the image model can be built again; None for a foreign module.
        weights: where they came from: ``pretrained``, ``none``, or a path; None for a module.
        sha256: of the weights before opening, see `weights_hash`.
        blocks: handed out to the video blocks that are built around them.
        grid: how the tokens of one frame lie.
        image_size: (height, width) of a frame, in pixels.
        mean, std: of the pixels in [0, 1] that the image model was trained with, R G B.
    """

    def __init__(
        self, model: VisionTransformer | Eva, *, name: str | None, weights: str | None
    ) -> None:
        super().__init__()
        self.name, self.weights = name, weights
        self.sha256 = weights_hash(model)
        height, width = model.patch_embed.grid_size
        refuse_cut_patches(model.patch_embed.img_size, model.patch_embed.patch_size)
        self.grid = TokenGrid(model.num_prefix_tokens, height, width)
        self.image_size: tuple[int, int] = tuple(model.patch_embed.img_size)
        self.dim: int = model.embed_dim
        self.pooled_dim: int = model.num_features
        config = getattr(model, "pretrained_cfg", None) or {}
        self.mean: tuple[float, ...] = tuple(config.get("mean", (0.485, 0.456, 0.406)))
        self.std: tuple[float, ...] = tuple(config.get("std", (0.229, 0.224, 0.225)))
        self.blocks = open_blocks(model)
        model.blocks = nn.ModuleList()
        self.model = model
        self.freeze()

    def embed(self, clip: NormalisedClip) -> Tokens:
        """(B, T, 3, height, width) -> tokens (B, T, N, C), as they enter the first block."""
        m = self.model
        x = m._pos_embed(m.patch_embed(clip.flatten(0, 1)))
        x = x[0] if isinstance(x, tuple) else x
        return m.norm_pre(x).unflatten(0, clip.shape[:2])

    def norm(self, x: Float[Tensor, "*lead N C"]) -> Float[Tensor, "*lead N C"]:
        """The final norm (the identity where the image model normalises after pooling)."""
        return self.model.norm(x)

    def pool(self, x: Tokens) -> Float[Tensor, "B T C"]:
        """The image model's own reading of each frame: class token, mean, or attention pooling."""
        pooled = self.model.forward_head(x.flatten(0, 1), pre_logits=True)
        return pooled.unflatten(0, x.shape[:2])

    @property
    def position(self) -> Float[Tensor, "N C"] | None:
        """The learned absolute position of each token, zero for tokens that have none."""
        position = self.model.pos_embed
        if position is None:
            return None
        padding = self.grid.num_tokens - position.shape[1]
        return nn.functional.pad(position[0], (0, 0, padding, 0))


def open_backbone(
    model: nn.Module, *, name: str | None = None, weights: str | None = None
) -> OpenBackbone:
    """Open and freeze a timm image model. It belongs to the open backbone afterwards.

    Raises:
        BackboneError: where the model or one of its blocks cannot be opened, with the reason.
    """
    if type(model) not in (VisionTransformer, Eva):
        raise BackboneError(
            f"cannot open {name or 'this module'}: a {type(model).__name__} is none of timm's "
            "VisionTransformer (ViT, DeiT, CLIP, SigLIP, DINOv2, MAE) or Eva (EVA-02, DINOv3, PE)"
        )
    return OpenBackbone(model, name=name, weights=weights)


def refuse_cut_patches(image_size: tuple[int, int], patch_size: tuple[int, int]) -> None:
    """An image that is no whole number of patches would lose its edge unnoticed."""
    if any(pixels % patch for pixels, patch in zip(image_size, patch_size, strict=True)):
        nearest = round(image_size[0] / patch_size[0]) * patch_size[0]
        raise BackboneError(
            f"images of {image_size[0]} pixels cannot be cut into patches of {patch_size[0]}; "
            f"the nearest size that can is {nearest}"
        )


def open_blocks(model: VisionTransformer | Eva) -> nn.ModuleList:
    """Each block opened by its family's opener."""
    if getattr(model, "rope_mixed", False):
        raise BackboneError(
            "cannot open a model whose rotary embedding differs from block to block"
        )
    if len(model.blocks) == 0:
        raise BackboneError("this image model has no blocks: it belongs to a video model already")
    blocks: list[OpenBlock] = []
    rope = rotary_embedding(model)
    for number, block in enumerate(model.blocks):
        opener = OpenEvaBlock if isinstance(model, Eva) else OpenViTBlock
        if (reason := opener.refusal(block)) is not None:
            raise BackboneError(f"cannot open block {number}: {reason} is not supported")
        blocks.append(opener(block, rope))
    return nn.ModuleList(blocks)


def rotary_embedding(model: VisionTransformer | Eva) -> Float[Tensor, "*any HW e"] | None:
    """The rotary embedding of the model's patch grid, as its blocks receive it."""
    rope = getattr(model, "rope", None)
    return None if rope is None else rope.eval().get_embed(shape=model.patch_embed.grid_size)


def weights_hash(model: nn.Module) -> str | None:
    """SHA-256 over the sorted names, types, shapes and bytes of an image model without its head.

    Position embeddings are left out: resampled to another image size they differ in the last bit
    from one processor to the next. None for a model on the meta device, which has no weights.
    """
    if any(tensor.is_meta for tensor in model.state_dict().values()):
        return None
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if not name.startswith(("head", "pos_embed")):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            flat = tensor.detach().cpu().contiguous().flatten()
            digest.update(memoryview(flat.view(torch.uint8).numpy()) if flat.numel() else b"")
    return digest.hexdigest()
