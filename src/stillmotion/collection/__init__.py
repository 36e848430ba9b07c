"""Answers to any number of videos, by any number of processes, each video once."""

from stillmotion.collection.answering import Progress, answer_collection
from stillmotion.collection.listing import Collection, read_collection
from stillmotion.collection.plan import Plan

__all__ = ["Collection", "Plan", "Progress", "answer_collection", "read_collection"]
