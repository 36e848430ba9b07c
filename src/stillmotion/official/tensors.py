"""A video classifier's tensors as published files divide them: the image model's and the rest."""

from typing import Any

from torch import Tensor, nn

from stillmotion.backbones.foreign.read import CLIP_ARCHITECTURES
from stillmotion.backbones.foreign.schemes import SCHEMES
from stillmotion.errors import ConfigurationError
from stillmotion.model import VideoClassifier
from stillmotion.nn.frozen import frozen_names
from stillmotion.official.scheme import MethodScheme

PROJECTION = "readout.projection"
"""Our name of CLIP's projection, which files count to the image model."""


def own_tensors(model: VideoClassifier) -> dict[str, Tensor]:
    """All tensors but the image model's, by name."""
    image = frozen_names(model) | {PROJECTION}
    return {name: tensor for name, tensor in model.all_tensors().items() if name not in image}


def image_scheme_of(model: VideoClassifier, scheme: MethodScheme) -> str:
    """The name of the scheme in which this method's authors keep such an image model.

    Raises:
        ConfigurationError: where their code has no such image model.
    """
    network: Any = model.backbone.model
    before_blocks = getattr(network, "norm_pre", None)
    if not isinstance(network.patch_embed.proj, nn.Conv2d):
        before_blocks = None  # patches are cut by more than one linear map
    form = (is_module(before_blocks), getattr(network, "pos_embed", None) is not None)
    for name in scheme.tables:
        of_clip = SCHEMES[name].architecture in CLIP_ARCHITECTURES.values()
        if before_blocks is not None and form == (of_clip, name != "adaptformer_video"):
            return name
    raise ConfigurationError(
        f"{scheme.title}'s code has no image model like {model.backbone.title}; it has those of "
        f"{', '.join(SCHEMES[name].title for name in scheme.tables)}"
    )


def is_module(part: object) -> bool:
    """Whether timm put more in a place than the identity."""
    return isinstance(part, nn.Module) and not isinstance(part, nn.Identity)
