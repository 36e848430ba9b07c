"""timm's own names, and AIM's ImageNet variant, whose final norm is called ``ln_post``.

Names from `VisionTransformer` in timm/models/vision_transformer.py, and from `ViT_ImageNet` of
taoyang1122/adapt-image-models (@ b3580d2).
"""

from stillmotion.backbones.foreign.scheme import FINAL_NORMS, Scheme, weights_and_biases


def _names(final_norm: dict[str, str]) -> dict[str, str]:
    outside = ("cls_token", "reg_token", "pos_embed")
    layers = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
    return (
        {name: name for name in outside}
        | weights_and_biases({"patch_embed.proj": "patch_embed.proj"} | final_norm)
        | weights_and_biases({name: name for name in layers}, within=("blocks.*.", "blocks.*."))
        | {f"blocks.*.{name}.gamma": f"blocks.*.{name}.gamma" for name in ("ls1", "ls2")}
    )


_OPTIONAL = ("cls_token", "reg_token", "blocks.*.attn.qkv.bias", "blocks.*.ls")

TIMM = Scheme(
    title="timm's vision transformer",
    architecture="vit_base_patch16_224",
    names=_names({"norm": "norm", "fc_norm": "fc_norm"}),
    optional=(*_OPTIONAL, *FINAL_NORMS),
)

AIM_IMAGENET = Scheme(
    title="AIM's ImageNet variant",
    architecture="vit_base_patch16_224",
    prefixes=("", "backbone."),
    names=_names({"ln_post": "norm"}),
    optional=_OPTIONAL,
)
