"""An image model's weights under the names of a method's authors."""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from stillmotion.backbones.foreign.scheme import generalise
from stillmotion.backbones.foreign.schemes import SCHEMES
from stillmotion.backbones.foreign.tensors import apply
from stillmotion.errors import ConfigurationError, WeightsError, unknown


def write_image(
    image_state: Mapping[str, Tensor],
    scheme: str,
    *,
    projection: Float[Tensor, "E C"] | None = None,
) -> dict[str, Tensor]:
    """The inverse of `read_image`: timm's state under another scheme, without a prefix.

    Args:
        image_state: timm's names, without a classifier.
        scheme: ``openai_clip``, ``timm``, ``aim_imagenet``, ``adaptformer_image`` or
            ``adaptformer_video``.
        projection: CLIP's, written where it is given.

    Raises:
        ConfigurationError: a scheme that is not known or never written.
        WeightsError: a tensor for which the scheme has no place, or that it misses, named.
    """
    writable = {name: known for name, known in SCHEMES.items() if known.write is not None}
    if scheme not in writable:
        raise ConfigurationError(unknown("scheme to write image weights in", scheme, writable))
    chosen = writable[scheme]
    tensors = dict(image_state)
    if projection is not None:
        tensors["projection"] = projection
    tensors = apply(chosen.write or (), tensors, title=chosen.title)
    theirs = {ours: name for name, ours in chosen.names.items()}
    state = {}
    for name, tensor in tensors.items():
        pattern, layer = generalise(name)
        if pattern not in theirs:
            raise WeightsError(f"{chosen.title} has no place for {name}")
        state[theirs[pattern].replace("*", layer)] = tensor
    if absent := chosen.missing(tensors, prefix=""):
        raise WeightsError(f"{chosen.title} needs more: {', '.join(absent)} are missing")
    return state
