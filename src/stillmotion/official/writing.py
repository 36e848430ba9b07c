"""From a video classifier back to the file that its method's authors would have saved."""

from os import PathLike
from pathlib import Path
from typing import Any

from safetensors.torch import save as to_bytes
from torch import Tensor

from stillmotion.backbones import frozen_block
from stillmotion.backbones.foreign import write_image
from stillmotion.errors import ConfigurationError
from stillmotion.files import refuse_existing, write_bytes
from stillmotion.model import VideoClassifier
from stillmotion.official.scheme import MethodScheme
from stillmotion.official.schemes import scheme_of
from stillmotion.official.settings import described, warn_of_pixels
from stillmotion.official.tensors import image_scheme_of, is_module, own_tensors

COMPUTED = {True: ("QuickGELU", 1e-5), False: ("GELU", 1e-6)}
"""Activation and epsilon in the authors' code: of CLIP, and of other image models."""


def export(model: VideoClassifier, path: str | PathLike[str] | None = None) -> dict[str, Tensor]:
    """The tensors under the keys of the method's authors, the image model included.

    `load` makes the same model of the file, bit for bit: what the keys have no place for (fields,
    class names, how pixels are normalised) stands in its description. Of the tensors alone it makes
    the same only where these are given again. A warning says where the authors' code would
    normalise otherwise. ST-Adapter's are those of its whole model: adapters, classifier and CLIP's
    image tower.

    Args:
        path: of a safetensors file to write, too, which must not be there yet; None: nothing is
            written.

    Raises:
        ConfigurationError: where the authors' code has no such model, with the reason; where the
            file is there already.
        WeightsError: where it has no place for a tensor.
        StorageError: where the file cannot be written.
    """
    scheme = scheme_of(model.method.name)
    image_scheme = image_scheme_of(model, scheme)
    refuse(model, scheme, image_scheme)
    projection = getattr(model.readout, "projection", None)
    image = write_image(model.image_tensors(), image_scheme, projection=projection)
    state = {scheme.prefix + key: tensor for key, tensor in image.items()}
    for name, tensor in own_tensors(model).items():
        key = scheme.theirs(name, image_scheme)
        if key is None:
            raise ConfigurationError(f"{scheme.title}'s code has no place for {name}")
        state[key] = tensor.transpose(0, 1) if name in scheme.swapped else tensor
    state = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in state.items()}
    if path is not None:
        if Path(path).suffix != ".safetensors":
            raise ConfigurationError(f"{path}: the file is safetensors, so name it .safetensors")
        refuse_existing(Path(path))
        write_bytes(Path(path), to_bytes(state, metadata=described(model)))
    warn_of_pixels(model, scheme, is_clip=image_scheme == "openai_clip")
    return state


def refuse(model: VideoClassifier, scheme: MethodScheme, image_scheme: str) -> None:
    """Refuse what the authors' code would read, and compute something else with."""
    network: Any = model.backbone.model
    block: Any = frozen_block(model.trunk.blocks[0]).block
    activation, epsilon = COMPUTED[image_scheme == "openai_clip"]
    found = type(block.mlp.act).__name__, block.norm1.eps
    reason = scheme.refusal(model.method, image_scheme)
    if reason is None and found != (activation, epsilon):
        reason = (
            f"its image model has {activation} and norms with an epsilon of {epsilon:g}, this one "
            f"{found[0]} and {found[1]:g}"
        )
    if reason is None and model.backbone.reads_patches != is_module(network.fc_norm):
        reason = "its image model reads the class token, or the mean of patches before a norm"
    if reason is None and scheme.projects and model.readout.projection is None:
        reason = "its image model has CLIP's projection, this one has none"
    if reason is not None:
        raise ConfigurationError(f"{scheme.title}'s code cannot compute this model: {reason}")
