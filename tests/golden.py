"""The cases computed by the authors' own code, read from the shared folder beside the checkout."""

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from plain_shapes import Sizes
from plain_transformer import State

CASES = [
    *(f"aim_{pretrained}_{case}" for pretrained in ("clip", "imagenet") for case in "ab"),
    *(f"zeroi2v_{case}{merged}" for case in "abcde" for merged in ("", "_merged")),
    *(f"stadapter_{case}" for case in "ab"),
    *(f"dualpath_{case}" for case in "ab"),
    *(f"adaptformer_{kind}_{case}" for kind in ("image", "video") for case in "ab"),
]


@dataclass(frozen=True)
class Golden:
    """A small model of random weights, a clip (B, C, T, H, W) and its logits, all in float64."""

    method: str
    sizes: Sizes
    options: dict
    """What `plain_shapes.shapes` takes beside the sizes."""
    arguments: dict
    """What the reference of the method takes beside the state and the clip."""
    state: State
    clip: Tensor
    logits: Tensor


def read_golden(shared: Path, case: str) -> Golden:
    stored = json.loads((shared / "golden" / f"{case}.json").read_text())
    tensors = load_file(shared / "golden" / f"{case}.safetensors")
    config, clip, logits = stored["config"], tensors["input"], tensors["output_f64"]
    sizes = Sizes(
        width=either(config, "vision_width", "width", "embed_dim"),
        depth=either(config, "vision_layers", "layers", "depth"),
        patch=either(config, "vision_patch_size", "patch_size"),
        size=clip.shape[-1],
        frames=clip.shape[2],
        classes=logits.shape[1],
    )
    method, options, arguments = understood(case, config, sizes.width)
    arguments["num_heads"] = either(config, "vision_heads", "heads", "num_heads")
    state = {key: tensors[key].double() for key in stored["state_dict_keys"]}
    return Golden(method, sizes, options, arguments, state, clip.double(), logits)


def either(config: dict, *names: str) -> int:
    """The first of several names by which the authors call the same thing."""
    return next(config[name] for name in names if name in config)


def understood(case: str, config: dict, width: int) -> tuple[str, dict, dict]:
    """(method, options of its shapes, arguments of its reference) in our words."""
    if case.startswith("aim"):
        pretrained, adapters = case.split("_")[1], 2 + config["num_tadapter"]
        options = {"pretrained": pretrained, "adapters": adapters}
        return "aim", options, {"scale": config["adapter_scale"]}
    if case.startswith("zeroi2v"):
        offsets = frame_offsets(config["stdha_cfg"], width)
        adapters = 0 if case.endswith("merged") else 2 + config["num_tadapter"]
        options = {"adapters": adapters, "hidden": int(config.get("mlp_ratio", 0.25) * width)}
        return "zeroi2v", options, {"scale": config["adapter_scale"], "offsets": offsets}
    if case.startswith("stadapter"):
        places = {(True, True): "both", (True, False): "attention", (False, True): "mlp"}
        options = {
            "placement": places[config["adapter_pre_attn"], config["adapter_pre_mlp"]],
            "last_blocks": config["adapter_layers"],
            "kernel": tuple(config["adapter_kernel_size"]),
            "hidden": config["adapter_width"],
        }
        return "st_adapter", options, {}
    if case.startswith("dualpath"):
        options = {"embed_dim": config["embed_dim"], "hidden": config["adapter_bottleneck"]}
        return "dualpath", options, {}
    options = {"hidden": config["bottleneck"]}
    if "image" in case:
        options["global_pool"] = config["global_pool"]
    else:
        options["tubelet"] = config["tubelet_size"]
    arguments = {"scale": config["scale"], "placement": config["ffn_option"]}
    return case[:-2], options, arguments


def frame_offsets(config: dict, width: int) -> list[tuple[int, int]]:
    """ZeroI2V's (offset, number of channels) of its three classes of model."""
    if "shift1_div" in config:
        distances = [(distance, config[f"shift{distance}_div"]) for distance in (1, 2, 3, 4)]
        goes_right = {n: n < 3 or config[f"shift{n}_right"] for n, _ in distances}
    else:
        distances = [(1, config["shift_div"]), (2, config.get("long_shift_div", -1))]
        goes_right = {1: True, 2: config.get("long_shift_right", False)}
    offsets = []
    for distance, divisor in distances:
        if divisor > 0:
            signs = (-1, 1) if goes_right[distance] else (-1,)
            offsets += [(sign * distance, width // divisor) for sign in signs]
    return offsets
