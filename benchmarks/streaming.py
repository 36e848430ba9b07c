"""What a frame costs in a stream, and in a sliding window of every method.

    python benchmarks/streaming.py
    python benchmarks/streaming.py --device cuda

Three tables. `streaming`: AM Flow `streaming`, fed frame by frame, against its image model on one
frame, with the bytes that a stream holds. `streaming-tpm`: what is held for each temporal module,
early and late. `sliding-window`: for each method, a new frame against running the window anew, with
the share of frames that pass blocks again and the largest difference of the logits.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import timm
import torch
from torch import Tensor, nn

from harness import PARALLEL, Target, arguments, ratio, report, take_turns
from stillmotion.methods import METHODS, AMFlow, Method
from stillmotion.model import VideoClassifier, adapt
from stillmotion.streaming import SlidingWindow, Stream

TINY = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "num_heads": 3, "depth": 4}
IMAGE_MODELS: dict[str, dict[str, Any]] = {"deit_tiny_patch16_224": {}, "vit_base_patch16_224": {}}
TPMS = ("tcn", "lstm", "transformer")


def main(given: Sequence[str] | None = None) -> None:
    """All three tables; the last two of the smallest image model."""
    options = arguments(__doc__).parse_args(given)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    chosen = {"vit_tiny_patch16_224": TINY} if options.quick else IMAGE_MODELS
    images = {
        name: image_model(name, options.device, **changes) for name, changes in chosen.items()
    }
    keep = {"device": options.device, "out": options.out}
    rounds = 1 if options.quick else options.rounds
    rows = [
        {"image model": name, **stream_row(image, device=options.device, rounds=4 * rounds)}
        for name, image in images.items()
    ]
    targets = [
        Target(f"a frame in a stream, {row['image model']}", 1.15, float(row["ratio"]))  # type: ignore[arg-type]
        for row in rows
    ]
    report("streaming", rows, targets=() if options.quick else targets, **keep)
    small = next(iter(images.values()))
    report("streaming-tpm", [memory_row(small, tpm, options.device) for tpm in TPMS], **keep)
    sizes = [4] if options.quick else [8, 16]
    report("sliding-window", window_rows(small, sizes, options.device, rounds), **keep)


def image_model(name: str, device: str, **changes: Any) -> nn.Module:
    """An image model with random weights."""
    image = timm.create_model(name, pretrained=False, num_classes=0, **changes)
    return image.eval().to(device)


def adapted(image: nn.Module, method: Method, *, num_frames: int) -> VideoClassifier:
    """The image model adapted, as if it had been trained."""
    model = adapt(image, method, num_classes=10, num_frames=num_frames).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.02 * torch.randn_like(parameter))
    return model


def frames_of(model: VideoClassifier, device: str) -> Iterator[Tensor]:
    """Sixteen random frames, again and again."""
    return itertools.cycle(torch.rand(16, 3, *model.backbone.image_size, device=device).unbind())


def stream_row(image: nn.Module, *, device: str, rounds: int) -> dict[str, object]:
    """A stream's frame against the image model's."""
    model = adapted(image, AMFlow.streaming(), num_frames=8)
    stream, frames = Stream(model), frames_of(model, device)
    picture = next(frames)[None]

    @torch.inference_mode()
    def alone() -> object:
        return image(picture)

    runs: dict[str, Callable[[], object]] = {"image": alone, "stream": lambda: stream(next(frames))}
    seconds = take_turns(runs, rounds=rounds, warmup=3, device=device)
    return {
        "image model, ms a frame": 1e3 * min(seconds["image"]),
        "stream, ms a frame": 1e3 * min(seconds["stream"]),
        "ratio": ratio(seconds, "stream", "image"),
        "MB held": bytes_held(stream) / 1e6,
    }


def memory_row(image: nn.Module, tpm: str, device: str) -> dict[str, object]:
    """What a stream holds when it has seen a few frames and when it has seen many."""
    model = adapted(image, replace(AMFlow.streaming(), tpm=tpm), num_frames=8)
    stream, frames = Stream(model), frames_of(model, device)
    held = {}
    for seen in range(1, 33):
        stream(next(frames))
        held[seen] = bytes_held(stream) / 1e6
    return {"tpm": tpm, **{f"MB after {n} frames": held[n] for n in (2, 8, 9, 32)}}


def bytes_held(stream: Stream) -> int:
    """The bytes of every tensor's storage that a stream keeps beside its model."""
    storages: dict[int, int] = {}
    left: list[object] = [value for key, value in vars(stream).items() if key != "model"]
    while left:
        thing = left.pop()
        if isinstance(thing, Tensor):
            storage = thing.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        elif isinstance(thing, list | tuple):
            left += thing
    return sum(storages.values())


def methods() -> dict[str, Method]:
    """Every method with its defaults; AM Flow's presets."""
    plain = {name: method() for name, method in METHODS.items() if name != "amflow"}
    return {
        "amflow paper": AMFlow.paper(),
        "amflow parallel": PARALLEL,
        "amflow small": AMFlow.small(),
        "amflow streaming": AMFlow.streaming(),
        **plain,
    }


def window_rows(
    image: nn.Module, sizes: Sequence[int], device: str, rounds: int
) -> list[dict[str, object]]:
    """Each method in windows of each size; ZeroI2V also where no frame is told its place."""
    rows = []
    for size, (name, method) in itertools.product(sizes, methods().items()):
        model = adapted(image, method, num_frames=size)
        rows.append({"method": name, "frames": size, **window_row(model, device, rounds)})
        if name == "zeroi2v":
            nn.init.zeros_(model.stem.temporal)
            told = {"method": "zeroi2v, no places", "frames": size}
            rows.append({**told, **window_row(model, device, rounds)})
    return rows


def window_row(model: VideoClassifier, device: str, rounds: int) -> dict[str, object]:
    """A new frame in a full window, against the window anew."""
    window, frames = SlidingWindow(model), frames_of(model, device)
    size = window.num_frames
    seen = [next(frames) for _ in range(size + 1)]
    found = [window(frame) for frame in seen][-1]
    clip = torch.stack(seen[1:])[None]

    @torch.inference_mode()
    def anew() -> Tensor:
        return model(clip)[0]

    difference = float((found - anew()).abs().max())
    runs: dict[str, Callable[[], object]] = {"anew": anew, "window": lambda: window(next(frames))}
    seconds = take_turns(runs, rounds=rounds, device=device)
    return {
        "share of frames": window.share,
        "anew, ms": 1e3 * min(seconds["anew"]),
        "a new frame, ms": 1e3 * min(seconds["window"]),
        "ratio": ratio(seconds, "window", "anew"),
        "difference": f"{difference:.0e}",
    }


if __name__ == "__main__":
    main()
