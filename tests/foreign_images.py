"""Random image models in foreign key schemes, each with a plain forward of its authors' kind.

Nothing here uses timm or stillmotion: what a file means is written out once more.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

DIM, HEADS, DEPTH, HIDDEN, PATCH, SIDE, SHARED_DIM, TUBELET, REGISTERS = (
    24,
    3,
    2,
    40,
    4,
    3,
    10,
    2,
    4,
)
SIZE = PATCH * SIDE
TOKENS = 1 + SIDE**2


def linear(name, outputs=DIM, inputs=DIM):
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def norm(*names):
    return {f"{name}.{parameter}": (DIM,) for name in names for parameter in ("weight", "bias")}


def layers(stem, shapes):
    return {f"{stem}.{i}.{name}": shape for i in range(DEPTH) for name, shape in shapes.items()}


def mlp(first, second):
    return linear(first, HIDDEN, DIM) | linear(second, DIM, HIDDEN)


def drawn(shapes):
    """Tensors of these shapes; norms about 1 are not needed, any number shows a wrong place."""
    return {name: torch.randn(shape, dtype=torch.float64) * 0.4 for name, shape in shapes.items()}


class Plain:
    """A transformer's parts, by the names of a state."""

    def __init__(self, state, *, eps, activation):
        self.state, self.eps, self.activation = state, eps, activation

    def linear(self, name, x):
        return F.linear(x, self.state[f"{name}.weight"], self.state.get(f"{name}.bias"))

    def norm(self, name, x):
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return F.layer_norm(x, (DIM,), weight, bias, self.eps)

    def mlp(self, first, second, x):
        return self.linear(second, self.activation(self.linear(first, x)))

    def attend(self, q, k, v):
        q, k, v = (t.unflatten(-1, (HEADS, -1)).transpose(1, 2) for t in (q, k, v))
        weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1)
        return (weights @ v).transpose(1, 2).flatten(2)

    def patches(self, name, images):
        weight, bias = self.state[f"{name}.weight"], self.state.get(f"{name}.bias")
        convolve = F.conv3d if weight.ndim == 5 else F.conv2d
        return convolve(images, weight, bias, stride=weight.shape[2:]).flatten(2).transpose(1, 2)


def quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


def with_class(token, x):
    return torch.cat([token.reshape(1, 1, DIM).expand(len(x), 1, DIM), x], dim=1)


CLIP_SHAPES = (
    {
        "class_embedding": (DIM,),
        "positional_embedding": (TOKENS, DIM),
        "conv1.weight": (DIM, 3, PATCH, PATCH),
        "proj": (DIM, SHARED_DIM),
    }
    | norm("ln_pre", "ln_post")
    | layers(
        "transformer.resblocks",
        {"attn.in_proj_weight": (3 * DIM, DIM), "attn.in_proj_bias": (3 * DIM,)}
        | linear("attn.out_proj")
        | norm("ln_1", "ln_2")
        | mlp("mlp.c_fc", "mlp.c_proj"),
    )
)


def clip_forward(state, images):
    m = Plain(state, eps=1e-5, activation=quick_gelu)
    x = with_class(state["class_embedding"], m.patches("conv1", images))
    x = m.norm("ln_pre", x + state["positional_embedding"])
    attention = torch.nn.MultiheadAttention(DIM, HEADS, batch_first=True, dtype=x.dtype).eval()
    for i in range(DEPTH):
        stem = f"transformer.resblocks.{i}"
        named = ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
        attention.load_state_dict({name: state[f"{stem}.attn.{name}"] for name in named})
        z = m.norm(f"{stem}.ln_1", x)
        x = x + attention(z, z, z, need_weights=False)[0]
        x = x + m.mlp(f"{stem}.mlp.c_fc", f"{stem}.mlp.c_proj", m.norm(f"{stem}.ln_2", x))
    return m.norm("ln_post", x[:, 0])


HF_CLIP_SHAPES = (
    {
        "vision_model.embeddings.class_embedding": (DIM,),
        "vision_model.embeddings.position_embedding.weight": (TOKENS, DIM),
        "vision_model.embeddings.patch_embedding.weight": (DIM, 3, PATCH, PATCH),
        "visual_projection.weight": (SHARED_DIM, DIM),
    }
    | norm("vision_model.pre_layrnorm", "vision_model.post_layernorm")
    | layers(
        "vision_model.encoder.layers",
        norm("layer_norm1", "layer_norm2")
        | linear("self_attn.k_proj")
        | linear("self_attn.v_proj")
        | linear("self_attn.q_proj")
        | linear("self_attn.out_proj")
        | mlp("mlp.fc1", "mlp.fc2"),
    )
)


def hf_clip_forward(state, images, activation=quick_gelu):
    m = Plain(state, eps=1e-5, activation=activation)
    embeddings = "vision_model.embeddings"
    x = m.patches(f"{embeddings}.patch_embedding", images)
    x = with_class(state[f"{embeddings}.class_embedding"], x)
    x = m.norm("vision_model.pre_layrnorm", x + state[f"{embeddings}.position_embedding.weight"])
    for i in range(DEPTH):
        stem = f"vision_model.encoder.layers.{i}"
        z = m.norm(f"{stem}.layer_norm1", x)
        attended = m.attend(*(m.linear(f"{stem}.self_attn.{p}_proj", z) for p in "qkv"))
        x = x + m.linear(f"{stem}.self_attn.out_proj", attended)
        x = x + m.mlp(f"{stem}.mlp.fc1", f"{stem}.mlp.fc2", m.norm(f"{stem}.layer_norm2", x))
    return m.norm("vision_model.post_layernorm", x[:, 0])


def hf_shapes(block):
    return (
        {
            "embeddings.cls_token": (1, 1, DIM),
            "embeddings.position_embeddings": (1, TOKENS, DIM),
            "embeddings.patch_embeddings.projection.weight": (DIM, 3, PATCH, PATCH),
            "embeddings.patch_embeddings.projection.bias": (DIM,),
        }
        | norm("layernorm")
        | layers(
            "encoder.layer",
            linear("attention.attention.query")
            | linear("attention.attention.key")
            | linear("attention.attention.value")
            | linear("attention.output.dense")
            | block,
        )
    )


HF_VIT_SHAPES = hf_shapes(
    norm("layernorm_before", "layernorm_after") | mlp("intermediate.dense", "output.dense")
)
HF_DINOV2_SHAPES = hf_shapes(
    norm("norm1", "norm2")
    | mlp("mlp.fc1", "mlp.fc2")
    | {"layer_scale1.lambda1": (DIM,), "layer_scale2.lambda1": (DIM,)}
)
HF_REGISTERS_SHAPES = HF_DINOV2_SHAPES | {"embeddings.register_tokens": (1, REGISTERS, DIM)}


def hf_forward(state, images, *, norms, layers_of_mlp, scales=(None, None)):
    # Their configurations have eps 1e-12 for ViT, 1e-6 for DINOv2; timm's models have 1e-6.
    m = Plain(state, eps=1e-6, activation=F.gelu)
    x = m.patches("embeddings.patch_embeddings.projection", images)
    x = with_class(state["embeddings.cls_token"], x) + state["embeddings.position_embeddings"]
    if (registers := state.get("embeddings.register_tokens")) is not None:
        x = torch.cat([x[:, :1], registers.expand(len(x), -1, -1), x[:, 1:]], dim=1)
    for i in range(DEPTH):
        stem = f"encoder.layer.{i}"
        scale = [1.0 if name is None else state[f"{stem}.{name}.lambda1"] for name in scales]
        z = m.norm(f"{stem}.{norms[0]}", x)
        thirds = (m.linear(f"{stem}.attention.attention.{p}", z) for p in ("query", "key", "value"))
        x = x + scale[0] * m.linear(f"{stem}.attention.output.dense", m.attend(*thirds))
        first, second = (f"{stem}.{name}" for name in layers_of_mlp)
        x = x + scale[1] * m.mlp(first, second, m.norm(f"{stem}.{norms[1]}", x))
    return m.norm("layernorm", x)[:, 0]


def hf_vit_forward(state, images):
    return hf_forward(
        state,
        images,
        norms=("layernorm_before", "layernorm_after"),
        layers_of_mlp=("intermediate.dense", "output.dense"),
    )


def hf_dinov2_forward(state, images):
    return hf_forward(
        state,
        images,
        norms=("norm1", "norm2"),
        layers_of_mlp=("mlp.fc1", "mlp.fc2"),
        scales=("layer_scale1", "layer_scale2"),
    )


VIT_OUTSIDE = {
    "patch_embed.proj.weight": (DIM, 3, PATCH, PATCH),
    "patch_embed.proj.bias": (DIM,),
}
VIT_TOKENS = {"cls_token": (1, 1, DIM), "pos_embed": (1, TOKENS, DIM)}
VIT_LAYERS = layers(
    "blocks",
    norm("norm1", "norm2")
    | linear("attn.qkv", 3 * DIM)
    | linear("attn.proj")
    | mlp("mlp.fc1", "mlp.fc2"),
)
TIMM_SHAPES = VIT_OUTSIDE | VIT_TOKENS | VIT_LAYERS | norm("norm")
AIM_IMAGENET_SHAPES = VIT_OUTSIDE | VIT_TOKENS | VIT_LAYERS | norm("ln_post")
TIMM_POOLED_SHAPES = VIT_OUTSIDE | {"pos_embed": (1, SIDE**2, DIM)} | VIT_LAYERS | norm("fc_norm")


def vit_forward(state, images):
    """timm's, with its qkv in one; the class token after a norm, or the normalised mean."""
    m = Plain(state, eps=1e-6, activation=F.gelu)
    x = m.patches("patch_embed.proj", images)
    if "cls_token" in state:
        x = with_class(state["cls_token"], x)
    x = x + state["pos_embed"]
    for i in range(DEPTH):
        stem = f"blocks.{i}"
        packed = m.linear(f"{stem}.attn.qkv", m.norm(f"{stem}.norm1", x))
        x = x + m.linear(f"{stem}.attn.proj", m.attend(*packed.chunk(3, dim=-1)))
        x = x + m.mlp(f"{stem}.mlp.fc1", f"{stem}.mlp.fc2", m.norm(f"{stem}.norm2", x))
    if "fc_norm.weight" in state:
        return m.norm("fc_norm", x.mean(dim=1))
    return m.norm("norm" if "norm.weight" in state else "ln_post", x)[:, 0]


ADAPTFORMER_LAYERS = norm("norm1", "norm2") | linear("attn.proj") | mlp("fc1", "fc2")
ADAPTFORMER_IMAGE_SHAPES = (
    VIT_OUTSIDE
    | VIT_TOKENS
    | layers(
        "blocks",
        ADAPTFORMER_LAYERS | linear("attn.q_proj") | linear("attn.v_proj") | linear("attn.k_proj"),
    )
    | norm("norm")
)
ADAPTFORMER_VIDEO_SHAPES = (
    {
        "patch_embed.proj.weight": (DIM, 3, TUBELET, PATCH, PATCH),
        "patch_embed.proj.bias": (DIM,),
    }
    | layers(
        "blocks",
        ADAPTFORMER_LAYERS
        | {f"attn.{p}_proj.weight": (DIM, DIM) for p in "qvk"}
        | {"attn.q_bias": (DIM,), "attn.v_bias": (DIM,)},
    )
    | norm("fc_norm")
)


def adaptformer_forward(state, images):
    """Images (B, 3, H, W), or tubelets (B, 3, t, H, W): one of them is a whole clip here."""
    m = Plain(state, eps=1e-6, activation=F.gelu)
    x = m.patches("patch_embed.proj", images)
    if "cls_token" in state:
        x = with_class(state["cls_token"], x) + state["pos_embed"]
    for i in range(DEPTH):
        stem = f"blocks.{i}"
        z = m.norm(f"{stem}.norm1", x)
        biases = (state.get(f"{stem}.attn.{p}_bias", 0) for p in "qkv")
        thirds = (
            m.linear(f"{stem}.attn.{p}_proj", z) + b for p, b in zip("qkv", biases, strict=True)
        )
        x = x + m.linear(f"{stem}.attn.proj", m.attend(*thirds))
        x = x + m.mlp(f"{stem}.fc1", f"{stem}.fc2", m.norm(f"{stem}.norm2", x))
    if "fc_norm.weight" in state:
        return m.norm("fc_norm", x.mean(dim=1))
    return m.norm("norm", x)[:, 0]


@dataclass(frozen=True)
class Foreign:
    """A scheme's tensors, their forward, and where else they are found."""

    shapes: dict
    forward: Callable
    prefix: str = ""
    written: str | None = None
    """Our name of the scheme, where it can be written too."""


FOREIGN = {
    "openai_clip": Foreign(CLIP_SHAPES, clip_forward, "visual.", "openai_clip"),
    "timm": Foreign(TIMM_SHAPES, vit_forward, "", "timm"),
    "timm_pooled": Foreign(TIMM_POOLED_SHAPES, vit_forward, "", "timm"),
    "aim_imagenet": Foreign(AIM_IMAGENET_SHAPES, vit_forward, "", "aim_imagenet"),
    "adaptformer_image": Foreign(
        ADAPTFORMER_IMAGE_SHAPES, adaptformer_forward, "", "adaptformer_image"
    ),
    "adaptformer_video": Foreign(
        ADAPTFORMER_VIDEO_SHAPES, adaptformer_forward, "", "adaptformer_video"
    ),
    "hf_vit": Foreign(HF_VIT_SHAPES, hf_vit_forward, "vit."),
    "hf_clip": Foreign(HF_CLIP_SHAPES, hf_clip_forward),
    "hf_dinov2": Foreign(HF_DINOV2_SHAPES, hf_dinov2_forward, "dinov2."),
    "hf_registers": Foreign(HF_REGISTERS_SHAPES, hf_dinov2_forward, "dinov2_with_registers."),
}
