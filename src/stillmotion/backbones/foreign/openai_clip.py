"""OpenAI's CLIP and what is built on its image tower: AIM, ZeroI2V, ST-Adapter, DualPath.

Names from `VisionTransformer` in clip/model.py of openai/CLIP (@ 0845fc4). The whole model has
``visual.`` before them, MMAction's recognisers ``backbone.``; the methods' files have the bare
tower, most of them without ``proj``.
"""

from stillmotion.backbones.foreign.scheme import Scheme, weights_and_biases
from stillmotion.backbones.foreign.tensors import (
    add_batch_axes,
    drop_batch_axes,
    transpose_projection,
)

OPENAI_CLIP = Scheme(
    title="OpenAI's CLIP",
    architecture="vit_base_patch16_clip_quickgelu_224",
    prefixes=("visual.", "", "backbone."),
    names={
        "class_embedding": "cls_token",
        "positional_embedding": "pos_embed",
        "conv1.weight": "patch_embed.proj.weight",
        "proj": "projection",
        "transformer.resblocks.*.attn.in_proj_weight": "blocks.*.attn.qkv.weight",
        "transformer.resblocks.*.attn.in_proj_bias": "blocks.*.attn.qkv.bias",
    }
    | weights_and_biases({"ln_pre": "norm_pre", "ln_post": "norm"})
    | weights_and_biases(
        {
            "ln_1": "norm1",
            "attn.out_proj": "attn.proj",
            "ln_2": "norm2",
            "mlp.c_fc": "mlp.fc1",
            "mlp.c_proj": "mlp.fc2",
        },
        within=("transformer.resblocks.*.", "blocks.*."),
    ),
    optional=("projection",),
    read=(add_batch_axes, transpose_projection),
    write=(drop_batch_axes, transpose_projection),
)
