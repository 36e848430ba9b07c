"""The frozen weights of the blocks, divided among the processes of a run.

Each process keeps a part of every frozen tensor (torch's FSDP2, `fully_shard`), and a block is
whole for as long as it runs. What a checkpoint holds stays an ordinary tensor, whole in every
process, and gradients are averaged as they always are: checkpoints and saved states are the same.

To gather a block takes all processes. Training steps are as many in each; `in_step` makes what is
scored as many.
"""

from collections.abc import Iterable, Iterator

import torch
from accelerate import Accelerator
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from stillmotion.data.dataset import Batch, collate
from stillmotion.errors import ConfigurationError
from stillmotion.model import VideoClassifier
from stillmotion.settings import Training


def divide(model: VideoClassifier, options: Training, accelerator: Accelerator) -> str:
    """Leave to each process its part of the blocks' frozen weights; says how much that is.

    One process keeps them as they are.

    Raises:
        ConfigurationError: for a model whose frozen weights cannot be divided.
    """
    refuse_undividable(model, options)
    processes = accelerator.num_processes
    if processes == 1:
        return "training.shard_backbone brings nothing in one process: it would keep every part"
    mesh = init_device_mesh(accelerator.device.type, (processes,))
    before = frozen_bytes(model)
    divide_blocks(model, mesh)
    return (
        f"frozen weights: {frozen_bytes(model) / 1e6:.1f} MB of {before / 1e6:.1f} MB in each of "
        f"{processes} processes"
    )


def divide_blocks(model: VideoClassifier, mesh: DeviceMesh) -> None:
    """Leave to each process of a mesh its part of the blocks' frozen weights, on its device.

    They go there block by block, so that the device never holds all of them.
    """
    own = model.adapter_tensors().keys()
    whole = {parameter for name, parameter in model.named_parameters() if name in own}
    for block in model.trunk.blocks:
        fully_shard(block, mesh=mesh, reshard_after_forward=True, ignored_params=whole)
        for name in model.trunk.ways_in:
            register_fsdp_forward_method(block, name)
    fully_shard(model.trunk, mesh=mesh, ignored_params=whole)  # lets a block come as another runs


def refuse_undividable(model: VideoClassifier, options: Training) -> None:
    """What would fail in the middle of a run is refused before it.

    Raises:
        ConfigurationError: with the reason.
    """
    without = "do without training.shard_backbone"
    if frozen_bytes(model) == 0:
        raise ConfigurationError(
            f"training.shard_backbone divides frozen weights, and {model.method.name} trains them "
            f"all; choose another method, or {without}"
        )
    if model.is_self_contained:
        raise ConfigurationError(
            "training.shard_backbone: these weights are random, so that every checkpoint must hold "
            f"all of them, and no process has them; give --weights a file, or {without}"
        )
    if not model.trunk.goes_block_by_block:
        raise ConfigurationError(
            f"training.shard_backbone gathers a block when it is called, and {model.method.name} "
            f"has a way of its own through them; {without}"
        )
    if options.cache_clips and len(model.trunk.observed_dims):
        raise ConfigurationError(
            "training.cache_clips and training.shard_backbone do not go together where blocks are "
            f"read one by one, as {model.method.name} does; choose one"
        )
    if options.compile:
        raise ConfigurationError(
            "training.compile and training.shard_backbone do not go together; choose one"
        )


def frozen_bytes(model: nn.Module) -> int:
    """Bytes of frozen weights that this process holds between two steps."""
    return sum(held(p).nbytes for p in model.parameters() if not p.requires_grad)


def held(tensor: torch.Tensor) -> torch.Tensor:
    """What of a tensor lies in this process."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def prepare_objective(objective: nn.Module, accelerator: Accelerator) -> nn.Module:
    """`Accelerator.prepare`, also for a model whose frozen weights are divided.

    Those have no gradients to average, and Accelerate would refuse to.
    """
    divided = {n for n, p in objective.named_parameters() if isinstance(p, DTensor)}
    if not divided:
        return accelerator.prepare(objective)
    objective = accelerator.prepare_model(objective, evaluation_mode=True)  # its precision alone
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(objective, divided)
    handler = accelerator.ddp_handler
    return DistributedDataParallel(objective, **(handler.to_kwargs() if handler else {}))


def in_step(
    batches: Iterable[Batch], model: VideoClassifier, accelerator: Accelerator
) -> Iterator[Batch]:
    """The same batches, while every process runs a divided model as often as the others.

    Videos that cannot be read, or a batch more than others have, would leave some waiting for
    blocks that nobody gathers. Who has nothing left of a batch runs a blank clip until all are
    through with it; who has no batch left is given empty ones.
    """
    if not isinstance(model.trunk, FSDPModule):
        yield from batches
        return

    def anyone(has: bool) -> bool:
        told = torch.tensor([has], dtype=torch.float32, device=accelerator.device)
        return bool(accelerator.reduce(told, reduction="sum").item())

    def tell_others(*_: object) -> None:
        anyone(True)

    own = iter(batches)
    batch = next(own, None)
    while anyone(batch is not None):
        runs = model.trunk.register_forward_pre_hook(tell_others)
        try:
            yield collate([]) if batch is None else batch
        finally:
            runs.remove()
        while anyone(False):
            run_blank(model)
        batch = next(own, None)


@torch.no_grad()
def run_blank(model: VideoClassifier) -> None:
    """Gather each block, for the processes that need it now."""
    model(torch.zeros(1, 1, 3, *model.backbone.image_size, device=model.mean.device))
