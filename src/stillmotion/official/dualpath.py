"""DualPath's files: park-jungin/DualPath at cc90924, a whole CLIP with adapters in its tower."""

from collections.abc import Mapping

from torch import Tensor

from stillmotion.backbones.foreign import ImageWeights
from stillmotion.backbones.foreign.scheme import weights_and_biases
from stillmotion.errors import ConfigurationError
from stillmotion.methods import DualPath, Method
from stillmotion.official.scheme import (
    IMAGENET_PIXELS,
    TEXT_TOWER,
    Fields,
    MethodScheme,
    Pixels,
    adapter_ratio,
)

ADAPTERS = {
    "t_adapter_attn_b": "grid_in",
    "t_adapter_attn": "grid_attention",
    "t_adapter_mlp": "grid_mlp",
    "s_adapter_attn": "spatial_attention",
    "s_adapter_mlp": "spatial_mlp",
}

TABLES = {
    "openai_clip": {"visual.spatial_positional_embedding": "stem.grid_position"}
    | weights_and_biases(
        {
            "visual.head.linear1": "head.classifiers.0.0",
            "visual.head.linear2": "head.classifiers.0.2",
        }
    )
    | weights_and_biases(
        {
            f"{theirs}.{direction}_proj": f"adapters.{ours}.{direction}"
            for theirs, ours in ADAPTERS.items()
            for direction in ("down", "up")
        },
        within=("visual.transformer.resblocks.*.", "trunk.blocks.*."),
    )
}
"""All that is no image model: their names to ours."""

SETTINGS = {
    "image_resolution": "image_size",
    "vision_patch_size": "patch_size",
    "vision_width": "dim",
    "vision_layers": "depth",
    "vision_heads": "num_heads",
    "num_class": "num_classes",
}
"""Their settings to ours."""


class DualPathScheme(MethodScheme):
    """All of it stands under ``visual.``; the text tower beside it is never asked."""

    method = DualPath
    title = "DualPath"
    prefix = "visual."
    tables = TABLES
    classifier = "head.classifiers.0.2.weight"
    projects = True
    ignored = TEXT_TOWER
    renamed = SETTINGS
    settings = ("adapter_scale",)
    unwritten = ("antialias",)

    def translate(self, settings: Fields) -> Fields:
        if settings.get("adapter_scale", 1.0) != 1.0:
            raise ConfigurationError("adapter_scale is 1.0 in every published model of DualPath")
        return {}

    def is_of(self, keys: str) -> bool:
        return ".t_adapter_attn." in keys

    def read_off(self, found: Mapping[str, Tensor], image: ImageWeights, given: Fields) -> Fields:
        ratio = adapter_ratio(found, given)
        return {"adapter_ratio": ratio, "grid_side": 4, "spatial_frames": 8}

    def pixels(self, *, is_clip: bool) -> Pixels:
        return IMAGENET_PIXELS

    def refusal(self, method: Method, image_scheme: str) -> str | None:
        assert isinstance(method, DualPath)
        if (method.grid_side, method.spatial_frames) == (4, 8):
            return None
        return (
            "its grids are 4 frames wide beside 8 single frames, not "
            f"{method.grid_side} beside {method.spatial_frames}"
        )
