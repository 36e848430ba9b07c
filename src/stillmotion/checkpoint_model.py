"""The model that an adapter checkpoint describes: planned, held against its files, and then built.

A description of a few bytes may ask for any memory. So the model is made on the meta device first,
where it takes none, and whatever does not fit it is refused there.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from stillmotion.backbones import (
    OWN_WEIGHTS,
    OpenBackbone,
    load_backbone,
    open_backbone,
    weights_file,
)
from stillmotion.checkpoint_files import CONFIG, DTYPES, refuse_misfits
from stillmotion.data.parts import Part
from stillmotion.errors import CheckpointError
from stillmotion.methods import method_from_dict
from stillmotion.model import VideoClassifier

if TYPE_CHECKING:
    from os import PathLike

WIDEST = 16
"""How many times the bytes of its file a model may take: float64 of eight bits, and the adapter."""


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


def refuse_too_large(planned: nn.Module, directory: Path, weights: str) -> None:
    """Refuse a model far larger than the file of its weights; a checkpoint may claim any sizes.

    Raises:
        WeightsError: there is no such file.
        CheckpointError: it is too small.
    """
    if (file := weights_file(weights)) is None:
        return
    needed = sum(x.numel() * x.element_size() for x in planned.state_dict().values())
    there = file.stat().st_size
    if needed > WIDEST * there:
        raise CheckpointError(
            f"{directory} describes a model of {needed:,} bytes, and its weights {file} are a "
            f"file of {there:,}"
        )


def chosen_weights(recorded: Mapping[str, Any], weights: str | PathLike[str] | None) -> str:
    """Where the image model's weights are: in the checkpoint, as given now, or as recorded."""
    own = recorded["weights"] == OWN_WEIGHTS
    return OWN_WEIGHTS if own else str(weights or recorded["weights"])


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
        opened = load_backbone(
            recorded["name"],
            weights=chosen_weights(recorded, weights),
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
