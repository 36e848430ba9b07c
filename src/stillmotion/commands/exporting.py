"""stillmotion export: a trained model in a form that others read."""

from pathlib import Path

from stillmotion.commands.shared import RUN, WEIGHTS, Arguments
from stillmotion.errors import ConfigurationError
from stillmotion.parsing import Parser


def run(arguments: Arguments) -> int:
    """Write the file."""
    parser = Parser(
        "export",
        "RUN OUT --to FORM [options]",
        "Write a trained model for others. official: a safetensors file with the image model and "
        "the adapters under the keys of the method's authors, whose code, and stillmotion import, "
        "read it. Example: stillmotion export runs/aim aim.safetensors --to official",
    )
    parser.add_argument("run", help=RUN)
    parser.add_argument("out", help="the file to write")
    parser.add_argument("--to", choices=("official",), required=True, help="the form")
    parser.add_argument("--weights", default=None, help=WEIGHTS)
    values = parser.parse(arguments)
    from stillmotion import official
    from stillmotion.checkpoint import load

    out = Path(values["out"])
    if out.exists():
        raise ConfigurationError(f"{out} is there already; give another file")
    model = load(values["run"], values["weights"])
    state = official.export(model, out)
    print(
        f"{out}: {len(state)} tensors. Back: stillmotion import {out} --method {model.method.name} "
        f"--num_frames {model.num_frames} --out DIR"
    )
    return 0
