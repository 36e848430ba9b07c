"""What is said over HTTP, as pydantic models: answers are checked, and OpenAPI is made of them.

All times are in seconds.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["queued", "reading", "scoring", "done", "failed", "cancelled"]
ENDED: tuple[State, ...] = ("done", "failed", "cancelled")


Box = tuple[float, float, float, float]
"""A part of a picture: left, top, width, height, each in [0, 1] of the picture's own sides."""


class Schema(BaseModel):
    """Above all that is said."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Fault(Schema):
    """Why something was not done."""

    code: str = Field(examples=["too_large"])
    """One word, for programs."""
    reason: str
    """A sentence, for people."""


MISTAKE = Fault(code="fault", reason="the service made a mistake; its log says which")


class Failure(Schema):
    """Every answer that is not a success."""

    error: Fault


class LimitsTold(Schema):
    """What may be asked of the service."""

    max_bytes: int
    max_seconds: float
    max_pixels: int
    max_frames: int
    max_windows: int
    queue: int
    time_limit_seconds: float


class ServiceTold(Schema):
    """What the service is."""

    version: str
    limits: LimitsTold
    needs_token: bool


class ModelTold(Schema):
    """A model that can be asked."""

    id: str
    name: str
    source: str | None
    """Where it came from, as whoever started the service wrote it; null: from a program."""
    method: str
    backbone: str
    class_names: list[str]
    num_frames: int
    image_size: int
    """Sides of the square that the model sees, in pixels."""
    trained_parameters: int
    shares: list[str]
    """Models that hold the same image model in the same memory."""
    has_flow: bool
    """Whether its attention-map flow can be shown."""


class SampleTold(Schema):
    """A video to try."""

    id: str
    name: str
    seconds: float


class Accepted(Schema):
    """A job that will be worked at."""

    id: str


class VideoTold(Schema):
    """The video of a job, upright."""

    name: str
    seconds: float
    width: int
    height: int
    fps: float


class Share(Schema):
    """A class and its probability."""

    label: str
    probability: float


class TrackTold(Schema):
    """Probabilities over time, window by window, of the few classes that matter."""

    starts: list[float]
    stops: list[float]
    labels: list[str]
    probabilities: list[list[float]]
    """A row a window, a column a label."""


class Result(Schema):
    """What one model says of a video."""

    model: str
    answer: str
    """The most probable class of the whole video, or "none of these"."""
    top: list[Share]
    track: TrackTold
    seconds_of_work: float


class JobTold(Schema):
    """How far a job is, and what came of it."""

    id: str
    state: State
    progress: float = Field(ge=0, le=1)
    ahead: int = Field(ge=0)
    """Jobs that are worked at before it."""
    error: Fault | None
    video: VideoTold | None
    results: list[Result]


class FlowTold(Schema):
    """How strongly attention changes from frame to frame, in each part of the picture."""

    times: list[float]
    """When each of the T frames is shown."""
    height: int
    width: int
    """Of the grid of patches."""
    block: str
    """Whose flow this is, such as "block 12"."""
    read: bool
    """Whether the model reads this flow; otherwise it was computed for the picture."""
    box: Box
    """What of the picture the grid covers: left, top, width, height, each in [0, 1]."""
    strength: str
    """Base64 of T x height x width bytes, row by row: 0 is no motion."""


class Health(Schema):
    """Whether the service works."""

    status: Literal["ok", "stopping"]
