"""stillmotion import --peft: make a run of a LoRA adapter that PEFT trained."""

from jsonargparse.typing import PositiveInt

from stillmotion.commands.shared import Arguments
from stillmotion.parsing import Parser

WORDS = {
    "backbone": "image model, by timm's name; by default as the folder says",
    "labels": "data set, or file with a class name a line; by default classes are numbered",
    "weights": "of the image model, where they are not timm's: a path",
}


def run(arguments: Arguments) -> int:
    """Read a folder of PEFT's, write a run."""
    parser = Parser(
        "import",
        "--peft DIR --num_frames T --out DIR [options]",
        "Make a run of a LoRA adapter that PEFT trained on an image model of timm. Each frame is "
        "seen as it is there, and frames are averaged. Example: stillmotion import --peft adapter "
        "--backbone vit_base_patch16_224 --num_frames 8 --labels classes.txt --out runs/lora",
    )
    parser.add_argument("--peft", type=str, required=True, help="folder written by PEFT")
    parser.add_argument("--num_frames", type=PositiveInt, required=True, help="frames of a clip")
    parser.add_argument("--out", type=str, required=True, help="directory of the run")
    parser.add_argument("--image_size", type=PositiveInt | None, default=None, help="pixels a side")
    for name, told in WORDS.items():
        parser.add_argument(f"--{name}", type=str | None, default=None, help=told)
    values = parser.parse(arguments)
    from stillmotion.data.class_lists import read_class_names
    from stillmotion.peft_files import from_peft

    model = from_peft(
        values["peft"],
        values["backbone"],
        num_frames=values["num_frames"],
        class_names=read_class_names(values["labels"]) if values["labels"] else (),
        image_size=values["image_size"],
        weights=values["weights"] or "pretrained",
    )
    model.save_pretrained(values["out"])
    print(f"{model.method}\nnow: stillmotion predict {values['out']} VIDEO")
    return 0
