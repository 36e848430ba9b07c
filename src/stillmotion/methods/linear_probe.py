"""The order-free baseline: frozen features of every frame, averaged, and one linear layer."""

from dataclasses import dataclass

from stillmotion.methods.base import Method, register


@register
@dataclass(frozen=True, kw_only=True)
class LinearProbe(Method):
    """What the image model knows without any adapter. It cannot tell the order of frames."""

    name = "linear_probe"

    dropout: float = 0.0
    """Before the linear layer."""

    @property
    def is_causal(self) -> bool:
        return True

    @property
    def reads_frozen_frames(self) -> bool:
        return True
