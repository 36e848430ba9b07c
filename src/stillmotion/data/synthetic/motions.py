"""Videos whose class lies in time alone.

The twelve motions are six pairs, each the other played backwards. A clip of the second motion of a
pair *is* a clip of the first with its frames reversed, so whatever can be read from the frames
without their order is distributed alike in both: no order-free reading is right more than half the
time. The shape is drawn independently of the motion.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from stillmotion.data.synthetic.drawing import Pose, draw_look, render, uniform
from stillmotion.errors import ConfigurationError, unknown
from stillmotion.shapes import Frames

_PAIRS = (
    ("moves-right", "moves-left"),
    ("moves-down", "moves-up"),
    ("turns-clockwise", "turns-anticlockwise"),
    ("grows", "shrinks"),
    ("appears", "vanishes"),
    ("brightens", "darkens"),
)

MOTIONS: tuple[str, ...] = tuple(motion for pair in _PAIRS for motion in pair)
"""The twelve classes."""

PARTNER: dict[str, str] = {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])}
"""The motion that each motion becomes when its frames are reversed."""


@dataclass(frozen=True, kw_only=True)
class _Course:
    """The frames of a clip as they follow each other."""

    time: Float[Tensor, " T"]
    """Seconds over the clip's duration: evenly from 0 to 1."""
    progress: Float[Tensor, " T"]
    """How much of the motion is done: from 0 to 1, at a changing speed."""
    generator: Generator

    def draw(self, low: float, high: float) -> Tensor:
        """A number for the whole clip, drawn evenly from [low, high)."""
        return uniform(low, high, generator=self.generator)

    def wobble(self, amplitude: float) -> Float[Tensor, " T"]:
        """A slow swing of at most this size: how a held camera or a hanging thing moves."""
        phase, swings = self.draw(-math.pi, math.pi), self.draw(0.3, 1.2)
        return self.draw(0.0, amplitude) * torch.sin(2 * math.pi * swings * self.time + phase)


def _move(pose: Pose, course: _Course, *, axis: int) -> Pose:
    distance = course.draw(0.6, 1.0)
    start = course.draw(-0.7, 0.7 - float(distance))
    centre = pose.centre.clone()
    centre[:, axis] = start + distance * course.progress
    return replace(pose, centre=centre)


def _turn(pose: Pose, course: _Course) -> Pose:
    return replace(pose, angle=pose.angle + course.draw(1.4, 2.8) * course.progress)


def _grow(pose: Pose, course: _Course) -> Pose:
    doublings = course.draw(0.7, 1.2)
    return replace(pose, radius=pose.radius * 2 ** (doublings * (course.progress - 0.5)))


def _appear(pose: Pose, course: _Course) -> Pose:
    moment, duration = course.draw(0.3, 0.7), course.draw(0.01, 0.2)
    opacity = ((course.time - moment) / duration + 0.5).clamp(0, 1)
    return replace(pose, opacity=opacity)


def _brighten(pose: Pose, course: _Course) -> Pose:
    doublings = course.draw(0.8, 1.2)
    light = 2 ** (doublings * (course.progress - 1)) * course.draw(0.9, 1.0)
    if course.draw(0.0, 1.0) < 0.5:
        return replace(pose, scene_light=light)
    return replace(pose, object_light=light, scene_light=torch.ones_like(light))


_MOVES: dict[str, Callable[[Pose, _Course], Pose]] = {
    "moves-right": lambda pose, course: _move(pose, course, axis=0),
    "moves-down": lambda pose, course: _move(pose, course, axis=1),
    "turns-clockwise": _turn,
    "grows": _grow,
    "appears": _appear,
    "brightens": _brighten,
}


def draw_course(num_frames: int, *, generator: Generator) -> _Course:
    """Times and progress of a motion that starts faster, or slower, than it ends."""
    time = torch.linspace(0, 1, num_frames)
    haste = uniform(-0.5, 0.5, generator=generator)
    progress = time + haste * torch.sin(2 * math.pi * time) / (2 * math.pi)
    return _Course(time=time, progress=progress, generator=generator)


def _resting_pose(course: _Course) -> Pose:
    """An object that stays but for a wobble; in half of the clips the camera drifts."""
    one = torch.ones_like(course.time)
    drift = course.draw(0.0, 0.2) * (course.draw(0.0, 1.0) < 0.5)
    heading = course.draw(-math.pi, math.pi)
    pan = torch.stack([heading.cos(), heading.sin()]) * drift
    return Pose(
        centre=torch.stack([course.draw(-0.35, 0.35) + course.wobble(0.04) for _ in "xy"], dim=1),
        radius=course.draw(0.42, 0.62) * (1 + course.wobble(0.04)),
        angle=course.draw(-math.pi, math.pi) + course.wobble(0.12),
        opacity=one,
        object_light=one,
        scene_light=course.draw(0.5, 1.0) * (1 + course.wobble(0.03)),
        camera=pan * (course.time[:, None] - 0.5),
    )


def draw_clip(motion: str, *, shape: str, generator: Generator, size: int = 80) -> Frames:
    """Draw a clip of 18 to 30 frames, (T, 3, size, size).

    With generators of the same state, a motion's clip and its partner's are each other's reverse.

    Raises:
        ConfigurationError: the motion is not one of `MOTIONS`, or the shape not one of `SHAPES`.
    """
    if motion not in PARTNER:
        raise ConfigurationError(unknown("motion", motion, MOTIONS))
    look = draw_look(shape, generator=generator)
    num_frames = int(torch.randint(18, 31, (), generator=generator))
    course = draw_course(num_frames, generator=generator)
    forward = motion if motion in _MOVES else PARTNER[motion]
    pose = _MOVES[forward](_resting_pose(course), course)
    frames = render(look, pose, size=size, generator=generator).pictures
    return frames if motion == forward else frames.flip(0)
