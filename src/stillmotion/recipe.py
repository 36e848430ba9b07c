"""A recipe says everything about a run, and is written beside every result.

YAML, command line and Python meet here: `Recipe(...)`, `Recipe.read(path)`, `recipe.write(path)`.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from stillmotion.data.sampling import Sampling
from stillmotion.data.transforms import Augmentation
from stillmotion.errors import ConfigurationError, unknown
from stillmotion.fields import check_types, within
from stillmotion.files import write_text
from stillmotion.given_files import read_yaml
from stillmotion.methods import METHODS, AMFlow, Method, get_method
from stillmotion.settings import Training, Videos, Views


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All choices of a run."""

    data: str
    """A folder with a folder for each class, or a list file."""
    out: str
    """Directory of the run."""
    backbone: str = "vit_small_patch14_dinov2.lvd142m"
    """timm's name of the image model."""
    weights: str = "pretrained"
    """"pretrained" (from the hub or its cache), "none" (random), or a path."""
    image_size: int | None = 224
    """Pixels a side; None: the image model's own."""
    method: Method = field(default_factory=AMFlow.small)
    """How the image model is adapted."""
    seed: int = 0
    videos: Videos = field(default_factory=Videos)
    sampling: Sampling = field(default_factory=Sampling)
    augmentation: Augmentation = field(default_factory=Augmentation)
    training: Training = field(default_factory=Training)
    views: Views = field(default_factory=Views)

    def __post_init__(self) -> None:
        check_types(self, "recipe")
        within(self, "seed", least=0, most=2**31)
        if self.training.cache_clips and not self.method.reads_frozen_frames:
            can = sorted(name for name, method in METHODS.items() if method().reads_frozen_frames)
            raise ConfigurationError(
                f"training.cache_clips={self.training.cache_clips}: {self.method.name} trains more "
                "than what follows the features of each frame, so these change with every step and "
                f"cannot be computed once. Set it to 0, or choose {', '.join(can)}, or amflow with "
                "placement side, image_readout mean, adapter_norm shared, and flow static or none"
            )
        repeats, cutmix = self.augmentation.repeats, self.augmentation.cutmix
        if self.training.batch_size % repeats:
            raise ConfigurationError(
                f"training.batch_size={self.training.batch_size} counts clips, and "
                f"augmentation.repeats={repeats} gives {repeats} of each video: make it a multiple"
            )
        if self.training.cache_clips and (repeats > 1 or cutmix):
            raise ConfigurationError(
                f"training.cache_clips={self.training.cache_clips} goes with neither "
                f"augmentation.repeats={repeats}, which saves decoding where none is left, nor "
                f"augmentation.cutmix={cutmix:g}, which needs pixels; mixup blends features as well"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as they stand in YAML; a method's fields stand under its name."""
        plain: dict[str, Any] = {}
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Method):
                fields = value.to_dict()
                plain["method"] = fields.pop("method")
                plain[value.name] = _plain(fields)
            else:
                plain[f.name] = _plain(dataclasses.asdict(value)) if f.name in PARTS else value
        return plain

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Recipe":
        """The inverse of `to_dict`. A ``preset`` says where the method's fields begin.

        Raises:
            ConfigurationError: for unknown or contradicting values, by name.
        """
        given = dict(values)
        if "method" in given and not isinstance(given["method"], Method):
            name = str(given["method"])
            fields = start_of(get_method(name), given.pop("preset", None)).to_dict()
            del fields["method"]
            own = given.pop(name, None) or {}
            if not isinstance(own, dict):
                raise ConfigurationError(f"{name} cannot be {own!r}: it is names with values")
            given["method"] = get_method(name).with_fields(fields | own)
        for name, part in PARTS.items():
            if name in given and not isinstance(given[name], part):
                given[name] = _build(part, name, given[name])
        return _build(cls, "recipe", given)

    @classmethod
    def read(cls, path: Path, *, data: str | None = None, out: str | None = None) -> "Recipe":
        """A recipe from a YAML file; ``data`` and ``out`` where it leaves them open, or others."""
        try:
            values = read_yaml(path)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"cannot read the recipe {path}: {error}") from error
        if not isinstance(values, dict):
            raise ConfigurationError(f"{path} is no recipe: it holds no names with values")
        places = {"data": data, "out": out}
        return cls.from_dict(values | {k: v for k, v in places.items() if v is not None})

    def write(self, path: Path) -> None:
        """Write the recipe as YAML."""
        write_text(path, yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True))


PARTS = {
    "videos": Videos,
    "sampling": Sampling,
    "augmentation": Augmentation,
    "training": Training,
    "views": Views,
}


def start_of(cls: type[Method], preset: str | None) -> Method:
    """A method with the fields of a preset, or with its defaults.

    Raises:
        ConfigurationError: for an unknown preset, with the nearest known one.
    """
    if preset is None:
        return cls()
    if preset not in cls.presets:
        if not cls.presets:
            raise ConfigurationError(f"{cls.name} has no presets, so none named {preset!r}")
        raise ConfigurationError(unknown(f"preset of {cls.name}", preset, cls.presets))
    return getattr(cls, preset)()


def _plain(value: Any) -> Any:
    """Tuples to lists, within dictionaries and lists."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, tuple | list) else value


def _build(part: type, name: str, values: dict[str, Any]) -> Any:
    """A dataclass from plain values; lists become tuples."""
    if not isinstance(values, dict):
        raise ConfigurationError(f"{name} cannot be {values!r}: it is names with values")
    known = {f.name for f in dataclasses.fields(part)}
    for given in values.keys() - known:
        raise ConfigurationError(unknown(f"setting of {name}", str(given), known))
    try:
        return part(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
    except TypeError as error:  # one that is required is not there
        raise ConfigurationError(f"incomplete {name}: {error}") from error
