"""Random state dicts as the authors of the five methods store them, at any size.

Every tensor is random and none is zero, so that a tensor read wrongly shows in the logits.
"""

from math import prod
from typing import Any

import torch

from plain_shapes import Shapes, Sizes, shapes, text_tower
from plain_transformer import State


def random_state(
    method: str,
    *,
    width: int,
    depth: int,
    patch: int,
    size: int,
    frames: int,
    classes: int,
    seed: int,
    **options: Any,
) -> State:
    """A state in float64 under the keys of `method`'s authors; `size` is the side of a frame."""
    sizes = Sizes(width=width, depth=depth, patch=patch, size=size, frames=frames, classes=classes)
    return filled(shapes(method, sizes, **options), seed=seed)


def filled(wanted: Shapes, *, seed: int) -> State:
    """Random numbers that keep activations near 1 and let every tensor matter."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for key, shape in wanted.items():
        noise = torch.randn(shape, generator=generator, dtype=torch.float64)
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(100)
        elif key.endswith("running_var") or (key.endswith("weight") and len(shape) == 1):
            state[key] = (1 + 0.2 * noise).abs()
        elif len(shape) < 2 or "embedding" in key or key in ("cls_token", "pos_embed"):
            state[key] = 0.3 * noise
        else:
            state[key] = noise / prod(shape[1:]) ** 0.5
    return state


def split_st_adapter(state: State, *, seed: int) -> tuple[State, State]:
    """An ST-Adapter state as its authors keep it: (trained tensors, OpenAI's file of CLIP)."""
    trained = {key: x for key, x in state.items() if "adapter" in key or key.startswith("fc.")}
    visual = {f"visual.{key}": x for key, x in state.items() if key not in trained}
    width = len(state["class_embedding"])
    rest = {"visual.proj": (width, 32), **text_tower(embed_dim=32)}
    return trained, visual | filled(rest, seed=seed)
