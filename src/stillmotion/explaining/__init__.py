"""What an answer rests on: where attention changes, what reaches the answer, which frames it hangs
on, and when it came. And which blocks' flow follows motion."""

from stillmotion.explaining.choosing import BlockRanking, rank_blocks
from stillmotion.explaining.explain import SIGNALS, explain
from stillmotion.explaining.frames import answers_so_far, frame_importance
from stillmotion.explaining.rollout import Rollout, attention_rollout

__all__ = [
    "SIGNALS",
    "BlockRanking",
    "Rollout",
    "answers_so_far",
    "attention_rollout",
    "explain",
    "frame_importance",
    "rank_blocks",
]
