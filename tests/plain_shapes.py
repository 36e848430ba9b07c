"""What the published state dicts of the five methods hold: keys and shapes, at any size.

`shapes` is the way in. Options beside the sizes:

- aim: `pretrained` "clip" or "imagenet", `adapters` 3 or 4 a block, `hidden`
- zeroi2v: `adapters` 0 (merged), 3 or 4 a block, `hidden`
- st_adapter: `placement` "attention", "mlp" or "both", `last_blocks`, `kernel`, `hidden`
- dualpath: `embed_dim` (of CLIP's projection), `hidden`
- adaptformer_image: `global_pool`, `hidden`
- adaptformer_video: `tubelet`, `hidden`

`hidden` is the inner width of an adapter, by default a quarter of the model's. No shape depends on
the number of heads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of an image transformer and the clips it is given."""

    width: int
    depth: int
    patch: int
    size: int
    frames: int
    classes: int

    @property
    def tokens(self) -> int:
        """Patches of a frame and the class token."""
        return (self.size // self.patch) ** 2 + 1


def shapes(method: str, sizes: Sizes, **options: Any) -> Shapes:
    """What the state of a method holds, by key."""
    official: dict[str, Callable[..., Shapes]] = {
        "aim": aim,
        "zeroi2v": zeroi2v,
        "st_adapter": st_adapter,
        "dualpath": dualpath,
        "adaptformer_image": adaptformer_image,
        "adaptformer_video": adaptformer_video,
    }
    return official[method](sizes, **options)


def aim(
    sizes: Sizes, *, pretrained: str = "clip", adapters: int = 3, hidden: int | None = None
) -> Shapes:
    names = ["MLP_Adapter", "S_Adapter", "T_Adapter", "T_Adapter_in"][:adapters]
    block = two_linears(names, ("D_fc1", "D_fc2"), sizes, hidden)
    if pretrained == "clip":
        return mmaction(clip_vit(sizes, [block] * sizes.depth), sizes)
    timm_block = imagenet_block(sizes.width) | block
    norm = affine("ln_post", sizes.width)
    return mmaction(imagenet_vit(sizes, timm_block) | norm, sizes)


def zeroi2v(sizes: Sizes, *, adapters: int = 4, hidden: int | None = None) -> Shapes:
    names = ["T_Adapter_in", "S_Adapter", "MLP_Adapter", "MLP_Adapter_out"][:adapters]
    block = two_linears(names, ("D_fc1", "D_fc2"), sizes, hidden)
    return mmaction(clip_vit(sizes, [block] * sizes.depth), sizes)


def st_adapter(
    sizes: Sizes,
    *,
    placement: str = "mlp",
    last_blocks: int | None = None,
    kernel: tuple[int, int, int] = (3, 1, 1),
    hidden: int | None = None,
) -> Shapes:
    hidden = hidden or sizes.width // 4
    convolution = {"conv.weight": (hidden, 1, *kernel), "conv.bias": (hidden,)}
    adapter = linear("fc1", sizes.width, hidden) | convolution | linear("fc2", hidden, sizes.width)
    block: Shapes = {}
    if placement in ("attention", "both"):
        block |= under("adapter_pre_attn", adapter)
    if placement in ("mlp", "both"):
        block |= under("adapter_pre_mlp", adapter)
    adapted = sizes.depth if last_blocks is None else last_blocks
    plain: Shapes = {}
    blocks = [plain] * (sizes.depth - adapted) + [block] * adapted
    return clip_vit(sizes, blocks) | linear("fc", sizes.width, sizes.classes)


def dualpath(sizes: Sizes, *, embed_dim: int = 32, hidden: int | None = None) -> Shapes:
    names = ["t_adapter_attn_b", "t_adapter_attn", "t_adapter_mlp"]
    names += ["s_adapter_attn", "s_adapter_mlp"]
    block = two_linears(names, ("down_proj", "up_proj"), sizes, hidden)
    visual = {
        **clip_vit(sizes, [block] * sizes.depth),
        "spatial_positional_embedding": (sizes.tokens, sizes.width),
        "proj": (sizes.width, embed_dim),
        **linear("head.linear1", 2 * embed_dim, embed_dim),
        **linear("head.linear2", embed_dim, sizes.classes),
    }
    return under("visual", visual) | text_tower(embed_dim)


def adaptformer_image(
    sizes: Sizes, *, global_pool: bool = False, hidden: int | None = None
) -> Shapes:
    qkv: Shapes = {}
    for name in ("q_proj", "k_proj", "v_proj"):
        qkv |= linear(f"attn.{name}", sizes.width, sizes.width)
    vit = imagenet_vit(sizes, adaptformer_block(qkv, sizes, hidden))
    norm = affine("fc_norm" if global_pool else "norm", sizes.width)
    return vit | norm | batch_norm_head(sizes)


def adaptformer_video(sizes: Sizes, *, tubelet: int = 2, hidden: int | None = None) -> Shapes:
    width = sizes.width
    qkv: Shapes = {f"attn.{x}_proj.weight": (width, width) for x in "qkv"}
    qkv |= {"attn.q_bias": (width,), "attn.v_bias": (width,)}
    blocks = repeated("blocks", [adaptformer_block(qkv, sizes, hidden)] * sizes.depth)
    patches = {
        "patch_embed.proj.weight": (width, 3, tubelet, sizes.patch, sizes.patch),
        "patch_embed.proj.bias": (width,),
    }
    return patches | blocks | affine("fc_norm", width) | batch_norm_head(sizes)


def mmaction(backbone: Shapes, sizes: Sizes) -> Shapes:
    """A recogniser of mmaction, as AIM and ZeroI2V are."""
    time = {"temporal_embedding": (1, sizes.frames, sizes.width)}
    head = linear("cls_head.fc_cls", sizes.width, sizes.classes)
    return under("backbone", backbone | time) | head


def clip_vit(sizes: Sizes, adapters: list[Shapes]) -> Shapes:
    """CLIP's image tower, without its projection, with the adapters of each block."""
    block = clip_block(sizes.width)
    return {
        "class_embedding": (sizes.width,),
        "positional_embedding": (sizes.tokens, sizes.width),
        "conv1.weight": (sizes.width, 3, sizes.patch, sizes.patch),
        **affine("ln_pre", sizes.width),
        **repeated("transformer.resblocks", [block | more for more in adapters]),
        **affine("ln_post", sizes.width),
    }


def clip_block(width: int) -> Shapes:
    return {
        "attn.in_proj_weight": (3 * width, width),
        "attn.in_proj_bias": (3 * width,),
        **linear("attn.out_proj", width, width),
        **affine("ln_1", width),
        **linear("mlp.c_fc", width, 4 * width),
        **linear("mlp.c_proj", 4 * width, width),
        **affine("ln_2", width),
    }


def text_tower(embed_dim: int) -> Shapes:
    """What a file of CLIP holds beside `visual`: a text model of one small block."""
    width = 64
    return {
        "positional_embedding": (5, width),
        "token_embedding.weight": (11, width),
        **repeated("transformer.resblocks", [clip_block(width)]),
        **affine("ln_final", width),
        "text_projection": (width, embed_dim),
        "logit_scale": (),
    }


def imagenet_vit(sizes: Sizes, block: Shapes) -> Shapes:
    """A ViT under timm's names, without its last norm."""
    return {
        "cls_token": (1, 1, sizes.width),
        "pos_embed": (1, sizes.tokens, sizes.width),
        "patch_embed.proj.weight": (sizes.width, 3, sizes.patch, sizes.patch),
        "patch_embed.proj.bias": (sizes.width,),
        **repeated("blocks", [block] * sizes.depth),
    }


def imagenet_block(width: int) -> Shapes:
    return {
        **affine("norm1", width),
        **linear("attn.qkv", width, 3 * width),
        **linear("attn.proj", width, width),
        **affine("norm2", width),
        **linear("mlp.fc1", width, 4 * width),
        **linear("mlp.fc2", 4 * width, width),
    }


def adaptformer_block(qkv: Shapes, sizes: Sizes, hidden: int | None) -> Shapes:
    return {
        **affine("norm1", sizes.width),
        **qkv,
        **linear("attn.proj", sizes.width, sizes.width),
        **affine("norm2", sizes.width),
        **linear("fc1", sizes.width, 4 * sizes.width),
        **linear("fc2", 4 * sizes.width, sizes.width),
        **two_linears(["adaptmlp"], ("down_proj", "up_proj"), sizes, hidden),
    }


def batch_norm_head(sizes: Sizes) -> Shapes:
    return {
        "head.0.running_mean": (sizes.width,),
        "head.0.running_var": (sizes.width,),
        "head.0.num_batches_tracked": (),
        **linear("head.1", sizes.width, sizes.classes),
    }


def two_linears(
    names: list[str], parts: tuple[str, str], sizes: Sizes, hidden: int | None
) -> Shapes:
    """Adapters of a block: `parts` names what leads into the hidden channels and out of them."""
    hidden = hidden or sizes.width // 4
    down, up = linear(parts[0], sizes.width, hidden), linear(parts[1], hidden, sizes.width)
    return {key: shape for name in names for key, shape in under(name, down | up).items()}


def linear(name: str, inner: int, outer: int) -> Shapes:
    return {f"{name}.weight": (outer, inner), f"{name}.bias": (outer,)}


def affine(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def repeated(name: str, blocks: list[Shapes]) -> Shapes:
    return {
        key: shape
        for layer, block in enumerate(blocks)
        for key, shape in under(f"{name}.{layer}", block).items()
    }


def under(prefix: str, shapes: Shapes) -> Shapes:
    return {f"{prefix}.{key}": shape for key, shape in shapes.items()}
