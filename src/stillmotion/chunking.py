"""Many clips through a model, as many at once as a bound on memory allows."""

import logging
import weakref
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from stillmotion.errors import ConfigurationError
from stillmotion.fields import allows
from stillmotion.settings import MEMORY_GIB

log = logging.getLogger("stillmotion")


class Chunked:
    """A model that is shown clips in chunks.

    The first clip goes through alone, and the most bytes that its tensors take at once are counted.
    Clips of a batch never meet, so n clips take n times as much. Weights and the clips themselves
    are there before and do not count; what a kernel takes for itself inside one operation is not
    seen.

    Args:
        model: clips (B, T, ...) to logits (B, K).
        memory_gib: bound on the tensors of a chunk, in GiB. One clip is shown whatever it takes.

    Raises:
        ConfigurationError: for a bound that is no finite number above 0.
    """

    def __init__(
        self, model: Callable[[Tensor], Tensor], *, memory_gib: float = MEMORY_GIB
    ) -> None:
        if not allows(float, memory_gib) or memory_gib <= 0:
            raise ConfigurationError(f"memory_gib={memory_gib!r}: give a number above 0, in GiB")
        self.model, self.memory_gib = model, memory_gib
        self.clip_bytes: dict[torch.Size, int] = {}

    @torch.no_grad()
    def __call__(self, clips: Shaped[Tensor, "B T *frame"]) -> Float[Tensor, "B K"]:
        """The logits of each clip."""
        shape, said = clips.shape[1:], []
        if shape not in self.clip_bytes:
            with Alive() as alive:
                said.append(self.model(clips[:1]))
            self.clip_bytes[shape] = alive.most
            self._warn(alive.most)
            clips = clips[1:]
        if len(clips):
            said += [self.model(chunk) for chunk in clips.split(self.clips_at_once(shape))]
        return torch.cat(said)

    def clips_at_once(self, shape: torch.Size) -> int:
        """How many clips of a shape that was met before, (T, ...), the bound allows; at least 1."""
        return max(1, int(self.memory_gib * 2**30 / max(1, self.clip_bytes[shape])))

    def _warn(self, clip_bytes: int) -> None:
        if clip_bytes > self.memory_gib * 2**30:
            log.warning(
                "one clip takes %.2g GiB, more than memory_gib allows (%g): clips are shown one "
                "by one",
                clip_bytes / 2**30,
                self.memory_gib,
            )


class Alive(TorchDispatchMode):
    """Counts the bytes of tensors that come to be while it is entered, and of those that go.

    Memory counts as it was when a tensor came to be: growing it later (`resize_`) is not seen.

    Attributes:
        now: bytes of those that exist.
        most: the most there were at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        given = {storage._cdata for storage in storages((args, kwargs))}
        for storage in storages(made):
            if storage._cdata not in given | self._known:
                self._known.add(storage._cdata)
                self.now += storage.nbytes()
                weakref.finalize(storage, self._gone, storage._cdata, storage.nbytes())
        self.most = max(self.most, self.now)
        return made

    def _gone(self, address: int, num_bytes: int) -> None:
        self._known.discard(address)
        self.now -= num_bytes


def storages(values: Any) -> list[torch.UntypedStorage]:
    """The memory behind all tensors in a structure of tuples, lists and dictionaries."""
    return [t.untyped_storage() for t in tree_leaves(values) if isinstance(t, Tensor)]
