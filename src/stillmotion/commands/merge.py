"""stillmotion merge: fold adapters into the image model."""

from pathlib import Path

from stillmotion.commands.shared import RUN, WEIGHTS, Arguments
from stillmotion.errors import ConfigurationError
from stillmotion.parsing import Parser


def run(arguments: Arguments) -> int:
    """Merge."""
    parser = Parser(
        "merge",
        "RUN OUT [options]",
        "Fold a trained model's adapters into its image model: it answers the same and costs no "
        "more than the image model. For zeroi2v and lora. The answers of both are compared on "
        "random clips before anything is written to OUT, which then holds the whole image model. "
        "Example: stillmotion merge runs/a runs/a-merged",
    )
    parser.add_argument("run", help=RUN)
    parser.add_argument("out", help="directory to write; it must not hold a checkpoint yet")
    parser.add_argument("--weights", default=None, help=WEIGHTS)
    parser.add_argument(
        "--tolerance", type=float, default=1e-4, help="greatest difference, of the greatest logit"
    )
    values = parser.parse(arguments)
    from stillmotion.checkpoint import CONFIG, load
    from stillmotion.merging import merge

    out = Path(values["out"])
    if (out / CONFIG).exists():
        raise ConfigurationError(f"{out} holds a checkpoint already; give another directory")
    model = load(values["run"], values["weights"])
    merged = merge(model, tolerance=values["tolerance"])
    merged.save_pretrained(out)
    before, after = (sum(p.numel() for p in m.parameters()) for m in (model, merged))
    difference = merged.info["merging_difference"]
    print(
        f"{before:,} parameters became {after:,}; on random clips the answers differ by "
        f"{difference:.1g} of the greatest logit: {out}"
    )
    return 0
