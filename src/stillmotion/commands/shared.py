"""What several commands say and ask for."""

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_type_hints

from jsonargparse.typing import PositiveFloat

from stillmotion.errors import ConfigurationError
from stillmotion.files import refuse_existing, refuse_unwritable
from stillmotion.parsing import Parser
from stillmotion.settings import MEMORY_GIB, Precision, Videos, Views

Arguments = Sequence[str]
RUN = "a directory written by train or save_pretrained, or a Hugging Face hub id"
DATA = "a folder with a folder for each class, a list file, or a manifest"
WEIGHTS = "the image model's weights, where they are not where the run says"


VIEWS = {
    "clips": "clips of a video",
    "crops": "crops of a clip, 1, 3 or 10",
    "spread": "where the clips begin: ends, middles or starts",
    "short_side": "to what the shorter side is resized before cropping",
    "average": "what is averaged over clips and crops",
}
"""What can be asked about the views of a video."""

READING = ("root", "classes", "columns", "exclude")
"""What of `Videos` says how a list is read, and no more."""


def add_videos(parser: Parser, prefix: str | None, *fields: str) -> None:
    """Options for some fields of `Videos`, those of `READING` always."""
    every = {field.name for field in dataclasses.fields(Videos)}
    parser.add_class_arguments(Videos, prefix, skip=every - {*READING, *fields})


def keep_apart(*, inputs: Iterable[str | None], outputs: Mapping[str, str | None]) -> None:
    """Refuse to write over what is read, or twice to one place.

    Args:
        outputs: where to write, by the option that says it.

    Raises:
        ConfigurationError: an output is an input, or another output.
    """
    taken = {os.path.realpath(path): "what is read" for path in inputs if path is not None}
    for option, path in outputs.items():
        if path is None:
            continue
        if other := taken.get(os.path.realpath(path)):
            raise ConfigurationError(f"{option} {path} would replace {other}; name another file")
        taken[os.path.realpath(path)] = f"{option} {path}"


def refuse_other_file(path: Path, suffix: str) -> None:
    """Refuse, before any work, a file that could not be written, or would replace one of another
    kind, which the user may have made.

    Raises:
        ConfigurationError: the file is there, and its name ends otherwise.
        StorageError: it cannot be written.
    """
    if path.is_file() and path.suffix.lower() != suffix:
        raise ConfigurationError(
            f"{path} is there already, and no {suffix} file; name another place to write to"
        )
    refuse_unwritable(path)


def refuse_output(option: str, path: Path, *, suffixes: Sequence[str]) -> None:
    """Refuse, before any work, a file that could not be written, or would replace another.

    Raises:
        ConfigurationError: its name ends otherwise, or something is there.
        StorageError: nothing can be written there.
    """
    if path.suffix.lower() not in suffixes:
        raise ConfigurationError(f"{option} {path}: its name must end with {', '.join(suffixes)}")
    refuse_existing(path)
    refuse_unwritable(path)


def add_views(parser: Parser) -> None:
    """Options for views; by default those of the training."""
    kinds = get_type_hints(Views)
    for name, what in VIEWS.items():
        told = f"{what}; by default as in training"
        parser.add_argument(f"--views.{name}", type=kinds[name] | None, default=None, help=told)


def add_computing(parser: Parser) -> None:
    """How a model that is asked computes."""
    parser.add_argument(
        "--precision",
        type=Precision,
        default="fp32",
        help="fewer bits are quicker, and refused where they change answers to 16 of the videos",
    )
    parser.add_argument(
        "--memory_gib",
        type=PositiveFloat,
        default=MEMORY_GIB,
        help="GiB that the clips and crops that are shown at once may take",
    )


def views_from(values: dict[str, Any], usual: Views) -> Views:
    """The views asked for; what is not asked for is as usual."""
    given = {name: value for name, value in values["views"].items() if value is not None}
    return replace(usual, **given)
