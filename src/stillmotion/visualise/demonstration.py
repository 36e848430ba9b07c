"""What a demonstration has to show: the material of its page and of its picture."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stillmotion.errors import DataError
from stillmotion.visualise.clips import Clip
from stillmotion.visualise.drawing import History, Matrix, Score
from stillmotion.visualise.flow import BlockFlow

ORDERS = {"in order": "top1", "shuffled": "top1_shuffled", "reversed": "top1_reversed"}
"""The orders in which frames were shown, and the score of each."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One trained model and its scores on the held-out clips; fractions in [0, 1].

    Attributes:
        name: as the page calls it.
        intervals: 95% intervals by the names of the scores: ``top1``, ``top1_shuffled`` ...
        history: a row an epoch; see `drawing.History`.
        trainable_parameters: how many numbers were trained, the classifier included.
        control_top1: how often the same frozen features, with a linear layer of their own, name
            what does not lie in time (the shape); None where this was not asked.
    """

    name: str
    top1: float
    top1_shuffled: float
    top1_reversed: float
    intervals: Mapping[str, tuple[float, float]]
    confusion: Matrix
    history: History
    trainable_parameters: int
    control_top1: float | None = None

    @staticmethod
    def from_report(name: str, told: Mapping[str, Any]) -> "Contender":
        """A model's entry in `report.json`."""
        return Contender(
            name=name,
            top1=told["top1"],
            top1_shuffled=told["top1_shuffled"],
            top1_reversed=told["top1_reversed"],
            intervals={key: (low, high) for key, (low, high) in told["intervals"].items()},
            confusion=np.array(told["confusion"], dtype=int),
            history=told["history"],
            trainable_parameters=told["trainable_parameters"],
            control_top1=told.get("control_top1"),
        )

    @property
    def scores(self) -> list[Score]:
        """A bar for each order of frames."""
        return [
            Score(group=self.name, name=o, value=getattr(self, key), interval=self.interval(key))
            for o, key in ORDERS.items()
        ]

    def interval(self, key: str = "top1") -> tuple[float, float]:
        """The 95% interval of a score."""
        return self.intervals[key]


@dataclass(frozen=True, kw_only=True)
class Example:
    """A held-out clip, what happens in it, and what AM Flow and the baseline say.

    Attributes:
        path: of its file, for who wants to look.
        label, amflow, baseline: names of classes.
        clip: frames to show, at any size.
    """

    path: str
    label: str
    amflow: str
    baseline: str
    clip: Clip


@dataclass(frozen=True, kw_only=True)
class FlowExample:
    """The attention-map flow of AM Flow on one clip; ``clip`` holds the frames it saw."""

    label: str
    clip: Clip
    blocks: Sequence[BlockFlow]


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """A whole demonstration.

    Attributes:
        without_flow: AM Flow trained alike but with its flow left out; None where it was not.
        firsts: the first held-out clip of each class, chosen by `choose_examples`.
        mistakes: the first clips that AM Flow got wrong, chosen by `choose_examples`.
        num_shapes: how many answers the control of the baseline has.
        seconds: the whole run took, from drawing the videos to this page.
        command: that repeats it.
        machine: in words: processor, threads.
        versions: of what computed it, by name.
    """

    class_names: Sequence[str]
    amflow: Contender
    baseline: Contender
    without_flow: Contender | None = None
    firsts: Sequence[Example]
    mistakes: Sequence[Example]
    flow: FlowExample
    num_train: int
    num_heldout: int
    num_shapes: int
    backbone: str
    backbone_parameters: int
    seed: int
    seconds: float
    command: str
    machine: str
    versions: Mapping[str, str]

    @property
    def contenders(self) -> list[Contender]:
        """All models, the best informed first."""
        return [c for c in (self.amflow, self.without_flow, self.baseline) if c is not None]

    @property
    def ceiling(self) -> float:
        """The best score without order: of a clip and its reversal one answer fits only one."""
        return 0.5

    @property
    def references(self) -> dict[str, float]:
        """Scores to compare with: guessing, and the best that can be had without order."""
        return {"chance": 1 / len(self.class_names), "best without order": self.ceiling}


def choose_examples(
    predictions: Sequence[Mapping[str, Any]], *, mistakes: int = 6
) -> tuple[list[int], list[int]]:
    """Choose the clips to show by rule, so that nobody can pick the pretty ones.

    Args:
        predictions: a row a held-out clip, in the order of the list: ``label`` and ``amflow``.
        mistakes: how many mistakes to show, at most.

    Returns:
        Indices of the first clip of each class, and of the first clips that AM Flow got wrong.

    Raises:
        DataError: there is no clip.
    """
    if not predictions:
        raise DataError("there is no held-out clip to show")
    of_class = defaultdict(list)
    for index, row in enumerate(predictions):
        of_class[row["label"]].append(index)
    wrong = [i for i, row in enumerate(predictions) if row["amflow"] != row["label"]]
    return [indices[0] for indices in of_class.values()], wrong[:mistakes]
