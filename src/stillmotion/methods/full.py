"""The baseline that trains everything."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from stillmotion.backbones import OpenBackbone
from stillmotion.methods.base import Method, register


@register
@dataclass(frozen=True, kw_only=True)
class FullFineTuning(Method):
    """Everything trains. From scratch: the same with random weights, ``weights="none"``.

    Frames are averaged: the order is not seen. Drop path of the image model stays off.
    """

    name = "full"

    dropout: float = 0.0
    """Before the linear layer to the classes."""

    @property
    def is_causal(self) -> bool:
        return True

    def thawed(self, backbone: OpenBackbone) -> Iterable[nn.Parameter]:
        return backbone.parameters()
