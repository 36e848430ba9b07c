"""How the cost of a training step grows with frames, tokens, width and classes.

    python benchmarks/scaling.py                   ViT-S/16, one quantity changed at a time
    python benchmarks/scaling.py --device cuda

A step is forward, loss, backward and AdamW on one clip (eight on a GPU), of AM Flow with parallel
adapters and of AIM; MB is what tensors take at once beyond the model itself, GMAC the billions of
multiply-adds of one clip's forward. Beside them stands the image model alone, frame by frame,
forward only: no method can be cheaper. `python benchmarks/page.py` draws the curves.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

import torch
from timm import create_model
from torch import nn
from torch.nn.functional import cross_entropy

from harness import PARALLEL, arguments, peak_bytes, report, take_turns
from stillmotion.accounting import measure, without_weights
from stillmotion.methods import AIM, Method
from stillmotion.model import adapt

METHODS: dict[str, Method] = {"AM Flow": PARALLEL, "AIM": AIM()}
ALONE = "image model"
WIDTHS = {192: "tiny", 384: "small", 768: "base", 1024: "large"}
"""timm's names of plain vision transformers, by their width C."""


@dataclass(frozen=True)
class Case:
    """A clip, a backbone and a number of classes."""

    frames: int = 8
    image_size: int = 224
    width: int = 384
    classes: int = 400

    @property
    def backbone(self) -> str:
        """timm's name of it."""
        return f"vit_{WIDTHS[self.width]}_patch16_224"

    @property
    def tokens(self) -> int:
        """N of a frame, the class token included."""
        return (self.image_size // 16) ** 2 + 1


@dataclass(frozen=True)
class Curve:
    """The cases of one quantity."""

    quantity: str
    cases: tuple[Case, ...]
    value: Callable[[Case], int]


def curves(start: Case, *, quick: bool, gpu: bool) -> Iterator[Curve]:
    """One quantity changes at a time."""
    frames = (2, 4) if quick else (2, 4, 8, 16, *([32, 64] if gpu else []))
    sizes = (96, 160, 224, 320, *([448, 592] if gpu else []))
    widths = (192, 384, 768, *([1024] if gpu else []))
    classes = (10, 400, 3806, 29100)
    cases = partial(replace, start)
    yield Curve("frames", tuple(cases(frames=f) for f in frames), lambda c: c.frames)
    if quick:
        return
    yield Curve("tokens", tuple(cases(image_size=s) for s in sizes), lambda c: c.tokens)
    yield Curve("width", tuple(cases(width=w) for w in widths), lambda c: c.width)
    yield Curve("classes", tuple(cases(classes=k) for k in classes), lambda c: c.classes)


def training_step(
    case: Case, method: Method, *, batch: int, device: str
) -> tuple[Callable[[], None], int]:
    """A step, ready to run, and the multiply-adds of its forward on one clip."""
    sizes = {"num_classes": case.classes, "num_frames": case.frames, "image_size": case.image_size}
    model = adapt(case.backbone, method, weights="none", **sizes).to(device).train()
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), fused=True)
    clip = torch.rand(batch, case.frames, 3, case.image_size, case.image_size, device=device)
    label = torch.zeros(batch, dtype=torch.long, device=device)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            loss = cross_entropy(model(clip).float(), label)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    bare = without_weights(case.backbone, method, **sizes)
    multiply_adds, _ = measure(bare, torch.empty(1, *clip.shape[1:], device="meta"))
    return step, multiply_adds


def image_model_forward(case: Case, *, batch: int, device: str) -> tuple[Callable[[], None], int]:
    """timm's own model on the frames of a batch of clips, and its multiply-adds for one clip."""
    build = partial(create_model, case.backbone, img_size=case.image_size, num_classes=0)
    model: nn.Module = build().to(device).eval()
    frames = torch.rand(batch * case.frames, 3, case.image_size, case.image_size, device=device)

    @torch.inference_mode()
    def forward() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            model(frames)

    with torch.device("meta"):
        multiply_adds, _ = measure(build(), torch.empty(case.frames, *frames.shape[1:]))
    return forward, multiply_adds


def rows_of(curve: Curve, *, rounds: int, device: str) -> Iterator[dict[str, object]]:
    """Time, memory and multiply-adds of every method, a row for each value of a quantity."""
    batch = 8 if device == "cuda" else 1
    for case in curve.cases:
        made = {
            name: training_step(case, method, batch=batch, device=device)
            for name, method in METHODS.items()
        }
        made[ALONE] = image_model_forward(case, batch=batch, device=device)
        runs = {name: run for name, (run, _) in made.items()}
        seconds = take_turns(runs, rounds=rounds, device=device)
        row: dict[str, object] = {"quantity": curve.quantity, "value": curve.value(case)}
        row |= {f"{name}, ms": 1000 * median(seconds[name]) for name in made}
        row |= {f"{n}, MB": peak_bytes(r, device=device) / 1e6 for n, (r, _) in made.items()}
        row |= {f"{name}, GMAC": multiply_adds / 1e9 for name, (_, multiply_adds) in made.items()}
        yield row


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    options = arguments(__doc__).parse_args(given)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    start = Case(frames=2, image_size=32, width=192, classes=10) if options.quick else Case()
    rounds = 1 if options.quick else options.rounds
    rows = [
        row
        for curve in curves(start, quick=options.quick, gpu=options.device == "cuda")
        for row in rows_of(curve, rounds=rounds, device=options.device)
    ]
    report("scaling", rows, device=options.device, out=options.out)


if __name__ == "__main__":
    main()
