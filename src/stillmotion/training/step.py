"""One step: a batch made ready, forward, backward, and the optimizer's turn."""

from dataclasses import dataclass

import torch
from torch import Tensor

from stillmotion.data.dataset import Batch
from stillmotion.nn.feature_norm import count_clips
from stillmotion.training.session import Session
from stillmotion.training.stopping import StopRequest


@dataclass(frozen=True)
class Part:
    """What one process has of a batch, on its device; all of it where there is one process."""

    clip: Tensor
    label: Tensor
    clips: int
    """Of all processes together."""
    share: float
    """Of the weight of all processes; their shares add up to 1."""


def ready(session: Session, batch: Batch, stop: StopRequest) -> Part | None:
    """This process's part of a batch, mixed as the recipe wants; in the same message processes
    tell each other who was asked to stop.

    None where no process could read anything. Where only this one could not, its part becomes two
    blank clips that weigh nothing: the others wait for its gradients.
    """
    accelerator, weight = session.accelerator, 0.0
    count_clips(session.model, counted=len(batch) > 0)
    if len(batch) == 0:
        clip = torch.zeros(2, *session.loaders.clip_shape, device=accelerator.device)
        label = torch.zeros(2, dtype=torch.long, device=accelerator.device)
    else:
        own = (t.to(accelerator.device, non_blocking=True) for t in (batch.clip, batch.label))
        clip, label = session.mix(*own)
        weight = session.objective.weight(label)
    clips, whole = len(batch), weight
    if accelerator.num_processes > 1:
        sums = torch.tensor([clips, weight, *stop.flags], device=accelerator.device)
        clips, whole, *flags = accelerator.reduce(sums, reduction="sum").tolist()
        stop.agree(flags)
    return Part(clip, label, int(clips), weight / whole) if whole > 0 else None


def take_step(session: Session, part: Part) -> tuple[Tensor, Tensor]:
    """Forward, backward and, once enough batches have come together, a step of the optimizer.

    The gradient is that of the mean over all clips of the batch, however these are divided.

    Returns this process's part of that mean, so that all parts add up to it, and its logits (B, K).
    """
    accelerator, optimizer = session.accelerator, session.optimizer
    with accelerator.accumulate(session.step):
        loss, logits = session.step(part.clip, part.label)
        loss = part.share * loss
        # DistributedDataParallel gives the mean over processes of what should be added up.
        accelerator.backward(accelerator.num_processes * loss)
        if accelerator.sync_gradients and session.recipe.training.clip_norm > 0:
            longest = session.recipe.training.clip_norm
            accelerator.clip_grad_norm_(session.step.parameters(), longest)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if accelerator.sync_gradients and not accelerator.optimizer_step_was_skipped:
            session.schedule.step()
    return loss, logits
