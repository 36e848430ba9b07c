"""AM Flow (Agrawal, Ali, Dantcheva, Bremond; arXiv 2411.02065): what can be chosen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from stillmotion.backbones import OpenBackbone
from stillmotion.errors import ConfigurationError
from stillmotion.fields import within
from stillmotion.methods.amflow.trunk import AMFlowTrunk
from stillmotion.methods.base import Method, register
from stillmotion.methods.parts import LastFrameReadout, Readout
from stillmotion.nn.head import Vote, VotingHead

Blocks = Literal["all"] | tuple[int, ...]


@register
@dataclass(frozen=True, kw_only=True)
class AMFlow(Method):
    """Adapters fed by the change of attention maps between frames, with temporal processing units.

    The defaults are the preset ``paper`` with the transformer: ViT-B on Kinetics-400. Where the
    paper is silent a field says what was chosen; docs/amflow.md lists every departure. Widths are
    given as fractions of the backbone's width C, so that a preset fits any backbone.
    """

    name = "amflow"
    presets: ClassVar[tuple[str, ...]] = ("paper", "small", "streaming")
    starting_preset: ClassVar[str | None] = "small"

    flow: Literal["static", "aligned", "none"] = "aligned"
    """``static`` (E 3): fixed camera; ``aligned`` (E 4-5): moving camera; ``none``: ablation."""
    flow_blocks: Blocks = "all"
    """Blocks with flow and temporal processing units, counted from 0; negative from the end."""
    adapter_blocks: Blocks = "all"
    """Blocks with adapters; outside flow_blocks traditional ones. Must hold flow_blocks."""
    flow_tokens: Literal["all", "patches"] = "all"
    """Whether class and register tokens take part in the flow."""
    pairing: Literal["next", "previous"] = "next"
    """Compare frame t with t + 1, or with t - 1 (causal)."""
    flow_steps: tuple[int, ...] = (1,)
    """How many frames away the partners are: one flow for each, side by side. (1,) is the paper."""
    flow_scale: Literal["raw", "log"] = "raw"
    """The flow as it is, or log(1 + flow): its largest numbers are some twenty times the mean."""

    adapter: Literal["bottleneck", "hyperformer", "compacter"] = "bottleneck"
    """The linear maps of the adapters (Table 4)."""
    adapter_ratio: float = 0.5
    """Bottleneck width r as a fraction of C."""
    adapter_norm: Literal["shared", "own"] = "shared"
    """Adapters read the frozen norm's output, or have a LayerNorm of their own."""
    placement: Literal["parallel", "serial", "side"] = "parallel"
    """Beside the frozen sub-layers (the paper), after them (its ablation), or ``side``: adapters
    read the image model's tokens and add nothing to them. No gradient then crosses the image model;
    what it and a static flow make of a clip can be computed once (`training.cache_clips`), if the
    adapters share its norms and the image branch reads every frame (image_readout='mean')."""

    align_ratio: float = 1.0
    """Width of the aligning encoder as a fraction of C."""
    align_hidden_ratio: float = 4 / 3
    """Width of its MLP as a fraction of C: 1024 for ViT-B."""
    align_heads: int | Literal["backbone"] = 12
    """Its heads, or as many as the backbone has. Where they do not divide its width: the backbone's
    number, or the largest below that divides it; said in the log."""
    align_layers: int = 1
    """Its layers; 0: the ablation without an aligning encoder."""
    align_position: Literal["none", "learned", "backbone"] = "learned"
    """How the encoder knows where a token lies."""

    tpm: Literal["tcn", "transformer", "lstm"] = "transformer"
    """The temporal processing module."""
    tpm_tokens: Literal["all", "mean", "cls", "grid", "attention"] = "all"
    """What it reads of a frame: each token's series, or one vector that sums up the frame."""
    tpm_ratio: float | None = 1.0
    """Width at its input as a fraction of C, through a linear layer; None: no such layer."""
    tpm_hidden_ratio: float = 4 / 3
    """Transformer: width of its MLP, LSTM: width of its state; fractions of C."""
    tpm_layers: int | None = None
    """Layers of the transformer or LSTM; None: one of a transformer, two of an LSTM."""
    tpm_kernel: int = 2
    """TCN: frames that a convolution sees, dilations apart."""
    tpm_dilations: tuple[int, ...] = (1,)
    """TCN: one residual block of two convolutions for each dilation."""
    tpm_dropout: float = 0.0
    """Dropout inside the temporal processing module."""
    causal: bool = False
    """The TCN and the transformer see the past only; the LSTM always does."""
    grid_cells: int = 4
    """tpm_tokens='grid': cells a side."""
    grid_channels: int = 16
    """tpm_tokens='grid': channels in each cell."""
    centre: Literal["none", "clip", "running"] = "none"
    """Before the TPM subtract the mean over the clip, or over the frames so far; then LayerNorm."""

    image_readout: Literal["last", "mean"] = "last"
    """The image branch reads the last frame, or the mean over frames."""
    image_branch: Literal["frozen", "adapted"] = "frozen"
    """It reads a separate pass of the frozen image model, or the adapted tokens."""
    vote: Vote = "mean"
    """How the branches' logits become one."""
    loss: Literal["averaged", "branches", "both"] = "averaged"
    """Cross-entropy of the voted logits, the mean of every branch's own, or half of each."""
    dropout: float = 0.5
    """Before the linear layers to the classes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("flow_blocks", "adapter_blocks", "flow_steps", "tpm_dilations"):
            if not getattr(self, field):
                raise ConfigurationError(f"amflow.{field} is empty; give numbers, such as [0, -1]")
        for field in ("flow_steps", "tpm_dilations"):
            if min(getattr(self, field)) < 1:
                raise ConfigurationError(
                    f"amflow.{field} cannot be {getattr(self, field)}: frames apart, each 1 or more"
                )
        counts = ["tpm_kernel", "grid_cells", "grid_channels"]
        counts += [n for n in ("align_heads", "tpm_layers") if isinstance(getattr(self, n), int)]
        within(self, *counts, least=1)
        within(self, "align_layers", least=0)
        ratios = ["adapter_ratio", "align_ratio", "align_hidden_ratio", "tpm_hidden_ratio"]
        ratios += ["tpm_ratio"] if self.tpm_ratio is not None else []
        within(self, *ratios, least=0.001)
        within(self, "dropout", "tpm_dropout", least=0, most=1)
        if self.causal and (self.pairing == "next" or self.centre == "clip"):
            raise ConfigurationError(
                "causal=True looks at the past only: it needs pairing='previous', and "
                "centre='none' or 'running'"
            )

    @classmethod
    def paper(cls, tpm: Literal["tcn", "transformer", "lstm"] = "transformer") -> "AMFlow":
        """The paper's ViT-B configuration, in the fit of docs/amflow.md to its parameter counts."""
        return cls(tpm=tpm)

    @classmethod
    def small(cls, streaming: bool = False) -> "AMFlow":
        """For little data and no GPU. Streaming: causal, exact frame by frame.

        Departs from the paper in adding nothing to the image model's tokens, in its read-out (a
        coarse grid instead of the mean), in centring over time, and in training every branch;
        docs/results.md has what each is worth.
        """
        return cls(
            flow="static",
            flow_blocks=(-4, -3, -2, -1),
            adapter_blocks=(-4, -3, -2, -1),
            adapter_ratio=0.25,
            placement="side",
            pairing="previous" if streaming else "next",
            align_ratio=0.25,
            align_hidden_ratio=0.5,
            align_heads="backbone",
            tpm="tcn",
            tpm_tokens="grid",
            tpm_ratio=0.5,
            tpm_kernel=3,
            tpm_dilations=(1, 2),
            causal=streaming,
            centre="running" if streaming else "clip",
            image_readout="last" if streaming else "mean",
            image_branch="adapted",
            loss="both",
            dropout=0.1,
        )

    @classmethod
    def streaming(cls) -> "AMFlow":
        """`small` with ``streaming=True``, as a preset of its own."""
        return cls.small(streaming=True)

    @property
    def sees_order(self) -> bool:
        return True

    @property
    def is_causal(self) -> bool:
        compares_with_past = self.flow == "none" or self.pairing == "previous"
        follows_past = self.causal or self.tpm == "lstm"
        return compares_with_past and follows_past and self.centre != "clip"

    @property
    def reads_frozen_frames(self) -> bool:
        trains_before = self.flow == "aligned" or self.adapter_norm == "own"
        every_frame = self.image_readout == "mean"
        return self.placement == "side" and every_frame and not trains_before

    def trunk(self, backbone: OpenBackbone, *, num_frames: int) -> AMFlowTrunk:
        return AMFlowTrunk(self, backbone, num_frames=num_frames)

    def readout(self, backbone: OpenBackbone, *, num_frames: int) -> Readout:
        last = self.image_readout == "last"
        return LastFrameReadout(backbone) if last else Readout(backbone)

    def head(self, dims: tuple[int, ...], num_classes: int) -> VotingHead:
        return VotingHead(dims, num_classes, dropout=self.dropout, vote=self.vote)

    def objective(
        self,
        branches: Float[Tensor, "B V outputs"],
        voted: Float[Tensor, "B outputs"],
        criterion: Callable[[Tensor], Tensor],
    ) -> Tensor:
        if self.loss == "averaged":
            return criterion(voted)
        each = torch.stack([criterion(branch) for branch in branches.unbind(1)]).mean()
        return each if self.loss == "branches" else (criterion(voted) + each) / 2
