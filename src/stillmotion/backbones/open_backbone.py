"""A frozen image model, opened: frames to tokens, blocks, final norm, the model's own pooling."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from timm.layers import RmsNorm
from torch import Tensor, nn

from stillmotion.backbones.grid import TokenGrid
from stillmotion.backbones.open_block import FixedBlock, OpenBlock, frozen_block
from stillmotion.nn.frames import fill_up
from stillmotion.nn.frozen import Frozen
from stillmotion.nn.state import bytes_of
from stillmotion.shapes import NormalisedClip, Tokens

NORMS = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, RmsNorm)
"""What normalises in image models."""


class OpenBackbone(Frozen, ABC):
    """What a video method works with. Built by `open_backbone`; everything in it is frozen.

    Attributes:
        name: timm's name, from which the image model can be built again; None for a foreign module.
        arguments: what timm's `create_model` was given beside the name.
        weights: where they came from: ``pretrained``, ``none``, or a path; None for a module.
        sha256: of the weights before opening, see `weights_hash`.
        blocks: handed out to the video blocks that are built around them.
        grid: how the tokens of one frame lie before the first block.
        image_size: (height, width) of a frame, in pixels.
        tubelet: frames that become one frame of tokens; 1 in image models.
        dim: C, the width of the tokens before the first block.
        pooled_dim: what `pool` returns of a frame.
        reads_patches: whether `pool` looks at patch tokens, or at the class token alone.
        projection: (E, C) of CLIP, from pooled features into the space it shares with texts; None.
        mean, std: of the pixels in [0, 1] that the image model was trained with, R G B.
    """

    dim: int
    reads_patches: bool

    def __init__(
        self,
        model: nn.Module,
        *,
        name: str | None,
        weights: str | None,
        image_size: tuple[int, int],
        grid: TokenGrid,
        blocks: Sequence[OpenBlock | FixedBlock],
    ) -> None:
        super().__init__()
        self.name, self.weights, self.image_size, self.grid = name, weights, image_size, grid
        self.arguments: dict[str, Any] = {}
        self.sha256 = weights_hash(model)
        self.projection = clip_projection(model)
        model.reset_classifier(0)  # type: ignore[operator]
        convolutions = (m for m in model.modules() if isinstance(m, nn.Conv2d))
        self.tubelet: int = next(convolutions).in_channels // 3  # the first one meets the pixels
        self.pooled_dim: int = model.num_features  # type: ignore[assignment]
        config: dict[str, Any] = getattr(model, "pretrained_cfg", None) or {}
        self.mean: tuple[float, ...] = tuple(config.get("mean", (0.485, 0.456, 0.406)))
        self.std: tuple[float, ...] = tuple(config.get("std", (0.229, 0.224, 0.225)))
        self.blocks = nn.ModuleList(blocks)
        model.blocks = nn.ModuleList()
        self.model = model
        self.freeze()

    @property
    def title(self) -> str:
        """What people call it."""
        return self.name or "an image model of its own"

    @abstractmethod
    def tokens(self, clip: NormalisedClip) -> Float[Tensor, "B steps N C"]:
        """(B, T, 3, height, width) -> patch and prefix tokens (B, T, N, C), without positions."""

    @property
    @abstractmethod
    def position(self) -> Float[Tensor, "N C"] | None:
        """The absolute position of each of `tokens`, zero for tokens that have none."""

    @abstractmethod
    def enter(self, x: Tokens) -> Tokens:
        """What stands before the first block: CLIP's norm, Hiera's order of tokens."""

    @abstractmethod
    def norm(self, x: Float[Tensor, "*lead N C"]) -> Float[Tensor, "*lead N C"]:
        """The final norm (the identity where the image model normalises after pooling)."""

    @property
    @abstractmethod
    def final_norm(self) -> nn.Module:
        """The last norm before the classifier, before or after pooling."""

    @property
    @abstractmethod
    def embeddings(self) -> list[nn.Parameter]:
        """The class token and the absolute positions, where there are any."""

    @property
    def last_block(self) -> OpenBlock:
        """The image model's last block: one that can be opened, since the others begin a stage."""
        last = frozen_block(self.blocks[-1])
        assert isinstance(last, OpenBlock)
        return last

    @property
    def norms(self) -> list[nn.Module]:
        """Every norm of the image model."""
        return [module for module in self.modules() if isinstance(module, NORMS)]

    def placed(self, clip: NormalisedClip) -> Float[Tensor, "B steps N C"]:
        """Tokens with their positions, (B, T, N, C)."""
        x, position = self.tokens(clip), self.position
        return x if position is None else x + position

    def embed(self, clip: NormalisedClip) -> Float[Tensor, "B steps N C"]:
        """(B, T, 3, height, width) -> tokens (B, T, N, C), as they enter the first block."""
        return self.enter(self.placed(clip))

    def pool(self, x: Tokens) -> Float[Tensor, "B T C"]:
        """The image model's own reading of each frame: class token, mean, or attention pooling."""
        pooled = self.model.forward_head(x.flatten(0, 1), pre_logits=True)  # type: ignore[operator]
        return pooled.unflatten(0, x.shape[:2])

    def frames(self, clip: NormalisedClip) -> Float[Tensor, "B steps channels height width"]:
        """What is cut into patches: frames, or tubelets whose frames stand in the channels.

        The last frame is repeated until the tubelets are full.
        """
        if self.tubelet == 1:
            return clip
        return fill_up(clip, self.tubelet).unflatten(1, (-1, self.tubelet)).flatten(2, 3)

    def num_steps(self, num_frames: int) -> int:
        """How many frames of tokens so many frames of pixels become."""
        return -(-num_frames // self.tubelet)


def clip_projection(model: nn.Module) -> Float[Tensor, "E C"] | None:
    """CLIP's projection, which timm keeps in the place of a classifier."""
    head, config = getattr(model, "head", None), getattr(model, "pretrained_cfg", None) or {}
    if not (isinstance(head, nn.Linear) and is_clip(config)):
        return None
    return head.weight.detach() if head.out_features == config["num_classes"] else None


def is_clip(config: dict[str, Any]) -> bool:
    """Whether timm's configuration is of a CLIP tower, rather than of one fine-tuned to classes."""
    image_nets = (0, 1000, 11821, 21841)
    return "_clip_" in config.get("architecture", "") and config["num_classes"] not in image_nets


def weights_hash(model: nn.Module) -> str | None:
    """SHA-256 over the sorted names, types, shapes and bytes of an image model without its head.

    Position embeddings are left out: resampled to another image size they differ in the last bit
    from one processor to the next. None for a model on the meta device, which has no weights.
    """
    if any(tensor.is_meta for tensor in model.state_dict().values()):
        return None
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if not name.startswith(("head", "pos_embed")):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(bytes_of(tensor))
    return digest.hexdigest()
