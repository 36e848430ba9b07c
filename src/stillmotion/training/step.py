"""One step: a batch made ready, forward, backward, and the optimizer's turn."""

import torch
from torch import Tensor

from stillmotion.data.dataset import Batch
from stillmotion.training.session import Session


def ready(session: Session, batch: Batch) -> tuple[Tensor, Tensor, float]:
    """A batch on the device, mixed as the recipe wants, and what it weighs.

    Where nothing of it could be read it becomes two blank clips that weigh nothing: other processes
    wait for this one's gradients.
    """
    device = session.accelerator.device
    if len(batch) == 0:
        blank = torch.zeros(2, *session.loaders.clip_shape, device=device)
        return blank, torch.zeros(2, dtype=torch.long, device=device), 0.0
    clip, label = (t.to(device, non_blocking=True) for t in (batch.clip, batch.label))
    return *session.mix(clip, label), 1.0


def take_step(
    session: Session, clip: Tensor, label: Tensor, *, weight: float
) -> tuple[Tensor, Tensor]:
    """Forward, backward and, once enough batches have come together, a step of the optimizer.

    Returns the loss, and the logits (B, K).
    """
    accelerator, optimizer = session.accelerator, session.optimizer
    with accelerator.accumulate(session.step):
        loss, logits = session.step(clip, label)
        accelerator.backward(weight * loss)
        if accelerator.sync_gradients and session.recipe.training.clip_norm > 0:
            longest = session.recipe.training.clip_norm
            accelerator.clip_grad_norm_(session.step.parameters(), longest)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if accelerator.sync_gradients and not accelerator.optimizer_step_was_skipped:
            session.schedule.step()
    return loss, logits
