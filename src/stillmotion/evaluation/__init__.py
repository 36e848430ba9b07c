"""How good a model is on videos it has not seen, and whether it uses time at all.

scoring      show a model labelled videos, in order, shuffled and reversed
summary      from answers to an `Evaluation`
result       what an `Evaluation` says, as JSON and as a table
breakdown    the same score by camera, by subject, by group
files        JSON, a picture, a page, CSV, and each video's answer and scores
"""

from stillmotion.evaluation.result import Evaluation
from stillmotion.evaluation.scoring import evaluate, views_for
from stillmotion.evaluation.summary import summarise

__all__ = ["Evaluation", "evaluate", "summarise", "views_for"]
