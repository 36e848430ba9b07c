"""What a model says of videos, with their frames in order or not, over any number of processes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from stillmotion.chunking import Chunked
from stillmotion.data.dataset import Batch
from stillmotion.metrics import marginals, softmax
from stillmotion.settings import MEMORY_GIB

Order = Literal["given", "shuffled", "reversed"]
ORDERS: tuple[Order, ...] = ("given", "shuffled", "reversed")
Average = Literal["probabilities", "logits"]
"""What is averaged over the views of a video: what each of them says, or the evidence for it."""


@dataclass(frozen=True)
class Answers:
    """What a model says of each video that could be read.

    W is the number of classes; where they are combinations, of all their parts' side by side (see
    `stillmotion.metrics.combinations`).

    Attributes:
        index: which sample of the data set.
        label: the truth.
        probabilities: (n, W) for each order of the frames, averaged over views as was asked for.
        mean_probabilities: (n, W), of the frames as given: the mean over views.
        mean_logits: (n, W), likewise.
        failures: index and reason of each video that could not be read.
    """

    index: list[int]
    label: Tensor
    probabilities: dict[Order, Tensor]
    mean_probabilities: Tensor
    mean_logits: Tensor
    failures: dict[int, str]


@torch.no_grad()
def answer(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    orders: Sequence[Order] = ("given",),
    average: Average = "probabilities",
    sizes: Sequence[int] = (),
    memory_gib: float = MEMORY_GIB,
    accelerator: Accelerator,
) -> Answers:
    """Show a model the views of each video, with frames in one or more orders, the given one first.

    The model maps clips, or the features of their frames where batches hold these, to logits. Each
    video counts once, however many processes share the work.

    Args:
        average: what is averaged over the views of a video.
        sizes: where classes are combinations, how many each part has.
        memory_gib: bound on the tensors of the views that are shown at once; see `Chunked`.
    """
    chunked = Chunked(model.eval(), memory_gib=memory_gib)
    rows: list[tuple[int, int, list[Tensor]]] = []
    failures: list[tuple[int, str]] = []
    for batch in batches:
        failures += batch.failures
        if len(batch) == 0:
            continue
        views = batch.clip.to(accelerator.device, non_blocking=True)
        with accelerator.autocast():
            said = [logits_of_views(chunked, reorder(views, o, batch.index), sizes) for o in orders]
        columns = [average_of_views(logits, average, sizes) for logits in said]
        columns += [average_of_views(said[0], "probabilities", sizes), said[0].mean(dim=1)]
        for i, index in enumerate(batch.index.tolist()):
            rows.append((index, int(batch.label[i]), [column[i] for column in columns]))
    if accelerator.num_processes > 1:
        rows, failures = gather_object(rows), gather_object(failures)
    return answers_from(rows, orders=orders, failures=dict(failures))


def answers_from(
    rows: Iterable[tuple[int, int, list[Tensor]]],
    *,
    orders: Sequence[Order],
    failures: dict[int, str],
) -> Answers:
    """Answers in the order of the data set, each video once.

    Args:
        rows: of each video its index, its label and its columns (W,): the probabilities of each
            order, the mean probabilities, the mean logits.
    """
    once = sorted({row[0]: row for row in rows}.values(), key=lambda row: row[0])

    def column(number: int) -> Tensor:
        return torch.stack([row[2][number] for row in once]) if once else torch.empty(0, 0)

    return Answers(
        index=[row[0] for row in once],
        label=torch.tensor([row[1] for row in once], dtype=torch.long),
        probabilities={order: column(i) for i, order in enumerate(orders)},
        mean_probabilities=column(len(orders)),
        mean_logits=column(len(orders) + 1),
        failures=failures,
    )


def logits_of_views(
    model: Callable[[Tensor], Tensor],
    views: Shaped[Tensor, "B V T *frame"],
    sizes: Sequence[int] = (),
) -> Float[Tensor, "B V W"]:
    """What is said of each view; float32 on the CPU."""
    logits = marginals(model(views.flatten(0, 1)).float(), sizes)
    return logits.unflatten(0, views.shape[:2]).cpu()


def average_of_views(
    logits: Float[Tensor, "B V W"], average: Average = "probabilities", sizes: Sequence[int] = ()
) -> Float[Tensor, "B W"]:
    """Probabilities of each video; each part adds up to 1."""
    if average == "logits":
        logits = logits.mean(dim=1, keepdim=True)
    return softmax(logits, sizes).mean(dim=1)


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
