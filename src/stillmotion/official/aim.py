"""AIM's files: taoyang1122/adapt-image-models at b3580d2, on CLIP or on an ImageNet ViT."""

from collections.abc import Mapping

from torch import Tensor

from stillmotion.backbones.foreign import ImageWeights
from stillmotion.methods import AIM, Method
from stillmotion.official.mmaction import PIXELS, RENAMED, recogniser
from stillmotion.official.scheme import (
    IMAGENET_PIXELS,
    Fields,
    MethodScheme,
    Pixels,
    adapter_ratio,
)

SETTINGS = {**RENAMED, "drop_path_rate": "drop_path"}
"""Their settings to ours."""


class AIMScheme(MethodScheme):
    """The whole recogniser, with its frozen image model."""

    method = AIM
    title = "AIM"
    prefix = "backbone."
    tables = recogniser(
        {
            "T_Adapter_in": "temporal_in",
            "T_Adapter": "temporal",
            "S_Adapter": "spatial",
            "MLP_Adapter": "joint",
        },
        ("openai_clip", "aim_imagenet"),
    )
    swapped = ("stem.temporal",)
    renamed = SETTINGS
    settings = ("num_tadapter",)
    unwritten = ("scale",)

    def is_of(self, keys: str) -> bool:
        return ".T_Adapter." in keys

    def read_off(self, found: Mapping[str, Tensor], image: ImageWeights, given: Fields) -> Fields:
        has_fourth = any(".temporal_in." in name for name in found)
        return {
            "adapter_ratio": adapter_ratio(found, given),
            "adapters": 4 if has_fourth else 3,
            "adaptation": "joint",
        }

    def pixels(self, *, is_clip: bool) -> Pixels:
        return PIXELS if is_clip else IMAGENET_PIXELS

    def translate(self, settings: Fields) -> Fields:
        return {"adapters": 2 + settings["num_tadapter"]} if settings else {}

    def refusal(self, method: Method, image_scheme: str) -> str | None:
        assert isinstance(method, AIM)
        if method.adaptation == "joint":
            return None
        return f"it has all adapters, adaptation='joint', not {method.adaptation!r}"
