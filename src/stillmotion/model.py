"""A frozen image model, adapted to clips."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.backbones import (
    OWN_WEIGHTS,
    OpenBackbone,
    frozen_block,
    load_backbone,
    open_backbone,
)
from stillmotion.data.parts import Part, combinations
from stillmotion.errors import BackboneError, ClipError, ConfigurationError
from stillmotion.methods import Method, get_method
from stillmotion.nn.combination import Combination
from stillmotion.nn.frozen import frozen_names
from stillmotion.shapes import Clip, FrameFeatures, Logits, NormalisedClip

if TYPE_CHECKING:
    from os import PathLike


class VideoClassifier(nn.Module):
    """Clips (B, T, 3, H, W) to logits (B, K): an open backbone, a method's parts around it, a head.

    Attributes:
        method: the frozen dataclass that says how the backbone is adapted.
        num_frames: the most frames a clip may have.
        class_names: one a class, in the order of the logits.
        parts: what each class combines, such as a verb and a noun; mostly nothing.
        head: the classifier only; its outputs are the logits, or those of all parts side by side.
        combine: the head's outputs to logits: nothing to do, where classes combine nothing.
        thawed: names of the image model's parameters that train along.
        info: plain values that travel with a checkpoint: how clips are sampled, scores.
    """

    mean: Float[Tensor, "3 1 1"]
    std: Float[Tensor, "3 1 1"]

    def __init__(
        self,
        backbone: OpenBackbone,
        method: Method,
        *,
        num_frames: int,
        class_names: Sequence[str] = (),
        parts: Sequence[Part] = (),
    ) -> None:
        super().__init__()
        if len(backbone.blocks) == 0:
            raise BackboneError("this backbone's blocks belong to a video model already")
        self.method, self.num_frames, self.parts = method, num_frames, tuple(parts)
        self.class_names = combinations(parts) if parts else tuple(class_names)
        self.info: dict[str, Any] = {}
        thawed = set(method.thawed(backbone))
        for parameter in thawed:
            parameter.requires_grad_(True)
        self.stem = method.stem(backbone, num_frames=num_frames)
        self.trunk = method.trunk(backbone, num_frames=num_frames)
        self.readout = method.readout(backbone, num_frames=num_frames)
        backbone.blocks = nn.ModuleList()  # frozen blocks live on inside the video blocks only
        self.backbone = backbone
        dims = (*self.trunk.feature_dims, self.readout.dim)
        self.combine = Combination([len(p.classes) for p in parts] or [len(self.class_names)])
        self.head = method.head(dims, sum(self.combine.sizes))
        self.thawed = frozenset(n for n, p in self.named_parameters() if p in thawed)
        for name in ("mean", "std"):
            value = torch.tensor(getattr(backbone, name)).view(3, 1, 1)
            self.register_buffer(name, value, persistent=False)

    def forward(self, clip: Clip) -> Logits:
        """RGB frames (B, T, 3, H, W), uint8 or float in [0, 1], to class logits (B, K).

        Raises:
            ClipError: for another shape, another image size, or more frames than the model has.
        """
        return self.forward_normalised(self.normalise(clip))

    def forward_normalised(self, clip: NormalisedClip) -> Logits:
        """The same for pixels that are normalised already."""
        return self.combine(self.head(self.features(clip)))

    def branches(self, clip: Clip) -> Float[Tensor, "B V outputs"]:
        """The head's outputs for each branch that votes; most methods have one."""
        return self.head.branches(self.features(self.normalise(clip)))

    def features(self, clip: NormalisedClip) -> list[Float[Tensor, "B _"]]:
        """One vector a branch: what blocks say on the way, then what is read of the tokens."""
        x, said = self.tokens(clip)
        return [*said, self.readout(self.backbone, x)]

    def frame_features(self, clip: NormalisedClip) -> FrameFeatures:
        """All that is read of each frame, where the method reads frozen frames.

        What the image model makes of it, which the read-out sums up, and what blocks observe.
        """
        self.check(clip)
        x, observed = self.trunk.observe(self.stem(self.backbone, clip))
        return torch.cat([self.readout.frames(self.backbone, x), *observed], dim=-1)

    def tokens(
        self, clip: NormalisedClip
    ) -> tuple[Float[Tensor, "B frames M D"], list[Float[Tensor, "B _"]]]:
        """Tokens after the last block, and what blocks say on the way."""
        self.check(clip)
        return self.trunk(self.stem(self.backbone, clip))

    def normalise(self, clip: Clip) -> NormalisedClip:
        """Pixels to what the backbone was trained on."""
        self.check(clip)
        pixels = clip.to(self.mean.dtype)
        if clip.dtype == torch.uint8:
            pixels = pixels / 255
        return (pixels - self.mean) / self.std

    def check(self, clip: Tensor) -> None:
        """Refuse what would fail, or pass unnoticed, further on."""
        height, width = self.backbone.image_size
        if clip.dtype != torch.uint8 and not clip.is_floating_point():
            raise ClipError(f"pixels are uint8, or float in [0, 1], not {clip.dtype}")
        if clip.shape[2:] != (3, height, width):
            raise ClipError(
                f"this model takes clips of shape (batch, frames, 3, {height}, {width}), "
                f"not {tuple(clip.shape)}"
            )
        if not 1 <= clip.shape[1] <= self.num_frames:
            raise ClipError(
                f"a clip of {clip.shape[1]} frames: this model was built for 1 to {self.num_frames}"
            )

    @property
    def is_self_contained(self) -> bool:
        """Whether the image model cannot be had from elsewhere, so that a checkpoint must hold it.

        It was changed (all of it trained, or adapters folded into it), or its weights are random.
        """
        untouched = frozen_names(self).intersection(n for n, _ in self.named_parameters())
        return self.backbone.weights in (OWN_WEIGHTS, "none") or untouched <= self.thawed

    def checkpoint_tensors(self) -> dict[str, Tensor]:
        """What a checkpoint holds: `adapter_tensors`, or everything."""
        return self.all_tensors() if self.is_self_contained else self.adapter_tensors()

    def adapter_tensors(self) -> dict[str, Tensor]:
        """All that makes this model differ from its image model, the head included, by name."""
        untouched = frozen_names(self) - self.thawed
        return {name: t for name, t in self.all_tensors().items() if name not in untouched}

    def all_tensors(self) -> dict[str, Tensor]:
        """Parameters and lasting buffers by name; one that several parts share has its first."""
        lasting = self.state_dict().keys()
        tensors = chain(self.named_parameters(), self.named_buffers())
        return {name: tensor.detach() for name, tensor in tensors if name in lasting}

    def image_tensors(self) -> dict[str, Tensor]:
        """The image model's tensors under timm's names, without a classifier.

        A linear map beside which LoRA put its own has ``linear`` in its name.
        """
        tensors = dict(self.backbone.model.state_dict())
        for number, block in enumerate(self.trunk.blocks):
            frozen = frozen_block(block)
            kept = frozen_names(frozen)
            for name, tensor in frozen.state_dict().items():
                if name in kept:
                    tensors[f"blocks.{number}.{name.removeprefix('block.')}"] = tensor
        return tensors

    def save_pretrained(self, directory: str | PathLike[str]) -> None:
        """Write the adapter checkpoint: `adapter_config.json` and `adapter_model.safetensors`."""
        from stillmotion.checkpoint import save

        save(self, Path(directory))


def adapt(
    backbone: str | nn.Module,
    method: Method | str,
    *,
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
    parts: Sequence[Part] = (),
    num_frames: int,
    image_size: int | None = None,
    weights: str | PathLike[str] = "pretrained",
) -> VideoClassifier:
    """Turn an image model into a video classifier, ready to train.

    Args:
        backbone: timm's name of an image model, or a timm model (copied: yours stays as it is).
        method: a method, or its name, which takes its defaults.
        num_classes: K; or give class_names.
        class_names: one a class, in the order of the logits.
        parts: in their place, what classes combine (a verb and a noun): each combination is one.
        num_frames: T, the most frames of a clip.
        image_size: pixels a side, for a backbone given by name; None: the image model's own.
        weights: for a backbone given by name: ``"pretrained"``, ``"none"`` (random; said loudly) or
            the path of a file or directory.

    Raises:
        ConfigurationError: for unknown names, or neither or contradicting classes.
        BackboneError, WeightsError: for an image model or weights that cannot be used.
    """
    if num_frames < 1:
        raise ConfigurationError(f"num_frames={num_frames}: a clip has at least one frame")
    if parts:
        class_names = combinations(parts)
    elif class_names is None:
        class_names = [f"class {i}" for i in range(num_classes or 0)]
    if not class_names:
        raise ConfigurationError("give num_classes, at least 1, or class_names")
    if num_classes not in (None, len(class_names)):
        raise ConfigurationError(f"num_classes={num_classes} but {len(class_names)} class_names")
    method = get_method(method)() if isinstance(method, str) else method
    if not isinstance(method, Method):
        raise ConfigurationError(
            f"method is {method!r}: give a method, such as AMFlow.small() with its brackets, or "
            "the name of one"
        )
    if isinstance(backbone, str):
        opened = load_backbone(backbone, weights=str(weights), image_size=image_size)
    else:
        if image_size is not None or weights != "pretrained":
            raise ConfigurationError(
                "image_size and weights are for a backbone given by name: a module has its own"
            )
        opened = open_backbone(copy.deepcopy(backbone))
    model = VideoClassifier(
        opened, method, num_frames=num_frames, class_names=class_names, parts=parts
    )
    return model.to(next(opened.parameters()))  # a given module's device and number type
