"""What PEFT calls a low-rank change, and which linear maps of a model have one.

base_model.model.blocks.0.attn.qkv.lora_A.weight is our ``down`` beside that linear map, lora_B our
``up``, and lora_alpha / r our scale.
"""

from collections.abc import Iterable
from typing import Any

from torch import nn

from stillmotion.backbones import frozen_block
from stillmotion.errors import ConfigurationError
from stillmotion.model import VideoClassifier
from stillmotion.nn.low_rank import LowRankLinear

PREFIX = "base_model.model."
"""What PEFT puts before the name of every module."""

PARTS = {"down": "lora_A.weight", "up": "lora_B.weight"}
"""Our name of each half of a change, and PEFT's."""


def parameters(model: VideoClassifier) -> dict[str, nn.Parameter]:
    """The parameters of all low-rank changes, by PEFT's keys."""
    return {
        f"{PREFIX}{name}.{theirs}": getattr(change, ours).weight
        for name, change in low_rank(model).items()
        for ours, theirs in PARTS.items()
    }


def low_rank(model: VideoClassifier) -> dict[str, LowRankLinear]:
    """Every linear map that has a low-rank change, by timm's name."""
    blocks = (frozen_block(block).block for block in model.trunk.blocks)
    return {
        f"blocks.{number}.{name}": module
        for number, block in enumerate(blocks)
        for name, module in block.named_modules()
        if isinstance(module, LowRankLinear)
    }


def refuse_passed_by(model: VideoClassifier, names: Iterable[str]) -> None:
    """Some of timm's attentions take the weights of ``qkv`` and never call it.

    Raises:
        ConfigurationError: where there would be a change beside it.
    """
    attention: Any = getattr(frozen_block(model.trunk.blocks[0]).block, "attn", None)
    has_own_bias = getattr(attention, "k_bias", None) is not None
    if has_own_bias and not attention.qkv_bias_separate and any("attn.qkv" in n for n in names):
        raise ConfigurationError(
            f"in timm's {model.backbone.title} PEFT's change beside attn.qkv has "
            "no effect: its attention keeps the bias apart and does not call that linear map. "
            "Train with --lora.targets [attn_out, mlp_in, mlp_out]"
        )
