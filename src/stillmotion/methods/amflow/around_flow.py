"""What can be put around a flow: which tokens it sees, how far it looks, how it is scaled."""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.methods.amflow.flow import AlignedFlow, StaticFlow
from stillmotion.nn.attention import join_windows, split_windows
from stillmotion.nn.past import Past
from stillmotion.nn.reference import Pairing
from stillmotion.shapes import Flow, Reach


class AroundFlow(nn.Module, ABC):
    """A flow that asks another: queries and keys (B, T, h, N, d) in, (B, T, N, F) out."""

    def __init__(self, flow: "AnyFlow") -> None:
        super().__init__()
        self.flow = flow
        self.pairing: Pairing = flow.pairing
        self.still: float = flow.still
        """What no motion gives."""
        self.reach: Reach = flow.reach

    def forward(self, q: Float[Tensor, "B T h N d"], k: Float[Tensor, "B T h N d"]) -> Flow:
        return self.step(q, k, None)[0]

    @abstractmethod
    def step(
        self, q: Float[Tensor, "B T h N d"], k: Float[Tensor, "B T h N d"], past: Past
    ) -> tuple[Flow, Past]:
        """Frames that follow others."""


AnyFlow = StaticFlow | AlignedFlow | AroundFlow


class PatchFlow(AroundFlow):
    """A flow among patch tokens only; prefix tokens get what no motion gives."""

    def __init__(self, flow: AnyFlow, *, prefix: int) -> None:
        super().__init__(flow)
        self.prefix = prefix

    def step(
        self, q: Float[Tensor, "B T h N d"], k: Float[Tensor, "B T h N d"], past: Past
    ) -> tuple[Flow, Past]:
        f, past = self.flow.step(q[..., self.prefix :, :], k[..., self.prefix :, :], past)
        return nn.functional.pad(f, (0, 0, self.prefix, 0), value=self.still), past


class WindowedFlow(AroundFlow):
    """A flow inside each window of a block whose attention stays in windows, as in Hiera."""

    def __init__(self, flow: AnyFlow, windows: int) -> None:
        super().__init__(flow)
        self.windows = windows

    def step(
        self, q: Float[Tensor, "B T h N d"], k: Float[Tensor, "B T h N d"], past: Past
    ) -> tuple[Flow, Past]:
        # (B, T, h, W, n, d) -> (B W, T, h, n, d): each window is a clip of its own
        q, k = (split_windows(t, self.windows).movedim(3, 1).flatten(0, 1) for t in (q, k))
        f, past = self.flow.step(q, k, past)
        f = f.unflatten(0, (-1, self.windows))  # (B, W, T, n, F)
        return join_windows(f.movedim(1, 2)), past


class FarFlow(AroundFlow):
    """One flow over several distances in time, side by side: F numbers for each. Not the paper's.

    The flow over s frames is that of s interleaved clips: of frames 0, s, 2 s ..., of 1, s + 1 ...
    An aligning encoder, which all distances share, sees every frame once for each of them.
    """

    def __init__(self, flow: AnyFlow, steps: tuple[int, ...]) -> None:
        super().__init__(flow)
        self.steps = steps
        far = max(steps)
        self.reach = (0, far) if self.pairing == "next" else (far, 0)

    def step(
        self, q: Float[Tensor, "B T h N d"], k: Float[Tensor, "B T h N d"], past: Past
    ) -> tuple[Flow, Past]:
        pasts = past or [[None] * step for step in self.steps]
        told = [self.over(q, k, clips) for clips in pasts]
        return torch.cat([flow for flow, _ in told], dim=-1), [after for _, after in told]

    def over(
        self, q: Float[Tensor, "B T h N d"], k: Float[Tensor, "B T h N d"], clips: list[Past]
    ) -> tuple[Flow, list[Past]]:
        """One distance; what each of its clips remembers, the one whose turn comes next first."""
        step, frames = len(clips), q.shape[1]
        told = [
            self.flow.step(q[:, turn::step], k[:, turn::step], before)
            for turn, before in enumerate(clips[:frames])
        ]
        after = [seen for _, seen in told] + clips[frames:]
        turn = frames % step
        flows = torch.cat([flow for flow, _ in told], dim=1)
        return flows[:, places(frames, step)], after[turn:] + after[:turn]


def places(frames: int, step: int) -> list[int]:
    """Where each frame lies when those 0, step, 2 step ... come first, then 1, step + 1 ..."""
    order = [frame for turn in range(step) for frame in range(turn, frames, step)]
    return sorted(range(frames), key=order.__getitem__)


class LogFlow(AroundFlow):
    """log(1 + flow): few tokens change twenty times as much as most. Not the paper's."""

    def __init__(self, flow: AnyFlow) -> None:
        super().__init__(flow)
        self.still = math.log1p(flow.still)

    def step(
        self, q: Float[Tensor, "B T h N d"], k: Float[Tensor, "B T h N d"], past: Past
    ) -> tuple[Flow, Past]:
        flow, past = self.flow.step(q, k, past)
        return flow.log1p(), past
