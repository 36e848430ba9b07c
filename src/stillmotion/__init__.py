"""Teach a still-image model to see motion.

    import stillmotion

    model = stillmotion.adapt("vit_base_patch14_dinov2.lvd142m", stillmotion.AMFlow.small(),
                              class_names=["open", "close"], num_frames=8, image_size=224)
    logits = model(clip)                       # (B, T, 3, H, W), uint8 or float in [0, 1] -> (B, K)
    model.save_pretrained("runs/doors")
    stillmotion.Predictor(stillmotion.load("runs/doors"))("door.mp4")

Names below load on first use, so that importing the package is quick and does nothing.
"""

import importlib
from typing import Any

from stillmotion.version import __version__

_PUBLIC = {
    **dict.fromkeys(
        (
            "AIM",
            "AMFlow",
            "AdaptFormer",
            "AttentiveProbe",
            "BiasNormTuning",
            "DualPath",
            "FullFineTuning",
            "LinearProbe",
            "LoRA",
            "Method",
            "STAdapter",
            "TemporalProbe",
            "ZeroI2V",
        ),
        "stillmotion.methods",
    ),
    "Predictor": "stillmotion.prediction",
    "Recipe": "stillmotion.recipe",
    "VideoClassifier": "stillmotion.model",
    "adapt": "stillmotion.model",
    "evaluate": "stillmotion.evaluation",
    "load": "stillmotion.checkpoint",
    "merge": "stillmotion.merging",
    "load_backbone": "stillmotion.backbones",
    "load_together": "stillmotion.sharing",
    "open_video": "stillmotion.data.video",
    "read_videos": "stillmotion.data.reading",
    "train": "stillmotion.training",
}

_MODULES = ("official", "streaming")
"""Modules that are reached as they are: `stillmotion.official.load(...)`."""

__all__ = [
    "__version__",
    *sorted(_PUBLIC),
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"stillmotion.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'stillmotion' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC, *_MODULES])
