"""Videos that do not end: logits after every frame, without looking at earlier frames again."""

from stillmotion.streaming.sliding import SlidingWindow
from stillmotion.streaming.stream import Stream

__all__ = ["SlidingWindow", "Stream"]
