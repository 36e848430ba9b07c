"""The two attention-map flows as modules: heads of one block in, F numbers a token out."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.backbones import OpenBackbone, OpenBlock
from stillmotion.errors import ConfigurationError
from stillmotion.nn.flow import attention_received, static_flow
from stillmotion.nn.flow_between import flow_between
from stillmotion.nn.linear_attention import LinearEncoderLayer
from stillmotion.nn.past import Past, joined
from stillmotion.nn.reference import Pairing, partner
from stillmotion.shapes import Flow, Reach

Position = Literal["none", "learned", "backbone"]

REACH: dict[Pairing, Reach] = {"next": (0, 1), "previous": (1, 0)}
"""How many frames (back, ahead) the flow of a frame looks."""


class StaticFlow(nn.Module):
    """(E 3), for a fixed camera: the change of attention logits that each token receives. F = h."""

    def __init__(self, *, pairing: Pairing) -> None:
        super().__init__()
        self.pairing = pairing

    still = 1.0
    """What no motion gives: the softmax of zeros is uniform, its column sums are 1."""

    def forward(
        self, q: Float[Tensor, "B T h N d"], k: Float[Tensor, "B T h N d"]
    ) -> Float[Tensor, "B T N h"]:
        return static_flow(q, k, self.pairing)

    def step(
        self, q: Float[Tensor, "B T h N d"], k: Float[Tensor, "B T h N d"], past: Past
    ) -> tuple[Float[Tensor, "B T N h"], Past]:
        """Frames that follow others; queries and keys of the last are kept, and no map."""
        if past is not None and q.shape[1] == 1:
            flow = flow_between(q, k, *past)
        else:
            before_q, before_k = past or (None, None)
            flow = self(joined(before_q, q), joined(before_k, k))[:, -q.shape[1] :]
        return flow, (q[:, -1:], k[:, -1:])

    @property
    def reach(self) -> Reach:
        return REACH[self.pairing]


class AlignedFlow(nn.Module):
    """(E 4-5), for a moving camera: |Enc(a_t) - Enc(a_t+1)|, a the attention each token receives.

    The aligning encoder reads a token's h numbers through a linear map. It cannot know where a
    token lies, since linear attention is permutation-equivariant: the position tells it. Every
    frame is encoded once.
    """

    still = 0.0

    def __init__(
        self,
        backbone: OpenBackbone,
        frozen: OpenBlock,
        *,
        num_tokens: int,
        width: int,
        num_heads: int,
        hidden: int,
        layers: int,
        position: Position,
        pairing: Pairing,
    ) -> None:
        super().__init__()
        self.pairing = pairing
        self.project = nn.Linear(frozen.num_heads, width)
        if position == "backbone" and frozen.grid != backbone.grid:
            raise ConfigurationError(
                "align_position='backbone': the image model's positions belong to its first tokens "
                "alone, and this block has others; choose 'learned' or 'none'"
            )
        self.position = POSITIONS[position](backbone, num_tokens, width)
        encoder = [LinearEncoderLayer(width, num_heads, hidden) for _ in range(layers)]
        for last in encoder[-1:]:
            last.norm2.bias.requires_grad_(False)  # the difference of two frames cancels it
        self.encoder = nn.Sequential(*encoder)

    def forward(self, q: Float[Tensor, "B T h N d"], k: Float[Tensor, "B T h N d"]) -> Flow:
        return self.step(q, k, None)[0]

    def step(
        self, q: Float[Tensor, "B T h N d"], k: Float[Tensor, "B T h N d"], past: Past
    ) -> tuple[Flow, Past]:
        """Frames that follow others; what the encoder made of the last is kept."""
        now = self.encoder(self.position(self.project(attention_received(q, k))))
        a = joined(past, now)
        flow = (a - partner(a, self.pairing)).abs()
        return flow[:, -now.shape[1] :], now[:, -1:]

    @property
    def reach(self) -> Reach:
        return REACH[self.pairing]


class LearnedPosition(nn.Module):
    """A trained vector for each token. (B, T, N, C) -> (B, T, N, C)."""

    def __init__(self, backbone: OpenBackbone, num_tokens: int, width: int) -> None:
        super().__init__()
        self.offset = nn.Parameter(0.02 * torch.randn(num_tokens, width))

    def forward(self, x: Flow) -> Flow:
        return x + self.offset


class BackbonePosition(nn.Module):
    """The image model's own position embedding through a trained linear map."""

    def __init__(self, backbone: OpenBackbone, num_tokens: int, width: int) -> None:
        super().__init__()
        if backbone.position is None:
            raise ConfigurationError(
                f"align_position='backbone': {backbone.name} has no learned position embedding; "
                "choose 'learned' or 'none'"
            )
        position = backbone.position[-num_tokens:].detach().clone()
        # Saved: a checkpoint may hold the image model's weights, which then come after this.
        self.register_buffer("position", position)
        self.project = nn.Linear(position.shape[-1], width)

    def forward(self, x: Flow) -> Flow:
        return x + self.project(self.position)


class NoPosition(nn.Identity):
    """The paper's encoder over bare numbers."""

    def __init__(self, backbone: OpenBackbone, num_tokens: int, width: int) -> None:
        super().__init__()


POSITIONS = {"none": NoPosition, "learned": LearnedPosition, "backbone": BackbonePosition}
