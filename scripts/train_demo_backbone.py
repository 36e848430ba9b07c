"""Trains the demonstration's image backbone on generated still pictures, and writes its card.

    python scripts/train_demo_backbone.py

No video and no order of frames is ever seen: every picture is drawn on its own.
"""

import math
import time
from functools import partial
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from jsonargparse import auto_cli
from safetensors.torch import save
from timm.layers import build_sincos2d_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import Generator, Tensor, nn
from torch.optim import AdamW, Muon
from torch.optim.lr_scheduler import LambdaLR

from demo_backbone_losses import GRID, Readouts, facts, losses, visible
from stillmotion.backbones.demo import (
    DEMO_BACKBONE,
    DEMO_WEIGHTS,
    default_cfgs,
    vit_stillmotion_demo,
)
from stillmotion.data.synthetic import draw_stills
from stillmotion.files import write_bytes, write_text

SIDE = 64
"""Pixels a side of what the model takes."""


def as_input(pictures: Tensor) -> Tensor:
    """Pictures as the model takes them: at its size, normalised as its configuration says."""
    x = pictures.float() / 255
    if x.shape[-1] != SIDE:
        x = F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True)
    config = default_cfgs[DEMO_BACKBONE].default
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (config.mean, config.std))
    return (x - mean) / std


def new_model() -> VisionTransformer:
    """The backbone with random weights, and positions that begin as waves.

    Waves spare the model the many steps of finding out which patches are neighbours.
    """
    model = vit_stillmotion_demo()
    waves = build_sincos2d_pos_embed([GRID, GRID], dim=model.embed_dim)
    model.pos_embed = nn.Parameter(F.pad(waves / 2, (0, 0, model.num_prefix_tokens, 0))[None])
    return model


def optimizers_for(
    model: VisionTransformer, readouts: Readouts, *, learning_rate: float
) -> tuple[Muon, AdamW]:
    """Muon for the blocks' matrices: a third of AdamW's steps did as well. AdamW for the rest."""
    matrices = [x for x in model.blocks.parameters() if x.ndim == 2]
    inside = {id(x) for x in matrices}
    rest = [x for part in (model, readouts) for x in part.parameters() if id(x) not in inside]
    return (
        Muon(matrices, lr=10 * learning_rate, weight_decay=0.02),
        AdamW(rest, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.02),
    )


def rise_and_fall(step: int, *, steps: int) -> float:
    """The learning rate's factor: up for a twentieth of the steps, down for two thirds."""
    return min(1.0, (step + 1) / (steps / 20), (steps - step) / (steps * 2 / 3))


def train(
    model: VisionTransformer, *, steps: int, batch_size: int, learning_rate: float, seed: int
) -> Readouts:
    """Train the backbone with new read-outs; prints losses and seconds every hundred steps."""
    generator = Generator().manual_seed(seed)
    readouts = Readouts(model.embed_dim)
    optimizers = optimizers_for(model, readouts, learning_rate=learning_rate)
    factor = partial(rise_and_fall, steps=steps)
    schedules = [LambdaLR(optimizer, factor) for optimizer in optimizers]
    started = time.monotonic()
    for step in range(1, steps + 1):
        # Two sizes, because videos are drawn larger than the model and brought down to its size.
        size = SIDE if step % 2 else 80
        stills = draw_stills(batch_size, size=size, generator=generator)
        terms = losses(model.forward_features(as_input(stills.pictures)), readouts, stills)
        torch.stack(list(terms.values())).sum().backward()
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
        if step % 100 == 0:
            told = "  ".join(f"{name} {loss.item():.3f}" for name, loss in terms.items())
            print(f"{step:5d} {time.monotonic() - started:5.0f} s  {told}", flush=True)
    return readouts


@torch.no_grad()
def score(
    model: VisionTransformer, readouts: Readouts, *, count: int, seed: int
) -> dict[str, float]:
    """How well the class token and the mean of the patch tokens tell fresh stills apart."""
    stills = draw_stills(count, size=80, generator=Generator().manual_seed(seed))
    said = readouts(model.forward_features(as_input(stills.pictures)))
    seen = visible(stills).bool()
    guess, truth = said["facts of class token"][seen], facts(stills)[seen]
    error = (guess - truth).abs()
    turn = torch.atan2(guess[:, 4], guess[:, 3]) - torch.atan2(truth[:, 4], truth[:, 3])

    def top1(logits: Tensor) -> Tensor:
        return (logits.argmax(dim=1) == stills.shape)[seen].float().mean()

    values = {
        "shape, top-1, from the class token": top1(said["shape of class token"]),
        "shape, top-1, from the mean of the patch tokens": top1(said["shape of mean"]),
        "centre, mean error of x and y in pixels": error[:, :2].mean() * SIDE / 4,
        "angle, median error in degrees": torch.atan2(turn.sin(), turn.cos()).abs().median()
        * (180 / math.pi),
        "radius, mean error of its logarithm": error[:, 2].mean() / 2,
    }
    return {name: value.item() for name, value in values.items()}


def write(model: VisionTransformer, card: str) -> None:
    """Write the weights and the card beside them: each whole, or not at all."""
    weights = Path(str(DEMO_WEIGHTS))
    write_bytes(weights, save(model.state_dict(), metadata={"format": "pt"}))
    write_text(weights.with_suffix(".md"), card)


def main(
    *,
    steps: int = 3600,
    batch_size: int = 36,
    learning_rate: float = 2e-3,
    seed: int = 0,
) -> None:
    """Train the backbone on one thread, score it on fresh stills, write it and its card."""
    torch.set_num_threads(1)
    started = time.monotonic()
    torch.manual_seed(seed)
    model = new_model()
    readouts = train(
        model, steps=steps, batch_size=batch_size, learning_rate=learning_rate, seed=seed
    )
    count, score_seed = 3000, seed + 1000
    scores = score(model, readouts, count=count, seed=score_seed)
    template = Path(__file__).with_name("demo_backbone_card.md").read_text(encoding="utf-8")
    card = template.format(
        name=DEMO_BACKBONE,
        parameters=sum(x.numel() for x in model.parameters()),
        command=f"--steps {steps} --batch_size {batch_size} "
        f"--learning_rate {learning_rate} --seed {seed}",
        pictures=steps * batch_size,
        minutes=(time.monotonic() - started) / 60,
        torch_version=torch.__version__.split("+")[0],
        timm_version=timm.__version__,
        count=count,
        score_seed=score_seed,
        scores="\n".join(f"| {name} | {value:.3f} |" for name, value in scores.items()),
    )
    write(model, card)
    print(card)


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
