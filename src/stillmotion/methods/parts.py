"""What most video models are made of: a stem, a trunk of blocks, a read-out.

They are handed the open backbone by the model, which alone owns it.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from stillmotion.backbones import OpenBackbone
from stillmotion.nn.past import Past, average
from stillmotion.shapes import NormalisedClip, Tokens


class Stem(nn.Module):
    """Frames to the tokens that enter the first block: those of the image model."""

    def forward(self, backbone: OpenBackbone, clip: NormalisedClip) -> Float[Tensor, "B steps N C"]:
        return backbone.embed(clip)

    @property
    def knows_place(self) -> bool:
        """Whether the tokens of a frame depend on its place in the clip, or on other frames.

        A stem of one's own is taken to do so until it says otherwise.
        """
        return type(self) is not Stem


class TemporalStem(Stem):
    """A learned vector for each frame, on all its tokens; zero until it is trained.

    It is added to the positions, before CLIP's first norm, as AIM and ZeroI2V do.
    """

    def __init__(self, backbone: OpenBackbone, num_frames: int) -> None:
        super().__init__()
        self.temporal = nn.Parameter(torch.zeros(backbone.num_steps(num_frames), 1, backbone.dim))

    def forward(self, backbone: OpenBackbone, clip: NormalisedClip) -> Float[Tensor, "B steps N C"]:
        x = backbone.placed(clip)
        return backbone.enter(x + self.temporal[: x.shape[1]])

    @property
    def knows_place(self) -> bool:
        return not torch.equal(self.temporal, self.temporal[:1].expand_as(self.temporal))


class Trunk(nn.Module):
    """The video blocks in order: tokens in, tokens out, and what blocks say on the way.

    A block gives tokens, or ``(tokens, *said)`` with feature vectors (B, D). One that says
    something has ``branches``, one a vector, and ``frames(x)``, which gives ``(tokens, *series)``:
    each branch makes its vector of a series (B, T, ...) of its own.

    Attributes:
        feature_dims: the width of each feature vector that the trunk returns beside the tokens.
        inert: names of trained parameters that cannot reach the logits, by the method's own design.
        ways_in: methods of its blocks that it calls beside their forward.
        checkpoint_blocks: keep nothing of a block for the backward but the tokens that enter it,
            and run it again there: less memory, one more forward, the same gradients.
    """

    feature_dims: tuple[int, ...] = ()
    inert: tuple[str, ...] = ()
    ways_in: tuple[str, ...] = ()
    checkpoint_blocks: bool = False

    def __init__(self, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(
        self, x: Tokens
    ) -> tuple[Float[Tensor, "B frames M D"], list[Float[Tensor, "B _"]]]:
        beside, said = self.beside(x), []
        for block in self.blocks:
            x, *own = self.through(block, x)
            said += own
        return x if beside is None else beside, said

    def through(self, block: nn.Module, x: Tokens) -> tuple[Tensor, ...]:
        """What a block makes of the tokens, and what it says."""
        if self.checkpoint_blocks and torch.is_grad_enabled():
            made = checkpoint(block, x, use_reentrant=False)
        else:
            made = block(x)
        return made if isinstance(made, tuple) else (made,)

    def beside(self, entered: Tokens) -> Float[Tensor, "B frames M D"] | None:
        """The tokens that are read instead of those after the last block; None: those are read.

        Each frame for itself, made of the tokens that enter the first block.
        """
        return None

    def observe(
        self, x: Tokens
    ) -> tuple[Float[Tensor, "B frames M D"], list[Float[Tensor, "B frames _"]]]:
        """Tokens after the last block, and all that blocks read of each frame to say something.

        For a method that reads frozen frames: nothing of it trains.
        """
        x, _ = self(x)
        return x, []

    def speak(self, observed: list[Float[Tensor, "B frames _"]]) -> list[Float[Tensor, "B _"]]:
        """What blocks say of what they `observe`."""
        return []

    @property
    def observed_dims(self) -> tuple[int, ...]:
        """The width of each of the things that are observed."""
        return ()

    def passes(self, num_frames: int) -> int:
        """How many frames pass blocks in a clip of so many: each counts once a block."""
        return num_frames * len(self.blocks)

    def step(
        self, x: Tokens, past: Past
    ) -> tuple[Float[Tensor, "B frames M D"], list[Float[Tensor, "B _"]], Past]:
        """Frames that follow others, for a causal method; here no block looks at other frames."""
        return *self(x), None

    @property
    def branches(self) -> list[nn.Module]:
        """What makes the feature vectors, in their order."""
        return [branch for block in self.blocks for branch in getattr(block, "branches", ())]

    @property
    def goes_block_by_block(self) -> bool:
        """Whether nothing but `beside` and the blocks is run: not with a `forward` of one's own."""
        return type(self).forward is Trunk.forward


class Readout(nn.Module):
    """Tokens after the last block to one vector a clip: `frames`, then `summary`.

    The image model reads each frame, and the mean over frames is taken.

    Attributes:
        dim: the width of the vector.
        frame_dim: how many numbers are read of a frame.
    """

    def __init__(self, backbone: OpenBackbone) -> None:
        super().__init__()
        self.dim = self.frame_dim = backbone.pooled_dim

    def forward(self, backbone: OpenBackbone, x: Tokens) -> Float[Tensor, "B D"]:
        return self.summary(self.frames(backbone, x))

    def frames(self, backbone: OpenBackbone, x: Tokens) -> Float[Tensor, "B T D"]:
        """What is read of each frame: what the image model makes of it."""
        return backbone.pool(backbone.norm(x))

    def summary(self, frames: Float[Tensor, "B T D"]) -> Float[Tensor, "B _"]:
        """One vector for all frames."""
        return frames.mean(dim=1)

    def step(
        self, backbone: OpenBackbone, x: Tokens, past: Past
    ) -> tuple[Float[Tensor, "B D"], Past]:
        """Frames that follow others, for a causal method: one vector for all frames so far."""
        return average(self.frames(backbone, x), past)


class LastFrameReadout(Readout):
    """The image model reads the last frame alone."""

    def frames(self, backbone: OpenBackbone, x: Tokens) -> Float[Tensor, "B 1 C"]:
        return super().frames(backbone, x[:, -1:])

    def step(
        self, backbone: OpenBackbone, x: Tokens, past: Past
    ) -> tuple[Float[Tensor, "B D"], Past]:
        return self(backbone, x), None


class MeanFrameReadout(Readout):
    """Tokens are averaged over frames first; the image model reads the mean frame."""

    def frames(self, backbone: OpenBackbone, x: Tokens) -> Float[Tensor, "B 1 C"]:
        return super().frames(backbone, x.mean(dim=1, keepdim=True))
