"""From the shapes of timm's tensors to the arguments with which timm builds their model."""

from math import isqrt
from typing import Any

from torch import Tensor

from stillmotion.backbones.foreign.scheme import State
from stillmotion.backbones.foreign.tensors import PATCH
from stillmotion.errors import WeightsError


def model_arguments(state: State, *, num_heads: int) -> dict[str, Any]:
    """Keyword arguments for ``timm.create_model`` beside the architecture's name.

    ``img_size`` is left out where the file holds no position: then nothing in it says the size.

    Raises:
        WeightsError: sizes that contradict each other, or that no square image has.
    """
    dim, channels, patch = _patches(state[PATCH])
    if num_heads < 1 or dim % num_heads:
        raise WeightsError(
            f"num_heads={num_heads} does not divide the width of these weights, {dim}"
        )
    registers = _rows(state["reg_token"]) if "reg_token" in state else 0
    has_class = "cls_token" in state
    normalises_pooled = "fc_norm.weight" in state
    return {
        "num_classes": 0,
        "patch_size": patch,
        "in_chans": channels,
        "embed_dim": dim,
        "depth": len({name.split(".")[1] for name in state if name.startswith("blocks.")}),
        "num_heads": num_heads,
        "mlp_ratio": ratio(dim, hidden=state["blocks.0.mlp.fc1.bias"].numel()),
        "qkv_bias": "blocks.0.attn.qkv.bias" in state,
        "init_values": 1.0 if "blocks.0.ls1.gamma" in state else None,
        "class_token": has_class,
        "reg_tokens": registers,
        "global_pool": "token" if has_class and not normalises_pooled else "avg",
        "fc_norm": normalises_pooled,
    } | _positions(state.get("pos_embed"), has_class, registers, patch)


def _patches(weight: Tensor) -> tuple[int, int, int]:
    """Width, channels and patch size of the convolution that makes tokens."""
    if weight.ndim != 4 or weight.shape[2] != weight.shape[3] or 0 in weight.shape:
        raise WeightsError(f"the convolution {tuple(weight.shape)} does not make square patches")
    return weight.shape[0], weight.shape[1], weight.shape[2]


def _rows(tokens: Tensor) -> int:
    """How many tokens there are in (1, tokens, C)."""
    if tokens.ndim != 3:
        raise WeightsError(f"tokens {tuple(tokens.shape)} are not of the shape (1, tokens, width)")
    return tokens.shape[1]


def ratio(dim: int, *, hidden: int) -> float:
    """A ratio of which timm's ``int(dim * ratio)`` makes ``hidden`` again."""
    exact = hidden / dim
    return exact if int(dim * exact) == hidden else (hidden + 0.5) / dim


def _positions(
    position: Tensor | None, has_class: bool, registers: int, patch: int
) -> dict[str, Any]:
    """Image size, and whether prefix tokens have a position as patches have.

    With registers, timm's models give a position to patches alone, so this is tried first.
    """
    if position is None:
        return {"pos_embed": "none"}
    num_tokens, prefix = _rows(position), has_class + registers
    for patches_alone in (registers > 0, registers == 0):
        num_patches = num_tokens - (0 if patches_alone else prefix)
        side = isqrt(max(0, num_patches))
        if side > 0 and side**2 == num_patches:
            return {"img_size": side * patch, "no_embed_class": patches_alone}
    raise WeightsError(
        f"{num_tokens} positions (pos_embed) are no square of patches with or without "
        f"{int(has_class)} class token (cls_token) and {registers} register tokens (reg_token)"
    )
