"""What a method is: a frozen dataclass of hyper-parameters that builds a video model's parts."""

import dataclasses
from abc import ABC
from collections.abc import Callable
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.backbones import OpenBackbone, OpenBlock
from stillmotion.errors import ConfigurationError, unknown
from stillmotion.fields import check_types
from stillmotion.nn.head import VotingHead
from stillmotion.shapes import Logits, Tokens


class Trunk(nn.Module):
    """The video blocks in order: tokens in, tokens out, and what blocks say on the way.

    Attributes:
        feature_dims: the width of each feature vector that the trunk returns beside the tokens.
        inert: names of trained parameters that cannot reach the logits, by the method's own design.
    """

    feature_dims: tuple[int, ...] = ()
    inert: tuple[str, ...] = ()

    def __init__(self, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tokens) -> tuple[Tokens, list[Float[Tensor, "B _"]]]:
        for block in self.blocks:
            x = block(x)
        return x, []


class Method(ABC):
    """A way to adapt an image model to video. Its fields are its hyper-parameters.

    A method builds parts and never holds any: the same method can adapt many backbones. What it
    does not override is the plain image model, frame by frame, averaged over frames.
    """

    name: ClassVar[str]
    presets: ClassVar[tuple[str, ...]] = ()
    """Names of class methods that, without arguments, return a method with other fields."""
    starting_preset: ClassVar[str | None] = None
    """The preset that the command line begins with; None: the fields' defaults."""

    def __post_init__(self) -> None:
        """Refuse what the annotations do not allow: a misspelt choice would pass for another.

        Raises:
            ConfigurationError: for a value that is not possible, with what is.
        """
        check_types(self, self.name)

    def stem(self, backbone: OpenBackbone, *, num_frames: int) -> nn.Module:
        """A module on tokens (B, T, N, C) before the first block."""
        return nn.Identity()

    def block(self, frozen: OpenBlock, *, layer: int, backbone: OpenBackbone) -> nn.Module:
        """A module on tokens (B, T, N, C) around one frozen block."""
        return frozen

    def trunk(self, backbone: OpenBackbone, *, num_frames: int) -> Trunk:
        """All video blocks. Override it where blocks do more than map tokens to tokens."""
        opened = enumerate(backbone.blocks)
        return Trunk([self.block(b, layer=i, backbone=backbone) for i, b in opened])  # type: ignore[arg-type]

    def pool(self, x: Tokens, backbone: OpenBackbone) -> Float[Tensor, "B C"]:
        """Tokens after the last block to one vector a clip."""
        return backbone.pool(backbone.norm(x)).mean(dim=1)

    def head(self, dims: tuple[int, ...], num_classes: int) -> VotingHead:
        """The classifier over the trunk's feature vectors and the pooled one, in this order."""
        return VotingHead(dims, num_classes)

    def objective(
        self,
        branches: Float[Tensor, "B V K"],
        logits: Logits,
        criterion: Callable[[Logits], Tensor],
    ) -> Tensor:
        """What training minimises: the criterion of the logits."""
        return criterion(logits)

    def to_dict(self) -> dict[str, Any]:
        """The fields, and the method's name under ``method``; JSON-able."""
        return {"method": self.name, **dataclasses.asdict(self)}  # type: ignore[call-overload]

    @classmethod
    def with_fields(cls, fields: dict[str, Any]) -> "Method":
        """A method from its fields; lists (of JSON, of YAML) become tuples.

        Raises:
            ConfigurationError: for an unknown field, with the nearest known one.
        """
        known = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        for name in fields.keys() - known:
            raise ConfigurationError(unknown(f"field of {cls.name}", name, known))
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})


METHODS: dict[str, type[Method]] = {}
"""Every registered method by its name."""


def register(cls: type[Method]) -> type[Method]:
    """Make a method known by its name to `get_method`, the command line and checkpoints."""
    if cls.name in METHODS:
        raise ConfigurationError(f"a method named {cls.name!r} is already registered")
    METHODS[cls.name] = cls
    return cls


def get_method(name: str) -> type[Method]:
    """The method of this name.

    Raises:
        ConfigurationError: for an unknown name, with the nearest known one.
    """
    if name not in METHODS:
        raise ConfigurationError(unknown("method", name, METHODS))
    return METHODS[name]


def method_from_dict(fields: dict[str, Any]) -> Method:
    """The inverse of `Method.to_dict`."""
    fields = dict(fields)
    return get_method(str(fields.pop("method", None))).with_fields(fields)
