"""The file of a method and, where it holds no image model, the one of CLIP."""

import logging
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from stillmotion.errors import ConfigurationError, WeightsError, some
from stillmotion.model import VideoClassifier
from stillmotion.official.contents import Contents, Source, read_contents
from stillmotion.official.report import Report
from stillmotion.official.scheme import Fields, MethodScheme, check_axes
from stillmotion.official.schemes import refuse_other
from stillmotion.official.tensors import image_scheme_of, own_tensors

log = logging.getLogger("stillmotion")

PATCHES = ("conv1.weight", "patch_embed.proj.weight")
"""How the key of the convolution ends that makes tokens of patches."""


@dataclass(frozen=True)
class PublishedFiles:
    """What was found; ``image`` is ``main`` itself where that holds its image model."""

    scheme: MethodScheme
    main: Contents
    image: Contents

    @staticmethod
    def read(
        scheme: MethodScheme,
        source: Source,
        clip: Source | None,
    ) -> "PublishedFiles":
        """Read both.

        Raises:
            WeightsError: where they cannot be read, or are of another method.
            ConfigurationError: where there are two image models, or none.
        """
        main = without_strays(read_contents(source), scheme)
        main = under_prefix(main, scheme.prefix)
        refuse_other(scheme, main.keys)
        needs_clip = scheme.takes_clip and main.keys.keys() == scheme.find(main.keys).keys()
        if clip is None and needs_clip:
            raise WeightsError(
                f"this {scheme.title} file holds what was trained, not the image model: give "
                "OpenAI's CLIP too, clip=FILE (its state dict, as safetensors or .pth)"
            )
        if clip is None:
            return PublishedFiles(scheme, main, main)
        if not needs_clip:
            raise ConfigurationError("clip= is not needed: the file holds its image model")
        return PublishedFiles(scheme, main, image_tower(read_contents(clip)))

    @property
    def dtype(self) -> torch.dtype:
        """The widest number type that a needed tensor has."""
        needed = [self.main.tensors[key] for key in self.scheme.find(self.main.keys)]
        needed += [self.image.tensors[key] for key in self._image_keys()]
        return reduce(torch.promote_types, (x.dtype for x in needed if x.is_floating_point()))

    def width(self) -> int:
        """C, the channels of the image model's tokens; 0 where nothing tells."""
        rows = (x.shape[:1] for key, x in self.image.tensors.items() if key.endswith(PATCHES))
        return sum(next(rows, ()))

    def image_state(self) -> dict[str, Tensor]:
        """What may be the image model's, in one number type."""
        dtype = self.dtype
        return {key: self.image.tensors[key].to(dtype) for key in self._image_keys()}

    def method_tensors(self) -> dict[str, Tensor]:
        """All that is no image model, by our names and as our modules hold it.

        Raises:
            WeightsError: without a classifier.
        """
        scheme, dtype = self.scheme, self.dtype
        found = {ours: self.main.tensors[key] for key, ours in scheme.find(self.main.keys).items()}
        if scheme.classifier not in found:
            key = scheme.theirs(scheme.classifier, next(iter(scheme.tables)))
            raise WeightsError(f"these weights have no classifier: {key} is missing")
        check_axes(found, {scheme.classifier: 2} | dict.fromkeys(scheme.swapped, 3))
        tensors = {n: x.to(dtype) if x.is_floating_point() else x for n, x in found.items()}
        return tensors | {n: x.transpose(0, 1) for n, x in tensors.items() if n in scheme.swapped}

    def report(self, model: VideoClassifier, *, image_keys: list[str], assumed: Fields) -> Report:
        """What became of every key, now that there is a model to say what it needs."""
        scheme, image_scheme = self.scheme, image_scheme_of(model, self.scheme)
        needed, tensors = own_tensors(model), self.method_tensors()
        missing, misshapen = [], {}
        for name, tensor in needed.items():
            key = str(scheme.theirs(name, image_scheme))
            if name not in tensors:
                missing.append(key)
            elif tensors[name].shape != tensor.shape:
                misshapen[key] = f"{tuple(tensors[name].shape)} for {tuple(tensor.shape)}"
        keys = self.main.keys | self.image.keys
        used = {key for key, name in scheme.find(self.main.keys).items() if name in needed}
        used |= set(image_keys)
        reasons = {key: scheme.reason(key) for key in keys if key not in used}
        known = {keys[key]: why for key, why in reasons.items() if why is not None}
        return Report(
            used=tuple(name for key, name in keys.items() if key in used),
            ignored=self.main.beside | self.image.beside | known,
            unknown=tuple(keys[key] for key, why in reasons.items() if why is None),
            missing=tuple(missing),
            misshapen=misshapen,
            assumed=assumed,
        )

    def _image_keys(self) -> list[str]:
        prefix = self.scheme.prefix
        unneeded = () if self.scheme.projects else (f"{prefix}proj",)
        found = self.scheme.find(self.main.keys)
        return [
            key
            for key in self.image.keys
            if key.startswith(prefix) and key not in unneeded and key not in found
        ]


def without_strays(contents: Contents, scheme: MethodScheme) -> Contents:
    """Without tensors that are no layer's, such as inputs and outputs kept beside a model; said.

    A weight or a bias stays, and so does what begins as the method's keys do: where nobody asks for
    it, it is an error.
    """
    beginnings = {name.split(".")[0] for name in scheme.all_names()}
    strays = [
        key
        for key in contents.keys
        if key.split(".")[0] not in beginnings and not key.endswith((".weight", ".bias"))
    ]
    if not strays or len(strays) == len(contents.keys):
        return contents
    log.warning("no part of %s, so ignored: %s", scheme.title, some(strays))
    kept = contents.keys.keys() - set(strays)
    return contents.only(kept, other=f"no part of {scheme.title}")


def under_prefix(contents: Contents, prefix: str) -> Contents:
    """The image part's keys with what the authors put before them, where it was taken off."""
    if any(key.startswith(prefix) for key in contents.keys):
        return contents
    return contents.renamed(lambda key: key if key.startswith("cls_head.") else prefix + key)


def image_tower(clip: Contents) -> Contents:
    """CLIP's image tower without ``visual.``; all keys of the file are marked ``clip:``."""
    marked = {key: f"clip:{name}" for key, name in clip.keys.items()}
    marked_beside = {f"clip:{name}": why for name, why in clip.beside.items()}
    marks = Contents(clip.tensors, marked, marked_beside)
    inside = [key for key in clip.keys if key.startswith("visual.")]
    if not inside:
        return marks
    tower = marks.only(inside, other="outside CLIP's image tower")
    return tower.renamed(lambda key: key.removeprefix("visual."))
