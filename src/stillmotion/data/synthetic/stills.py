"""Single pictures drawn as the generated videos are, with all that is known of them."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int, UInt8
from torch import Generator, Tensor

from stillmotion.data.synthetic.drawing import SHAPES, Pose, draw_look, render, uniform
from stillmotion.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Stills:
    """N unrelated pictures, as many of every shape, and what a model may learn from them."""

    pictures: UInt8[Tensor, "N 3 size size"]
    shape: Int[Tensor, " N"]
    """Index into `SHAPES`."""
    coverage: Float[Tensor, "N size size"]
    mark: Float[Tensor, "N size size"]
    """How much of each pixel is the object's, and its mark's, in [0, 1]."""
    centre: Float[Tensor, "N 2"]
    """Of the object, from the picture's middle, in halves of the picture's side."""
    log_radius: Float[Tensor, " N"]
    direction: Float[Tensor, "N 2"]
    """Cosine and sine of the object's angle."""
    opacity: Float[Tensor, " N"]
    """Of the object: 0 where there is none, whatever else is said of it."""
    object_colour: Float[Tensor, "N 3"]
    scenery_colour: Float[Tensor, "N 3"]
    """Mean colours as they are lit."""


def draw_stills(count: int, *, size: int, generator: Generator) -> Stills:
    """Draw pictures; in a tenth of them the object is missing, in another tenth translucent.

    Raises:
        ConfigurationError: the count is not a positive multiple of the number of shapes.
    """
    if count < 1 or count % len(SHAPES):
        raise ConfigurationError(
            f"{count} stills cannot be shared by {len(SHAPES)} shapes; "
            f"give a positive multiple of {len(SHAPES)}."
        )
    share = count // len(SHAPES)
    batches = [_draw_stills_of(shape, share, size, generator) for shape in SHAPES]
    return _each_field(lambda name: torch.cat([getattr(batch, name) for batch in batches]))


def _each_field(value: Callable[[str], Tensor]) -> Stills:
    return Stills(**{field.name: value(field.name) for field in fields(Stills)})


def _draw_stills_of(shape: str, count: int, size: int, generator: Generator) -> Stills:
    look = draw_look(shape, count=count, generator=generator)
    pose = _draw_poses(count, generator)
    drawing = render(look, pose, size=size, generator=generator)
    return Stills(
        pictures=drawing.pictures,
        shape=torch.full((count,), SHAPES.index(shape)),
        coverage=drawing.coverage,
        mark=drawing.mark,
        centre=pose.centre - pose.camera,
        log_radius=pose.radius.log(),
        direction=torch.stack([pose.angle.cos(), pose.angle.sin()], dim=1),
        opacity=pose.opacity,
        object_colour=_lit(look.surface.colours, pose.object_light * pose.scene_light),
        scenery_colour=_lit(look.background.colours, pose.scene_light),
    )


def _lit(colours: Float[Tensor, "N 2 3"], light: Float[Tensor, " N"]) -> Float[Tensor, "N 3"]:
    return colours.mean(dim=1) * light[:, None]


def _draw_poses(count: int, generator: Generator) -> Pose:
    """Wider than any video's poses, so that who learnt from stills finds no frame strange."""

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return uniform(low, high, count, *shape, generator=generator)

    kind = draw(0.0, 1.0)
    opacity = torch.where(kind < 0.1, 0.0, torch.where(kind < 0.2, draw(0.0, 1.0), 1.0))
    return Pose(
        centre=draw(-0.8, 0.8, 2),
        radius=2 ** draw(-1.8, -0.1),
        angle=draw(-math.pi, math.pi),
        opacity=opacity,
        object_light=torch.where(draw(0.0, 1.0) < 0.2, draw(0.4, 1.0), 1.0),
        scene_light=draw(0.4, 1.05),
        camera=torch.zeros(count, 2),
    )
