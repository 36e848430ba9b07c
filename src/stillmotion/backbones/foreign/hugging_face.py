"""Hugging Face transformers: ViT, CLIP's image tower, and DINOv2 with or without registers.

Names from src/transformers/models/ of huggingface/transformers: vit/modeling_vit.py (@ 005db82),
clip/modeling_clip.py (@ 000f1ff), dinov2/modeling_dinov2.py and
dinov2_with_registers/modeling_dinov2_with_registers.py (@ 015e687). Poolers, mask tokens and
``position_ids`` are no part of the image model. DINOv2's giant has a gated MLP and is not read.

ViT's configuration adds 1e-12 to variances. Its weights were trained with 1e-6, which timm's model
adds; where a variance is not minute, both give the same features.
"""

from stillmotion.backbones.foreign.scheme import Scheme, thirds, weights_and_biases
from stillmotion.backbones.foreign.tensors import (
    add_batch_axes,
    fold_class_position,
    join_thirds,
)

_LAYER = ("encoder.layer.*.", "blocks.*.")
_EMBEDDINGS = {
    "embeddings.cls_token": "cls_token",
    "embeddings.position_embeddings": "pos_embed",
} | weights_and_biases({"embeddings.patch_embeddings.projection": "patch_embed.proj"})
_ATTENTION = thirds(
    {f"attention.attention.{name}": name[0] for name in ("query", "key", "value")}, within=_LAYER
) | weights_and_biases({"attention.output.dense": "attn.proj"}, within=_LAYER)

HF_VIT = Scheme(
    title="Hugging Face's ViT",
    architecture="vit_base_patch16_224",
    prefixes=("vit.", ""),
    names=_EMBEDDINGS
    | _ATTENTION
    | weights_and_biases({"layernorm": "norm"})
    | weights_and_biases(
        {
            "layernorm_before": "norm1",
            "layernorm_after": "norm2",
            "intermediate.dense": "mlp.fc1",
            "output.dense": "mlp.fc2",
        },
        within=_LAYER,
    ),
    optional=("blocks.*.attn.qkv.bias",),
    read=(join_thirds,),
    write=None,
)

HF_DINOV2 = Scheme(
    title="Hugging Face's DINOv2",
    architecture="vit_base_patch14_dinov2",
    prefixes=("dinov2.", "dinov2_with_registers.", ""),
    names=_EMBEDDINGS
    | _ATTENTION
    | {"embeddings.register_tokens": "reg_token"}
    | weights_and_biases({"layernorm": "norm"})
    | weights_and_biases(
        {name: name for name in ("norm1", "norm2", "mlp.fc1", "mlp.fc2")}, within=_LAYER
    )
    | {f"encoder.layer.*.layer_scale{n}.lambda1": f"blocks.*.ls{n}.gamma" for n in (1, 2)},
    optional=("reg_token", "blocks.*.attn.qkv.bias"),
    read=(join_thirds, fold_class_position),
    write=None,
)

_CLIP_LAYER = ("vision_model.encoder.layers.*.", "blocks.*.")

HF_CLIP = Scheme(
    title="Hugging Face's CLIP",
    architecture="vit_base_patch16_clip_quickgelu_224",
    names={
        "vision_model.embeddings.class_embedding": "cls_token",
        "vision_model.embeddings.position_embedding.weight": "pos_embed",
        "vision_model.embeddings.patch_embedding.weight": "patch_embed.proj.weight",
        "visual_projection.weight": "projection",
        # The misspelling is theirs.
        "vision_model.pre_layrnorm.weight": "norm_pre.weight",
        "vision_model.pre_layrnorm.bias": "norm_pre.bias",
    }
    | weights_and_biases({"vision_model.post_layernorm": "norm"})
    | thirds({f"self_attn.{third}_proj": third for third in "qkv"}, within=_CLIP_LAYER)
    | weights_and_biases(
        {
            "layer_norm1": "norm1",
            "self_attn.out_proj": "attn.proj",
            "layer_norm2": "norm2",
            "mlp.fc1": "mlp.fc1",
            "mlp.fc2": "mlp.fc2",
        },
        within=_CLIP_LAYER,
    ),
    optional=("projection",),
    read=(join_thirds, add_batch_axes),
    write=None,
)
