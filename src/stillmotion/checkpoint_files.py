"""The two files of an adapter checkpoint, read as what they may be: somebody else's.

`adapter_config.json` decides what is built, so all that it says is held against what is possible
before anything is: no number of it takes memory. One thing in it leads to another file: the path of
the image model's weights, which is followed for a local checkpoint and never for one of the hub.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from stillmotion.errors import CheckpointError, some, unknown
from stillmotion.fields import allows
from stillmotion.given_files import read_json, refuse_endless
from stillmotion.nn.state import mismatch

CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"
FORMAT = "stillmotion adapter 2"

DESCRIPTION = {
    "method": dict,
    "backbone": dict,
    "dtype": str,
    "num_frames": int,
    "class_names": list,
    "info": dict,
}
BACKBONE = {
    "name": str | None,
    "arguments": dict,
    "weights": str | None,
    "sha256": str,
    "image_size": list,
    "mean": list,
    "std": list,
}
"""What loading needs of `adapter_config.json`, and of what it says of the backbone."""

SIZES = (
    *("num_classes", "patch_size", "in_chans", "embed_dim", "depth", "num_heads", "mlp_ratio"),
    *("qkv_bias", "init_values", "class_token", "reg_tokens", "global_pool", "fc_norm"),
    *("img_size", "pos_embed", "no_embed_class"),
)
"""What an image model may be built with. Others of timm's arguments name files and addresses."""

OVERLAY = "pretrained_cfg_overlay"
"""Such a one, of which the number of classes alone is taken: CLIP's projection has it."""

MOST = 2**13
MOST_SIDE = 2**11
MOST_DEPTH = 2**8
"""The largest number of a description, image in pixels a side, and count of blocks."""

DTYPES = {str(t).removeprefix("torch."): t for t in (torch.float64, torch.float32, torch.float16)}
DTYPES["bfloat16"] = torch.bfloat16
"""Number types that a model may have."""


def read_config(directory: Path) -> dict[str, Any]:
    """The checkpoint's description, with all that loading needs.

    Raises:
        CheckpointError: it is missing, damaged, or says what cannot be.
    """
    path = directory / CONFIG
    try:
        config = read_json(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise CheckpointError(f"{path} does not describe a {FORMAT!r}, which this version reads")
    for part, kinds in ((config, DESCRIPTION), (config.get("backbone"), BACKBONE)):
        found = part if isinstance(part, dict) else {}
        wrong = [key for key, kind in kinds.items() if not isinstance(found.get(key), kind)]
        if wrong:
            raise CheckpointError(
                f"{path} is damaged: {', '.join(wrong)} missing or of the wrong type"
            )
    if config["dtype"] not in DTYPES:
        raise CheckpointError(f"{path} is damaged: {unknown('dtype', config['dtype'], DTYPES)}")
    if told := next(_impossible(config), None):
        raise CheckpointError(f"{path} is damaged: {told}")
    return config


def _impossible(config: dict[str, Any]) -> Iterator[str]:
    """What of the right type cannot be, in words."""
    backbone = config["backbone"]
    size, arguments = backbone["image_size"], backbone["arguments"]
    if len(size) != 2 or not all(allows(int, side) and 0 < side <= MOST_SIDE for side in size):
        yield f"image_size is {size}, not height and width, at most {MOST_SIDE} pixels each"
    for name in ("mean", "std"):
        if len(backbone[name]) != 3 or not all(allows(float, value) for value in backbone[name]):
            yield f"{name} is {backbone[name]}, not three numbers"
    if not all(isinstance(name, str) for name in config["class_names"]):
        yield "its class names are not all text"
    parts = config.get("parts", {})
    if not isinstance(parts, dict) or not all(allows(list, names) for names in parts.values()):
        yield "parts is no object of lists"
    elif not all(isinstance(name, str) for names in parts.values() for name in names):
        yield "the names of its parts are not all text"
    if strange := sorted(arguments.keys() - {*SIZES, OVERLAY}):
        yield f"an image model is not built with {some(strange)}"
    overlay = arguments.get(OVERLAY, {})
    if not isinstance(overlay, dict) or overlay.keys() - {"num_classes"}:
        yield f"{OVERLAY} has more than a number of classes"
    sizes = [n for n, x in arguments.items() if n != "img_size" and type(x) in (int, float)]
    if backbone["weights"] == "pretrained" and sizes:
        yield f"pretrained weights have sizes of their own, not other {some(sizes)}"
    if not allows(int, arguments.get("depth", 1)) or arguments.get("depth", 1) > MOST_DEPTH:
        yield f"no image model has {arguments['depth']!r} blocks"
    large = [n for n in numbers((config["method"], arguments, config["num_frames"])) if n > MOST]
    if large:
        yield f"{max(large):.3g} is more than any size of a model"


def numbers(told: Any) -> Iterator[int | float]:
    """Every number in nested lists and objects, those that are none among them as infinity."""
    if isinstance(told, dict | list | tuple):
        for inner in told.values() if isinstance(told, dict) else told:
            yield from numbers(inner)
    elif isinstance(told, int | float):
        yield abs(told) if allows(float, told) or isinstance(told, bool) else math.inf


def read_tensors(path: Path) -> dict[str, Tensor]:
    """A checkpoint's tensors by name.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        refuse_endless(path)
        return load_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error


def refuse_misfits(path: Path, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Refuse tensors that are not those wanted, by name, shape, kind of number and value.

    Args:
        wanted: on any device, the meta device too.

    Raises:
        CheckpointError: with what does not fit.
    """
    if problem := mismatch(found, wanted):
        raise CheckpointError(f"{path} does not fit its configuration: {problem}")
    kinds = {name: x for name, x in found.items() if x.dtype not in possible(wanted[name])}
    if kinds:
        told = some([f"{name} {x.dtype}" for name, x in kinds.items()])
        raise CheckpointError(f"{path} does not fit its configuration: of another type: {told}")
    if spoilt := [name for name, x in found.items() if not x.isfinite().all()]:
        raise CheckpointError(f"{path} is damaged: {some(spoilt)}: numbers that are not finite")


def possible(wanted: Tensor) -> tuple[torch.dtype, ...]:
    """Number types from which a tensor can be filled: floats may be of another width."""
    return tuple(DTYPES.values()) if wanted.is_floating_point() else (wanted.dtype,)
