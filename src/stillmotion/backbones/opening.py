"""The way from a timm module to an open backbone."""

from timm.models.eva import Eva
from timm.models.hiera import Hiera
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from stillmotion.backbones.hiera import HieraBackbone
from stillmotion.backbones.open_backbone import OpenBackbone
from stillmotion.backbones.plain import PlainBackbone
from stillmotion.errors import BackboneError

OPENERS: dict[type, type[PlainBackbone] | type[HieraBackbone]] = {
    VisionTransformer: PlainBackbone,
    Eva: PlainBackbone,
    Hiera: HieraBackbone,
}
"""Who opens which of timm's classes."""


def open_backbone(
    model: nn.Module, *, name: str | None = None, weights: str | None = None
) -> OpenBackbone:
    """Open and freeze a timm image model. It belongs to the open backbone afterwards.

    Raises:
        BackboneError: where the model or one of its blocks cannot be opened, with the reason.
    """
    if type(model) not in OPENERS:
        raise BackboneError(
            f"cannot open {name or 'this module'}: a {type(model).__name__} is none of timm's "
            "VisionTransformer (ViT, DeiT, CLIP, SigLIP, DINOv2, MAE), Eva (EVA-02, DINOv3, PE) "
            "or Hiera"
        )
    if len(model.blocks) == 0:  # type: ignore[arg-type]
        raise BackboneError("this image model has no blocks: it belongs to a video model already")
    return OPENERS[type(model)](model, name=name, weights=weights)
