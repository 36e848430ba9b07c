"""What a method is: a frozen dataclass of hyper-parameters that builds a video model's parts."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.backbones import OpenBackbone, OpenBlock
from stillmotion.errors import ConfigurationError, unknown
from stillmotion.fields import check_types, within
from stillmotion.methods.parts import Readout, Stem, Trunk
from stillmotion.nn.head import VotingHead

VARIABLE = "STILLMOTION_METHODS"
"""Environment variable with paths of Python files that register methods, separated as in PATH."""


class Method:
    """A way to adapt an image model to video. Its fields are its hyper-parameters.

    A method builds parts and never holds any: the same method can adapt many backbones. What it
    does not override is the plain image model, frame by frame, averaged over frames.
    """

    name: ClassVar[str]
    presets: ClassVar[tuple[str, ...]] = ()
    """Names of class methods that, without arguments, return a method with other fields."""
    starting_preset: ClassVar[str | None] = None
    """The preset that the command line begins with; None: the fields' defaults."""
    dropout: float = 0.0
    """Before the classifier. Methods that have it as a field let it be chosen."""

    def __post_init__(self) -> None:
        """Refuse what the annotations do not allow: a misspelt choice would pass for another.

        Raises:
            ConfigurationError: for a value that is not possible, with what is.
        """
        check_types(self, self.name)
        within(self, "dropout", least=0, most=1)

    @property
    def sees_order(self) -> bool:
        """Whether, once trained, the order of a clip's frames can change the answer."""
        return False

    @property
    def starts_as_image_model(self) -> bool:
        """Whether, untrained, a picture that stands still gives the image model's tokens."""
        return True

    @property
    def is_causal(self) -> bool:
        """Whether nothing computed of a frame depends on later ones, so that `Stream` can run it.

        The stem then works on single frames, and trunk and read-out have a `step`.
        """
        return False

    @property
    def reads_frozen_frames(self) -> bool:
        """Whether nothing trains before the read-out's `summary`, nor before what blocks `speak`.

        Then what the image model makes of a clip never changes, and can be computed once.
        """
        return False

    def thawed(self, backbone: OpenBackbone) -> Iterable[nn.Parameter]:
        """Parameters of the image model that train along. Most methods leave all as they are."""
        return ()

    def stem(self, backbone: OpenBackbone, *, num_frames: int) -> Stem:
        """From clips to the tokens (B, T, N, C) that enter the first block."""
        return Stem()

    def block(self, frozen: OpenBlock, *, layer: int, backbone: OpenBackbone) -> nn.Module:
        """A module on tokens (B, T, N, C) around one frozen block."""
        return frozen

    def trunk(self, backbone: OpenBackbone, *, num_frames: int) -> Trunk:
        """All video blocks. Blocks that cannot be opened stay as they are."""
        return Trunk(
            [
                self.block(frozen, layer=layer, backbone=backbone)
                if isinstance(frozen, OpenBlock)
                else frozen
                for layer, frozen in enumerate(backbone.blocks)
            ]
        )

    def readout(self, backbone: OpenBackbone, *, num_frames: int) -> Readout:
        """From tokens after the last block to one vector a clip."""
        return Readout(backbone)

    def head(self, dims: tuple[int, ...], num_classes: int) -> VotingHead:
        """The classifiers of the trunk's feature vectors and the one read out, in this order."""
        return VotingHead(dims, num_classes, dropout=self.dropout, classifier=self.classifier)

    def classifier(self, dim: int, num_classes: int) -> nn.Module:
        """What makes class logits (B, K) of one feature vector (B, D)."""
        return nn.Linear(dim, num_classes)

    def objective(
        self,
        branches: Float[Tensor, "B V outputs"],
        voted: Float[Tensor, "B outputs"],
        criterion: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """What training minimises: the criterion of what the branches' vote gives."""
        return criterion(voted)

    def merged(self) -> "Method":
        """The method of the model that is left when adapters are folded into the image model.

        Raises:
            ConfigurationError: where they cannot be, with the methods whose can.
        """
        can = sorted(n for n, method in METHODS.items() if method.merged is not Method.merged)
        raise ConfigurationError(
            f"{self.name} cannot be merged: it has no adapters that are linear maps next to linear "
            f"maps, as {' and '.join(can)} have"
        )

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
            raise ConfigurationError(unknown(f"field of {cls.name}", str(name), known))
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})


METHODS: dict[str, type[Method]] = {}
"""Every registered method by its name."""


def register(cls: type[Method]) -> type[Method]:
    """Make a method known by its name to `get_method`, the command line and checkpoints.

    Raises:
        ConfigurationError: for a name that is taken, or a class that is no frozen dataclass with a
            name.
    """
    parameters = cls.__dict__.get("__dataclass_params__")
    if (
        parameters is None
        or not parameters.frozen
        or not isinstance(getattr(cls, "name", None), str)
    ):
        raise ConfigurationError(
            f"{cls.__name__} cannot be registered: a method has a class attribute `name`, and "
            "@dataclass(frozen=True, kw_only=True) below @register"
        )
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
        told = unknown("method", name, METHODS)
        raise ConfigurationError(f"{told}. Others come from packages, or files in {VARIABLE}")
    return METHODS[name]


def method_from_dict(fields: dict[str, Any]) -> Method:
    """The inverse of `Method.to_dict`."""
    fields = dict(fields)
    return get_method(str(fields.pop("method", None))).with_fields(fields)
