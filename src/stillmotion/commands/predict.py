"""stillmotion predict: say what happens in files and folders."""

import json
import sys
from pathlib import Path

from jsonargparse.typing import PositiveInt

from stillmotion.commands.shared import (
    RUN,
    WEIGHTS,
    Arguments,
    add_computing,
    add_views,
    views_from,
)
from stillmotion.errors import VideoError
from stillmotion.parsing import Parser


def run(arguments: Arguments) -> int:
    """Classify files and folders."""
    values = options().parse(arguments)
    from stillmotion.checkpoint import load
    from stillmotion.loading import views_of
    from stillmotion.prediction import Predictor, video_files

    paths = list(video_files([Path(f) for f in values["files"]]))
    model = load(values["run"], values["weights"])
    predictor = Predictor(
        model,
        views=views_from(values, views_of(model)),
        device=values["device"],
        threshold=values["threshold"],
        memory_gib=values["memory_gib"],
    )
    if values["precision"] != "fp32":
        print(predictor.quantise(values["precision"], paths).line(), file=sys.stderr)
    unreadable = 0
    for path in paths:
        try:
            prediction = predictor(path)
        except VideoError as error:
            unreadable += 1
            print(f"stillmotion: {error}", file=sys.stderr)
            continue
        if values["json"]:
            print(json.dumps(prediction.to_dict(top=values["top"]), ensure_ascii=False))
        else:
            print(prediction.line(top=values["top"]))
    if unreadable and len(paths) > 1:
        print(f"stillmotion: {unreadable} of {len(paths)} not read", file=sys.stderr)
    return 2 if unreadable else 0


def options() -> Parser:
    """What can be asked for."""
    parser = Parser(
        "predict",
        "RUN FILE... [options]",
        "Say what happens in videos. A folder stands for all videos below it. An answer that the "
        'model is not sure enough of is "none of these"; see stillmotion calibrate. A file that '
        "cannot be read is reported and the others still answered; the exit status is then 2.",
    )
    parser.add_argument("run", help=RUN)
    parser.add_argument("files", nargs="+", help="video files and folders")
    parser.add_argument("--top", type=PositiveInt, default=5, help="classes to show")
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    parser.add_argument(
        "--threshold",
        type=float | None,
        default=None,
        help="least confidence of an answer; 0: any; by default as the model was calibrated",
    )
    parser.add_argument("--weights", default=None, help=WEIGHTS)
    parser.add_argument("--device", default=None, help="cpu, cuda, mps; by default the best")
    add_computing(parser)
    add_views(parser)
    return parser
