"""Training: one visible loop, and what it is made of."""

from stillmotion.training.loop import Run, train

__all__ = ["Run", "train"]
