"""stillmotion evaluate: score a trained model."""

from pathlib import Path

from jsonargparse.typing import PositiveInt
from rich.console import Console

from stillmotion.commands.shared import (
    DATA,
    RUN,
    WEIGHTS,
    Arguments,
    add_computing,
    add_videos,
    add_views,
    keep_apart,
    refuse_other_file,
    views_from,
)
from stillmotion.parsing import Parser
from stillmotion.processes import is_main
from stillmotion.settings import Videos


def run(arguments: Arguments) -> int:
    """Score a trained model."""
    values = options().parse(arguments)
    keep_apart(inputs=[values["data"]], outputs={"--out": values["out"]})
    refuse_other_file(Path(values["out"]), ".json")
    from stillmotion.as_trained import views_of
    from stillmotion.checkpoint import load
    from stillmotion.evaluation import evaluate as run_evaluation
    from stillmotion.selection import choose_split, refuse_trained_on

    model = load(values["run"], values["weights"])
    asked, views = Videos(**values["videos"]), views_from(values, views_of(model))
    videos, split = choose_split(values["data"], asked, model, values["split"])
    if split != "train":
        refuse_trained_on(values["run"], videos, allowed=asked.allow_overlap)
    result = run_evaluation(
        model,
        videos,
        split=split,
        views=views,
        time_check=values["time_check"],
        workers=asked.workers,
        batch_size=values["batch_size"],
        memory_gib=values["memory_gib"],
        precision=values["precision"],
        max_unreadable=asked.max_unreadable,
    )
    if is_main():
        result.write(Path(values["out"]))
        Console().print(result.table())
    return 0


def options() -> Parser:
    """What can be asked for."""
    parser = Parser(
        "evaluate",
        "RUN DATA --out FILE [options]",
        "Score a trained model on labelled videos: top-1, top-5, mean over classes, precision and "
        "recall of each class, calibration, results by camera and subject; and the same with "
        "frames shuffled and reversed, which says whether it uses time. Writes JSON and, beside "
        "it, a page, a picture, CSV, each video's answer, and the scores that compare takes.",
    )
    parser.add_argument("run", help=RUN)
    parser.add_argument("data", help=DATA)
    parser.add_argument("--out", default="evaluation.json", help="file to write")
    parser.add_argument(
        "--split", default=None, help="which split; by default test, else val, else all videos"
    )
    parser.add_argument("--weights", default=None, help=WEIGHTS)
    parser.add_argument("--time_check", type=bool, default=True, help="also shuffle and reverse")
    parser.add_argument("--batch_size", type=PositiveInt, default=8, help="clips read at once")
    add_computing(parser)
    add_views(parser)
    add_videos(parser, "videos", "workers", "max_unreadable", "allow_overlap")
    return parser
