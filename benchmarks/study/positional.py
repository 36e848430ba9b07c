"""Any method with the read-out of AM Flow `small`, to tell read-out and method apart.

Behind each of the last four blocks the tokens of the method's own stream are read as AM Flow
`small` reads its adapters: relu(W_down LayerNorm(x)), pooled to a coarse grid, centred, followed by
a TCN, a classifier each, and half the loss is each branch's own. The method's own read-out and
classifier stay and vote along. `small` reads two adapters a block; this has one branch a block.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.backbones import OpenBackbone, frozen_block
from stillmotion.methods import AMFlow, LinearProbe, Method, method_from_dict, register
from stillmotion.methods.amflow.branch import TemporalBranch
from stillmotion.methods.amflow.build import Builder
from stillmotion.methods.parts import Readout, Stem, Trunk
from stillmotion.nn.head import VotingHead
from stillmotion.shapes import Tokens

SMALL = AMFlow.small()


@register
@dataclass(frozen=True, kw_only=True)
class Positional(Method):
    """A method that is read as AM Flow `small` is."""

    name = "positional"

    inner: Method = field(default_factory=LinearProbe)
    """The method whose tokens are read."""
    blocks: int = 4
    """How many blocks are read, counted from the end."""
    dropout: float = SMALL.dropout
    """Before the classifiers."""

    def __post_init__(self) -> None:
        """The inner method has refused what it does not take."""

    @property
    def sees_order(self) -> bool:
        return True

    def thawed(self, backbone: OpenBackbone) -> Iterable[nn.Parameter]:
        return self.inner.thawed(backbone)

    def stem(self, backbone: OpenBackbone, *, num_frames: int) -> Stem:
        return self.inner.stem(backbone, num_frames=num_frames)

    def trunk(self, backbone: OpenBackbone, *, num_frames: int) -> Trunk:
        trunk = self.inner.trunk(backbone, num_frames=num_frames)
        first = len(trunk.blocks) - self.blocks
        for number in range(first, len(trunk.blocks)):
            block = trunk.blocks[number]
            built = Builder(
                SMALL, backbone, frozen_block(block), num_frames=num_frames, networks={}
            )
            trunk.blocks[number] = ReadBlock(block, built.branch(), built.hidden, num_frames)
        trunk.feature_dims = (*trunk.feature_dims, *(b.dim for b in trunk.branches))
        trunk.inert = ()
        return trunk

    def readout(self, backbone: OpenBackbone, *, num_frames: int) -> Readout:
        return self.inner.readout(backbone, num_frames=num_frames)

    def head(self, dims: tuple[int, ...], num_classes: int) -> VotingHead:
        head = VotingHead(dims[:-1], num_classes, dropout=self.dropout)
        own = self.inner.classifier(dims[-1], num_classes)
        head.classifiers = nn.ModuleList(
            [
                *(nn.Sequential(head.dropout, classifier) for classifier in head.classifiers),
                nn.Sequential(nn.Dropout(self.inner.dropout), own),
            ]
        )
        head.dropout = nn.Identity()
        return head

    def objective(
        self,
        branches: Float[Tensor, "B V outputs"],
        voted: Float[Tensor, "B outputs"],
        criterion: Callable[[Tensor], Tensor],
    ) -> Tensor:
        return SMALL.objective(branches, voted, criterion)

    def to_dict(self) -> dict[str, Any]:
        return {
            "method": self.name,
            "inner": self.inner.to_dict(),
            "blocks": self.blocks,
            "dropout": self.dropout,
        }

    @classmethod
    def with_fields(cls, fields: dict[str, Any]) -> Method:
        inner = fields.get("inner")
        given = {"inner": method_from_dict(inner)} if isinstance(inner, dict) else {}
        return cls(**(fields | given))


class ReadBlock(nn.Module):
    """x = block(x), and what a branch says of relu(W_down LayerNorm(x))."""

    def __init__(
        self, block: nn.Module, branch: TemporalBranch, hidden: int, num_frames: int
    ) -> None:
        super().__init__()
        self.num_frames = num_frames
        dim = frozen_block(block).dim
        self.block = block
        self.norm, self.down = nn.LayerNorm(dim), nn.Linear(dim, hidden)
        self.branches = nn.ModuleList([branch])

    def forward(self, x: Tokens) -> tuple[Tensor, ...]:
        x = self.block(x)
        (branch,) = self.branches
        frames = x[:, -self.num_frames :]  # DualPath's grid pictures come before them
        return x, branch(branch.series(self.down(self.norm(frames)).relu()))  # type: ignore[operator]
