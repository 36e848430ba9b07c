"""stillmotion calibrate: choose when a model says "none of these"."""

from pathlib import Path

from jsonargparse.typing import PositiveInt

from stillmotion.commands.shared import (
    DATA,
    WEIGHTS,
    Arguments,
    add_videos,
    add_views,
    views_from,
)
from stillmotion.errors import CheckpointError, ConfigurationError
from stillmotion.parsing import Parser
from stillmotion.processes import is_main
from stillmotion.settings import Videos


def run(arguments: Arguments) -> int:
    """Choose the threshold, and write it into the checkpoint."""
    values = options().parse(arguments)
    from stillmotion.as_trained import views_of
    from stillmotion.calibrating import calibrate, known_and_none
    from stillmotion.checkpoint import CONFIG, find, load, update_info
    from stillmotion.files import refuse_unwritable
    from stillmotion.rejection import KEY
    from stillmotion.selection import refuse_trained_on

    if not Path(values["run"]).is_dir():
        raise CheckpointError(
            f"there is no directory {values['run']}: the threshold is written into a checkpoint on "
            "this machine; save_pretrained makes one of a model from the hub"
        )
    directory = find(values["run"])
    refuse_unwritable(directory / CONFIG)
    model = load(directory, values["weights"])
    asked = Videos(**values["videos"])
    known, none = known_and_none(
        values["data"], asked, model, split=values["split"], none_label=values["none_label"]
    )
    if values["split"] == "train":
        raise ConfigurationError("--split train: a threshold chosen on training videos is too low")
    refuse_trained_on(directory, known, allowed=asked.allow_overlap)
    found = calibrate(
        model,
        known,
        none=none,
        keep=values["keep"],
        views=views_from(values, views_of(model)),
        workers=asked.workers,
        batch_size=values["batch_size"],
        max_unreadable=asked.max_unreadable,
    )
    if is_main():
        update_info(directory, model.info | {KEY: found.to_dict()})
        print(f"{found.line()}\nwritten to {directory}")
    return 0


def options() -> Parser:
    """What can be asked for."""
    parser = Parser(
        "calibrate",
        "RUN DATA [options]",
        'Choose how sure a model must be of an answer: below that it says "none of these". The '
        "threshold keeps a share of the answers that are right on validation videos; videos of "
        "none of the classes, if there are any under a label of their own, help to choose it. It "
        "is written into the checkpoint, and predict uses it. Training does this by itself where "
        "it has validation videos. "
        "Example: stillmotion calibrate runs/a videos.csv --none_label nothing",
    )
    parser.add_argument("run", help="a directory written by train or save_pretrained")
    parser.add_argument("data", help=f"{DATA}; not videos that were trained on")
    parser.add_argument(
        "--split", default=None, help="which split; by default val, or all videos without splits"
    )
    parser.add_argument(
        "--keep", type=float, default=0.95, help="share of right answers that must be kept"
    )
    parser.add_argument(
        "--none_label", default=None, help="label of videos that show none of the classes"
    )
    parser.add_argument("--weights", default=None, help=WEIGHTS)
    parser.add_argument("--batch_size", type=PositiveInt, default=8, help="clips at once")
    add_views(parser)
    add_videos(parser, "videos", "workers", "max_unreadable", "allow_overlap")
    return parser
