"""AM Flow's video blocks around a backbone's, and the separate frozen pass of its image branch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from stillmotion.backbones import OpenBackbone
from stillmotion.methods.amflow.build import build_blocks
from stillmotion.methods.parts import Trunk
from stillmotion.shapes import Tokens

if TYPE_CHECKING:
    from stillmotion.methods.amflow.config import AMFlow


class AMFlowTrunk(Trunk):
    """Tokens in; tokens of the frames that the image branch reads, and one feature vector a TPU."""

    def __init__(self, method: AMFlow, backbone: OpenBackbone, *, num_frames: int) -> None:
        super().__init__(build_blocks(method, backbone, num_frames=num_frames))
        self.frozen_image = method.image_branch == "frozen"
        self.last_frame_only = method.image_readout == "last"
        self.feature_dims = tuple(
            b.dim for block in self.blocks for b in getattr(block, "branches", ())
        )
        self.inert = self.unread_parameters() if self.frozen_image else ()

    def forward(
        self, x: Tokens
    ) -> tuple[Float[Tensor, "B frames M D"], list[Float[Tensor, "B _"]]]:
        features = []
        image = x[:, -1:] if self.last_frame_only else x
        for block in self.blocks:
            x, said = self.through(block, x)
            features += said
            if self.frozen_image:
                image = block.frozen(image)  # type: ignore[operator]
        return (image if self.frozen_image else x), features

    def unread_parameters(self) -> tuple[str, ...]:
        """What lies behind the last branch: with a frozen image branch nobody reads it."""
        speaking = [i for i, block in enumerate(self.blocks) if len(getattr(block, "branches", ()))]
        last = speaking[-1]
        behind = (f"blocks.{last}.mlp_adapter.up.", f"blocks.{last}.mlp_adapter.scale")
        later = tuple(f"blocks.{i}." for i in range(last + 1, len(self.blocks)))
        trained = (name for name, p in self.named_parameters() if p.requires_grad)
        return tuple(name for name in trained if name.startswith(behind + later))
