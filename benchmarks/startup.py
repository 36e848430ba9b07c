"""How long until the first answer, and how large a trained model is on disk.

    python benchmarks/startup.py                     one CPU core, two minutes
    python benchmarks/startup.py --device cuda

Tables: startup (every step in a new process, the median of some) and checkpoint-sizes (what
save_pretrained writes for each method on ViT-B/16, 400 classes, 8 frames). The files of random
weights are as large as those of trained ones.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file

import stillmotion
from harness import Target, arguments, report, timed
from stillmotion.methods import METHODS

FRAMES, CLASSES = 8, 400
NAME, TINY = "vit_base_patch16_224", "test_vit"

FIRST_PREDICTION = """
import json, sys, time
times = [time.perf_counter()]
def lap(): times.append(time.perf_counter())
import torch
lap()
import timm
lap()
import stillmotion.checkpoint
lap()
checkpoint, device = sys.argv[1:]
torch.set_num_threads(1)
model = stillmotion.load(checkpoint).to(device)
lap()
height, width = model.backbone.image_size
clip = torch.zeros(1, model.num_frames, 3, height, width, dtype=torch.uint8, device=device)
for _ in range(3):
    with torch.no_grad():
        model(clip).cpu()
    lap()
print(json.dumps([after - before for before, after in zip(times, times[1:])]))
"""
STEPS = (
    "import torch",
    "import timm, with torchvision",
    "import stillmotion",
    "load the image model and the adapter",
    "first clip",
    "second clip",
    "third clip",
)
"""What FIRST_PREDICTION times, in its order."""


def in_new_process(*arguments: str) -> str:
    """What a Python process prints."""
    return subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True, text=True
    ).stdout


def startup(*, rounds: int) -> dict[str, float]:
    """Median seconds of a process that shows the help, or imports the package."""
    commands = {
        "stillmotion --help": ("-m", "stillmotion", "--help"),
        "import stillmotion": ("-c", "import stillmotion"),
    }
    seconds: dict[str, float] = {}
    for step, command in commands.items():
        in_new_process(*command)  # files are read from disk once
        run = partial(in_new_process, *command)
        seconds[step] = statistics.median(timed(run) for _ in range(rounds))
    return seconds


def first_answers(*, rounds: int, device: str, name: str) -> dict[str, float]:
    """Median seconds of each of `STEPS`, in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = write_checkpoint(Path(folder), name)
        laps = [
            json.loads(in_new_process("-c", FIRST_PREDICTION, str(checkpoint), device))
            for _ in range(rounds)
        ]
    return dict(zip(STEPS, map(statistics.median, zip(*laps, strict=True)), strict=True))


def write_checkpoint(folder: Path, name: str) -> Path:
    """The image model's weights in a file, and an adapter checkpoint that points to it."""
    weights = folder / "image_model.safetensors"
    save_file(timm.create_model(name, pretrained=False).state_dict(), weights)
    model = stillmotion.adapt(
        name,
        stillmotion.AdaptFormer(),
        num_classes=CLASSES,
        num_frames=FRAMES,
        weights=weights,
    )
    model.save_pretrained(folder / "checkpoint")
    return folder / "checkpoint"


def sizes(backbone: str) -> list[dict[str, object]]:
    """The bytes that each method's checkpoint takes, its presets' too."""
    image = timm.create_model(backbone, pretrained=False, num_classes=0)
    whole = sum(p.numel() * p.element_size() for p in image.parameters())
    methods = {name: method() for name, method in METHODS.items()}
    for name, method in METHODS.items():
        methods |= {f"{name}.{preset}": getattr(method, preset)() for preset in method.presets}
    rows: list[dict[str, object]] = []
    for name, method in methods.items():
        model = stillmotion.adapt(image, method, num_classes=CLASSES, num_frames=FRAMES)
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            written = sum(path.stat().st_size for path in Path(folder).iterdir())
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        rows.append(
            {
                "method": name,
                "trained parameters": f"{trained:,}",
                "MB": written / 1e6,
                "part of the image model's": written / whole,
            }
        )
    return rows


def main(given: Sequence[str] | None = None) -> None:
    """Measure and report."""
    told = arguments(__doc__).parse_args(given)
    torch.set_num_threads(told.threads)
    seconds = startup(rounds=1 if told.quick else told.rounds)
    target = Target("stillmotion --help", 0.5, seconds["stillmotion --help"], unit="s")
    if not told.quick:
        seconds |= first_answers(rounds=told.rounds, device=told.device, name=NAME)
    rows = [{"step": step, "seconds": taken} for step, taken in seconds.items()]
    report("startup", rows, targets=[target], device=told.device, out=told.out)
    report("checkpoint-sizes", sizes(TINY if told.quick else NAME), device="cpu", out=told.out)


if __name__ == "__main__":
    main()
