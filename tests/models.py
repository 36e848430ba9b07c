"""Tiny image models of every family, and video models built on them."""

import dataclasses
from contextlib import suppress
from inspect import signature
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
import timm
import torch
from timm.models.eva import Eva
from torch import nn

from stillmotion.errors import ConfigurationError
from stillmotion.methods import METHODS
from stillmotion.model import VideoClassifier, adapt

SIZE, FRAMES, CLASSES = 32, 4, 3
TINY = {
    "pretrained": False,
    "num_classes": 0,
    "patch_size": 8,
    "embed_dim": 48,
    "num_heads": 3,
    "depth": 4,
}

FAMILIES = {
    "vit": "vit_tiny_patch16_224",
    "mae": "vit_so400m_patch14_siglip_gap_224",  # no class token, mean of patches, norm after it
    "clip": "vit_base_patch16_clip_quickgelu_224",
    "dinov2": "vit_small_patch14_dinov2",
    "dinov2_reg": "vit_small_patch14_reg4_dinov2",
    "dinov2_swiglu": "vit_giant_patch14_dinov2",
    "siglip": "vit_base_patch16_siglip_224",  # attention pooling
    "deit3": "deit3_small_patch16_224",
    "eva02": "eva02_base_patch14_224",  # SwiGLU; q, k, v apart
    "eva02_tiny": "eva02_tiny_patch14_224",  # q, k, v together, biases apart
    "dinov3": "vit_small_patch16_dinov3",
    "dinov3_bias": "vit_small_patch16_dinov3_qkvb",
    "pe": "vit_pe_core_tiny_patch16_384",
    "vit_normed": "vit_tiny_patch16_224",  # the next two: norms of q and k, and of what attends
    "eva_normed": "eva02_base_patch14_224",
    "hiera": "hiera_tiny_224",
    "hiera_abswin": "hiera_small_abswin_256",  # positions of a window, repeated, and layer scale
}
NORMS = {
    "vit_normed": {"qk_norm": True, "scale_attn_norm": True, "scale_mlp_norm": True},
    "eva_normed": {"qk_norm": True, "scale_attn_inner": True, "scale_mlp": True},
}


HIERA = {
    "pretrained": False,
    "num_classes": 0,
    "embed_dim": 24,
    "num_heads": 1,
    "stages": (2, 2, 2),
    "q_pool": 2,
    "mask_unit_size": (4, 4),
    "mask_unit_attn": (True, True, False),
}
"""8 x 8 tokens in four windows, then 4 x 4 in four, then 2 x 2; widths 24, 48, 96."""


def settings_of(family: str) -> dict[str, object]:
    """What timm needs to build a tiny model of a family."""
    if family.startswith("hiera"):
        return HIERA | ({"global_pos_size": (4, 4)} if family == "hiera_abswin" else {})
    return TINY | NORMS.get(family, {})


def image_model(family: str = "vit", *, size: int | tuple[int, int] = SIZE, **changes) -> nn.Module:
    """An image model whose every bias, gain and layer scale matters; skips what timm lacks."""
    if family == "eva_normed" and "qk_norm" not in signature(Eva).parameters:
        pytest.skip("timm before 1.0.30 has no EVA with norms of q and k")
    torch.manual_seed(0)
    if family.startswith("hiera"):
        changes.pop("depth", None)  # its stages say
    settings = settings_of(family) | {"img_size": size} | changes
    model = timm.create_model(FAMILIES[family], **settings).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.uniform_(-0.5, 0.5)
    return model


def variants() -> dict[str, object]:
    """Every registered method with its defaults, and every preset of it."""
    found = {}
    for name, method in METHODS.items():
        found[name] = method()
        found |= {f"{name}.{preset}": getattr(method, preset)() for preset in method.presets}
    return found


VARIANTS = variants()


def field_variants() -> dict[str, object]:
    """Every method with each choice of a field, one at a time; those it refuses are left out."""
    found = {}
    for name, method in METHODS.items():
        for field, hint in get_type_hints(method).items():
            choices = [True, False] if hint is bool else literals(hint)
            for choice in choices if field in method.__dataclass_fields__ else ():
                with suppress(ConfigurationError):
                    changed = dataclasses.replace(method(), **{field: choice})
                    found[f"{name}.{field}={choice}"] = changed
    return {key: method for key, method in found.items() if method not in VARIANTS.values()}


def literals(hint: object) -> list[object]:
    """The values that an annotation lists, in itself or in one of the kinds that it joins."""
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    values = [value for kind in get_args(hint) if kind is not ... for value in literals(kind)]
    return [(value,) for value in values] if get_origin(hint) is tuple else values


def classifier(method, family: str = "vit", *, frames: int = FRAMES, **changes) -> VideoClassifier:
    """A video model in evaluation mode, as it is before training."""
    model = image_model(family, **changes)
    torch.manual_seed(1)
    return adapt(model, method, num_classes=CLASSES, num_frames=frames).eval()


def trained(method, family: str = "vit", **changes) -> VideoClassifier:
    """A video model whose every trained tensor is random, as if training had moved it."""
    return randomise(classifier(method, family, **changes))


@torch.no_grad()
def randomise(model: VideoClassifier, *, std: float = 0.2) -> VideoClassifier:
    torch.manual_seed(2)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.normal_(std=std)
    return model


def moving(
    *, batch: int = 2, frames: int = FRAMES, size: int | tuple[int, int] = SIZE, seed: int = 3
):
    """A clip (B, T, 3, H, W) in [0, 1] whose every frame differs."""
    generator = torch.Generator().manual_seed(seed)
    height, width = (size, size) if isinstance(size, int) else size
    return torch.rand(batch, frames, 3, height, width, generator=generator)


def still(*, batch: int = 2, frames: int = FRAMES, size: int = SIZE):
    """A clip that shows one picture."""
    return moving(batch=batch, frames=1, size=size).repeat(1, frames, 1, 1, 1)
