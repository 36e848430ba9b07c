"""Features normalised over a batch, and over all processes that have a part of it."""

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn


class FeatureNorm(nn.BatchNorm1d):
    """Features to mean 0 and variance 1 over the batch; in evaluation by the statistics so far.

    These also serve one clip alone in training, which has no variance and which PyTorch refuses.
    Processes that train together normalise over the clips of all of them, and so remember the same.
    PyTorch's `SyncBatchNorm` does that on GPUs alone.
    """

    running_mean: Float[Tensor, " D"]
    running_var: Float[Tensor, " D"]
    counted = True
    """Whether this process's clips enter the statistics; see `count_clips`."""

    def forward(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        if self.training and dist.is_initialized() and dist.get_world_size() > 1:
            return self.over_processes(x.float())
        if self.training and len(x) > 1:
            return super().forward(x)
        return self.by(self.running_mean, self.running_var, x)

    def over_processes(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """By the mean and variance of the clips of all processes, which are remembered."""
        own = torch.full_like(x[:, :1], float(self.counted))
        sums = AddUp.apply(torch.cat([own * x, own], dim=1).sum(dim=0))
        mean, clips = sums[:-1] / sums[-1], sums[-1].detach()
        var = AddUp.apply((own * (x - mean).square()).sum(dim=0)) / clips
        several = clips > 1
        with torch.no_grad():
            unbiased = var * clips / (clips - 1).clamp(min=1)
            self.running_mean.lerp_(mean, self.momentum * several)
            self.running_var.lerp_(unbiased, self.momentum * several)
            self.num_batches_tracked += several
        mean = torch.where(several, mean, self.running_mean)
        return self.by(mean, torch.where(several, var, self.running_var), x)

    def by(
        self, mean: Float[Tensor, " D"], var: Float[Tensor, " D"], x: Float[Tensor, "B D"]
    ) -> Float[Tensor, "B D"]:
        """Normalised by this mean and variance."""
        return (x - mean) / (var + self.eps).sqrt()


class AddUp(torch.autograd.Function):
    """The sum over all processes. The loss is the sum of theirs, so gradients add up as well."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return AddUp.apply(gradients[0])


def count_clips(model: nn.Module, *, counted: bool) -> None:
    """Whether the clips of this process enter the statistics of its norms: blank ones do not."""
    for module in model.modules():
        if isinstance(module, FeatureNorm):
            module.counted = counted
