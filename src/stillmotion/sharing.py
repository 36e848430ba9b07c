"""Several models in the memory of one: what is the same in them is held once.

    doors, gestures = stillmotion.load_together(["runs/doors", "runs/gestures"])

A frozen image model is most of a video model, and many adapters are trained on the same one. Equal
frozen tensors are told by their bytes, so that a method which folds something into the image model
when it opens it (ZeroI2V, layer scales) shares the others. To switch between models is to call
another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from stillmotion.checkpoint import load
from stillmotion.errors import ConfigurationError
from stillmotion.model import VideoClassifier
from stillmotion.nn.frozen import frozen_names
from stillmotion.nn.state import bytes_of

if TYPE_CHECKING:
    from os import PathLike

Key = tuple[object, ...]
"""Equal for equal tensors alone."""


def load_together(
    sources: Iterable[str | PathLike[str]], weights: str | PathLike[str] | None = None
) -> list[VideoClassifier]:
    """Trained models in evaluation mode, in the order given, that hold equal frozen tensors once.

    They are models like any other, for answers: `Module.to` and `Module.half` of one change what it
    shares for all, so give all of them the same device and number type. While one is loaded, its
    own copy of the image model exists beside those that are shared.

    Args:
        sources: as for `load`: directories, or Hugging Face hub ids.
        weights: where the image model's weights are now; None: where each checkpoint says.

    Raises:
        ConfigurationError: for one source that is no list, or none.
        CheckpointError, BackboneError: see `load`.
    """
    if isinstance(sources, str) or not (sources := list(sources)):
        raise ConfigurationError(f"give a list of directories or hub ids, not {sources!r}")
    known: dict[Key, Tensor] = {}
    return [share(load(source, weights), known) for source in sources]


def share(model: VideoClassifier, known: dict[Key, Tensor]) -> VideoClassifier:
    """The same model, with tensors that are known already in the place of its own frozen ones.

    Args:
        known: frozen tensors of other models; those of this one that are new are added.
    """
    for module, name, tensor in frozen_tensors(model):
        setattr(module, name, known.setdefault(key_of(tensor), tensor))
    return model


def shares(one: VideoClassifier, other: VideoClassifier) -> bool:
    """Whether two models hold frozen tensors together."""
    mine, others = ({id(t) for _, _, t in frozen_tensors(model)} for model in (one, other))
    return bool(mine & others)


def frozen_tensors(model: VideoClassifier) -> Iterator[tuple[nn.Module, str, Tensor]]:
    """What does not train: the module that holds it, under which name, and the tensor."""
    for name in sorted(frozen_names(model) - model.thawed):
        path, _, own = name.rpartition(".")
        module = model.get_submodule(path)
        yield module, own, getattr(module, own)


def key_of(tensor: Tensor) -> Key:
    """What tells a tensor from those that are not the same: what it is, where, and its bytes."""
    kind = (isinstance(tensor, nn.Parameter), tensor.device, tensor.dtype, tuple(tensor.shape))
    return *kind, hashlib.sha256(bytes_of(tensor)).digest()


def bytes_held(models: Sequence[nn.Module]) -> int:
    """Bytes of all parameters and buffers of some models; what several of them share counts once.

    Not of memory that computing takes.
    """
    tensors = (t for model in models for t in (*model.parameters(), *model.buffers()))
    storages = (tensor.untyped_storage() for tensor in tensors)
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())
