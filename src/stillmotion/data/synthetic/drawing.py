"""Draws one textured object on a textured background: the parts of every generated picture.

Lengths are in units of half the picture's side, x to the right, y downwards, (0, 0) in the middle.
Angles are in radians, clockwise on the screen. Colours are RGB in [0, 1]. A `Look` is what stays
the same over a video, a `Pose` what may change from frame to frame; their leading axes broadcast,
so one call draws the frames of a video or a batch of unrelated stills.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Generator, Tensor

from stillmotion.errors import ConfigurationError, unknown

Plane = Float[Tensor, "#N #height #width"]


def _half_plane(x: Tensor, y: Tensor, *, angle: float, distance: float) -> Tensor:
    return math.cos(angle) * x + math.sin(angle) * y - distance


def _disc(x: Tensor, y: Tensor) -> Tensor:
    return torch.hypot(x, y) - 0.85


def _square(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(x.abs(), y.abs()) - 0.75


def _triangle(x: Tensor, y: Tensor) -> Tensor:
    sides = [_half_plane(x, y, angle=math.pi / 3 * k, distance=0.55) for k in (1, 3, 5)]
    return torch.maximum(torch.maximum(sides[0], sides[1]), sides[2])


def _star(x: Tensor, y: Tensor) -> Tensor:
    sector = 2 * math.pi / 5
    angle = torch.remainder(torch.atan2(y, x) + sector / 2, sector) - sector / 2
    radius = torch.hypot(x, y)
    # The straight edge from the outer vertex (1.15, 0) to the inner one, 0.48 away at 36 degrees.
    run, rise = 1.15 - 0.48 * math.cos(sector / 2), 0.48 * math.sin(sector / 2)
    edge = rise * (radius * angle.cos() - 1.15) + run * radius * angle.sin().abs()
    return edge / math.hypot(run, rise)


def _ring(x: Tensor, y: Tensor) -> Tensor:
    return (torch.hypot(x, y) - 0.68).abs() - 0.27


def _cross(x: Tensor, y: Tensor) -> Tensor:
    upright = torch.maximum(x.abs() - 0.3, y.abs() - 0.95)
    level = torch.maximum(x.abs() - 0.95, y.abs() - 0.3)
    return torch.minimum(upright, level)


_OUTLINES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "disc": _disc,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
}

SHAPES: tuple[str, ...] = tuple(_OUTLINES)
"""What an object can be: a label that one frame decides, independent of how the object moves."""


def uniform(low: float, high: float, *shape: int, generator: Generator) -> Tensor:
    """Numbers drawn evenly from [low, high), of the given shape."""
    return low + (high - low) * torch.rand(shape, generator=generator)


@dataclass(frozen=True, kw_only=True)
class Texture:
    """Two colours mixed by two crossed waves: stripes, checks or smooth clouds."""

    colours: Float[Tensor, "N 2 3"]
    waves: Float[Tensor, "N 2 2"]
    """Two wave vectors (x, y), in radians per unit of length."""
    phases: Float[Tensor, "N 2"]
    balance: Float[Tensor, " N"]
    """Weight of the second wave against the first, in [0, 1]."""
    contrast: Float[Tensor, " N"]
    """1 for smooth waves; more for harder edges."""

    def __call__(self, x: Plane, y: Plane) -> Float[Tensor, "_ 3 _ _"]:
        """The colours at the given places."""
        first, second = (
            torch.sin(
                _over_plane(self.waves[:, k, 0]) * x
                + _over_plane(self.waves[:, k, 1]) * y
                + _over_plane(self.phases[:, k])
            )
            for k in (0, 1)
        )
        balance = _over_plane(self.balance)
        wave = _over_plane(self.contrast) * ((1 - balance) * first + balance * second)
        mixture = wave.div(2).add(0.5).clamp(0, 1).unsqueeze(1)
        low, high = self.colours[:, :, :, None, None].unbind(1)
        return low + (high - low) * mixture


@dataclass(frozen=True, kw_only=True)
class Look:
    """What objects of one shape and their surroundings look like; N is 1 in a video."""

    shape: str
    surface: Texture
    """Of the object, in its own units, so that it moves, turns and grows with the object."""
    mark: Float[Tensor, "N 3"]
    """Colour of the spot on the side of the object that points along its angle."""
    background: Texture
    noise: Float[Tensor, " N"]
    """Standard deviation of the camera's noise, as a fraction of white."""


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where the object is and how it is lit, N frames or stills long."""

    centre: Float[Tensor, "N 2"]
    radius: Float[Tensor, " N"]
    angle: Float[Tensor, " N"]
    opacity: Float[Tensor, " N"]
    """1 for an object that is there, 0 for one that is not."""
    object_light: Float[Tensor, " N"]
    scene_light: Float[Tensor, " N"]
    camera: Float[Tensor, "N 2"]
    """The point of the scene in the middle of the picture."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Pictures, and how much of each pixel the object and the mark on it cover, in [0, 1]."""

    pictures: UInt8[Tensor, "N 3 size size"]
    coverage: Float[Tensor, "N size size"]
    mark: Float[Tensor, "N size size"]


def _over_plane(x: Tensor) -> Tensor:
    return x[:, None, None]


def draw_texture(count: int, colours: Tensor, *, waviness: float, generator: Generator) -> Texture:
    """Random textures of the given colours, (count, 2, 3).

    Args:
        waviness: mean length of the wave vectors, in radians per unit of length.
    """
    direction = uniform(-math.pi, math.pi, count, generator=generator)
    directions = torch.stack([direction, direction + math.pi / 2], dim=1)
    lengths = waviness * uniform(0.6, 1.4, count, 2, 1, generator=generator)
    return Texture(
        colours=colours,
        waves=lengths * torch.stack([directions.cos(), directions.sin()], dim=2),
        phases=uniform(-math.pi, math.pi, count, 2, generator=generator),
        balance=uniform(0.0, 0.6, count, generator=generator),
        contrast=uniform(0.7, 2.0, count, generator=generator),
    )


def draw_look(shape: str, *, count: int = 1, generator: Generator) -> Look:
    """Random looks of objects of one shape.

    Raises:
        ConfigurationError: the shape is not one of `SHAPES`.
    """
    if shape not in _OUTLINES:
        raise ConfigurationError(unknown("shape", shape, SHAPES))
    scenery = uniform(0.1, 0.9, count, 1, 3, generator=generator)
    candidates = uniform(0.0, 1.0, count, 8, 3, generator=generator)
    paint = _farthest(candidates, from_=scenery)
    mark = _farthest(candidates, from_=torch.cat([scenery, paint], dim=1))
    shades = torch.tensor([-0.5, 0.5])[:, None]
    background = scenery + shades * uniform(-0.2, 0.2, count, 1, 3, generator=generator)
    surface = paint + shades * uniform(-0.3, 0.3, count, 1, 3, generator=generator)
    return Look(
        shape=shape,
        surface=draw_texture(count, surface.clamp(0, 1), waviness=4.0, generator=generator),
        mark=mark[:, 0],
        background=draw_texture(count, background.clamp(0, 1), waviness=6.0, generator=generator),
        noise=uniform(0.0, 0.03, count, generator=generator),
    )


def _farthest(
    candidates: Float[Tensor, "N _ 3"], *, from_: Float[Tensor, "N _ 3"]
) -> Float[Tensor, "N 1 3"]:
    """The colour farthest from the nearest of the others, so that it can be seen beside them."""
    best = torch.cdist(candidates, from_).amin(dim=2).argmax(dim=1)
    return candidates[torch.arange(len(candidates)), best].unsqueeze(1)


def render(look: Look, pose: Pose, *, size: int, generator: Generator) -> Drawing:
    """Draw pictures of size x size pixels."""
    edge = (torch.arange(size) + 0.5) / size * 2 - 1
    x = edge[None, None, :] + _over_plane(pose.camera[:, 0])
    y = edge[None, :, None] + _over_plane(pose.camera[:, 1])
    picture = look.background(x, y)

    right = x - _over_plane(pose.centre[:, 0])
    down = y - _over_plane(pose.centre[:, 1])
    cosine = _over_plane(pose.angle.cos() / pose.radius)
    sine = _over_plane(pose.angle.sin() / pose.radius)
    along, across = cosine * right + sine * down, cosine * down - sine * right

    pixels = _over_plane(pose.radius * (size / 2))
    mark = _soft_edge(torch.hypot(along - 0.6, across) - 0.36, pixels)
    surface = torch.lerp(
        look.surface(along, across), look.mark[:, :, None, None], mark.unsqueeze(1)
    )
    surface = surface * _over_plane(pose.object_light).unsqueeze(1)
    coverage = _soft_edge(_OUTLINES[look.shape](along, across), pixels) * _over_plane(pose.opacity)

    picture = torch.lerp(picture, surface, coverage.unsqueeze(1))
    picture.mul_(pose.scene_light[:, None, None, None])
    grain = torch.randn(len(coverage), 1, size, size, generator=generator)
    picture.add_(grain.mul_(look.noise[:, None, None, None]))
    pictures = picture.clamp_(0, 1).mul_(255).round_().to(torch.uint8)
    return Drawing(pictures=pictures, coverage=coverage, mark=mark * coverage)


def _soft_edge(distance: Tensor, pixels: Tensor) -> Tensor:
    """Coverage by signed distance from an outline (negative inside), one pixel soft."""
    return (0.5 - distance * pixels).clamp(0, 1)
