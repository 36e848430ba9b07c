"""A baseline that trains no matrix: the image model's biases and norms."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from stillmotion.backbones import OpenBackbone
from stillmotion.errors import ConfigurationError
from stillmotion.methods.base import Method, register


@register
@dataclass(frozen=True, kw_only=True)
class BiasNormTuning(Method):
    """Biases and norms train, matrices stay. Frames are averaged: the order is not seen.

    Source: Ben Zaken et al., "BitFit" (arXiv 2106.10199), for the biases.
    """

    name = "bias_norm"

    biases: bool = True
    """Every bias of the image model trains."""
    norms: bool = True
    """Every gain of a norm trains, and its bias."""
    dropout: float = 0.0
    """Before the linear layer to the classes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.biases or self.norms):
            raise ConfigurationError("bias_norm: biases and norms are both False; nothing trains")

    @property
    def is_causal(self) -> bool:
        return True

    def thawed(self, backbone: OpenBackbone) -> Iterable[nn.Parameter]:
        if self.norms:
            yield from (p for norm in backbone.norms for p in norm.parameters())
        if self.biases:
            named = backbone.named_parameters()
            yield from (p for name, p in named if name.split(".")[-1] == "bias")
