"""What a video model costs before there is one: parameters by part, multiply-adds, memory.

Models are built on torch's meta device: shapes without numbers, so no weights are read and the
largest image model takes seconds.
"""

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import torch
from rich.table import Table
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from stillmotion.backbones import FixedBlock, OpenBackbone, frozen_block, open_backbone
from stillmotion.backbones.load import build
from stillmotion.methods import Method
from stillmotion.model import VideoClassifier
from stillmotion.nn.frozen import frozen_names

IMAGE_MODEL = "image model"
"""The part of all that lies in frozen modules."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Parameters of modules that play one role in the model, such as all `mlp_adapter.down`."""

    name: str
    """Where they lie: a module's attribute names, block numbers and the trunk left out."""
    parameters: int
    trained: int
    """How many of the parameters training changes."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """Counts of one backbone with one method. A figure for a clip is for a batch of one."""

    backbone: str
    method: str
    num_frames: int
    num_classes: int
    image_size: tuple[int, int]
    """Height and width in pixels."""
    parts: tuple[Part, ...]
    """The image model, then every trained part and, below it, its own parts (`flow.encoder`)."""
    multiply_adds: int
    """Of a clip's matrix products and convolutions, those of attention included."""
    image_model_multiply_adds: int
    """Of the bare image model on the same frames."""
    blocks: int
    """Of the image model."""
    fixed_blocks: int
    """How many of them cannot be adapted, because they begin a stage."""
    activation_bytes: int
    """What training keeps of one clip for the backward, in float32, attention unfused."""

    @property
    def parameters(self) -> int:
        """All parameters."""
        return sum(part.parameters for part in self.top_parts)

    @property
    def trained(self) -> int:
        """Parameters that training changes."""
        return sum(part.trained for part in self.top_parts)

    @property
    def top_parts(self) -> tuple[Part, ...]:
        """The parts that belong to no other; together they are the model."""
        return tuple(part for part in self.parts if "." not in part.name)

    @property
    def state_bytes(self) -> int:
        """What training keeps whatever the batch: float32 weights, gradients, AdamW's moments."""
        return 4 * self.parameters + 12 * self.trained

    def to_dict(self) -> dict[str, Any]:
        """Everything, JSON-able."""
        derived = ("parameters", "trained", "state_bytes")
        return asdict(self) | {name: getattr(self, name) for name in derived}

    def table(self) -> Table:
        """For the terminal."""
        height, width = self.image_size
        fixed = f"{self.fixed_blocks} of {self.blocks} blocks begin a stage and stay as they are. "
        table = Table(
            title=f"{self.method} on {self.backbone}",
            caption=f"{fixed if self.fixed_blocks else ''}Figures are of a clip of "
            f"{self.num_frames} frames of {height} x {width} pixels, "
            f"{self.num_classes} classes. One multiply-add is two FLOPs. Memory is an estimate: "
            "float32, AdamW, attention unfused, no temporary buffers.",
        )
        for column, justify in (("", "left"), ("parameters", "right"), ("trained", "right")):
            table.add_column(column, justify=justify)  # type: ignore[arg-type]
        for part in self.parts:
            inner = "." in part.name
            name = f"  {part.name.split('.')[-1]}" if inner else part.name
            trained = f"{part.trained:,}" if part.trained else "-"
            table.add_row(name, f"{part.parameters:,}", trained, style="dim" if inner else "")
        share = f"{self.trained:,} ({self.trained / self.parameters:.1%})"
        table.add_row("all", f"{self.parameters:,}", share, style="bold", end_section=True)
        ratio = self.multiply_adds / self.image_model_multiply_adds
        table.add_row("multiply-adds of a clip", f"{self.multiply_adds / 1e9:,.1f} G", "")
        bare = f"{self.image_model_multiply_adds / 1e9:,.1f} G"
        table.add_row("  of the image model alone", bare, f"{ratio:.2f} times as many", style="dim")
        memory = f"{self.state_bytes / 2**30:.2f} GiB"
        clip = f"+ {self.activation_bytes / 2**30:.2f} GiB a clip"
        table.add_row("memory to train", memory, clip)
        return table


def account(
    backbone: str,
    method: Method,
    *,
    num_frames: int,
    num_classes: int,
    image_size: int | None = None,
) -> Account:
    """Count a method on an image model; no weights are needed.

    Args:
        backbone: timm's name.
        method: with the fields that are to be counted.
        num_frames: T of a clip.
        num_classes: K.
        image_size: pixels a side; None: the image model's own.

    Raises:
        ConfigurationError: for an unknown backbone, or a method that does not fit it.
        BackboneError: where the image model cannot be opened.
    """
    model = without_weights(
        backbone, method, num_frames=num_frames, num_classes=num_classes, image_size=image_size
    )
    height, width = model.backbone.image_size
    clip = torch.empty(1, num_frames, 3, height, width, device="meta")
    multiply_adds, activation_bytes = measure(model.train(), clip)
    bare, _ = measure(_ImageModel(_open_without_weights(backbone, image_size)), clip)
    return Account(
        backbone=backbone,
        method=method.name,
        num_frames=num_frames,
        num_classes=num_classes,
        image_size=(height, width),
        parts=count_parts(model),
        blocks=len(model.trunk.blocks),
        fixed_blocks=sum(
            isinstance(frozen_block(block), FixedBlock) for block in model.trunk.blocks
        ),
        multiply_adds=multiply_adds,
        image_model_multiply_adds=bare,
        activation_bytes=activation_bytes,
    )


def without_weights(
    backbone: str,
    method: Method,
    *,
    num_frames: int,
    num_classes: int,
    image_size: int | None = None,
    arguments: dict[str, Any] | None = None,
) -> VideoClassifier:
    """The model on the meta device: its shapes alone.

    The arguments are those of `account`, and those of timm's `create_model` for an image model
    that is not what its name says.
    """
    names = [str(number) for number in range(num_classes)]
    opened = _open_without_weights(backbone, image_size, arguments)
    with torch.device("meta"):
        return VideoClassifier(opened, method, num_frames=num_frames, class_names=names)


def _open_without_weights(
    backbone: str, image_size: int | None, arguments: dict[str, Any] | None = None
) -> OpenBackbone:
    with torch.device("meta"):
        return open_backbone(
            build(backbone, pretrained=False, image_size=image_size, arguments=arguments)
        )


class _ImageModel(nn.Module):
    """The image model, frame by frame."""

    def __init__(self, backbone: OpenBackbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, clip: Tensor) -> Tensor:
        x = self.backbone.embed(clip)
        for block in self.backbone.blocks:
            x = block(x)
        return self.backbone.pool(self.backbone.norm(x))


def measure(model: nn.Module, clip: Tensor) -> tuple[int, int]:
    """Multiply-adds of a forward, and the bytes that it keeps for the backward.

    Attention is computed unfused: torch counts the fused kernels of some devices as nothing.
    """
    own = {t.untyped_storage()._cdata for t in (*model.parameters(), *model.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage
        return tensor

    counter = FlopCounterMode(display=False)
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with sdpa_kernel(SDPBackend.MATH), counter, hooks:
        answer = model(clip)  # held until the count is done: freed storages share addresses
    del answer
    return counter.get_total_flops() // 2, sum(storage.nbytes() for storage in kept.values())


def count_parts(model: VideoClassifier) -> tuple[Part, ...]:
    """The parameters by role, from the names of modules alone, so that any method is counted.

    In the model's order; a finer role that is all of its part is left out.
    """
    of_image_model = frozen_names(model)
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, parameter in model.named_parameters():
        for role in [IMAGE_MODEL] if name in of_image_model else roles(name):
            counts[role][0] += parameter.numel()
            counts[role][1] += parameter.numel() * parameter.requires_grad
    order = [IMAGE_MODEL, *counts]
    shown = [r for r in counts if "." not in r or counts[r] != counts[r.split(".")[0]]]
    shown.sort(key=lambda role: (order.index(role.split(".")[0]), order.index(role)))
    return tuple(Part(name=r, parameters=counts[r][0], trained=counts[r][1]) for r in shown)


SCAFFOLD = ("trunk", "blocks", "frozen", "block")
"""Names that say where a module lies, and nothing of its role."""


def roles(parameter: str) -> list[str]:
    """The role of a parameter, and the finer one within it.

    >>> roles("trunk.blocks.3.flow.encoder.0.qkv.weight")
    ['flow', 'flow.encoder']
    >>> roles("stem.position")
    ['stem']
    """
    words = [w for w in parameter.split(".") if not w.isdigit() and w not in SCAFFOLD]
    modules = words[:-1] or words
    return [".".join(modules[:depth]) for depth in (1, 2) if depth <= len(modules)]
