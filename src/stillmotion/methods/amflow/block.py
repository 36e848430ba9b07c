"""AM Flow's video block, in its paper's parallel form and in the serial ablation."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.backbones import FixedBlock, OpenBlock
from stillmotion.methods.amflow.branch import TemporalBranch
from stillmotion.nn.adapters import Adapter
from stillmotion.shapes import Tokens

Features = list[Float[Tensor, "B _"]]


class AMFlowBlock(nn.Module, ABC):
    """The parts of a video block: (B, T, N, C) -> (B, T, N, C) and what its branches say.

    Without a flow the adapters are traditional ones; without branches the block says nothing.
    """

    def __init__(
        self,
        frozen: OpenBlock,
        attention_adapter: Adapter,
        mlp_adapter: Adapter,
        *,
        flow: nn.Module | None,
        branches: tuple[TemporalBranch, TemporalBranch] | None,
        norms: tuple[nn.Module, nn.Module] | None,
    ) -> None:
        super().__init__()
        self.frozen, self.flow = frozen, flow
        self.attention_adapter, self.mlp_adapter = attention_adapter, mlp_adapter
        self.branches = nn.ModuleList(branches or ())
        self.norms = nn.ModuleList(norms or ())
        """The adapters' own norms; empty where they share the frozen block's."""

    @abstractmethod
    def forward(self, x: Tokens) -> tuple[Tokens, Features]:
        """Tokens out, and one feature vector (B, D) a branch."""

    def adapter_norm(self, which: int, x: Tokens, shared: Tokens) -> Tokens:
        """What an adapter reads: the frozen norm's output, or its own norm's."""
        return self.norms[which](x) if len(self.norms) else shared

    def with_flow(self, z: Tokens, q: Tensor, k: Tensor) -> Float[Tensor, "B T N wide"]:
        """[z || flow], (B, T, N, C + F)."""
        return z if self.flow is None else torch.cat([z, self.flow(q, k)], dim=-1)

    def read(self, *embeddings: Tokens) -> Features:
        """What the block's temporal processing units make of its adapters' embeddings."""
        return [branch(e) for branch, e in zip(self.branches, embeddings, strict=False)]


class ParallelBlock(AMFlowBlock):
    """Scaled parallel adapters (E 1) with attention-map flow (E 6).

    z  = norm1(x)            e1 = relu(W_down1 [z || flow(q(z), k(z))])
    x  = x + attention(z) + s1 W_up1 e1
    z2 = norm2(x)            e2 = relu(W_down2 z2)
    x  = x + mlp(z2) + s2 W_up2 e2
    """

    def forward(self, x: Tokens) -> tuple[Tokens, Features]:
        f = self.frozen
        z = f.norm1(x)
        q, k, v = f.qkv(z)
        e1 = self.attention_adapter.embed(self.with_flow(self.adapter_norm(0, x, z), q, k))
        x = x + f.out(f.attend(q, k, v)) + self.attention_adapter.lift(e1)
        z2 = f.norm2(x)
        e2 = self.mlp_adapter.embed(self.adapter_norm(1, x, z2))
        x = x + f.mlp(z2) + self.mlp_adapter.lift(e2)
        return x, self.read(e1, e2)


class SerialBlock(AMFlowBlock):
    """The serial ablation (Figure 3): each adapter follows its sub-layer, x <- x + s f(norm(x))."""

    def forward(self, x: Tokens) -> tuple[Tokens, Features]:
        f = self.frozen
        q, k, v = f.qkv(f.norm1(x))
        x = x + f.out(f.attend(q, k, v))
        e1 = self.attention_adapter.embed(self.with_flow(self.adapter_norm(0, x, f.norm1(x)), q, k))
        x = x + self.attention_adapter.lift(e1)
        x = x + f.mlp(f.norm2(x))
        e2 = self.mlp_adapter.embed(self.adapter_norm(1, x, f.norm2(x)))
        return x + self.mlp_adapter.lift(e2), self.read(e1, e2)


class PlainBlock(nn.Module):
    """A frozen block as it is."""

    def __init__(self, frozen: OpenBlock | FixedBlock) -> None:
        super().__init__()
        self.frozen = frozen

    def forward(self, x: Tokens) -> tuple[Float[Tensor, "B T M D"], Features]:
        return self.frozen(x), []
