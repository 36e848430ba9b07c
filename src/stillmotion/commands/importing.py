"""stillmotion import: make a run of a published checkpoint."""

from typing import Any

from stillmotion.commands import importing_peft
from stillmotion.commands.shared import Arguments
from stillmotion.errors import ConfigurationError
from stillmotion.given_files import from_yaml
from stillmotion.parsing import Parser

FIELDS = (
    "Other options are settings of the method, under our names or as the authors' configuration "
    "has them: --scale=1.0, --adapter_scale=1.0, --stdha_cfg='{shift_div: 12}'"
)
HEADS = "of a block; by default one for 64 channels, as in every published model"
WORDS = {
    "method": "aim, zeroi2v, st_adapter, dualpath or adaptformer",
    "out": "directory of the run",
    "labels": "kinetics400, ssv2, diving48, ucf101 or hmdb51, which also say how the authors test, "
    "or a file with a class name a line",
    "clip": "OpenAI's CLIP as a state dict, for ST-Adapter's files, which do not hold it",
}


def run(arguments: Arguments) -> int:
    """Read a published file, say what became of its keys, write a run."""
    if any(word.partition("=")[0] == "--peft" for word in arguments):
        return importing_peft.run(arguments)
    parser = Parser(
        "import",
        "FILE --method NAME --num_frames T --out DIR [options] [--FIELD=VALUE ...]",
        "Make a run of a checkpoint that AIM's, ZeroI2V's, ST-Adapter's, DualPath's or "
        f"AdaptFormer's authors published; predict and evaluate take it. {FIELDS}. Example: "
        "stillmotion import vit_b_clip_8.pth --method aim --num_frames 8 --labels kinetics400 "
        "--out runs/aim. A LoRA adapter of the PEFT library: stillmotion import --peft DIR --help",
    )
    parser.add_argument("file", help="safetensors, or .pth, out of which no code is run")
    parser.add_argument("--num_frames", type=int, required=True, help="frames of a clip")
    parser.add_argument("--num_heads", type=int | None, default=None, help=HEADS)
    for name in ("method", "out"):
        parser.add_argument(f"--{name}", type=str, required=True, help=WORDS[name])
    for name in ("labels", "clip"):
        parser.add_argument(f"--{name}", type=str | None, default=None, help=WORDS[name])
    own, fields = apart(arguments, {o for a in parser._actions for o in a.option_strings})
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
        else:
            fields[name.removeprefix("--")] = parsed(name, value if equals else next(words, ""))
    return own, fields


def parsed(option: str, value: str) -> Any:
    """A value of YAML.

    Raises:
        ConfigurationError: where there is none, or it cannot be read.
    """
    try:
        found = from_yaml(value)
    except ValueError as error:
        raise ConfigurationError(f"{option} {value}: {' '.join(str(error).split())}") from error
    if found is None:
        raise ConfigurationError(f"{option} needs a value: {option}=VALUE")
    return found
