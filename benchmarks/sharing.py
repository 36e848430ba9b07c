"""What several adapters on one image model hold in memory, and how long it takes to switch.

    python benchmarks/sharing.py                     one CPU core, two minutes
    python benchmarks/sharing.py --device cuda

ViT-B/16 with random weights, 400 classes, 8 frames; each adapter is another method's or has other
weights. "Resident" is what a new process grows by while it loads, as the system counts it.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file

import stillmotion
from harness import PARALLEL, Target, arguments, ratio, report, take_turns

FRAMES, CLASSES = 8, 400
NAME, TINY = "vit_base_patch16_224", "test_vit"
METHODS = (
    stillmotion.LoRA(),
    stillmotion.AdaptFormer(),
    PARALLEL,
    stillmotion.LinearProbe(),
    stillmotion.STAdapter(),
    stillmotion.AIM(),
    stillmotion.ZeroI2V(),
    stillmotion.LoRA(),
)

LOADING = """
import json, resource, sys
from pathlib import Path
import torch, timm
import stillmotion.sharing as sharing
from stillmotion.checkpoint import load

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

how, device, *paths = sys.argv[1:]
torch.set_num_threads(1)
before = resident()
models = sharing.load_together(paths) if how == "together" else [load(path) for path in paths]
models = [model.to(device) for model in models]
print(json.dumps([sharing.bytes_held(models), resident() - before]))
"""


def write_checkpoints(folder: Path, name: str) -> list[Path]:
    """The image model's weights in a file, and checkpoints of several methods that point to it."""
    weights = folder / "image_model.safetensors"
    save_file(timm.create_model(name, pretrained=False).state_dict(), weights)
    paths = []
    for number, method in enumerate(METHODS):
        model = stillmotion.adapt(
            name, method, num_classes=CLASSES, num_frames=FRAMES, weights=weights
        )
        paths.append(folder / f"{number} {method.name}")
        model.save_pretrained(paths[-1])
    return paths


def held(paths: Sequence[Path], how: str, device: str) -> tuple[float, float]:
    """Bytes of tensors, and by which a new process grows, that loads these models."""
    command = [sys.executable, "-c", LOADING, how, device, *map(str, paths)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    tensors, resident = json.loads(told)
    return tensors, resident


def memory(paths: Sequence[Path], counts: Sequence[int], device: str) -> list[dict[str, object]]:
    """A row for each number of models."""
    rows: list[dict[str, object]] = []
    for count in counts:
        alone, together = (held(paths[:count], how, device) for how in ("alone", "together"))
        rows.append(
            {
                "models": count,
                "MB of tensors, each alone": alone[0] / 1e6,
                "MB of tensors, together": together[0] / 1e6,
                "MB resident, each alone": alone[1] / 1e6,
                "MB resident, together": together[1] / 1e6,
            }
        )
    return rows


def switching(paths: Sequence[Path], *, device: str, rounds: int) -> float:
    """The time of clips asked of two models in turns, over that of as many asked of one alone."""
    one, other = (model.to(device) for model in stillmotion.load_together([paths[0], paths[-1]]))
    height, width = one.backbone.image_size
    clip = torch.zeros(1, FRAMES, 3, height, width, dtype=torch.uint8, device=device)

    @torch.inference_mode()
    def ask(*models: torch.nn.Module) -> None:
        for model in models:
            model(clip)

    runs = {"in turns": lambda: ask(one, other), "one": lambda: ask(one, one)}
    return ratio(take_turns(runs, rounds=rounds, device=device), "in turns", "one")


def main(given: Sequence[str] | None = None) -> None:
    """Measure and report."""
    told = arguments(__doc__).parse_args(given)
    torch.set_num_threads(told.threads)
    with tempfile.TemporaryDirectory() as folder:
        paths = write_checkpoints(Path(folder), TINY if told.quick else NAME)
        rows = memory(paths, (2,) if told.quick else (1, 2, 4, 8), told.device)
        switch = switching(paths, device=told.device, rounds=1 if told.quick else told.rounds)
    notes = [
        f"In this order: {', '.join(method.name for method in METHODS)}; AM Flow has parallel "
        "adapters. What "
        "is resident is more than the tensors: while one model is loaded, its own copy of the "
        "image model exists for a moment, and the system takes memory back in its own time."
    ]
    targets = [Target("switching between two LoRA models, over staying with one", 1.05, switch)]
    report("sharing", rows, targets=targets, notes=notes, device=told.device, out=told.out)


if __name__ == "__main__":
    main()
