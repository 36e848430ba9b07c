"""How a model was trained, as its checkpoint says: held against what is possible, for it may be
somebody else's.
"""

from typing import Any

from stillmotion.data.mirror import Mirror, find_mirror
from stillmotion.data.sampling import Sampling
from stillmotion.errors import CheckpointError, ConfigurationError
from stillmotion.fields import allows
from stillmotion.model import VideoClassifier
from stillmotion.settings import Views

USUAL_SECONDS = 4.0
"""Length of a training video where nothing tells it: the usual one of Something-Something (Goyal et
al., arXiv 1706.04261)."""

MOST = 4096
"""Clips of a video, and pixels of its shorter side, that a checkpoint may ask for."""


def mirror_of(model: VideoClassifier) -> Mirror:
    """What a mirror makes of a model's classes: as was known when it was trained, else as their
    names say.

    Raises:
        CheckpointError: where the checkpoint says what cannot be.
    """
    told, names = model.info.get("mirror"), model.class_names
    if told is None:
        return find_mirror(names)
    place: dict[str | None, int | None] = {None: None}
    place |= {name: label for label, name in enumerate(names)}
    try:
        labels = tuple(place[told.get(name, name)] for name in names)
    except (AttributeError, KeyError, TypeError) as error:
        raise CheckpointError(f"the checkpoint's mirror is damaged: {told}") from error
    return Mirror(names, labels)


def sampling_of(model: VideoClassifier) -> Sampling:
    """How clips were drawn when a model was trained.

    Raises:
        CheckpointError: where the checkpoint says what cannot be.
    """
    told: Any = model.info.get("sampling", {"num_frames": model.num_frames})
    try:
        sampling = Sampling(**told | {"strides": tuple(told.get("strides", ()))})
    except (AttributeError, TypeError, ConfigurationError) as error:
        raise CheckpointError(f"the checkpoint's sampling is damaged: {told}") from error
    if sampling.num_frames > model.num_frames:
        raise CheckpointError(
            f"the checkpoint's sampling takes {sampling.num_frames} frames: this model was built "
            f"for 1 to {model.num_frames}"
        )
    return sampling


def views_of(model: VideoClassifier) -> Views:
    """The views with which a model was scored when it was trained; one where it is not known."""
    told = model.info.get("views", {})
    try:
        views = Views(**told)
        if max(views.clips, views.short_side or 0) > MOST:
            raise ConfigurationError("no score was ever made so")
    except (TypeError, ConfigurationError) as error:
        raise CheckpointError(f"the checkpoint's views are damaged: {told}") from error
    return views


def usual_seconds_of(model: VideoClassifier) -> tuple[float, bool]:
    """How long the videos usually were that a model was trained on, and whether its checkpoint says
    so; where it does not, `USUAL_SECONDS`.

    Raises:
        CheckpointError: where the checkpoint says what cannot be.
    """
    told = model.info.get("usual_seconds")
    if not told:
        return USUAL_SECONDS, False
    if not allows(float, told) or told < 0:
        raise CheckpointError(f"the checkpoint's usual_seconds is damaged: {told}")
    return float(told), True
