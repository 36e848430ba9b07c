"""Adapter checkpoints: what was trained, and what it was trained on, without the image model.

A directory with two files of PEFT's names: `adapter_config.json` says what the model is,
`adapter_model.safetensors` holds its tensors. Nothing is ever unpickled.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from stillmotion.backbones import OWN_WEIGHTS, OpenBackbone, load_backbone, open_backbone
from stillmotion.checkpoint_files import (
    CONFIG,
    DTYPES,
    FORMAT,
    TENSORS,
    read_config,
    read_tensors,
    refuse_misfits,
)
from stillmotion.data.parts import Part
from stillmotion.errors import CheckpointError
from stillmotion.files import write_bytes, write_text, writing_together
from stillmotion.methods import method_from_dict
from stillmotion.model import VideoClassifier
from stillmotion.version import __version__

if TYPE_CHECKING:
    from os import PathLike


WIDEST = 16
"""How many times the bytes of its file a model may take: float64 of eight bits, and the adapter."""


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
    refuse_too_large(planned, directory, weights or config["backbone"]["weights"])
    opened = rebuild_backbone(config["backbone"], weights, backbone, directory)
    model = assemble(config, opened, directory)
    fill(model, found, directory / TENSORS)
    return model.eval()


def assemble(config: Mapping[str, Any], opened: OpenBackbone, directory: Path) -> VideoClassifier:
    """The model that a checkpoint describes, its trained tensors not yet filled."""
    try:
        model = VideoClassifier(
            opened,
            method_from_dict(config["method"]),
            num_frames=config["num_frames"],
            class_names=config["class_names"],
            parts=[Part(name, tuple(names)) for name, names in config.get("parts", {}).items()],
        )
    except (ValueError, RuntimeError, TypeError, AttributeError) as error:
        # whatever a damaged number leads to
        raise CheckpointError(
            f"{directory / CONFIG} describes no possible model: {error}"
        ) from error
    model.info = config["info"]
    return model.to(DTYPES[config["dtype"]])


def plan(config: Mapping[str, Any], module: nn.Module | None, directory: Path) -> VideoClassifier:
    """The same on the meta device: its shapes alone, which take no memory however large."""
    with torch.device("meta"):
        module = None if module is None else copy.deepcopy(module).to("meta")
        opened = rebuild_backbone(config["backbone"], OWN_WEIGHTS, module, directory)
        opened.weights = config["backbone"]["weights"]
        return assemble(config, opened, directory)


def refuse_too_large(
    planned: nn.Module, directory: Path, weights: str | PathLike[str] | None
) -> None:
    """Refuse a model far larger than the file of its weights; a checkpoint may claim any sizes."""
    if weights is None or not Path(weights).is_file():
        return
    needed = sum(x.numel() * x.element_size() for x in planned.state_dict().values())
    there = Path(weights).stat().st_size
    if needed > WIDEST * there:
        raise CheckpointError(
            f"{directory} describes a model of {needed:,} bytes, and its weights {weights} are a "
            f"file of {there:,}"
        )


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


def rebuild_backbone(
    recorded: dict[str, Any],
    weights: str | PathLike[str] | None,
    module: nn.Module | None,
    directory: Path,
) -> OpenBackbone:
    """The image model that the adapter was trained on, its weights' hash checked."""
    if module is not None:
        opened = open_backbone(copy.deepcopy(module))
    elif recorded["name"] is None:
        raise CheckpointError(
            f"{directory} was made from a module, not from a named image model: give it, "
            "load(directory, backbone=module)"
        )
    else:
        own = recorded["weights"] == OWN_WEIGHTS
        opened = load_backbone(
            recorded["name"],
            weights=OWN_WEIGHTS if own else str(weights or recorded["weights"]),
            image_size=recorded["image_size"][0],
            arguments=recorded["arguments"],
        )
    opened.mean, opened.std = tuple(recorded["mean"]), tuple(recorded["std"])
    if recorded["weights"] == OWN_WEIGHTS:
        opened.weights, opened.sha256 = OWN_WEIGHTS, recorded["sha256"]
    elif opened.sha256 not in (None, recorded["sha256"]):  # None: of shapes alone
        raise CheckpointError(
            f"{directory} belongs to {recorded['name'] or 'an image model'} with weights "
            f"{recorded['sha256']}, but these are {opened.sha256}. Give the weights that it "
            "was trained on: weights=PATH"
        )
    return opened


def load_tensors(model: VideoClassifier, path: Path) -> None:
    """Fill the trained tensors, strictly.

    Raises:
        CheckpointError: the file is damaged, or its tensors are not the model's.
    """
    fill(model, read_tensors(path), path)


def fill(model: VideoClassifier, found: Mapping[str, Tensor], path: Path) -> None:
    """The same with tensors that were read; on the meta device it only holds them against it."""
    if model.is_self_contained:
        add_biases(model, found)
    refuse_misfits(path, found, model.checkpoint_tensors())
    if not model.mean.is_meta:
        model.load_state_dict(found, strict=False)


def add_biases(model: nn.Module, found: Mapping[str, Tensor]) -> None:
    """Give linear layers without a bias one, where a checkpoint has it: folded adapters left it."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and module.bias is None and f"{name}.bias" in found:
            bias = torch.zeros_like(module.weight[:, 0])
            module.bias = nn.Parameter(bias, requires_grad=module.weight.requires_grad)
