"""AdaptFormer's image model, and its video model, which is VideoMAE's.

Names from models/custom_modules.py (@ 83eb926) and models/vit_video.py (@ 0f8c363) of
ShoufaChen/AdaptFormer: q, k and v have a linear layer each, and those of the MLP lie in the block
itself. The video model has no class token, no learned position and no bias of k; its patches are
tubelets.
"""

from stillmotion.backbones.foreign.scheme import FINAL_NORMS, Scheme, thirds, weights_and_biases
from stillmotion.backbones.foreign.tensors import (
    drop_k_bias,
    flatten_tubelet,
    join_thirds,
    split_thirds,
    unflatten_tubelet,
)

_BLOCK = ("blocks.*.", "blocks.*.")
_THIRDS = thirds({"attn.q_proj": "q", "attn.k_proj": "k", "attn.v_proj": "v"}, within=_BLOCK)
_COMMON = weights_and_biases(
    {"patch_embed.proj": "patch_embed.proj", "norm": "norm", "fc_norm": "fc_norm"}
) | weights_and_biases(
    {
        "norm1": "norm1",
        "attn.proj": "attn.proj",
        "norm2": "norm2",
        "fc1": "mlp.fc1",
        "fc2": "mlp.fc2",
    },
    within=_BLOCK,
)

ADAPTFORMER_IMAGE = Scheme(
    title="AdaptFormer's image model",
    architecture="vit_base_patch16_224",
    names=_COMMON | _THIRDS | {"cls_token": "cls_token", "pos_embed": "pos_embed"},
    optional=("blocks.*.attn.qkv.bias", *FINAL_NORMS),
    read=(join_thirds,),
    write=(split_thirds,),
)

ADAPTFORMER_VIDEO = Scheme(
    title="AdaptFormer's video model",
    architecture="vit_base_patch16_224",
    names=_COMMON
    | {theirs: ours for theirs, ours in _THIRDS.items() if theirs.endswith("weight")}
    | {
        "blocks.*.attn.q_bias": "blocks.*.attn.qkv.bias.q",
        "blocks.*.attn.v_bias": "blocks.*.attn.qkv.bias.v",
    },
    optional=("blocks.*.attn.qkv.bias", *FINAL_NORMS),
    read=(join_thirds, flatten_tubelet),
    write=(split_thirds, drop_k_bias, unflatten_tubelet),
)
