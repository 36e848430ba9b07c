"""Tensors compared: those that were found with those that are wanted, and byte by byte."""

from collections.abc import Mapping

import torch
from torch import Tensor

from stillmotion.errors import some


def mismatch(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], *, show: int = 4) -> str:
    """What is missing, unexpected, or of another shape, in words; empty where all fits.

    `2 missing (a, b); 1 of another shape (c (3, 4) for (4, 3))`
    """
    problems = {
        "missing": sorted(wanted.keys() - found.keys()),
        "unexpected": sorted(found.keys() - wanted.keys()),
        "of another shape": [
            f"{name} {tuple(t.shape)} for {tuple(wanted[name].shape)}"
            for name, t in sorted(found.items())
            if name in wanted and t.shape != wanted[name].shape
        ],
    }
    return "; ".join(
        f"{len(names)} {kind} ({some(names, show=show)})"
        for kind, names in problems.items()
        if names
    )


def bytes_of(tensor: Tensor) -> memoryview:
    """A tensor's numbers as bytes, in the order of its axes."""
    flat = tensor.detach().cpu().contiguous().flatten()
    return flat.view(torch.uint8).numpy().data if flat.numel() else memoryview(b"")


def relative(found: Tensor, wanted: Tensor) -> float:
    """The greatest difference, as a part of the greatest of what is wanted."""
    difference = float((found - wanted).abs().max())
    return difference / float(wanted.abs().max()) if difference else 0.0
