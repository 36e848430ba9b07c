"""What is to be known of a method's published files: their keys, and what tensors do not say."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from torch import Tensor

from stillmotion.backbones.foreign import ImageWeights
from stillmotion.backbones.foreign.scheme import generalise
from stillmotion.backbones.foreign.schemes import SCHEMES
from stillmotion.backbones.foreign.sizes import ratio
from stillmotion.errors import ConfigurationError, WeightsError, unknown
from stillmotion.methods import Method

SIZES = (
    *("image_size", "patch_size", "dim", "depth", "num_heads"),
    *("num_frames", "num_classes", "tubelet"),
)
"""What a file may be said to have beside the fields of its method; it is compared, not believed."""

TEXT_TOWER = dict.fromkeys(
    (
        *("transformer.", "token_embedding.", "positional_embedding", "ln_final.", "logit_scale"),
        *("text_projection", "input_resolution", "context_length", "vocab_size"),
    ),
    "CLIP's text tower, which no video is shown to",
)
"""Beginnings of the keys that a whole CLIP has outside ``visual.``, and why they are ignored."""

CLIP_PIXELS = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
IMAGENET_PIXELS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
Pixels = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of R, G, B in [0, 1]."""

IMAGE_PREFIXES = ("backbone.", "visual.")
"""What may stand before the names of an image part, whatever the method's own files have."""

Fields = dict[str, Any]


class MethodScheme(ABC):
    """How the authors of one method store their models.

    What is not abstract is a default, to be replaced where a method's files differ.
    """

    method: ClassVar[type[Method]]
    title: ClassVar[str]
    """The method's name in prose."""
    tables: ClassVar[Mapping[str, Mapping[str, str]]]
    """For each scheme of the image part: the authors' names of all that is no image model, to ours
    in a `VideoClassifier`; ``*`` stands for the number of a layer."""
    prefix: ClassVar[str] = ""
    """What stands before every name of the image part."""
    classifier: ClassVar[str] = "head.classifiers.0.weight"
    """Our name of the tensor that has a row a class."""
    swapped: ClassVar[tuple[str, ...]] = ()
    """Our names of tensors that the authors store with the first two axes swapped."""
    ignored: ClassVar[Mapping[str, str]] = {}
    """Beginnings of keys that are not needed, and why."""
    renamed: ClassVar[Mapping[str, str]] = {}
    """The authors' names of settings, to our fields and to `SIZES`."""
    settings: ClassVar[tuple[str, ...]] = ()
    """The authors' settings that need more than another name: `translate` takes them."""
    unwritten: ClassVar[tuple[str, ...]] = ()
    """Fields that change logits and that no tensor tells of."""
    takes_clip: ClassVar[bool] = False
    """Whether files may hold no image model, so that CLIP's must come from elsewhere."""
    projects: ClassVar[bool] = False
    """Whether CLIP's projection is part of the model."""

    @abstractmethod
    def is_of(self, keys: str) -> bool:
        """Whether a file has this method's keys, given all of them in one text."""

    @abstractmethod
    def read_off(self, found: Mapping[str, Tensor], image: ImageWeights, given: Fields) -> Fields:
        """The fields that tensors (by our names) and the image model tell of.

        Raises:
            WeightsError: where there is no tensor to tell.
        """

    @abstractmethod
    def pixels(self, *, is_clip: bool) -> Pixels:
        """With what the authors normalise."""

    def translate(self, settings: Fields) -> Fields:
        """Our fields for those of `settings` that were given."""
        return {}

    def start(self, image: ImageWeights) -> Method:
        """The method whose fields stand where neither tensors nor anybody says anything."""
        return self.method()

    def unwritten_in(self, method: Method) -> tuple[str, ...]:
        """Those of `unwritten` that matter to a method with these fields."""
        return self.unwritten

    def refusal(self, method: Method, image_scheme: str) -> str | None:
        """Why the authors' code has no model for these fields; None where it has."""
        return None

    def all_names(self) -> list[str]:
        """Every key of theirs that is known, ``*`` for the number of a layer, or its beginning."""
        own = [theirs for table in self.tables.values() for theirs in table]
        image = [name for scheme in self.tables for name in SCHEMES[scheme].names]
        bare = [name.removeprefix(self.prefix) for name in own]
        return [*own, *bare, *image, *self.ignored, *IMAGE_PREFIXES]

    def find(self, keys: Iterable[str]) -> dict[str, str]:
        """Those keys that stand for parts of this method, to our names."""
        names = {theirs: ours for table in self.tables.values() for theirs, ours in table.items()}
        named = ((key, renamed(key, names)) for key in keys)
        return {key: name for key, name in named if name is not None}

    def theirs(self, name: str, image_scheme: str) -> str | None:
        """The authors' name for ours; None where they have none."""
        return renamed(name, {ours: theirs for theirs, ours in self.tables[image_scheme].items()})

    def reason(self, key: str) -> str | None:
        """Why a key is not needed; None where that is not known."""
        if key == f"{self.prefix}proj":
            return f"CLIP's projection, which {self.title} does not use"
        return next((why for start, why in self.ignored.items() if key.startswith(start)), None)

    def understood(self, fields: Fields) -> Fields:
        """Settings under our names, whether they came under those or under the authors'.

        Raises:
            ConfigurationError: for an unknown name, or two that contradict each other.
        """
        own = set(self.method().to_dict()) - {"method"}
        known = own | {*SIZES, *self.renamed, *self.settings}
        for name in fields:
            if name not in known:
                raise ConfigurationError(unknown(f"field of {self.title}", name, known))
        ours = {n: plain(v) for n, v in fields.items() if n in own or n in SIZES}
        theirs = self.translate({n: v for n, v in fields.items() if n in self.settings})
        for name, value in fields.items():
            if name in self.renamed and name not in own:
                theirs = agreed(theirs, {self.renamed[name]: plain(value)}, other=name)
        return agreed(ours, theirs, other="the authors' settings")


def renamed(name: str, table: Mapping[str, str]) -> str | None:
    """A name in the other scheme; None where the table does not have it."""
    if name in table:
        return table[name]
    pattern, layer = generalise(name)
    return table[pattern].replace("*", layer) if pattern in table else None


def agreed(one: Fields, two: Fields, *, other: str) -> Fields:
    """Both together.

    Raises:
        ConfigurationError: where they differ on a field.
    """
    for name in one.keys() & two.keys():
        if one[name] != two[name]:
            raise ConfigurationError(f"{name}={one[name]!r}, but {other} says {two[name]!r}")
    return one | two


def plain(value: Any) -> Any:
    """Lists of a YAML or JSON file as tuples, which fields hold."""
    return tuple(value) if isinstance(value, list) else value


def check_axes(tensors: Mapping[str, Tensor], axes: Mapping[str, int]) -> None:
    """Refuse tensors that do not have so many axes, by their names."""
    for name, tensor in tensors.items():
        if tensor.ndim != axes.get(name, tensor.ndim):
            raise WeightsError(f"{name} has the shape {tuple(tensor.shape)}, not {axes[name]} axes")


def some(found: Mapping[str, Tensor], ending: str, *, axes: int = 2) -> Tensor:
    """The first tensor whose name ends so.

    Raises:
        WeightsError: where there is none, or it has not so many axes.
    """
    for name, tensor in found.items():
        if name.endswith(ending):
            check_axes({name: tensor}, {name: axes})
            return tensor
    raise WeightsError(f"no tensor of these weights stands for {ending.strip('.')}")


def adapter_ratio(found: Mapping[str, Tensor], given: Fields) -> float:
    """The ratio that gives the adapters' width; the one that is asked for, where it does."""
    hidden, dim = some(found, ".down.weight").shape
    asked = given.get("adapter_ratio", 0.25)
    fits = isinstance(asked, float | int) and max(1, int(asked * dim)) == hidden
    return asked if fits else ratio(dim, hidden=hidden)
