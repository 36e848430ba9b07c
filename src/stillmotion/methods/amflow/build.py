"""Builds AM Flow's video blocks from the method's fields and the sizes of a backbone's blocks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from torch import nn

from stillmotion.backbones import OpenBackbone, OpenBlock
from stillmotion.errors import ConfigurationError
from stillmotion.methods.amflow.around_flow import (
    AnyFlow,
    FarFlow,
    LogFlow,
    PatchFlow,
    WindowedFlow,
)
from stillmotion.methods.amflow.block import (
    AMFlowBlock,
    ParallelBlock,
    PlainBlock,
    SerialBlock,
    SideBlock,
)
from stillmotion.methods.amflow.branch import (
    AllTokens,
    AttentionPool,
    ClassToken,
    CoarseGrid,
    MeanToken,
    Reader,
    TemporalBranch,
)
from stillmotion.methods.amflow.flow import AlignedFlow, StaticFlow
from stillmotion.nn.adapters import (
    Adapter,
    CompacterLinear,
    HyperLinear,
    HyperNetwork,
    SideAdapter,
    zero_linear,
)
from stillmotion.nn.linear_attention import divisor_at_most
from stillmotion.nn.temporal import TCN, Centring, TemporalLSTM, TemporalTransformer

if TYPE_CHECKING:
    from stillmotion.methods.amflow.config import AMFlow

log = logging.getLogger("stillmotion")

FORMS: dict[str, type[AMFlowBlock]] = {
    "parallel": ParallelBlock,
    "serial": SerialBlock,
    "side": SideBlock,
}


def build_blocks(method: AMFlow, backbone: OpenBackbone, *, num_frames: int) -> list[nn.Module]:
    """Every block of a backbone, adapted where the method says so and the block can be opened."""
    depth = len(backbone.blocks)
    flow_blocks = block_numbers(method.flow_blocks, depth, "flow_blocks")
    adapter_blocks = block_numbers(method.adapter_blocks, depth, "adapter_blocks")
    if not flow_blocks <= adapter_blocks:
        raise ConfigurationError(
            f"flow_blocks {sorted(flow_blocks)} must lie within adapter_blocks "
            f"{sorted(adapter_blocks)}: flow is read by an adapter"
        )
    farthest, steps = max(method.flow_steps), backbone.num_steps(num_frames)
    if method.flow != "none" and farthest >= max(2, steps):
        raise ConfigurationError(
            f"flow_steps {list(method.flow_steps)}: this image model makes {steps} steps in time "
            f"of a clip of {num_frames} frames, of which no two are {farthest} apart"
        )
    if method.placement == "side" and adapter_blocks != flow_blocks:
        raise ConfigurationError(
            "placement='side' adds nothing to the image model's tokens, so that adapters outside "
            f"flow_blocks {sorted(flow_blocks)} would do nothing; make adapter_blocks the same, or "
            "choose placement='parallel'"
        )
    networks: dict[tuple[int, int, bool], HyperNetwork] = {}
    blocks: list[nn.Module] = []
    for number, frozen in enumerate(backbone.blocks):
        if number in adapter_blocks and isinstance(frozen, OpenBlock):
            builder = Builder(method, backbone, frozen, num_frames=num_frames, networks=networks)
            blocks.append(builder.block(speaks=number in flow_blocks))
        else:
            blocks.append(PlainBlock(frozen))  # type: ignore[arg-type]
    if not any(isinstance(block, AMFlowBlock) and len(block.branches) for block in blocks):
        raise ConfigurationError(
            f"flow_blocks {sorted(flow_blocks)}: none of them can be opened in this image model"
        )
    return blocks


class Builder:
    """Builds the parts of one video block; adapters of a trunk share ``networks``."""

    def __init__(
        self,
        method: AMFlow,
        backbone: OpenBackbone,
        frozen: OpenBlock,
        *,
        num_frames: int,
        networks: dict[tuple[int, int, bool], HyperNetwork],
    ) -> None:
        self.method, self.backbone, self.frozen = method, backbone, frozen
        self.num_frames, self.networks = num_frames, networks
        self.hidden = max(1, round(method.adapter_ratio * frozen.dim))

    def block(self, *, speaks: bool) -> nn.Module:
        """The block; one that speaks has flow and temporal processing units."""
        m, frozen = self.method, self.frozen
        change = self.flow() if speaks and m.flow != "none" else None
        width = 0 if change is None else self.flow_width
        own = m.adapter_norm == "own"
        form = FORMS[m.placement]
        return form(
            frozen,
            self.adapter(frozen.dim + width, frozen.dim),
            self.adapter(frozen.dim, frozen.dim),
            flow=change,
            flow_width=width,
            branches=(self.branch(), self.branch()) if speaks else None,
            norms=(nn.LayerNorm(frozen.dim), nn.LayerNorm(frozen.dim)) if own else None,
        )

    @property
    def flow_width(self) -> int:
        """F, the numbers that the flow adds to each token."""
        each = self.frozen.num_heads if self.method.flow == "static" else self.align_width
        return each * len(self.method.flow_steps)

    @property
    def align_width(self) -> int:
        return max(1, round(self.method.align_ratio * self.frozen.dim))

    @property
    def align_heads(self) -> int:
        """The heads asked for, or what comes nearest and divides the encoder's width."""
        asked = self.method.align_heads
        wanted = self.frozen.num_heads if asked == "backbone" else asked
        if self.align_width % wanted == 0:
            return wanted
        heads = divisor_at_most(self.align_width, self.frozen.num_heads)
        log.warning(
            "aligning encoder: %d heads do not divide its width %d; it has %d",
            wanted,
            self.align_width,
            heads,
        )
        return heads

    def flow(self) -> AnyFlow:
        """The method's flow, and around it all that the method says of it."""
        m, frozen = self.method, self.frozen
        prefix = frozen.grid.prefix if m.flow_tokens == "patches" else 0
        flow: AnyFlow = self.bare_flow(frozen.grid.num_tokens // frozen.windows - prefix)
        if frozen.windows > 1:
            flow = WindowedFlow(flow, frozen.windows)
        elif prefix:
            flow = PatchFlow(flow, prefix=prefix)
        if m.flow_steps != (1,):
            flow = FarFlow(flow, m.flow_steps)
        return LogFlow(flow) if m.flow_scale == "log" else flow

    def bare_flow(self, num_tokens: int) -> StaticFlow | AlignedFlow:
        """Among so many tokens, from one frame to the next."""
        m = self.method
        if m.flow == "static":
            return StaticFlow(pairing=m.pairing)
        return AlignedFlow(
            self.backbone,
            self.frozen,
            num_tokens=num_tokens,
            width=self.align_width,
            num_heads=self.align_heads,
            hidden=max(1, round(m.align_hidden_ratio * self.frozen.dim)),
            layers=m.align_layers,
            position=m.align_position,
            pairing=m.pairing,
        )

    def adapter(self, dim_in: int, dim_out: int) -> SideAdapter:
        down = self.projection(dim_in, self.hidden)
        if self.method.placement == "side":
            return SideAdapter(down)
        return Adapter(down, self.projection(self.hidden, dim_out, zero=True))

    def projection(self, dim_in: int, dim_out: int, *, zero: bool = False) -> nn.Module:
        match self.method.adapter:
            case "bottleneck":
                return zero_linear(dim_in, dim_out) if zero else nn.Linear(dim_in, dim_out)
            case "compacter":
                return CompacterLinear(dim_in, dim_out, zero=zero)
            case "hyperformer":
                key = (dim_in, dim_out, zero)
                if key not in self.networks:
                    self.networks[key] = HyperNetwork(dim_in, dim_out, zero=zero)
                return HyperLinear(self.networks[key])

    def branch(self) -> TemporalBranch:
        m, reader = self.method, self.reader()
        ratio = m.tpm_ratio
        width = reader.dim if ratio is None else max(1, round(ratio * self.frozen.dim))
        centred = m.centre != "none"  # cancels a bias
        project = nn.Identity() if ratio is None else nn.Linear(reader.dim, width, bias=not centred)
        centre = Centring(width, m.centre) if centred else None
        return TemporalBranch(reader, project, centre, self.temporal(width))

    def reader(self) -> Reader:
        m, grid = self.method, self.frozen.grid
        match m.tpm_tokens:
            case "all":
                return AllTokens(self.hidden, grid)
            case "mean":
                return MeanToken(self.hidden, grid)
            case "cls":
                return ClassToken(self.hidden, grid)
            case "attention":
                return AttentionPool(self.hidden, grid)
            case "grid":
                return CoarseGrid(self.hidden, grid, cells=m.grid_cells, channels=m.grid_channels)

    def temporal(self, width: int) -> nn.Module:
        m = self.method
        hidden = max(1, round(m.tpm_hidden_ratio * self.frozen.dim))
        layers = m.tpm_layers or (2 if m.tpm == "lstm" else 1)
        match m.tpm:
            case "tcn":
                return TCN(
                    width,
                    kernel=m.tpm_kernel,
                    dilations=m.tpm_dilations,
                    causal=m.causal,
                    dropout=m.tpm_dropout,
                )
            case "transformer":
                return TemporalTransformer(
                    width,
                    num_frames=self.num_frames,
                    num_heads=divisor_at_most(width, 12),
                    hidden=hidden,
                    layers=layers,
                    causal=m.causal,
                    dropout=m.tpm_dropout,
                )
            case "lstm":
                return TemporalLSTM(width, hidden=hidden, layers=layers, dropout=m.tpm_dropout)


def block_numbers(chosen: str | tuple[int, ...], depth: int, field: str) -> set[int]:
    """``all`` or block numbers, negative ones from the end, as a set of 0 .. depth - 1."""
    if chosen == "all":
        return set(range(depth))
    numbers = {int(n) + depth * (int(n) < 0) for n in chosen}
    if not numbers <= set(range(depth)):
        raise ConfigurationError(
            f"{field} {list(chosen)}: this backbone has blocks 0 to {depth - 1} (or -{depth} to -1)"
        )
    return numbers
