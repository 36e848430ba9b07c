"""ST-Adapter's files: linziyi96/st-adapter at b914b38. They hold what was trained, and no CLIP."""

from collections.abc import Mapping

from torch import Tensor

from stillmotion.backbones.foreign import ImageWeights
from stillmotion.backbones.foreign.scheme import weights_and_biases
from stillmotion.errors import ConfigurationError
from stillmotion.methods import STAdapter
from stillmotion.official.scheme import CLIP_PIXELS, Fields, MethodScheme, Pixels, some

PLACES = {"adapter_pre_attn": "before_attention", "adapter_pre_mlp": "before_mlp"}
PARTS = {"fc1": "down", "conv": "conv", "fc2": "up"}

TABLES = {
    "openai_clip": weights_and_biases({"fc": "head.classifiers.0"})
    | weights_and_biases(
        {
            f"{place}.{part}": f"{ours}.{our_part}"
            for place, ours in PLACES.items()
            for part, our_part in PARTS.items()
        },
        within=("transformer.resblocks.*.", "trunk.blocks.*."),
    )
}
"""All that is no image model: their names to ours."""

SETTINGS = {
    "adapter_width": "width",
    "adapter_layers": "last_blocks",
    "adapter_kernel_size": "kernel",
    "input_resolution": "image_size",
    "layers": "depth",
    "heads": "num_heads",
}
"""Their settings to ours."""


class STAdapterScheme(MethodScheme):
    """Adapters and classifier, without a prefix; the image model may stand beside them."""

    method = STAdapter
    title = "ST-Adapter"
    tables = TABLES
    takes_clip = True
    renamed = SETTINGS
    settings = ("adapter_pre_attn", "adapter_pre_mlp")

    def is_of(self, keys: str) -> bool:
        return ".adapter_pre_" in keys

    def read_off(self, found: Mapping[str, Tensor], image: ImageWeights, given: Fields) -> Fields:
        kernel = some(found, ".conv.weight", axes=5)
        adapted = {int(name.split(".")[2]) for name in found if name.startswith("trunk.")}
        places = [p for p in PLACES.values() if any(f".{p}." in name for name in found)]
        every_block = min(adapted) == 0 and given.get("last_blocks") != len(adapted)
        return {
            "width": len(kernel),
            "kernel": tuple(kernel.shape[2:]),
            "placement": "both" if len(places) == 2 else places[0].removeprefix("before_"),
            "last_blocks": "all" if every_block else max(adapted) + 1 - min(adapted),
        }

    def pixels(self, *, is_clip: bool) -> Pixels:
        return CLIP_PIXELS

    def translate(self, settings: Fields) -> Fields:
        attention, mlp = (settings.get(place, True) for place in PLACES)
        if not settings:
            return {}
        if not (attention or mlp):
            raise ConfigurationError("adapter_pre_attn and adapter_pre_mlp: one of them is True")
        return {"placement": "both" if attention and mlp else "attention" if attention else "mlp"}
