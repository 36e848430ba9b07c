"""What a model says of videos, with their frames in order or not, over any number of processes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.utils import gather_object
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from stillmotion.data.dataset import Batch

Order = Literal["given", "shuffled", "reversed"]


@dataclass(frozen=True)
class Answers:
    """What a model says of each video that could be read.

    Attributes:
        index: which sample of the data set.
        label: the truth.
        probabilities: (n, K) for each order of the frames, averaged over views.
        failures: index and reason of each video that could not be read.
    """

    index: list[int]
    label: Tensor
    probabilities: dict[Order, Tensor]
    failures: dict[int, str]


@torch.no_grad()
def answer(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    orders: Sequence[Order] = ("given",),
    accelerator: Accelerator,
) -> Answers:
    """Show a model the views of each video, with frames in one or more orders.

    The model maps clips, or the features of their frames where batches hold these, to logits. Each
    video counts once, however many processes share the work.
    """
    model.eval()
    rows: list[tuple[int, int, list[Tensor]]] = []
    failures: list[tuple[int, str]] = []
    for batch in batches:
        failures += batch.failures
        if len(batch) == 0:
            continue
        views = batch.clip.to(accelerator.device, non_blocking=True)
        with accelerator.autocast():
            said = [average_of_views(model, reorder(views, o, batch.index)) for o in orders]
        for i, index in enumerate(batch.index.tolist()):
            rows.append((index, int(batch.label[i]), [p[i] for p in said]))
    if accelerator.num_processes > 1:
        rows, failures = gather_object(rows), gather_object(failures)
    once = sorted({row[0]: row for row in rows}.values(), key=lambda row: row[0])
    return Answers(
        index=[row[0] for row in once],
        label=torch.tensor([row[1] for row in once]),
        probabilities={
            order: torch.stack([row[2][i] for row in once]) if once else torch.empty(0)
            for i, order in enumerate(orders)
        },
        failures=dict(failures),
    )


def average_of_views(
    model: nn.Module, views: Shaped[Tensor, "B V T *frame"]
) -> Float[Tensor, "B K"]:
    """Probabilities, averaged over the views of each video; float32 on the CPU."""
    logits = model(views.flatten(0, 1)).float()
    return F.softmax(logits, dim=-1).unflatten(0, views.shape[:2]).mean(dim=1).cpu()


def reorder(
    views: Shaped[Tensor, "B V T *frame"], order: Order, index: Tensor
) -> Shaped[Tensor, "B V T *frame"]:
    """The frames of each clip as given, backwards, or in an order drawn from the video's index."""
    if order == "given":
        return views
    if order == "reversed":
        return views.flip(2)
    frames = views.shape[2]
    drawn = [shuffled(frames, int(i)) for i in index]
    return torch.stack([v[:, o] for v, o in zip(views, drawn, strict=True)])


def shuffled(frames: int, seed: int) -> list[int]:
    """An order of ``frames`` frames that is not the given one, where there is another."""
    generator = torch.Generator().manual_seed(seed)
    given = list(range(frames))
    order: list[int] = torch.randperm(frames, generator=generator).tolist()
    while frames > 1 and order == given:
        order = torch.randperm(frames, generator=generator).tolist()
    return order
