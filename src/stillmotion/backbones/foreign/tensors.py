"""The steps between schemes that change tensors; each takes a state and returns another."""

from collections.abc import Sequence

import torch

from stillmotion.backbones.foreign.scheme import State, Step
from stillmotion.errors import WeightsError

# The convolution that makes tokens of patches.
PATCH = "patch_embed.proj.weight"
BATCH_AXES = {"cls_token": 2, "pos_embed": 1}
"""Leading axes of length 1 that timm's tensors have and CLIP's lack."""


def apply(steps: Sequence[Step], state: State, *, title: str) -> State:
    """The state after each step in turn.

    Raises:
        WeightsError: where a tensor does not have the shape that a step expects.
    """
    try:
        for step in steps:
            state = step(state)
    except (RuntimeError, IndexError) as error:
        raise WeightsError(f"shapes of {title} do not fit together: {error}") from error
    return state


def join_thirds(state: State) -> State:
    """Weights and biases of q, k and v become timm's packed ones, in this order.

    A missing k bias is zero: a constant added to every key does not change attention. BEiT and
    VideoMAE leave it out.
    """
    whole = {name: tensor for name, tensor in state.items() if name[-2:] not in (".q", ".k", ".v")}
    for name, q in state.items():
        if name.endswith(".q"):
            packed = name.removesuffix(".q")
            k = state.get(f"{packed}.k", torch.zeros_like(q))
            whole[packed] = torch.cat([q, k, state[f"{packed}.v"]])
    return whole


def split_thirds(state: State) -> State:
    """The inverse of `join_thirds`, with a k bias."""
    apart: State = {}
    for name, tensor in state.items():
        if ".attn.qkv." in name:
            thirds = zip("qkv", tensor.chunk(3), strict=True)
            apart |= {f"{name}.{third}": part.contiguous() for third, part in thirds}
        else:
            apart[name] = tensor
    return apart


def drop_k_bias(state: State) -> State:
    """A state without k biases.

    Raises:
        WeightsError: where one is not zero: the scheme has no place for it.
    """
    for name, tensor in state.items():
        if name.endswith(".bias.k") and tensor.any():
            raise WeightsError(
                f"{name.removesuffix('.k')}: this scheme has no bias of k, but it is not 0"
            )
    return {name: tensor for name, tensor in state.items() if not name.endswith(".bias.k")}


def add_batch_axes(state: State) -> State:
    """Class token (C,) to (1, 1, C); positions (N, C) to (1, N, C)."""
    there = {name: axes for name, axes in BATCH_AXES.items() if name in state}
    return state | {name: state[name][(None,) * axes] for name, axes in there.items()}


def drop_batch_axes(state: State) -> State:
    """The inverse of `add_batch_axes`."""
    there = {name: axes for name, axes in BATCH_AXES.items() if name in state}
    return state | {name: state[name][(0,) * axes] for name, axes in there.items()}


def transpose_projection(state: State) -> State:
    """OpenAI's projection (C, E) to (E, C), the shape of a linear layer's weight; and back."""
    if "projection" not in state:
        return state
    return state | {"projection": state["projection"].transpose(0, 1).contiguous()}


def flatten_tubelet(state: State) -> State:
    """A convolution (C, 3, t, p, p) over space and time to one over images of 3 t channels.

    Channels are time-major, then R G B: channel 3 j + c is colour c of the tubelet's frame j, so a
    clip (B, T, 3, H, W) enters as (B, T / t, t * 3, H, W), a reshape without a copy.
    """
    if state[PATCH].ndim != 5:
        return state
    return state | {PATCH: state[PATCH].transpose(1, 2).flatten(1, 2)}


def unflatten_tubelet(state: State) -> State:
    """The inverse of `flatten_tubelet`; a convolution over images is a tubelet of one frame."""
    if PATCH not in state:
        return state
    return state | {PATCH: state[PATCH].unflatten(1, (-1, 3)).transpose(1, 2).contiguous()}


def fold_class_position(state: State) -> State:
    """The class token's position goes into the class token, where there are register tokens.

    timm's models with registers have positions of patches alone; registers have none.
    """
    if "reg_token" not in state:
        return state
    position = state["pos_embed"]
    return state | {
        "cls_token": state["cls_token"] + position[:, :1],
        "pos_embed": position[:, 1:].contiguous(),
    }
