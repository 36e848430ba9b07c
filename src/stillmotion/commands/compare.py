"""stillmotion compare: whether trained models differ."""

from pathlib import Path

from jsonargparse.typing import NonNegativeInt
from rich.console import Console

from stillmotion.commands.shared import Arguments, keep_apart, refuse_other_file
from stillmotion.parsing import Parser


def run(arguments: Arguments) -> int:
    """Compare."""
    parser = Parser(
        "compare",
        "RUN RUN [RUN ...] [options]",
        "Say whether trained models differ on the same videos: the difference with the interval of "
        "a paired bootstrap, McNemar's exact test (with Holm's correction for more than two), "
        "where each is better, and what an ensemble of all would score. No model is asked again: "
        "the scores that train and evaluate left are read. Writes JSON and, beside it, CSV and a "
        "page. Example: stillmotion compare runs/a runs/b runs/c/on_test.json",
    )
    parser.add_argument(
        "runs", nargs="+", help="run directories, or evaluations (.json) that evaluate wrote"
    )
    parser.add_argument("--out", default="comparison.json", help="file to write")
    parser.add_argument(
        "--common", action="store_true", help="compare on the videos that all of them have scored"
    )
    parser.add_argument("--seed", type=NonNegativeInt, default=0, help="of the bootstrap's draws")
    values = parser.parse(arguments)
    keep_apart(inputs=values["runs"], outputs={"--out": values["out"]})
    refuse_other_file(Path(values["out"]), ".json")
    from stillmotion.comparison import compare

    found = compare(values["runs"], common=values["common"], seed=values["seed"])
    found.write(Path(values["out"]))
    for table in found.tables():
        Console().print(table)
    return 0
