"""Tiny runs of the real pipeline: the packaged image model, few frames, one epoch."""

from pathlib import Path
from typing import Any

from stillmotion.backbones.demo import DEMO_BACKBONE
from stillmotion.cli import main
from stillmotion.data.sampling import Sampling
from stillmotion.methods import AMFlow
from stillmotion.recipe import Recipe
from stillmotion.settings import Training, Videos

TINY = (
    *("--backbone", DEMO_BACKBONE, "--image_size", "64", "--sampling.num_frames", "2"),
    *("--training.epochs", "1", "--training.batch_size", "2", "--videos.workers", "0"),
)
"""What makes `stillmotion train` quick."""


def tiny(data: Path, out: Path, *, videos=None, training=None, **changes: Any) -> Recipe:
    """The same as a recipe."""
    return Recipe(
        **{
            "data": str(data),
            "out": str(out),
            "backbone": DEMO_BACKBONE,
            "image_size": 64,
            "method": AMFlow.small(),
            "sampling": Sampling(num_frames=2),
            "videos": Videos(**{"workers": 0, **(videos or {})}),
            "training": Training(**{"epochs": 1, "batch_size": 2, **(training or {})}),
            **changes,
        }
    )


def stillmotion(*arguments: object) -> int:
    """The exit status of the command line."""
    return main([str(argument) for argument in arguments])


def files_below(folder: Path) -> set[str]:
    """Names relative to the folder, hidden ones too."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
