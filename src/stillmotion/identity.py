"""Which model this is: a hash of all that decides its logits, in memory and in a checkpoint."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from stillmotion.checkpoint import describe
from stillmotion.model import VideoClassifier
from stillmotion.nn.state import bytes_of

DECIDING = ("method", "dtype", "num_frames", "class_names", "parts")
OF_BACKBONE = ("sha256", "image_size", "mean", "std")
"""What decides in `adapter_config.json`, and in what it says of the image model."""


def model_sha256(model: VideoClassifier) -> str:
    """Of a model in memory; saved and loaded it keeps it."""
    return checkpoint_sha256(describe(model), model.checkpoint_tensors())


def checkpoint_sha256(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """Of what a checkpoint holds, without building its model.

    Args:
        config: the content of `adapter_config.json`, as `read_config` gives it.
        tensors: those of `adapter_model.safetensors`, by name.
    """
    told = {key: config.get(key, {}) for key in DECIDING}
    told["backbone"] = {key: config["backbone"][key] for key in OF_BACKBONE}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(bytes_of(tensor))
    return digest.hexdigest()
