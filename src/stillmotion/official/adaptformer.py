"""AdaptFormer's files: ShoufaChen/AdaptFormer at 6967d67, its image model and its video model."""

from collections.abc import Mapping

from torch import Tensor

from stillmotion.backbones.foreign import ImageWeights
from stillmotion.backbones.foreign.scheme import weights_and_biases
from stillmotion.errors import ConfigurationError
from stillmotion.methods import AdaptFormer, Method
from stillmotion.official.scheme import IMAGENET_PIXELS, Fields, MethodScheme, Pixels, some

NAMES = (
    weights_and_biases({"head.1": "head.classifiers.0.1"})
    | {
        f"head.0.{name}": f"head.classifiers.0.0.{name}"
        for name in ("running_mean", "running_var", "num_batches_tracked")
    }
    | weights_and_biases(
        {"adaptmlp.down_proj": "adapter.down", "adaptmlp.up_proj": "adapter.up"},
        within=("blocks.*.", "trunk.blocks.*."),
    )
)
SETTLED = {
    "ffn_adapt": True,
    "ffn_adapter_init_option": "lora",
    "ffn_adapter_layernorm_option": "none",
    "vpt_on": False,
}
"""Settings of their ``tuning_config`` with the only value that published models have."""

TABLES = {"adaptformer_image": NAMES, "adaptformer_video": NAMES}
"""All that is no image model: their names to ours."""

SETTINGS = {
    "ffn_num": "hidden",
    "bottleneck": "hidden",
    "ffn_option": "placement",
    "img_size": "image_size",
    "input_size": "image_size",
    "embed_dim": "dim",
    "d_model": "dim",
    "all_frames": "num_frames",
    "tubelet_size": "tubelet",
    "nb_classes": "num_classes",
}
"""Their settings to ours."""


class AdaptFormerScheme(MethodScheme):
    """All without a prefix. A file without positions is of the video model."""

    method = AdaptFormer
    title = "AdaptFormer"
    tables = TABLES
    classifier = "head.classifiers.0.1.weight"
    renamed = SETTINGS
    settings = ("ffn_adapter_scalar", *SETTLED)
    unwritten = ("scale", "placement")

    def is_of(self, keys: str) -> bool:
        return ".adaptmlp." in keys

    def read_off(self, found: Mapping[str, Tensor], image: ImageWeights, given: Fields) -> Fields:
        start = self.start(image)
        return {
            "hidden": len(some(found, ".down.weight")),
            "tokens": start.tokens,
            "position": start.position,
        }

    def pixels(self, *, is_clip: bool) -> Pixels:
        return IMAGENET_PIXELS

    def translate(self, settings: Fields) -> Fields:
        for name, only in SETTLED.items():
            if settings.get(name, only) != only:
                raise ConfigurationError(f"{name}={settings[name]!r}: only {only!r} can be read")
        if "ffn_adapter_scalar" not in settings:
            return {}
        try:
            return {"scale": float(settings["ffn_adapter_scalar"])}
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"ffn_adapter_scalar={settings['ffn_adapter_scalar']!r} is no number; a learned "
                "one cannot be read"
            ) from error

    def start(self, image: ImageWeights) -> AdaptFormer:
        return AdaptFormer() if "pos_embed" in image.state else AdaptFormer.video()

    def refusal(self, method: Method, image_scheme: str) -> str | None:
        assert isinstance(method, AdaptFormer)
        is_video = image_scheme == "adaptformer_video"
        theirs = ("joint", "sincos") if is_video else ("frame", "image")
        if (method.tokens, method.position) == theirs:
            return None
        return (
            f"on such an image model it has tokens={theirs[0]!r} and position={theirs[1]!r}, not "
            f"{method.tokens!r} and {method.position!r}"
        )
