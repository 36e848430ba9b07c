"""Steadier tracks: probabilities as sure as a calibrated model is, and averaged over time."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float32

from stillmotion.errors import ConfigurationError
from stillmotion.fields import allows
from stillmotion.localisation.track import Track
from stillmotion.metrics import scaled

REACH = 4.0
"""Standard deviations at which the Gaussian ends; what lies beyond is less than 1/10,000 of it."""


def calibrated(track: Track, temperature: float) -> Track:
    """The track with log-probabilities divided by a temperature above 0, as `Rejection` does."""
    said = scaled(torch.from_numpy(track.probabilities).double(), temperature)
    return replace(track, probabilities=said.float().numpy())


def smoothed(track: Track, *, seconds: float) -> Track:
    """The track with a Gaussian mean over time: each window's centre weighs its neighbours.

    Probabilities still add up to what they did: they are weighted means of the windows'.

    Args:
        seconds: standard deviation; 0 leaves the track as it is.

    Raises:
        ConfigurationError: a deviation below 0.
    """
    refuse_negative(seconds)
    if seconds == 0:
        return track
    centres = track.centres
    firsts = np.searchsorted(centres, centres - REACH * seconds, side="left")
    stops = np.searchsorted(centres, centres + REACH * seconds, side="right")
    rows = np.empty_like(track.probabilities)
    for place, near in enumerate(map(slice, firsts, stops)):
        weights = np.exp(-0.5 * ((centres[near] - centres[place]) / seconds) ** 2)
        rows[place] = weights / weights.sum() @ track.probabilities[near]
    return replace(track, probabilities=rows)


def refuse_negative(seconds: float) -> None:
    """Refuse what is no deviation, before a video is looked at.

    Raises:
        ConfigurationError: it is below 0, or no number.
    """
    if not allows(float, seconds) or seconds < 0:
        raise ConfigurationError(f"smooth={seconds!r}: give seconds, a number from 0")


def strongest(track: Track, *, most: int, first: Sequence[str] = ()) -> Track:
    """The track of at most so many classes: some that are named, then those with highest peaks."""
    peaks = track.probabilities.max(axis=0)
    named = {track.class_names.index(name): 1 for name in first}
    order = sorted(range(len(peaks)), key=lambda k: (-named.get(k, 0), -peaks[k], k))[:most]
    columns: Float32[np.ndarray, "S few"] = track.probabilities[:, order]
    return replace(
        track, class_names=tuple(track.class_names[k] for k in order), probabilities=columns
    )
