"""What lies in a published file: tensors, under whatever its authors wrapped them in."""

import argparse
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from stillmotion.backbones.weights import refuse_packed, refuse_unheld
from stillmotion.errors import WeightsError

Source = str | PathLike[str] | Mapping[str, Any]
"""A file, or what `torch.load` gives for one."""

WRAPPERS = ("state_dict", "model", "module")
"""Under what name training scripts keep the weights, beside optimiser, epoch and arguments."""

PREFIXES = ("module.", "model.", "backbone.")
"""What wrapping modules (DistributedDataParallel and the like) put before every key."""


@dataclass(frozen=True)
class Contents:
    """What was read of a file.

    Attributes:
        tensors: by key, without what stands before every key.
        keys: of the file, by those of `tensors`.
        beside: entries of the file that are no weights, and why they are ignored.
    """

    tensors: dict[str, Tensor]
    keys: dict[str, str]
    beside: dict[str, str] = field(default_factory=dict)

    def only(self, keys: Iterable[str], *, other: str) -> "Contents":
        """Those keys alone; what is left stands beside them, for the reason given."""
        kept = set(keys)
        beside = {name: other for key, name in self.keys.items() if key not in kept}
        return Contents(
            {key: tensor for key, tensor in self.tensors.items() if key in kept},
            {key: name for key, name in self.keys.items() if key in kept},
            self.beside | beside,
        )

    def renamed(self, name: Callable[[str], str]) -> "Contents":
        """The same tensors under other keys."""
        return Contents(
            {name(key): tensor for key, tensor in self.tensors.items()},
            {name(key): original for key, original in self.keys.items()},
            self.beside,
        )


def read_contents(source: Source) -> Contents:
    """The weights of a file, or of its content.

    Raises:
        WeightsError: where the file cannot be read without running code of its own, or holds no
            tensors.
    """
    entries: Any = source if isinstance(source, Mapping) else read_file(Path(source))
    beside: dict[str, str] = {}
    wrapper = next((w for w in WRAPPERS if isinstance(entries.get(w), Mapping)), None)
    if wrapper is not None:
        beside = dict.fromkeys(map(str, entries.keys() - {wrapper}), f"beside {wrapper!r}")
        entries = entries[wrapper]
    tensors = {str(key): x for key, x in entries.items() if isinstance(x, Tensor)}
    refuse_unheld(tensors)
    beside |= dict.fromkeys(map(str, entries.keys() - tensors.keys()), "no tensor")
    if not tensors:
        raise WeightsError(f"there are no tensors here, only {', '.join(list(beside)[:8])}")
    prefix = ""
    while found := [p for p in PREFIXES if all(key.startswith(prefix + p) for key in tensors)]:
        prefix += found[0]
    contents = Contents(tensors, {key: key for key in tensors}, beside)
    return contents.renamed(lambda key: key.removeprefix(prefix))


def read_file(path: Path) -> Mapping[str, Any]:
    """A safetensors file, or one of torch.save. Nothing but tensors and plain values is built."""
    if not path.is_file():
        raise WeightsError(f"there is no file {path}")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (OSError, SafetensorError) as error:
            raise WeightsError(f"cannot read {path}: {error}") from error
    refuse_torchscript(path)
    refuse_packed(path)
    try:
        # Training scripts store their options so; it holds attributes and runs nothing.
        with torch.serialization.safe_globals([argparse.Namespace]):
            entries = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).partition("WeightsUnpickler error: ")[2] or str(error)
        raise WeightsError(
            f"cannot read {path}: it is damaged, or it holds more than tensors and plain values "
            "and would run code of its own. Where you trust it, load it with its authors' tools "
            f"and save the state dict alone ({' '.join(reason.split())[:120]})"
        ) from error
    if not isinstance(entries, Mapping):
        raise WeightsError(f"{path} holds a {type(entries).__name__}, not tensors by name")
    return entries


def refuse_torchscript(path: Path) -> None:
    """OpenAI publishes CLIP as programs; loading one is to trust its code."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        is_program = any("/code/" in name for name in archive.namelist())
    if is_program:
        raise WeightsError(
            f"{path} is a TorchScript program, as OpenAI publishes CLIP. Keep its tensors alone: "
            f"torch.save(torch.jit.load({str(path)!r}, map_location='cpu').state_dict(), "
            "'clip.pth'), and give clip.pth"
        )
