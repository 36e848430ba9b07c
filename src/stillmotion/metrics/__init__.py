"""Numbers made of class probabilities and labels: how many are right, how sure, how different.

accuracy       top-1, top-5, mean over classes, macro-F1, intervals
calibration    whether confidence is as high as accuracy, and the temperature that would mend it
combinations   classes that are made of parts, such as verb and noun
confusion      which class was taken for which; precision, recall and F1 of each
significance   whether two models differ on the same videos
"""

from stillmotion.metrics.accuracy import METRICS, Scores, interval, score
from stillmotion.metrics.calibration import (
    Calibration,
    fit_temperature,
    measure_calibration,
    negative_log_likelihood,
    scaled,
)
from stillmotion.metrics.combinations import (
    in_parts,
    marginals,
    most_probable,
    part_labels,
    softmax,
)
from stillmotion.metrics.confusion import Confusion, count_confusion

__all__ = [
    "METRICS",
    "Calibration",
    "Confusion",
    "Scores",
    "count_confusion",
    "fit_temperature",
    "in_parts",
    "interval",
    "marginals",
    "measure_calibration",
    "most_probable",
    "negative_log_likelihood",
    "part_labels",
    "scaled",
    "score",
    "softmax",
]
