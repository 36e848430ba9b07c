"""From an adapter of PEFT to our LoRA."""

import logging
import math
import re
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import NoneType
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from stillmotion.backbones import Role
from stillmotion.checkpoint import CONFIG, TENSORS
from stillmotion.errors import CheckpointError, ConfigurationError, some
from stillmotion.given_files import read_json, refuse_endless
from stillmotion.methods import LoRA
from stillmotion.model import VideoClassifier, adapt
from stillmotion.nn.state import mismatch
from stillmotion.peft_files.names import PREFIX, parameters, refuse_passed_by

log = logging.getLogger("stillmotion")

HEAD = f"{PREFIX}head."
"""The image model's classifier under timm's name, where PEFT saved it too."""

ROLES: dict[str, Role] = {
    **dict.fromkeys(("attn.qkv", "attn.q_proj", "attn.k_proj", "attn.v_proj"), "attn_in"),
    "attn.proj": "attn_out",
    **dict.fromkeys(("mlp.fc1", "mlp.fc1_g", "mlp.fc1_x"), "mlp_in"),
    "mlp.fc2": "mlp_out",
}
"""What timm's names of linear maps are to us."""

NAMES = "|".join(map(re.escape, ROLES))
PLACE = re.compile(rf"{re.escape(PREFIX)}blocks\.\d+\.(?P<name>{NAMES})\.lora_[AB]\.weight")
"""The keys that our LoRA has a place for."""

HALF = re.compile(r"lora_[AB](?=\.weight)")
"""Which half of a low-rank change a key names."""

KINDS: dict[str, tuple[type, ...]] = {
    "r": (int,),
    "lora_alpha": (int, float),
    "lora_dropout": (int, float),
    "use_rslora": (bool, NoneType),
    "base_model_name_or_path": (str, NoneType),
}
"""What the values that are read may be; those that are not None must be there."""

OTHERWISE: dict[str, Any] = {"lora_dropout": 0.0}
"""What PEFT takes where nothing is said."""

READ = {"r", "lora_alpha", "lora_dropout", "use_rslora", "peft_type"}
"""What decides answers, and is understood."""

WITHOUT_EFFECT = {
    *("auto_mapping", "base_model_name_or_path", "exclude_modules", "inference_mode"),
    *("layers_pattern", "layers_to_transform", "megatron_core", "peft_version", "revision"),
    *("qalora_group_size", "target_modules", "task_type", "fan_in_fan_out", "runtime_config"),
}
"""What changes no answer: which linear maps there are, the tensors say."""

POSSIBLE = {
    "bias": ("none",),
    "init_lora_weights": (True, "gaussian", "orthogonal", "eva"),
    "modules_to_save": (["head"],),
}
"""What our LoRA can be where it is said; other beginnings change the image model's own weights."""


def from_peft(
    folder: str | PathLike[str],
    backbone: str | nn.Module | None = None,
    *,
    num_frames: int,
    class_names: Sequence[str] = (),
    image_size: int | None = None,
    weights: str | PathLike[str] = "pretrained",
) -> VideoClassifier:
    """A LoRA model with the low-rank changes of a PEFT adapter, in evaluation mode.

    Each frame is then what PEFT's model makes of it, and frames are averaged. A classifier that was
    saved with the adapter (``modules_to_save=["head"]``) becomes ours; without one it must be
    trained. A linear map that the adapter leaves out begins without a change.

    Args:
        folder: written by PEFT's `save_pretrained`.
        backbone: the image model that it was trained on, as for `adapt`: by name, or a timm module;
            None: as the folder names it. PEFT does not record which weights these were.
        num_frames: T, the most frames of a clip.
        class_names: one a class, in the order of the logits; () : numbered, as many as the
            classifier has, or two.
        image_size: pixels a side, for a backbone given by name.
        weights: for a backbone given by name, as for `adapt`.

    Raises:
        CheckpointError: where the folder is damaged, or no adapter of this image model.
        ConfigurationError: for what our LoRA cannot be, such as DoRA or other ranks a layer.
        BackboneError: where the image model cannot be had.
    """
    config, found = read_folder(Path(folder))
    backbone = backbone or config.get("base_model_name_or_path")
    if not backbone:
        raise ConfigurationError(f"{folder} does not name its image model: give backbone=NAME")
    classifier = {name: found.pop(HEAD + name, None) for name in ("weight", "bias")}
    weight = classifier["weight"]
    if weight is None:
        log.warning("%s holds no classifier: the model's is random, and must be trained", folder)
    classes = 2 if weight is None else len(weight)
    model = adapt(
        backbone,
        method_of(config, found),
        class_names=list(class_names) or [f"class {number}" for number in range(classes)],
        num_frames=num_frames,
        image_size=image_size,
        weights=weights,
    ).eval()
    fill(model, found, classifier, str(folder))
    return model


def read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The configuration and the tensors of a PEFT adapter, which are what they should be.

    Raises:
        CheckpointError: where they cannot be read, or something is missing or of another kind.
    """
    try:
        config = read_json(folder / CONFIG)
        refuse_endless(folder / TENSORS)
        found = load_file(folder / TENSORS)
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{folder} holds no readable PEFT adapter: {error}") from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        kind = config.get("peft_type") if isinstance(config, dict) else None
        raise CheckpointError(f"{folder} is no LoRA adapter of PEFT: its peft_type is {kind!r}")
    config = OTHERWISE | config
    wrong = [
        f"{key}={config.get(key)!r}"
        for key, kinds in KINDS.items()
        if type(config.get(key)) not in kinds
    ]
    if wrong := wrong or ([f"r={config['r']}"] if config["r"] < 1 else []):
        raise CheckpointError(f"{folder / CONFIG} is damaged: {', '.join(wrong)}")
    refuse_incomplete(found, folder / TENSORS, rank=config["r"])
    return config, found


def refuse_incomplete(found: Mapping[str, Tensor], path: Path, *, rank: int) -> None:
    """Refuse tensors without a low-rank change, halves of one or others than of this rank, half a
    classifier, and what is no number.

    Raises:
        CheckpointError: with the keys that are missing.
    """
    halves = {key for key in found if HALF.search(key)}
    if not halves:
        raise CheckpointError(f"{path} holds no low-rank change")
    both = {HALF.sub(half, key) for key in halves for half in ("lora_A", "lora_B")}
    classifier = {HEAD + "weight", HEAD + "bias"}
    wanted = both | classifier if classifier & found.keys() else both
    if missing := sorted(wanted - found.keys()):
        raise CheckpointError(f"{path} is damaged: {some(missing)} missing")
    if HEAD + "weight" in found and found[HEAD + "weight"].ndim != 2:
        raise CheckpointError(f"{path} is damaged: its classifier's weights are no matrix")
    if odd := [key for key, x in found.items() if not (x.is_floating_point() and finite(x))]:
        raise CheckpointError(f"{path} is damaged: {some(odd)}: no floats, or not finite ones")
    if other := [key for key in both if rank not in found[key].shape]:
        raise CheckpointError(f"{path} is damaged: {some(sorted(other))} not of rank {rank}")


def finite(tensor: Tensor) -> bool:
    """Whether all numbers are, of any width."""
    return bool(tensor.to(torch.float32).isfinite().all())


def method_of(config: Mapping[str, Any], found: Mapping[str, Tensor]) -> LoRA:
    """Our LoRA with the settings of a PEFT configuration and the targets of its tensors.

    Raises:
        ConfigurationError: for what it cannot be.
    """
    refuse_others(config)
    places = {key: PLACE.fullmatch(key) for key in found}
    if outside := [key for key, place in places.items() if place is None]:
        raise ConfigurationError(
            f"our LoRA changes the linear maps of blocks; this adapter has {some(outside)}"
        )
    rank, alpha = config["r"], float(config["lora_alpha"])
    return LoRA(
        rank=rank,
        alpha=alpha * math.sqrt(rank) if config.get("use_rslora") else alpha,
        targets=tuple(sorted({ROLES[place["name"]] for place in places.values() if place})),
        adapter_dropout=float(config["lora_dropout"]),
    )


def refuse_others(config: Mapping[str, Any]) -> None:
    """Refuse whatever else PEFT's LoRA can be, also what it may learn to be later.

    Raises:
        ConfigurationError: with the settings that say so.
    """
    said = {key: value for key, value in config.items() if value not in (None, False, {}, [], "")}
    odd = [
        f"{key}={value!r}"
        for key, value in sorted(said.items())
        if key not in READ | WITHOUT_EFFECT and value not in POSSIBLE.get(key, ())
    ]
    if odd:
        raise ConfigurationError(
            "our LoRA has one rank and one alpha for all layers, and plain low-rank changes "
            f"alone; this adapter says {', '.join(odd)}"
        )


@torch.no_grad()
def fill(
    model: VideoClassifier,
    found: Mapping[str, Tensor],
    classifier: Mapping[str, Tensor | None],
    source: str,
) -> None:
    """Put an adapter's tensors in their places.

    Raises:
        CheckpointError: where one has no place, or another shape.
        ConfigurationError: where timm would pass by it.
    """
    refuse_passed_by(model, found)
    places = parameters(model)
    (linear,) = model.head.classifiers
    given = {HEAD + name: tensor for name, tensor in classifier.items() if tensor is not None}
    places |= {key: getattr(linear, key.removeprefix(HEAD)) for key in given}
    given |= found
    if problem := mismatch(given, {key: places[key] for key in places.keys() & given.keys()}):
        raise CheckpointError(f"{source} is no adapter of this image model: {problem}")
    for key, tensor in given.items():
        places[key].copy_(tensor)
