"""`none of these`: when a model should not name any of its classes.

An answer counts where the model is sure enough of it. How sure is chosen on validation videos: the
threshold keeps a given share of the answers that are right. Where there are also videos of none of
the classes, it is the one that tells both apart best and still keeps that share.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from jaxtyping import Bool, Float, Int
from torch import Tensor

from stillmotion.errors import CheckpointError, ConfigurationError, DataError
from stillmotion.fields import check_types, within
from stillmotion.metrics import fit_temperature, most_probable, scaled

NONE = "none of these"
KEY = "none_of_these"
"""Where a checkpoint's `info` holds it."""

KEEP = 0.95
COOLEST, HOTTEST = 0.5, 10.0
"""A temperature beyond these is not believed: few videos, all right, would ask for the coldest."""

DIGITS = 6
"""The threshold is rounded down to these: the last bits differ from machine to machine."""


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """When a model says "none of these", and on what this was decided."""

    threshold: float
    """The least confidence of an answer; 0: any."""
    temperature: float = 1.0
    """By which log-probabilities are divided before confidence is read."""
    keep: float = KEEP
    """The share of right answers that was to be kept."""
    kept: float = 1.0
    """The share of the right answers below that is kept."""
    right: int = 0
    """The validation videos that were answered rightly, and decided."""
    none: int = 0
    """The videos of none of the classes that helped to decide."""
    none_rejected: float | None = None
    """The share of them that is rejected."""
    list_sha256: str | None = None
    """Of the list that decided."""

    def __post_init__(self) -> None:
        check_types(self, "rejection")
        within(self, "threshold", "keep", least=0, most=1)
        if not self.temperature > 0:
            raise ConfigurationError(f"a temperature is above 0, not {self.temperature}")

    def confidence(
        self, probabilities: Float[Tensor, "n W"], sizes: Sequence[int] = ()
    ) -> Float[Tensor, " n"]:
        """How sure each answer is, in [0, 1]."""
        return confidence(probabilities, self.temperature, sizes)

    def accepts(
        self, probabilities: Float[Tensor, "n W"], sizes: Sequence[int] = ()
    ) -> Bool[Tensor, " n"]:
        """Whether each answer counts."""
        return self.confidence(probabilities, sizes) >= self.threshold

    def line(self) -> str:
        """What was decided, for people."""
        told = (
            f"an answer needs a confidence of {self.threshold:.1%} (temperature "
            f"{self.temperature:.2f}): that keeps {self.kept:.1%} of {self.right} right answers"
        )
        if self.none_rejected is not None:
            told += f" and rejects {self.none_rejected:.1%} of {self.none} videos of {NONE}"
        return told

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, as a checkpoint holds it."""
        return asdict(self)


def rejection_of(info: Mapping[str, Any]) -> Rejection | None:
    """What a checkpoint's `info` says; None where nothing was decided.

    Raises:
        CheckpointError: where it says what cannot be.
    """
    told = info.get(KEY)
    if told is None:
        return None
    try:
        known = {field.name for field in fields(Rejection)}
        return Rejection(**{name: value for name, value in told.items() if name in known})
    except (TypeError, AttributeError, ConfigurationError) as error:
        raise CheckpointError(f"the checkpoint's {KEY} is damaged: {told}") from error


def calibrate_rejection(
    probabilities: Float[Tensor, "n W"],
    labels: Int[Tensor, " n"],
    *,
    none: Float[Tensor, "m W"] | None = None,
    sizes: Sequence[int] = (),
    keep: float = KEEP,
    list_sha256: str | None = None,
) -> Rejection:
    """Choose the threshold on videos that were not trained on.

    So many of the least sure right answers are given up that of *new* right answers the share
    ``keep`` is kept on average (with fewer than 1 / (1 - keep) of them that cannot be promised, and
    the least sure one is the threshold).

    Source of the rank: Vovk, Gammerman and Shafer (2005), "Algorithmic Learning in a Random World":
    n exchangeable numbers leave n + 1 equally likely places for the next.

    Args:
        none: what was said of videos of none of the classes.

    Raises:
        DataError: no video was answered rightly.
    """
    if not 0 < keep <= 1:
        raise ConfigurationError(f"keep cannot be {keep}: it is a share, above 0 and at most 1")
    _, said = most_probable(probabilities, sizes, first=1)
    right = said[:, 0] == labels
    if not right.any():
        raise DataError(
            f"none of the {len(labels)} videos was answered rightly: there is no confidence to keep"
        )
    fitted = fit_temperature(probabilities, labels, sizes)
    temperature = min(max(fitted, COOLEST), HOTTEST)
    sure = confidence(probabilities[right], temperature, sizes).sort().values
    rank = max(1, math.floor((1 - keep) * (len(sure) + 1) + 1e-9))
    candidates = sure[:rank]
    unsure = None if none is None else confidence(none, temperature, sizes)
    threshold = _floor(float(candidates[-1] if unsure is None else best(candidates, sure, unsure)))
    return Rejection(
        threshold=threshold,
        temperature=temperature,
        keep=float(keep),
        kept=float((sure >= threshold).double().mean()),
        right=len(sure),
        none=0 if unsure is None else len(unsure),
        none_rejected=None if unsure is None else float((unsure < threshold).double().mean()),
        list_sha256=list_sha256,
    )


def best(
    candidates: Float[Tensor, " c"], sure: Float[Tensor, " right"], unsure: Float[Tensor, " m"]
) -> Tensor:
    """The threshold with the greatest share of right answers kept plus share of others rejected."""
    kept = (sure >= candidates[:, None]).double().mean(dim=1)
    rejected = (unsure < candidates[:, None]).double().mean(dim=1)
    return candidates[(kept + rejected).argmax()]


def confidence(
    probabilities: Float[Tensor, "n W"], temperature: float, sizes: Sequence[int] = ()
) -> Float[Tensor, " n"]:
    """The greatest probability after scaling; of all parts together."""
    value, _ = most_probable(scaled(probabilities.double(), temperature, sizes), sizes, first=1)
    return value[:, 0]


def acceptance(
    rejection: Rejection,
    probabilities: Float[Tensor, "n W"],
    labels: Int[Tensor, " n"],
    sizes: Sequence[int] = (),
) -> dict[str, Any]:
    """What the threshold does to labelled videos: how many answers count, and how many are right.

    Returns:
        ``coverage``: the share of answers that count; ``accuracy``: of these, the share that is
        right (None without any); ``kept``: the share of right answers that counts (None without).
    """
    accepted = rejection.accepts(probabilities, sizes)
    right = most_probable(probabilities, sizes, first=1)[1][:, 0] == labels
    both = int((accepted & right).sum())
    return {
        "threshold": rejection.threshold,
        "temperature": rejection.temperature,
        "accepted": int(accepted.sum()),
        "coverage": float(accepted.double().mean()),
        "accuracy": both / int(accepted.sum()) if accepted.any() else None,
        "kept": both / int(right.sum()) if right.any() else None,
    }


def _floor(value: float) -> float:
    return math.floor(value * 10**DIGITS) / 10**DIGITS
