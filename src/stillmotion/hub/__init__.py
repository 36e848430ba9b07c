"""Trained models on the Hugging Face hub: a folder with a model card, and its way there.

`stillmotion.load("user/name")` is the way back.
"""

from stillmotion.hub.card import model_card
from stillmotion.hub.pushing import prepare, push

__all__ = ["model_card", "prepare", "push"]
