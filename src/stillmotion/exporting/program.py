"""A model as a PyTorch program: one .pt2 file that needs PyTorch and no stillmotion."""

from io import BytesIO
from os import PathLike
from pathlib import Path

import torch

from stillmotion.errors import ConfigurationError, ExportError
from stillmotion.exporting.checking import (
    TOLERANCE,
    folded,
    plain_copy,
    random_clips,
    refuse_difference,
)
from stillmotion.files import refuse_existing, write_bytes
from stillmotion.model import VideoClassifier

SUFFIX = ".pt2"


def to_torch(
    model: VideoClassifier, path: str | PathLike[str], *, tolerance: float = TOLERANCE
) -> float:
    """Write a model as `torch.export` does; `torch.export.load(path).module()` is it again.

    It takes uint8 clips (B, T, 3, H, W), any number at once, and gives logits (B, K). Adapters that
    fold into the image model are folded first; all numbers are float32.

    Args:
        path: a file whose name ends in .pt2; it must not be there yet.
        tolerance: the greatest difference of the logits, relative to the greatest logit.

    Returns:
        That difference, on random clips in batches of 1, 2 and 3.

    Raises:
        ConfigurationError: for another ending; where something is there already.
        ExportError: where the model cannot be written, or what was written answers otherwise.
        MergeError, StorageError: where folding, or writing, fails.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise ConfigurationError(f"{path}: a PyTorch program's name ends in {SUFFIX}")
    refuse_existing(path)
    plain = plain_copy(model)
    any_batch = ({0: torch.export.Dim("batch")},)
    try:
        program = torch.export.export(
            folded(plain), (random_clips(plain, 2),), dynamic_shapes=any_batch
        )
    except (RuntimeError, ValueError) as error:
        raise ExportError(f"this model cannot be exported as a program: {error}") from error
    buffer = BytesIO()
    torch.export.save(program, buffer)
    buffer.seek(0)
    read_back = torch.export.load(buffer).module()
    difference = refuse_difference(plain, read_back, tolerance=tolerance)
    write_bytes(path, buffer.getvalue())
    return difference
