"""The five published methods, to be read beside their papers: the oracle of our own.

Each function takes a state dict under the keys of the authors' published code and a normalised clip
(B, C, T, H, W) of the same dtype, and gives the logits (B, classes) of their model in evaluation.
Nothing of stillmotion is used here. Sources, each at the commit that was read:

- AIM, Yang et al. 2023: github.com/taoyang1122/adapt-image-models at b3580d2
- ZeroI2V, Li et al. 2024: github.com/MCG-NJU/ZeroI2V at f091983
- ST-Adapter, Pan et al. 2022: github.com/linziyi96/st-adapter at b914b38
- DualPath, Park et al. 2023: github.com/park-jungin/DualPath at cc90924, its syntax repaired
- AdaptFormer, Chen et al. 2022: github.com/ShoufaChen/AdaptFormer at 6967d67
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from plain_transformer import (
    Block,
    State,
    blocks,
    layer_norm,
    linear,
    part,
    sine_and_cosine,
    tokens,
)


def aim(state: State, clip: Tensor, *, num_heads: int, scale: float) -> Tensor:
    """AIM on CLIP or on an ImageNet ViT: one attention for time and space, three or four adapters.

    `scale` weighs the adapter beside the MLP, and no other.
    """
    image = part(state, "backbone.")
    x = embed_with_time(image, clip)
    for block in blocks(image, num_heads=num_heads):
        time = block.norm(x, "norm1").transpose(1, 2)  # (B, N, T, D): one token through time
        if block.has("T_Adapter_in"):
            time = time + aim_adapter(block, time, "T_Adapter_in")
        x = x + aim_adapter(block, block.attention(time), "T_Adapter").transpose(1, 2)
        space = block.attention(block.norm(x, "norm1"))
        x = x + space + aim_adapter(block, space, "S_Adapter")
        z = block.norm(x, "norm2")
        x = x + block.mlp(z) + scale * aim_adapter(block, z, "MLP_Adapter")
    return mean_of_class_tokens(state, x)


def aim_adapter(block: Block, x: Tensor, name: str) -> Tensor:
    return block.linear(F.gelu(block.linear(x, f"{name}.D_fc1")), f"{name}.D_fc2")


def zeroi2v(
    state: State,
    clip: Tensor,
    *,
    num_heads: int,
    scale: float,
    offsets: list[tuple[int, int]],
) -> Tensor:
    """ZeroI2V: linear adapters around attention and MLP; keys and values from other frames.

    `offsets` lists (offset, number of channels) from channel 0 up. Adapters that are absent, as
    after the authors' merge, are the identity.
    """
    image = part(state, "backbone.")
    x = embed_with_time(image, clip)
    for block in blocks(image, num_heads=num_heads):
        z = linear_adapter(block, block.norm(x, "norm1"), "T_Adapter_in", scale=scale)
        z = block.attention(z, move=lambda heads: from_other_frames(heads, offsets))
        x = x + linear_adapter(block, z, "S_Adapter", scale=scale)
        z = block.mlp(linear_adapter(block, block.norm(x, "norm2"), "MLP_Adapter", scale=scale))
        x = x + linear_adapter(block, z, "MLP_Adapter_out", scale=scale)
    return mean_of_class_tokens(state, x)


def linear_adapter(block: Block, x: Tensor, name: str, *, scale: float) -> Tensor:
    if not block.has(name):
        return x
    return x + scale * block.linear(block.linear(x, f"{name}.D_fc1"), f"{name}.D_fc2")


def from_other_frames(x: Tensor, offsets: list[tuple[int, int]]) -> Tensor:
    """Ranges of the channels of x (B, T, N, D), each read `offset` frames away."""
    moved, first, num_frames = x.clone(), 0, x.shape[1]
    for offset, num_channels in offsets:
        channels = slice(first, first + num_channels)
        for frame in range(num_frames):
            # Beyond the ends of the clip the authors neither clamp nor wrap: a frame keeps its own.
            if 0 <= frame + offset < num_frames:
                moved[:, frame, :, channels] = x[:, frame + offset, :, channels]
        first += num_channels
    return moved


def embed_with_time(image: State, clip: Tensor) -> Tensor:
    """Tokens with the positions of patches and frames, as AIM and ZeroI2V embed them."""
    is_clip = "positional_embedding" in image
    position = image["positional_embedding" if is_clip else "pos_embed"]
    time = image["temporal_embedding"][:, :, None]  # (1, T, 1, D)
    x = tokens(clip, image) + position + time
    return layer_norm(x, image, "ln_pre", eps=1e-5) if is_clip else x


def mean_of_class_tokens(state: State, x: Tensor) -> Tensor:
    """Logits of AIM and ZeroI2V: the norm, then the mean over frames."""
    eps = 1e-5 if "backbone.ln_pre.weight" in state else 1e-6
    features = layer_norm(x[:, :, 0], state, "backbone.ln_post", eps=eps).mean(1)
    return linear(features, state, "cls_head.fc_cls")


def st_adapter(state: State, clip: Tensor, *, num_heads: int) -> Tensor:
    """ST-Adapter: depthwise convolutions over space and time between two linear maps.

    The adapters stand before the attention, before the MLP or before both, in the blocks whose
    state holds them.
    """
    x = tokens(clip, state) + state["positional_embedding"]
    x = layer_norm(x, state, "ln_pre", eps=1e-5)
    for block in blocks(state, num_heads=num_heads):
        x = convolve_patches(x, block, "adapter_pre_attn")
        x = x + block.attention(block.norm(x, "norm1"))
        x = convolve_patches(x, block, "adapter_pre_mlp")
        x = x + block.mlp(block.norm(x, "norm2"))
    features = layer_norm(x[:, :, 0].mean(1), state, "ln_post", eps=1e-5)
    return linear(features, state, "fc")


def convolve_patches(x: Tensor, block: Block, name: str) -> Tensor:
    """One ST-Adapter on tokens (B, T, N, D); the class token passes by."""
    if not block.has(name):
        return x
    first, squares = x[:, :, :1], x[:, :, 1:]
    side = round(squares.shape[2] ** 0.5)
    weight, bias = block.state[f"{name}.conv.weight"], block.state[f"{name}.conv.bias"]
    volume = block.linear(squares, f"{name}.fc1").unflatten(2, (side, side)).movedim(-1, 1)
    padding = [length // 2 for length in weight.shape[2:]]
    volume = F.conv3d(volume, weight, bias, padding=padding, groups=len(weight))  # (B, C, T, g, g)
    change = block.linear(volume.movedim(1, -1).flatten(2, 3), f"{name}.fc2")
    return torch.cat([first, squares + change], dim=2)


def dualpath(state: State, clip: Tensor, *, num_heads: int, antialias: bool = False) -> Tensor:
    """DualPath: 16 frames tiled into one image beside 8 single frames, through one CLIP.

    `clip` holds a multiple of 16 frames, not yet tiled; `antialias` says how tiles are shrunk.
    """
    image = part(state, "visual.")
    single = clip[:, :, :: clip.shape[2] // 8]
    xs = tokens(single, image) + image["positional_embedding"]
    xt = tokens(tiled(clip, antialias=antialias), image) + image["spatial_positional_embedding"]
    xt = xt + positions_in_tiles(xt, antialias=antialias)
    xs, xt = (layer_norm(x, image, "ln_pre", eps=1e-5) for x in (xs, xt))
    for block in blocks(image, num_heads=num_heads):
        z = dualpath_adapter(block, block.norm(xt, "norm1"), "t_adapter_attn_b")
        xt = xt + dualpath_adapter(block, block.attention(z), "t_adapter_attn")
        xt = xt + dualpath_adapter(block, block.mlp(block.norm(xt, "norm2")), "t_adapter_mlp")
        z = block.norm(xs, "norm1")
        xs = xs + block.attention(z) + dualpath_adapter(block, z, "s_adapter_attn")
        z = block.norm(xs, "norm2")
        xs = xs + block.mlp(z) + dualpath_adapter(block, z, "s_adapter_mlp")
    normed = (layer_norm(x[:, :, 0], image, "ln_post", eps=1e-5) for x in (xt, xs))
    features = torch.cat([(x @ image["proj"]).mean(1) for x in normed], dim=-1)
    return linear(F.gelu(linear(features, image, "head.linear1")), image, "head.linear2")


def dualpath_adapter(block: Block, x: Tensor, name: str) -> Tensor:
    return block.linear(F.gelu(block.linear(x, f"{name}.down_proj")), f"{name}.up_proj")


def resize(x: Tensor, size: tuple[int, int], *, antialias: bool) -> Tensor:
    return F.interpolate(x, size, mode="bilinear", align_corners=False, antialias=antialias)


def tiled(clip: Tensor, *, antialias: bool) -> Tensor:
    """Every 16 frames as one image of four rows of four: (B, C, T, H, W) -> (B, C, T/16, H, W)."""
    height, width = clip.shape[-2:]
    images = []
    for sixteen in clip.split(16, dim=2):
        rows = [torch.cat(four.unbind(2), dim=-1) for four in sixteen.split(4, dim=2)]
        images.append(resize(torch.cat(rows, dim=-2), (height, width), antialias=antialias))
    return torch.stack(images, dim=2)


def positions_in_tiles(x: Tensor, *, antialias: bool) -> Tensor:
    """Sines of the frame, from 1 on, that each patch of tiled images (B, T, N, D) shows."""
    _, num_images, num_tokens, width = x.shape
    side = round((num_tokens - 1) ** 0.5)
    tables = []
    for image in range(num_images):
        frame = torch.arange(16.0).reshape(1, 1, 4, 4) + 16 * image + 1
        cells = frame.repeat_interleave(4, dim=-2).repeat_interleave(4, dim=-1)
        shown = resize(cells, (side, side), antialias=antialias).flatten()
        position = torch.cat([torch.zeros(1), shown])  # the class token stands at 0
        tables.append(sine_and_cosine(position, width=width))
    return torch.stack(tables)


def adaptformer_image(
    state: State, clip: Tensor, *, num_heads: int, scale: float, placement: str = "parallel"
) -> Tensor:
    """AdaptFormer on a ViT that sees one image: `clip` holds a single frame.

    The mean of the patches is read where the state has an `fc_norm`, else the class token.
    """
    x = (tokens(clip, state) + state["pos_embed"]).squeeze(1)
    x = adaptformer_blocks(x, state, num_heads=num_heads, scale=scale, placement=placement)
    if "fc_norm.weight" in state:
        features = layer_norm(x[:, 1:].mean(1), state, "fc_norm", eps=1e-6)
    else:
        features = layer_norm(x[:, 0], state, "norm", eps=1e-6)
    return standardised_linear(features, state)


def adaptformer_video(
    state: State, clip: Tensor, *, num_heads: int, scale: float, placement: str = "parallel"
) -> Tensor:
    """AdaptFormer on VideoMAE's ViT: all tubelets of the clip attend to each other."""
    weight, bias = state["patch_embed.proj.weight"], state["patch_embed.proj.bias"]
    x = F.conv3d(clip, weight, bias, stride=weight.shape[-3:]).flatten(2).mT  # (B, N, D)
    x = x + sine_and_cosine(torch.arange(x.shape[1]).double(), width=x.shape[2])
    x = adaptformer_blocks(x, state, num_heads=num_heads, scale=scale, placement=placement)
    return standardised_linear(layer_norm(x.mean(1), state, "fc_norm", eps=1e-6), state)


def adaptformer_blocks(
    x: Tensor, state: State, *, num_heads: int, scale: float, placement: str
) -> Tensor:
    """Tokens (B, N, D) through blocks with an adapter beside or behind the MLP."""
    for block in blocks(state, num_heads=num_heads):
        x = x + block.attention(block.norm(x, "norm1"))
        m = block.mlp(block.norm(x, "norm2"))
        # Parallel, the adapter reads the stream before its norm, unlike the paper's figure 2b.
        read = {"parallel": x, "sequential": m}[placement]
        hidden = block.linear(read, "adaptmlp.down_proj").relu()
        x = x + m + scale * block.linear(hidden, "adaptmlp.up_proj")
    return x


def standardised_linear(features: Tensor, state: State) -> Tensor:
    """AdaptFormer's head: a batch norm without weights, with its running statistics, and linear."""
    mean, variance = state["head.0.running_mean"], state["head.0.running_var"]
    return linear((features - mean) / (variance + 1e-6).sqrt(), state, "head.1")
