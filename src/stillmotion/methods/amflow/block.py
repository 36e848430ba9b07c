"""AM Flow's video block: its paper's parallel form, the serial ablation, and a side form."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.backbones import FixedBlock, OpenBlock
from stillmotion.methods.amflow.branch import TemporalBranch
from stillmotion.nn.adapters import Adapter, SideAdapter
from stillmotion.nn.past import Past, Remembering
from stillmotion.shapes import Flow, Reach, Tokens

FlowOf = Callable[[Tensor, Tensor], Flow]
"""Queries and keys (B, T, h, N, d) to the flow (B, T, N, F)."""
Embeddings = tuple[Float[Tensor, "B T N r"], Float[Tensor, "B T N r"]]
"""What the adapters beside attention and MLP hold between their two halves."""


class AMFlowBlock(nn.Module, ABC):
    """The parts of a video block: (B, T, N, C) -> (B, T, N, C) and what its branches say, (B, D).

    Without a flow the adapters are traditional ones; without branches the block says nothing.
    """

    def __init__(
        self,
        frozen: OpenBlock,
        attention_adapter: SideAdapter,
        mlp_adapter: SideAdapter,
        *,
        flow: nn.Module | None,
        flow_width: int,
        branches: tuple[TemporalBranch, TemporalBranch] | None,
        norms: tuple[nn.Module, nn.Module] | None,
    ) -> None:
        super().__init__()
        self.frozen, self.flow, self.flow_width = frozen, flow, flow_width
        self.attention_adapter, self.mlp_adapter = attention_adapter, mlp_adapter
        self.branches = nn.ModuleList(branches or ())
        self.norms = nn.ModuleList(norms or ())
        """The adapters' own norms; empty where they share the frozen block's."""

    @abstractmethod
    def through(self, x: Tokens, flow: FlowOf | None) -> tuple[Tokens, Embeddings]:
        """Tokens out, and what the adapters hold. The flow is this block's, or remembers."""

    def frames(self, x: Tokens, flow: FlowOf | None = None) -> tuple[Tensor, ...]:
        """Tokens, and the series that each branch follows: what belongs to single frames."""
        x, embeddings = self.through(x, flow or self.flow)
        read = zip(self.branches, embeddings, strict=False)
        return x, *(branch.series(e) for branch, e in read)  # type: ignore[operator]

    def forward(self, x: Tokens) -> tuple[Tensor, ...]:
        x, *read = self.frames(x)
        return x, *(branch(series) for branch, series in zip(self.branches, read, strict=True))

    def image(self, x: Tokens) -> Tokens:
        """The frozen block alone."""
        return self.frozen(x)

    def step(self, x: Tokens, past: Past) -> tuple[tuple[Tensor, ...], Past]:
        """Tokens of frames that follow others; what the branches say of all frames so far."""
        before, told = past or (None, [None] * len(self.branches))
        flow = None if self.flow is None else Remembering(self.flow, before)
        x, *read = self.frames(x, flow)
        said, after = [], []
        for branch, series, earlier in zip(self.branches, read, told, strict=True):
            answer, seen = branch.step(series, earlier)  # type: ignore[operator]
            said.append(answer)
            after.append(seen)
        return (x, *said), (None if flow is None else flow.past, after)

    @property
    def reach(self) -> Reach:
        return (0, 0) if self.flow is None else self.flow.reach  # type: ignore[return-value]

    def adapter_norm(self, which: int, x: Tokens, shared: Tokens) -> Tokens:
        """What an adapter reads: the frozen norm's output, or its own norm's."""
        return self.norms[which](x) if len(self.norms) else shared

    def with_flow(
        self, z: Tokens, flow: FlowOf | None, q: Tensor, k: Tensor
    ) -> Float[Tensor, "B T N wide"]:
        """[z || flow], (B, T, N, C + F)."""
        return z if flow is None else torch.cat([z, flow(q, k)], dim=-1)


class ParallelBlock(AMFlowBlock):
    """Scaled parallel adapters (E 1) with attention-map flow (E 6).

    z  = norm1(x)            e1 = relu(W_down1 [z || flow(q(z), k(z))])
    x  = x + attention(z) + s1 W_up1 e1
    z2 = norm2(x)            e2 = relu(W_down2 z2)
    x  = x + mlp(z2) + s2 W_up2 e2
    """

    attention_adapter: Adapter
    mlp_adapter: Adapter

    def through(self, x: Tokens, flow: FlowOf | None) -> tuple[Tokens, Embeddings]:
        f = self.frozen
        z = f.norm1(x)
        q, k, v = f.qkv(z)
        e1 = self.attention_adapter.embed(self.with_flow(self.adapter_norm(0, x, z), flow, q, k))
        x = x + f.out(f.attend(q, k, v)) + self.attention_adapter.lift(e1)
        z2 = f.norm2(x)
        e2 = self.mlp_adapter.embed(self.adapter_norm(1, x, z2))
        x = x + f.mlp(z2) + self.mlp_adapter.lift(e2)
        return x, (e1, e2)


class SerialBlock(AMFlowBlock):
    """The serial ablation (Figure 3): each adapter follows its sub-layer, x <- x + s f(norm(x))."""

    attention_adapter: Adapter
    mlp_adapter: Adapter

    def through(self, x: Tokens, flow: FlowOf | None) -> tuple[Tokens, Embeddings]:
        f = self.frozen
        q, k, v = f.qkv(f.norm1(x))
        x = x + f.out(f.attend(q, k, v))
        z = self.adapter_norm(0, x, f.norm1(x))
        e1 = self.attention_adapter.embed(self.with_flow(z, flow, q, k))
        x = x + self.attention_adapter.lift(e1)
        x = x + f.mlp(f.norm2(x))
        e2 = self.mlp_adapter.embed(self.adapter_norm(1, x, f.norm2(x)))
        return x + self.mlp_adapter.lift(e2), (e1, e2)


class SideBlock(AMFlowBlock):
    """The side form, not the paper's: adapters read the frozen stream and add nothing to it.

    z  = norm1(x)            e1 = relu(W_down1 [z || flow(q(z), k(z))])
    x  = x + attention(z)
    z2 = norm2(x)            e2 = relu(W_down2 z2)
    x  = x + mlp(z2)

    No gradient crosses the image model, as with the side networks of Sung et al., "LST: Ladder
    Side-Tuning" (arXiv 2206.06522). Departure: no network runs beside it from block to block; each
    block's branches speak for themselves.
    """

    token_reach = (0, 0)
    """The flow goes to the adapters alone."""

    def observe(self, x: Tokens, flow: FlowOf | None) -> tuple[Tokens, tuple[Tensor, Tensor]]:
        """Tokens out, and what the adapters read."""
        f = self.frozen
        z = f.norm1(x)
        q, k, v = f.qkv(z)
        beside_attention = self.with_flow(self.adapter_norm(0, x, z), flow, q, k)
        x = x + f.out(f.attend(q, k, v))
        z2 = f.norm2(x)
        return x + f.mlp(z2), (beside_attention, self.adapter_norm(1, x, z2))

    def through(self, x: Tokens, flow: FlowOf | None) -> tuple[Tokens, Embeddings]:
        x, observed = self.observe(x, flow)
        return x, self.embed(*observed)

    def embed(self, beside_attention: Tensor, beside_mlp: Tensor) -> Embeddings:
        """What the adapters make of what they read."""
        return self.attention_adapter.embed(beside_attention), self.mlp_adapter.embed(beside_mlp)

    def speak(self, *observed: Float[Tensor, "B T _"]) -> list[Float[Tensor, "B _"]]:
        """What the branches say of what the adapters read, the tokens of a frame side by side."""
        tokens = self.frozen.grid.num_tokens
        embeddings = self.embed(*(read.unflatten(2, (tokens, -1)) for read in observed))
        pairs = zip(self.branches, embeddings, strict=True)
        return [branch(branch.series(e)) for branch, e in pairs]  # type: ignore[operator]

    @property
    def observed_dims(self) -> tuple[int, int]:
        """Numbers of a frame that each adapter reads, beside a static flow or none."""
        tokens, dim = self.frozen.grid.num_tokens, self.frozen.dim
        return tokens * (dim + self.flow_width), tokens * dim


class PlainBlock(nn.Module):
    """A frozen block as it is."""

    reach = (0, 0)

    def __init__(self, frozen: OpenBlock | FixedBlock) -> None:
        super().__init__()
        self.frozen = frozen

    def forward(self, x: Tokens) -> Float[Tensor, "B T M D"]:
        return self.frozen(x)

    image = forward

    def step(self, x: Tokens, past: Past) -> tuple[tuple[Tensor, ...], Past]:
        """Every frame for itself."""
        return (self(x),), None
