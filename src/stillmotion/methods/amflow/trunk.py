"""AM Flow's video blocks around a backbone's, and the separate frozen pass of its image branch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from stillmotion.backbones import OpenBackbone
from stillmotion.methods.amflow.block import SideBlock
from stillmotion.methods.amflow.build import build_blocks
from stillmotion.methods.parts import Trunk
from stillmotion.nn.past import Past
from stillmotion.shapes import Tokens

if TYPE_CHECKING:
    from stillmotion.methods.amflow.config import AMFlow


class AMFlowTrunk(Trunk):
    """Tokens in; tokens of the frames that the image branch reads, and one feature vector a TPU."""

    ways_in = ("image",)

    def __init__(self, method: AMFlow, backbone: OpenBackbone, *, num_frames: int) -> None:
        super().__init__(build_blocks(method, backbone, num_frames=num_frames))
        self.side = [block for block in self.blocks if isinstance(block, SideBlock)]
        # Beside a side form the stream itself is the image model's.
        self.frozen_image = method.image_branch == "frozen" and not self.side
        self.last_frame_only = method.image_readout == "last"
        self.feature_dims = tuple(branch.dim for branch in self.branches)  # type: ignore[misc]
        self.inert = self.unread_parameters() if self.frozen_image else ()

    def step(
        self, x: Tokens, past: Past
    ) -> tuple[Float[Tensor, "B frames M D"], list[Float[Tensor, "B _"]], Past]:
        """Frames that follow others: their tokens, and features of all frames so far."""
        beside, said, after = self.beside(x), [], []
        for block, before in zip(self.blocks, past or [None] * len(self.blocks), strict=True):
            (x, *own), seen = block.step(x, before)  # type: ignore[operator]
            said += own
            after.append(seen)
        return x if beside is None else beside, said, after

    def observe(
        self, x: Tokens
    ) -> tuple[Float[Tensor, "B frames M D"], list[Float[Tensor, "B frames _"]]]:
        observed = []
        for block in self.blocks:
            if isinstance(block, SideBlock):
                x, read = block.observe(x, block.flow)
                observed += [tokens.flatten(2) for tokens in read]
            else:
                x = block(x)
        return x, observed

    def speak(self, observed: list[Float[Tensor, "B frames _"]]) -> list[Float[Tensor, "B _"]]:
        pairs = zip(self.side, observed[::2], observed[1::2], strict=True)
        return [said for block, *read in pairs for said in block.speak(*read)]

    @property
    def observed_dims(self) -> tuple[int, ...]:
        return tuple(dim for block in self.side for dim in block.observed_dims)

    def beside(self, entered: Tokens) -> Float[Tensor, "B frames M D"] | None:
        """A frozen pass of its own, of the frames that the image branch reads."""
        if not self.frozen_image:
            return None
        image = entered[:, -1:] if self.last_frame_only else entered
        for block in self.blocks:
            image = block.image(image)  # type: ignore[operator]
        return image

    def passes(self, num_frames: int) -> int:
        read = 1 if self.last_frame_only else num_frames
        return super().passes(num_frames) + (super().passes(read) if self.frozen_image else 0)

    def unread_parameters(self) -> tuple[str, ...]:
        """What lies behind the last branch: with a frozen image branch nobody reads it."""
        speaking = [i for i, block in enumerate(self.blocks) if len(getattr(block, "branches", ()))]
        last = speaking[-1]
        behind = (f"blocks.{last}.mlp_adapter.up.", f"blocks.{last}.mlp_adapter.scale")
        later = tuple(f"blocks.{i}." for i in range(last + 1, len(self.blocks)))
        trained = (name for name, p in self.named_parameters() if p.requires_grad)
        return tuple(name for name in trained if name.startswith(behind + later))
