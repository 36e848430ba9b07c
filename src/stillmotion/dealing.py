"""The batches of all processes, and which part of each is whose.

What several processes do together is what one would do with batches as large as all of theirs: they
go through the same batches in the same order, and each takes its part of every one.
"""

from collections.abc import Iterable, Iterator, Sized
from typing import Protocol, runtime_checkable

from accelerate import Accelerator
from accelerate.data_loader import DataLoaderShard, prepare_data_loader
from torch.utils.data import DataLoader, Sampler


@runtime_checkable
class Order(Sized, Iterable[int], Protocol):
    """Indices of samples in the order in which they are shown."""


class Dealt(Sampler[list[int]]):
    """One process's part of every batch: each index is dealt once, to one process.

    All processes have as many batches, of sizes that differ by one at the most: a last batch that
    is smaller than their number leaves some with an empty part.

    Args:
        sampler: the order, the same in all processes.
        batch_size: of a full part.
        process: which one, from 0.
        processes: how many there are.
    """

    def __init__(self, sampler: Order, *, batch_size: int, process: int, processes: int) -> None:
        self.sampler, self.batch_size = sampler, batch_size
        self.process, self.processes = process, processes

    @property
    def together(self) -> int:
        """The size of a full batch of all processes."""
        return self.batch_size * self.processes

    def __len__(self) -> int:
        return -(-len(self.sampler) // self.together)

    def __iter__(self) -> Iterator[list[int]]:
        order = list(self.sampler)
        for first in range(0, len(order), self.together):
            whole = order[first : first + self.together]
            yield whole[self.process :: self.processes]


def deal(loader: DataLoader, accelerator: Accelerator) -> DataLoaderShard:
    """A loader of this process's part of every batch.

    Accelerate's own division shows some samples twice where the last batch is not a full one.
    """
    assert loader.batch_size is not None
    part = Dealt(
        loader.sampler,  # type: ignore[arg-type]
        batch_size=loader.batch_size,
        process=accelerator.process_index,
        processes=accelerator.num_processes,
    )
    dealt = DataLoader(
        loader.dataset,
        batch_sampler=part,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        generator=loader.generator,
        persistent_workers=loader.persistent_workers,
    )
    return prepare_data_loader(dealt, num_processes=1, process_index=0)
