"""The file of an image model's weights: found, and read as what it may be, somebody else's."""

import os
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor

from stillmotion.errors import WeightsError, some

OWN_WEIGHTS = "checkpoint"
"""Where an image model's weights are, whose checkpoint holds all of them."""


def weights_file(weights: str | Path) -> Path | None:
    """The file that weights are read from; None where they are in none.

    Raises:
        WeightsError: there is no such file.
    """
    if weights in ("pretrained", "none", OWN_WEIGHTS):
        return None
    path = Path(weights)
    if path.is_dir():
        path = path / "model.safetensors"
    if not os.path.isfile(path):  # also of a name that no file can have
        raise WeightsError(
            f"there are no weights at {path}; weights is 'pretrained', 'none', or the path of a "
            "safetensors file or of a directory that holds model.safetensors"
        )
    return path


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file. Pickled code is never run."""
    refuse_packed(path)
    try:
        found = timm.models.load_state_dict(str(path), weights_only=True)
    except Exception as error:
        raise WeightsError(f"cannot read weights from {path}: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(x, Tensor) for x in found.values()):
        raise WeightsError(f"cannot read weights from {path}: it holds more than tensors by name")
    refuse_unheld(found)
    return {str(name): tensor for name, tensor in found.items()}


def refuse_packed(path: Path) -> None:
    """Refuse a `.pth` whose content is larger than the file: torch.save never packs any.

    Raises:
        WeightsError: a kilobyte may unpack to any size.
    """
    with suppress(zipfile.BadZipFile, OSError), zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
        if size > path.stat().st_size:
            raise WeightsError(f"{path} unpacks to {size:,} bytes; torch.save writes none such")


def refuse_unheld(tensors: Mapping[Any, Tensor]) -> None:
    """Refuse tensors of which a file holds less than they have: one number, repeated without end.

    Raises:
        WeightsError: with their names.
    """
    if unheld := [str(name) for name, tensor in tensors.items() if not is_held(tensor)]:
        raise WeightsError(f"the file does not hold all numbers of {some(unheld)}")


def is_held(tensor: Tensor) -> bool:
    """Whether a tensor has no more numbers than there are in memory."""
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()
