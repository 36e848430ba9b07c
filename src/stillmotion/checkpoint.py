"""Adapter checkpoints: what was trained, and what it was trained on, without the image model.

A directory with two files of PEFT's names: `adapter_config.json` says what the model is,
`adapter_model.safetensors` holds its tensors. Nothing is ever unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save as to_bytes
from torch import nn

from stillmotion.backbones import OWN_WEIGHTS
from stillmotion.checkpoint_files import CONFIG, FORMAT, TENSORS, read_config, read_tensors
from stillmotion.checkpoint_model import (
    assemble,
    chosen_weights,
    fill,
    plan,
    rebuild_backbone,
    refuse_too_large,
)
from stillmotion.errors import CheckpointError
from stillmotion.files import write_bytes, write_text, writing_together
from stillmotion.model import VideoClassifier
from stillmotion.version import __version__

if TYPE_CHECKING:
    from os import PathLike


def save(model: VideoClassifier, directory: Path) -> None:
    """Write a model's adapter checkpoint: both files, or neither."""
    text = json.dumps(describe(model), indent=2, ensure_ascii=False) + "\n"
    tensors = {name: t.cpu().contiguous() for name, t in model.checkpoint_tensors().items()}
    with writing_together(directory / CONFIG) as config:
        write_bytes(config.with_name(TENSORS), to_bytes(tensors, metadata={"format": "pt"}))
        write_text(config, text)


def describe(model: VideoClassifier) -> dict[str, Any]:
    """The content of `adapter_config.json`."""
    backbone = model.backbone
    return {
        "format": FORMAT,
        "stillmotion_version": __version__,
        "method": model.method.to_dict(),
        "backbone": {
            "name": backbone.name,
            "arguments": backbone.arguments,
            "weights": OWN_WEIGHTS if model.is_self_contained else backbone.weights,
            "sha256": backbone.sha256,
            "image_size": list(backbone.image_size),
            "mean": list(backbone.mean),
            "std": list(backbone.std),
        },
        "dtype": str(model.mean.dtype).removeprefix("torch."),
        "num_frames": model.num_frames,
        "class_names": [] if model.parts else list(model.class_names),
        "parts": {part.name: list(part.classes) for part in model.parts},
        "info": model.info,
    }


def update_info(directory: Path, info: Mapping[str, Any]) -> None:
    """Write other plain values beside a checkpoint's tensors, which stay as they are.

    Raises:
        CheckpointError: there is no checkpoint in the directory, or it is damaged.
    """
    config = read_config(directory) | {"info": dict(info)}
    write_text(directory / CONFIG, json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def load(
    source: str | PathLike[str],
    weights: str | PathLike[str] | None = None,
    *,
    backbone: nn.Module | None = None,
) -> VideoClassifier:
    """A trained model, in evaluation mode, from a directory or from the Hugging Face hub.

    Args:
        source: a directory (of a run, too: its best checkpoint is taken), or a hub id
            ``user/name``.
        weights: where the image model's weights are now; None: where the checkpoint says.
        backbone: the image model itself, for a checkpoint that was made from a module (copied:
            yours stays as it is).

    Raises:
        CheckpointError: where files are missing or damaged, or where the image model's weights are
            not the ones that the adapter was trained on.
        BackboneError: where the image model or its weights cannot be had.
    """
    directory = find(source)
    config = read_config(directory)
    if weights is None and not Path(source).exists():
        refuse_path(config["backbone"]["weights"], source)
    found = read_tensors(directory / TENSORS)
    planned = plan(config, backbone, directory)
    fill(planned, found, directory / TENSORS)
    if backbone is None:
        refuse_too_large(planned, directory, chosen_weights(config["backbone"], weights))
    opened = rebuild_backbone(config["backbone"], weights, backbone, directory)
    model = assemble(config, opened, directory)
    fill(model, found, directory / TENSORS)
    return model.eval()


def refuse_path(weights: str | None, source: str | PathLike[str]) -> None:
    """Refuse that a checkpoint of somebody else's chooses a file of this machine."""
    if weights not in (None, OWN_WEIGHTS, "pretrained", "none"):
        raise CheckpointError(
            f"{source} was trained on weights in a file, {weights}: get it, and give weights=PATH"
        )


def find(source: str | PathLike[str]) -> Path:
    """The checkpoint's directory: as given, a run's `best`, or fetched from the hub."""
    directory = Path(source)
    for candidate in (directory, directory / "best", directory / "last"):
        if (candidate / CONFIG).is_file():
            return candidate
    if directory.exists() or not looks_like_hub_id(str(source)):
        raise CheckpointError(
            f"there is no adapter checkpoint at {source}: it holds no {CONFIG}. Give a directory "
            "written by `stillmotion train` or save_pretrained, or a hub id such as user/name"
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(str(source), allow_patterns=[CONFIG, TENSORS]))
    except Exception as error:
        raise CheckpointError(
            f"there is no directory {source}, and the Hugging Face hub does not give it: {error}"
        ) from error


def looks_like_hub_id(source: str) -> bool:
    """``user/name``, and no path."""
    user, _, name = source.partition("/")
    return bool(user and name) and "/" not in name and not source.startswith((".", "~"))


def load_tensors(model: VideoClassifier, path: Path) -> None:
    """Fill the trained tensors, strictly.

    Raises:
        CheckpointError: the file is damaged, or its tensors are not the model's.
    """
    fill(model, read_tensors(path), path)
