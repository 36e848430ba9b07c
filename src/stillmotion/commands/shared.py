"""What several commands say and ask for."""

import dataclasses
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from stillmotion.parsing import Parser
from stillmotion.recipe import Videos, Views

Arguments = Sequence[str]
RUN = "a directory written by train or save_pretrained, or a Hugging Face hub id"
DATA = "a folder with a folder for each class, or a list file"
WEIGHTS = "the image model's weights, where they are not where the run says"


READING = ("root", "classes", "columns", "exclude")
"""What of `Videos` says how a list is read, and no more."""


def add_videos(parser: Parser, prefix: str | None, *fields: str) -> None:
    """Options for some fields of `Videos`, those of `READING` always."""
    every = {field.name for field in dataclasses.fields(Videos)}
    parser.add_class_arguments(Videos, prefix, skip=every - {*READING, *fields})


def add_views(parser: Parser) -> None:
    """Options for views; by default those of the training."""
    for name, what in (("clips", "clips of a video"), ("crops", "crops of a clip, 1 or 3")):
        told = f"{what} that are averaged; by default as in training"
        parser.add_argument(f"--views.{name}", type=int | None, default=None, help=told)
    parser.add_argument(
        "--views.average",
        type=Literal["probabilities", "logits"] | None,
        default=None,
        help="what is averaged over views; by default as in training",
    )


def views_from(values: dict[str, Any], usual: Views) -> Views:
    """The views asked for; what is not asked for is as usual."""
    given = {name: value for name, value in values["views"].items() if value is not None}
    return replace(usual, **given)
