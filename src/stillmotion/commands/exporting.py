"""stillmotion export: a trained model in a form that others read."""

from pathlib import Path
from typing import TYPE_CHECKING

from stillmotion.commands.shared import RUN, WEIGHTS, Arguments
from stillmotion.parsing import Parser

if TYPE_CHECKING:
    from stillmotion.model import VideoClassifier


def run(arguments: Arguments) -> int:
    """Write the file or folder."""
    parser = Parser(
        "export",
        "RUN OUT --to FORM [options]",
        "Write a trained model for others. onnx: a folder with the model for ONNX Runtime and a "
        "runner that needs onnxruntime, numpy and PyAV alone. torch: a .pt2 file, a program for "
        "PyTorch without stillmotion. Both take any number of clips, and are asked the same as the "
        "model on random clips before they get their name. peft: a folder with the LoRA adapter "
        "of the image model for the PEFT library. official: a safetensors file with the image "
        "model and the adapters under the keys of the method's authors, whose code, and stillmotion"
        " import, read it. Example: stillmotion export runs/doors doors-onnx --to onnx",
    )
    parser.add_argument("run", help=RUN)
    parser.add_argument("out", help="the file or folder to write; it must not be there yet")
    parser.add_argument("--to", choices=tuple(FORMS), required=True, help="the form")
    parser.add_argument("--weights", default=None, help=WEIGHTS)
    values = parser.parse(arguments)
    from stillmotion.checkpoint import load

    out = Path(values["out"])
    print(FORMS[values["to"]](load(values["run"], values["weights"]), out))
    return 0


def onnx(model: "VideoClassifier", out: Path) -> str:
    """What was written, for people."""
    from stillmotion.exporting import to_onnx

    difference = to_onnx(model, out)
    return (
        f"{out}: logits differ by {difference:.1g} of the greatest on random clips. "
        f"Now, without stillmotion: python {out / 'run.py'} VIDEO..."
    )


def torch(model: "VideoClassifier", out: Path) -> str:
    """What was written, for people."""
    from stillmotion.exporting import to_torch

    difference = to_torch(model, out)
    return (
        f"{out}: logits differ by {difference:.1g} of the greatest on random clips. "
        f"Now, without stillmotion: torch.export.load({str(out)!r}).module()"
    )


def peft(model: "VideoClassifier", out: Path) -> str:
    """What was written, for people."""
    from stillmotion.peft_files import to_peft

    changes = to_peft(model, out)
    return (
        f"{out}: changes of {changes} linear maps, without the classifier. Now: "
        f"peft.PeftModel.from_pretrained(timm.create_model({model.backbone.name!r}), {str(out)!r})"
    )


def official(model: "VideoClassifier", out: Path) -> str:
    """What was written, for people."""
    from stillmotion import official

    state = official.export(model, out)
    return (
        f"{out}: {len(state)} tensors. Back: stillmotion import {out} --method {model.method.name} "
        f"--num_frames {model.num_frames} --out DIR"
    )


FORMS = {"onnx": onnx, "torch": torch, "peft": peft, "official": official}
"""Each form, and what writes it."""
