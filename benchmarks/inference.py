"""What answering costs: merged models, many views of a video, fewer bits.

    python benchmarks/inference.py                     two CPU cores, five minutes
    python benchmarks/inference.py --device cuda       bf16 and merged models on a GPU

Tables: inference-merged (a clip of 8 frames of 224 pixels beside timm's own model on 8 images),
inference-views (the views of a video one by one, and in chunks within a bound), inference-precision
(fp32, bf16, int8) and inference-agreement (the same on real videos with real weights, where
STILLMOTION_SHARED has them).
"""

import copy
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import timm
import torch
from torch import Tensor, nn

import stillmotion
from harness import PARALLEL, Target, arguments, peak_bytes, ratio, report, take_turns
from stillmotion.chunking import Chunked
from stillmotion.errors import QuantisingError
from stillmotion.int8 import Int8Classifier
from stillmotion.prediction import Predictor
from stillmotion.quantising import BFloat16Classifier, compare, in_turn
from stillmotion.settings import MEMORY_GIB, Views

FRAMES, CLASSES, SIZE = 8, 400, 224
TINY = {"img_size": 32, "embed_dim": 48, "num_heads": 3, "depth": 4}
SHARED = Path(os.environ.get("STILLMOTION_SHARED", Path(__file__).parents[2] / "shared")) / "data"


class Setting:
    """What is measured on what: real sizes, or tiny ones that only show that the script works."""

    def __init__(self, device: str, *, quick: bool, rounds: int) -> None:
        self.device, self.quick, self.rounds = device, quick, 1 if quick else rounds
        self.size = TINY["img_size"] if quick else SIZE

    def image_model(self, name: str) -> nn.Module:
        """A timm model with random weights and no classifier."""
        changes = TINY if self.quick else {}
        model = timm.create_model(name, pretrained=False, num_classes=0, **changes)
        return model.eval().to(self.device)

    def clips(self, count: int) -> Tensor:
        """Random clips (count, T, 3, size, size), uint8."""
        shape = (count, FRAMES, 3, self.size, self.size)
        return torch.randint(0, 256, shape, dtype=torch.uint8).to(self.device)


def merged_models(setting: Setting) -> tuple[list[dict[str, object]], list[Target]]:
    """Adapters beside the image model, and folded into it."""
    image = setting.image_model("vit_base_patch16_224")
    pixels = setting.clips(1).float() / 255
    runs: dict[str, Callable[[], object]] = {"timm, frame by frame": partial(image, pixels[0])}
    for method in (stillmotion.LinearProbe(), stillmotion.ZeroI2V(), stillmotion.LoRA()):
        model = stillmotion.adapt(image, method, num_classes=CLASSES, num_frames=FRAMES).eval()
        runs[method.name] = partial(model.forward_normalised, pixels)
        if method.name != "linear_probe":
            merged = stillmotion.merge(model)
            runs[f"{method.name}, merged"] = partial(merged.forward_normalised, pixels)
    first = next(iter(runs))
    seconds = take_turns(runs, rounds=setting.rounds, device=setting.device)
    rows: list[dict[str, object]] = [
        {
            "model": name,
            "ms a clip": min(seconds[name]) * 1e3,
            "times timm's": ratio(seconds, name, first),
            "peak MiB": peak_bytes(run, device=setting.device) / 2**20,
        }
        for name, run in runs.items()
    ]
    targets = [
        Target(f"{name}, merged, beside timm", 1.03, ratio(seconds, f"{name}, merged", first))
        for name in ("zeroi2v", "lora")
    ]
    return rows, targets


def many_views(setting: Setting) -> list[dict[str, object]]:
    """Twelve views of a video: one by one, and as many at once as fit into a bound."""
    name = "vit_small_patch16_224" if setting.device == "cpu" else "vit_base_patch16_224"
    model = stillmotion.adapt(
        setting.image_model(name),
        PARALLEL,
        num_classes=CLASSES,
        num_frames=FRAMES,
    ).eval()
    views = setting.clips(12)
    shown = {gib: Chunked(model, memory_gib=gib) for gib in (0.1, 0.5, MEMORY_GIB)}
    runs: dict[str, Callable[[], object]] = {"one by one": partial(in_turn, model, views)}
    for gib, chunked in shown.items():
        chunked(views[:1])
        runs[f"within {gib:g} GiB"] = partial(chunked, views)
    seconds = take_turns(runs, rounds=min(setting.rounds, 2), warmup=0, device=setting.device)
    at_once = [1, *(chunked.clips_at_once(views.shape[1:]) for chunked in shown.values())]
    return [
        {
            "12 views": way,
            "at once": min(count, len(views)),
            "seconds": min(seconds[way]),
            "times one by one": ratio(seconds, way, "one by one"),
            "peak MiB": peak_bytes(run, device=setting.device) / 2**20,
        }
        for (way, run), count in zip(runs.items(), at_once, strict=True)
    ]


def in_fewer_bits(
    model: nn.Module, clip: Tensor, *, quick: bool
) -> Iterator[tuple[str, nn.Module | None, float]]:
    """Each way to answer in fewer bits: its name, the model, and the seconds it takes to make.

    The model is None where a library is not installed. The quick ones are those of torch itself.
    """
    ways: dict[str, Callable[[], nn.Module]] = {"bf16": lambda: BFloat16Classifier(model)}
    if clip.device.type == "cpu" and not quick:
        ways["int8, ONNX Runtime"] = lambda: Int8Classifier(model, clip)
        ways["int8, torchao, not compiled"] = lambda: by_torchao(model)
    for name, make in ways.items():
        started = time.perf_counter()
        try:
            yield name, make(), time.perf_counter() - started
        except (ImportError, QuantisingError):
            yield name, None, 0.0


def by_torchao(model: nn.Module) -> nn.Module:
    """Every linear map with int8 weights and activations, a scale a row."""
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    copied = copy.deepcopy(model)
    quantize_(copied, Int8DynamicActivationInt8WeightConfig(version=2))
    return copied


@torch.no_grad()
def precisions(setting: Setting) -> list[dict[str, object]]:
    """Time and rounding of each precision on random weights."""
    rows: list[dict[str, object]] = []
    for name in ("vit_small_patch16_224", "vit_base_patch16_224"):
        image = setting.image_model(name)
        model = stillmotion.adapt(
            image, stillmotion.AdaptFormer(), num_classes=CLASSES, num_frames=FRAMES
        ).eval()
        clip = setting.clips(1)
        found = list(in_fewer_bits(model, clip, quick=setting.quick))
        models = {"fp32": model} | {way: fewer for way, fewer, _ in found if fewer is not None}
        runs = {way: partial(fewer, clip) for way, fewer in models.items()}
        seconds = take_turns(runs, rounds=min(setting.rounds, 3), device=setting.device)
        full = model(clip).cpu()
        for way, fewer, setup in [("fp32", model, 0.0), *found]:
            absent = fewer is None
            rows.append(
                {
                    "image model": name,
                    "precision": f"{way} (not installed)" if absent else way,
                    "ms a clip": None if absent else min(seconds[way]) * 1e3,
                    "times fp32": None if absent else ratio(seconds, way, "fp32"),
                    "set-up s": None if absent else setup,
                    "logits differ by": None
                    if absent
                    else compare(full, fewer(clip).float().cpu())[2],
                }
            )
    return rows


def agreement(setting: Setting) -> list[dict[str, object]]:
    """How often fewer bits name the same of ImageNet's classes in real videos, with DeiT-tiny."""
    weights = SHARED / "deit-tiny" / "deit_tiny_patch16_224.safetensors"
    if setting.quick or not weights.is_file():
        return []
    image = timm.create_model(
        "deit_tiny_patch16_224", pretrained_cfg_overlay={"file": str(weights)}, pretrained=True
    )
    model = stillmotion.adapt(
        image, stillmotion.LinearProbe(), num_classes=image.num_classes, num_frames=FRAMES
    ).eval()
    (classifier,) = model.head.classifiers
    classifier.load_state_dict(image.head.state_dict())
    model.to(setting.device)
    predictor = Predictor(model, views=Views(), device=setting.device)
    videos = sorted((SHARED / "egogestar" / "videos").rglob("*.mp4"))[::4]
    clips = torch.cat([predictor.read(video) for video in videos[:48]]).to(setting.device)
    full, rows = in_turn(model, clips), []
    for way, fewer, _ in in_fewer_bits(model, clips[:1], quick=False):
        if fewer is not None:
            count, same, difference = compare(full, in_turn(fewer, clips))
            rows.append(
                {
                    "precision": way,
                    "clips": count,
                    "keep their class": same,
                    "logits differ by": difference,
                }
            )
    return rows


@torch.no_grad()
def main(given: Sequence[str] | None = None) -> None:
    """Measure and report."""
    told = arguments(__doc__).parse_args(given)
    torch.set_num_threads(told.threads)
    torch.manual_seed(0)
    setting = Setting(told.device, quick=told.quick, rounds=told.rounds)
    rows, targets = merged_models(setting)
    common = {"device": told.device, "out": told.out}
    report("inference-merged", rows, targets=targets, **common)
    report("inference-views", many_views(setting), **common)
    report("inference-precision", precisions(setting), **common)
    if rows := agreement(setting):
        report("inference-agreement", rows, **common)


if __name__ == "__main__":
    main()
