"""Image models by name, with their weights: from the hub, from a file, or none."""

import importlib
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from stillmotion.backbones import demo
from stillmotion.backbones.foreign import read_image
from stillmotion.backbones.open_backbone import OpenBackbone, is_clip
from stillmotion.backbones.opening import open_backbone
from stillmotion.backbones.weights import read_state, weights_file
from stillmotion.errors import BackboneError, ConfigurationError, WeightsError, some, unknown
from stillmotion.nn.state import mismatch

log = logging.getLogger("stillmotion")


def load_backbone(
    name: str,
    *,
    weights: str | Path = "pretrained",
    image_size: int | None = None,
    arguments: dict[str, Any] | None = None,
) -> OpenBackbone:
    """Build an image model, load its weights strictly, open and freeze it.

    Args:
        name: timm's name, with or without a tag: ``vit_base_patch14_dinov2.lvd142m``.
        weights: ``"pretrained"`` (those of timm's tag, from the Hugging Face hub or its cache),
            ``"none"`` (random; said loudly), ``"checkpoint"`` (random until a checkpoint that holds
            all weights is loaded), or a path to a safetensors file, to a ``.pth`` file
            (read without unpickling code) or to a directory that holds ``model.safetensors``.
        image_size: pixels a side; position embeddings are resampled. None: the model's own.
        arguments: of timm's `create_model`, for an architecture with other sizes than its name has.

    Raises:
        ConfigurationError: for an unknown name (the nearest known one is suggested).
        WeightsError: where the weights cannot be had or do not fit; every key is named.
        BackboneError: where the image model cannot be opened.
    """
    file = weights_file(weights)
    pretrained = weights == "pretrained"
    model = build(name, pretrained=pretrained, image_size=image_size, arguments=arguments)
    if weights == "none":
        log.warning(
            "%s has RANDOM weights (weights='none'): good for counting and tests, not for results",
            name,
        )
    elif file:
        load_weights(model, file)
    opened = open_backbone(model, name=name, weights=str(weights))
    opened.arguments = dict(arguments or {})
    return opened


def build(
    name: str,
    *,
    pretrained: bool,
    image_size: int | None = None,
    arguments: dict[str, Any] | None = None,
) -> nn.Module:
    """timm's model, on the meta device where the default device is meta.

    It has no classifier; a CLIP tower keeps its projection, which timm puts in that place.
    """
    base = name.split(".")[0]
    if not timm.is_model(base):
        raise ConfigurationError(unknown("backbone", base, offered()))
    if base not in offered():
        raise BackboneError(
            f"{name} is not supported: stillmotion opens timm's VisionTransformer, Eva and Hiera "
            "families"
        )
    settings = {"num_classes": classes_to_keep(name)} | (arguments or {})
    if image_size is not None and image_size < 1:
        raise BackboneError(f"an image size is at least 1 pixel, not {image_size}")
    if image_size is not None:
        settings["img_size"] = image_size
    try:
        return timm.create_model(name, pretrained=pretrained, **settings)
    except Exception as error:
        if not pretrained:
            raise BackboneError(f"cannot build {name} at {image_size} pixels: {error}") from error
        reason = " ".join(str(error).split()).rstrip(".")
        raise WeightsError(
            f"cannot get the pretrained weights of {name}: {reason}. Without a network, give as "
            "weights the path of a safetensors file, or 'none' for random ones. One image model "
            f"comes with the package: {demo.DEMO_BACKBONE}, of 64 pixels"
        ) from error


def classes_to_keep(name: str) -> int:
    """What timm calls classes and is CLIP's space shared with texts; 0 for all other models."""
    if "_clip_" not in name:
        return 0
    config = timm.get_pretrained_cfg(name).to_dict()
    return config["num_classes"] if is_clip(config) else 0


FAMILIES = ("vision_transformer", "eva", "deit", "hiera")
"""timm's modules whose models can be opened, most of them."""


def offered() -> list[str]:
    """Names of the image models that can be asked for."""
    return [name for family in FAMILIES for name in timm.list_models(module=family)] + [
        demo.DEMO_BACKBONE
    ]


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a local file into a timm model, resampling position embeddings; strict.

    Names are timm's, those that timm can convert, or those of Hugging Face's ViT, CLIP and DINOv2.
    What the file has beside the image model is left out, and said; any other key that is missing,
    unexpected or of another shape is an error.
    """
    found = read_state(path)
    state, left_out = as_timm_has_it(model, found)
    if (problem := misfit(model, state)) and isinstance(model, VisionTransformer):
        with suppress(WeightsError):
            foreign, left_out_there = as_others_have_it(model, found)
            if not misfit(model, foreign):
                state, left_out, problem = foreign, left_out_there, ""
    if problem:
        raise WeightsError(f"{path} does not fit this image model: {problem}")
    if not state.keys() >= PROJECTION:
        cast(Any, model).reset_classifier(0)
    model.load_state_dict(state)
    if left_out:
        log.warning("%s: the image model is all there; left out: %s", path, some(left_out))


OTHERS = ("openai_clip", "hf_vit", "hf_clip", "hf_dinov2")
"""Key schemes that timm does not convert, or only where the file holds the whole of CLIP."""

PROJECTION = {"head.weight", "head.bias"}
"""CLIP's projection in timm's models, which a file may lack."""


def misfit(model: nn.Module, state: dict[str, Tensor]) -> str:
    """What does not fit; CLIP's projection is not missed where the file has none."""
    wanted = model.state_dict()
    if not state.keys() & PROJECTION:
        wanted = {name: tensor for name, tensor in wanted.items() if name not in PROJECTION}
    return mismatch(state, wanted)


def as_timm_has_it(
    model: nn.Module, found: dict[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]]:
    """The file through timm's own conversion, and the classifier in it that the model lacks."""
    state, own = filter_for(model, dict(found)), model.state_dict()
    classifier = cast(dict, model.pretrained_cfg).get("classifier", "head") or "head"
    heads = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    in_head = tuple(f"{head}." for head in heads)
    left_out = [k for k in state if k.startswith(in_head) and k not in own]
    return {k: v for k, v in state.items() if k not in left_out}, left_out


def as_others_have_it(
    model: VisionTransformer, found: dict[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]]:
    """The image model in a file of another key scheme, and the keys that are none of it.

    Raises:
        WeightsError: where no known scheme fits.
    """
    heads = cast(int, model.blocks[0].attn.num_heads)
    image, used = read_image(found, num_heads=heads, among=OTHERS)
    state = filter_for(model, image.state)
    if image.projection is not None and isinstance(model.head, nn.Linear):
        state["head.weight"] = image.projection
        state["head.bias"] = torch.zeros_like(image.projection[:, 0])
    return state, sorted(found.keys() - set(used))


def filter_for(model: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state through timm's own conversion: other key schemes, resampled positions."""
    module = importlib.import_module(type(model).__module__)
    try:
        return module.checkpoint_filter_fn(state, model)
    except (KeyError, RuntimeError, AttributeError) as error:
        raise WeightsError(f"these weights do not fit this image model: {error}") from error
