"""What AIM and ZeroI2V share: both are recognisers of MMAction around a transformer."""

from collections.abc import Iterable, Mapping

from stillmotion.backbones.foreign.scheme import weights_and_biases
from stillmotion.official.scheme import Pixels

PIXELS: Pixels = (
    (122.769 / 255, 116.74 / 255, 104.04 / 255),
    (68.493 / 255, 66.63 / 255, 70.321 / 255),
)
"""CLIP's, as their files round them."""

LAYERS = {"openai_clip": "backbone.transformer.resblocks.*.", "aim_imagenet": "backbone.blocks.*."}
"""Where blocks stand, for each kind of image part."""

RENAMED = {
    "adapter_scale": "scale",
    "dropout_ratio": "dropout",
    "input_resolution": "image_size",
    "img_size": "image_size",
    "width": "dim",
    "embed_dim": "dim",
    "layers": "depth",
    "heads": "num_heads",
}
"""Settings of their configuration files to ours."""


def recogniser(
    adapters: Mapping[str, str], image_schemes: Iterable[str]
) -> dict[str, dict[str, str]]:
    """The tables of a recogniser whose blocks have these adapters, by their name and ours."""
    parts = {
        f"{theirs}.{linear}": f"{ours}.{direction}"
        for theirs, ours in adapters.items()
        for linear, direction in (("D_fc1", "down"), ("D_fc2", "up"))
    }
    outside = {"backbone.temporal_embedding": "stem.temporal"} | weights_and_biases(
        {"cls_head.fc_cls": "head.classifiers.0"}
    )
    return {
        scheme: outside | weights_and_biases(parts, within=(LAYERS[scheme], "trunk.blocks.*."))
        for scheme in image_schemes
    }
