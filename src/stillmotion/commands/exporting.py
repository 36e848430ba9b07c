"""stillmotion export: a trained model in a form that others read."""

from stillmotion.commands.shared import RUN, WEIGHTS, Arguments
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

    state = official.export(load(values["run"], values["weights"]), values["out"])
    print(f"{values['out']}: {len(state)} tensors")
    return 0
