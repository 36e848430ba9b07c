"""An image model's weights out of a foreign file, whatever else lies in it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from stillmotion.backbones.foreign.scheme import Scheme, generalise
from stillmotion.backbones.foreign.schemes import SCHEMES
from stillmotion.backbones.foreign.sizes import model_arguments
from stillmotion.backbones.foreign.tensors import apply
from stillmotion.errors import ConfigurationError, WeightsError, some, unknown

CLIP_ARCHITECTURES = {
    "quick_gelu": "vit_base_patch16_clip_quickgelu_224",
    "gelu": "vit_base_patch16_clip_224",
}
"""timm's models with CLIP's norms, by activation."""


@dataclass(frozen=True)
class ImageWeights:
    """What timm needs to build an image model again: ``create_model(name, **arguments)``.

    Attributes:
        name: timm's architecture, which settles activation, epsilons and the norm before blocks.
        arguments: every size, as the tensors have it; without ``img_size`` where there is no
            position embedding.
        state: the tensors under timm's names, in the file's number type; it loads strictly.
        projection: CLIP's, from the width C into the space that text shares; None without one.
    """

    name: str
    arguments: dict[str, Any]
    state: dict[str, Tensor]
    projection: Float[Tensor, "E C"] | None


def read_image(
    state: Mapping[str, Tensor],
    *,
    num_heads: int,
    hidden_act: str = "quick_gelu",
    among: Iterable[str] = tuple(SCHEMES),
) -> tuple[ImageWeights, list[str]]:
    """The image model in a foreign state, and the keys that it was made of.

    The other keys are the caller's to account for: adapters, heads, a text tower.

    Args:
        num_heads: of each block; no tensor says it.
        hidden_act: a CLIP tower's activation, which no tensor says either: OpenAI's is
            ``quick_gelu``, that of OpenCLIP's own weights ``gelu``. Other models do not ask.
        among: names of the schemes to try, of `SCHEMES`.

    Raises:
        WeightsError: where no known scheme fits, keys are missing, or shapes do not fit together.
        ConfigurationError: for an unknown activation.
    """
    if hidden_act not in CLIP_ARCHITECTURES:
        raise ConfigurationError(unknown("activation", hidden_act, CLIP_ARCHITECTURES))
    scheme, prefix = recognise(state, [SCHEMES[name] for name in among])
    keys = scheme.find(state, prefix=prefix)
    if absent := scheme.missing(keys, prefix=prefix):
        raise WeightsError(
            f"these weights have the names of {scheme.title}, but {len(absent)} are missing: "
            f"{some(absent, show=8)}"
        )
    tensors = {name: state[key] for name, key in keys.items()}
    tensors = apply(scheme.read, tensors, title=scheme.title)
    projection = tensors.pop("projection", None)
    arguments = model_arguments(tensors, num_heads=num_heads)
    if projection is not None and projection.shape[1:] != (arguments["embed_dim"],):
        raise WeightsError(
            f"a projection {tuple(projection.shape)} does not fit a width of "
            f"{arguments['embed_dim']}"
        )
    name = scheme.architecture
    if name in CLIP_ARCHITECTURES.values():
        name = CLIP_ARCHITECTURES[hidden_act]
    return ImageWeights(name, arguments, tensors, projection), list(keys.values())


def recognise(state: Mapping[str, Tensor], schemes: Sequence[Scheme]) -> tuple[Scheme, str]:
    """The scheme and prefix of which most names are there; layers are counted once.

    Raises:
        WeightsError: where of no scheme half the needed names are there.
    """

    def names_there(candidate: tuple[Scheme, str]) -> int:
        scheme, prefix = candidate
        return len({generalise(name)[0] for name in scheme.find(state, prefix=prefix)})

    candidates = [(scheme, prefix) for scheme in schemes for prefix in scheme.prefixes]
    scheme, prefix = max(candidates, key=names_there)
    if 2 * names_there((scheme, prefix)) < len(scheme.missing((), prefix=prefix)):
        raise WeightsError(
            f"no known scheme fits these weights, which begin with {list(state)[:4]}; known are "
            f"{', '.join(scheme.title for scheme in schemes)}"
        )
    return scheme, prefix
