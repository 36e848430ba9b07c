"""What the authors' keys have no place for, kept in a safetensors file's description.

The authors' code does not read it. `load` does, so that what `export` wrote comes back as it was.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from stillmotion.errors import WeightsError
from stillmotion.given_files import from_json, refuse_endless
from stillmotion.model import VideoClassifier
from stillmotion.official.scheme import Fields, MethodScheme, Pixels, plain

log = logging.getLogger("stillmotion")

KEY = "stillmotion"
"""Where it stands in the file's description."""

NEARLY = 1e-3
"""How far constants for pixels may lie apart: the authors of AIM round those of CLIP."""


@dataclass(frozen=True)
class Settings:
    """What a file tells beside its tensors; empty for the authors' own files."""

    fields: Fields = field(default_factory=dict)
    """Of the method, and the number of heads."""
    class_names: tuple[str, ...] = ()
    pixels: Pixels | None = None
    """Mean and standard deviation of R, G, B."""


def described(model: VideoClassifier) -> dict[str, str]:
    """The description of an exported file."""
    fields = model.method.to_dict()
    del fields["method"]
    backbone = model.backbone
    settings = {
        "fields": fields,
        "class_names": model.class_names,
        "pixels": (backbone.mean, backbone.std),
    }
    return {"format": "pt", KEY: json.dumps(settings)}


def read_settings(source: str | PathLike[str] | Mapping[str, Any]) -> Settings:
    """What `described` wrote into a file.

    Raises:
        WeightsError: where the file cannot be read, or the description is damaged.
    """
    if isinstance(source, Mapping) or Path(source).suffix != ".safetensors":
        return Settings()
    try:
        refuse_endless(Path(source))
        with safe_open(source, framework="pt") as file:
            told = (file.metadata() or {}).get(KEY)
        if told is None:
            return Settings()
        given = from_json(told)
        mean, std = given["pixels"]
        return Settings(
            {name: plain(value) for name, value in given["fields"].items()},
            tuple(map(str, given["class_names"])),
            (tuple(map(float, mean)), tuple(map(float, std))),
        )
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(f"cannot read {source}: {error}") from error


def warn_of_pixels(model: VideoClassifier, scheme: MethodScheme, *, is_clip: bool) -> None:
    """Say where the authors' code would normalise pixels otherwise than this model does."""
    theirs = [*chain(*scheme.pixels(is_clip=is_clip))]
    ours = [*model.backbone.mean, *model.backbone.std]
    if max(abs(a - b) for a, b in zip(theirs, ours, strict=True)) > NEARLY:
        log.warning(
            "%s's code takes %s for the mean and deviation of pixels, this model %s: set them "
            "there, or the answers differ",
            scheme.title,
            theirs,
            ours,
        )
