"""stillmotion import: make a run of a published checkpoint."""

from typing import Any

import yaml

from stillmotion.commands.shared import Arguments
from stillmotion.parsing import Parser

FIELDS = (
    "Other options are settings of the method, under our names or as the authors' configuration "
    "has them: --scale=1.0, --adapter_scale=1.0, --stdha_cfg='{shift_div: 12}'"
)


def run(arguments: Arguments) -> int:
    """Read a published file, say what became of its keys, write a run."""
    parser = Parser(
        "import",
        "FILE --method NAME --num_frames T --out DIR [options] [--FIELD=VALUE ...]",
        "Make a run of a checkpoint that AIM's, ZeroI2V's, ST-Adapter's, DualPath's or "
        f"AdaptFormer's authors published; predict and evaluate take it. {FIELDS}. Example: "
        "stillmotion import vit_b_clip_8.pth --method aim --num_frames 8 --labels kinetics400 "
        "--out runs/aim",
    )
    parser.add_argument("file", help="safetensors, or .pth, out of which no code is run")
    parser.add_argument(
        "--method",
        type=str,
        required=True,
        help="aim, zeroi2v, st_adapter, dualpath or adaptformer",
    )
    parser.add_argument("--num_frames", type=int, required=True, help="frames of a clip")
    parser.add_argument("--out", type=str, required=True, help="directory of the run")
    parser.add_argument(
        "--num_heads",
        type=int | None,
        default=None,
        help="of a block; by default one for 64 channels, as in every published model",
    )
    parser.add_argument(
        "--labels",
        type=str | None,
        default=None,
        help="kinetics400, ssv2, diving48, ucf101 or hmdb51, which also say how the authors test, "
        "or a file with a class name a line",
    )
    parser.add_argument(
        "--clip",
        type=str | None,
        default=None,
        help="OpenAI's CLIP as a state dict, for ST-Adapter's files, which do not hold it",
    )
    options = {option for action in parser._actions for option in action.option_strings}
    own, fields = apart(arguments, options)
    values = parser.parse(own)
    from stillmotion.official import load_with_report

    file, out = values.pop("file"), values.pop("out")
    model, report = load_with_report(file, **values, **fields)
    model.save_pretrained(out)
    print(f"{report}\nnow: stillmotion predict {out} VIDEO")
    return 0


def apart(arguments: Arguments, options: set[str]) -> tuple[list[str], dict[str, Any]]:
    """The arguments that are known options, and the others as fields with values of YAML."""
    own: list[str] = []
    fields: dict[str, Any] = {}
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        if not word.startswith("--") or name in options:
            own.append(word)
        elif equals or (value := next(words, "")):
            fields[name.removeprefix("--")] = yaml.safe_load(value)
    return own, fields
