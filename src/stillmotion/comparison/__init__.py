"""Whether trained models differ on the same videos, and what they score together.

inputs   runs, evaluations or files of scores to runs over the same videos
pair     two runs: difference, interval, McNemar's test, class by class
result   all runs: scores, pairs, and what an ensemble of them would score
files    JSON, CSV and a page
"""

from stillmotion.comparison.inputs import Run, common_videos, read_run
from stillmotion.comparison.pair import Pair, compare_pair
from stillmotion.comparison.result import Comparison, compare

__all__ = [
    "Comparison",
    "Pair",
    "Run",
    "common_videos",
    "compare",
    "compare_pair",
    "read_run",
]
