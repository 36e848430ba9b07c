"""stillmotion timeline: say what happens when in long videos."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse.typing import ClosedUnitInterval, NonNegativeFloat, PositiveFloat, PositiveInt
from rich.console import Console

from stillmotion.commands.shared import RUN, WEIGHTS, Arguments, keep_apart, refuse_other_file
from stillmotion.errors import ConfigurationError, VideoError, some
from stillmotion.parsing import Parser
from stillmotion.settings import MEMORY_GIB
from stillmotion.terminal import progress_bar

if TYPE_CHECKING:
    from stillmotion.localisation import Located, Segment
    from stillmotion.model import VideoClassifier

SUFFIXES = {"json": ".json", "csv": ".csv", "srt": ".srt", "picture": ".png"}
"""What can be written, and how the names of such files end."""

OF_ONE = ("srt", "picture")
"""What tells of one video."""

ASKED = ("window", "stride", "smooth", "threshold", "min_seconds", "per_class")
COMPUTING = ("device", "memory_gib")
"""Together what `locate` is told."""


def run(arguments: Arguments) -> int:
    """Find segments in videos, and score them where they are known."""
    values = options().parse(arguments)
    refuse_outputs(values)
    from stillmotion.checkpoint import load
    from stillmotion.localisation import matched, read_truth, score_segments
    from stillmotion.prediction import video_files

    paths = list(video_files([Path(file) for file in values["files"]]))
    refuse_several(values, paths)
    model, known = load(values["run"], values["weights"]), None
    if values["truth"]:
        known = matched(read_truth(Path(values["truth"]), classes=model.class_names), paths)
        say_unknown(known)
    console = Console()
    found: list[Located] = []
    for located in read_all(model, paths, values):
        console.print(f"{located.path}:", soft_wrap=True, markup=False, highlight=False)
        console.print(located.table())
        found.append(located)
    told: dict[str, Any] = {"videos": [located.to_dict(top=values["top"]) for located in found]}
    if known is not None and found:
        said = {str(one.path): one.segments for one in found}
        scores = score_segments(said, {str(one.path): known[one.path] for one in found})
        console.print(scores.line(), soft_wrap=True, highlight=False)
        told["scores"] = scores.to_dict()
    if found:
        write(found, told, values, known=known)
    return 0 if len(found) == len(paths) else 2


def read_all(
    model: "VideoClassifier", paths: list[Path], values: dict[str, Any]
) -> Iterator["Located"]:
    """What is found in each video; one that cannot be read is reported and passed over."""
    unread = 0
    for path in paths:
        try:
            yield watched(model, path, {name: values[name] for name in (*ASKED, *COMPUTING)})
        except VideoError as error:
            unread += 1
            print(f"stillmotion: {error}", file=sys.stderr)
    if unread and len(paths) > 1:
        print(f"stillmotion: {unread} of {len(paths)} not read", file=sys.stderr)


def watched(model: "VideoClassifier", path: Path, asked: dict[str, Any]) -> "Located":
    """What is found in one video; shows how far it is, and says so when it is stopped."""
    from stillmotion.localisation import locate

    with progress_bar(Console(stderr=True)) as bar:
        task = bar.add_task(path.name, total=1.0)
        try:
            return locate(
                model, path, **asked, on_progress=lambda part: bar.update(task, completed=part)
            )
        except KeyboardInterrupt:
            done = bar.tasks[task].completed
            print(f"{path}: stopped after {done:.0%}, nothing written", file=sys.stderr)
            raise


def say_unknown(known: dict[Path, list["Segment"]]) -> None:
    """Name the videos in which nothing happens as far as people know."""
    if without := [str(path) for path, segments in known.items() if not segments]:
        told = f"no segments are known in {some(without)}: what is found there counts as wrong"
        print(f"stillmotion: {told}", file=sys.stderr)


def write(
    found: list["Located"],
    told: dict[str, Any],
    values: dict[str, Any],
    *,
    known: dict[Path, list["Segment"]] | None,
) -> None:
    """The files that were asked for."""
    from stillmotion.files import as_json, write_bytes, write_rows, write_text
    from stillmotion.localisation import subtitles
    from stillmotion.localisation.located import COLUMNS, picture_of

    if values["json"]:
        write_text(Path(values["json"]), as_json(told))
    if values["csv"]:
        rows = (row for located in found for row in located.rows())
        write_rows(Path(values["csv"]), COLUMNS, rows)
    if values["srt"]:
        write_text(Path(values["srt"]), subtitles(found[0].segments))
    if values["picture"]:
        truth = None if known is None else known[found[0].path]
        write_bytes(Path(values["picture"]), picture_of(found[0], truth=truth, top=values["top"]))


def refuse_outputs(values: dict[str, Any]) -> None:
    """Refuse to write over what is read, over another kind of file, or twice to one place."""
    outputs = {f"--{name}": values[name] for name in SUFFIXES}
    keep_apart(inputs=[*values["files"], values["truth"]], outputs=outputs)
    for name, suffix in SUFFIXES.items():
        if values[name]:
            refuse_other_file(Path(values[name]), suffix)


def refuse_several(values: dict[str, Any], paths: list[Path]) -> None:
    """Subtitles and pictures are of one video."""
    for name in OF_ONE:
        if values[name] and len(paths) > 1:
            raise ConfigurationError(
                f"--{name} tells of one video, and {len(paths)} are given: ask for them one by one"
            )


def options() -> Parser:
    """What can be asked for."""
    parser = Parser(
        "timeline",
        "RUN FILE... [options]",
        "Say what happens when in videos of any length, for instance: stillmotion timeline "
        "runs/first day.mp4 --threshold 0.6 --srt day.srt --picture day.png. A window slides over "
        "the video; the scores of each are smoothed over time, and become segments with a class "
        "and how sure the model is. Below the threshold it is none of these. With --truth, the "
        "segments are scored against those that people marked. A folder stands for all videos "
        "below it; a file that cannot be read is reported and the others still answered, and the "
        "exit status is then 2.",
    )
    parser.add_argument("run", help=RUN)
    parser.add_argument("files", nargs="+", help="video files and folders")
    add_finding(parser)
    parser.add_argument("--top", type=PositiveInt, default=4, help="classes in JSON and picture")
    parser.add_argument("--json", default=None, help="file for segments, scores over time and mAP")
    parser.add_argument("--csv", default=None, help="file for segments, a row each")
    parser.add_argument("--srt", default=None, help="file for segments as SubRip subtitles")
    parser.add_argument("--picture", default=None, help="PNG to draw scores and segments into")
    parser.add_argument(
        "--truth",
        default=None,
        help="known segments: CSV (video,start,end,label) or ActivityNet's JSON; gives mean "
        "average precision over temporal IoU 0.3 to 0.7",
    )
    parser.add_argument("--weights", default=None, help=WEIGHTS)
    parser.add_argument("--device", default=None, help="cpu, cuda, mps; by default the best")
    parser.add_argument(
        "--memory_gib",
        type=PositiveFloat,
        default=MEMORY_GIB,
        help="GiB that the windows that are shown at once may take",
    )
    return parser


def add_finding(parser: Parser) -> None:
    """How segments are found; times in seconds."""
    told = {
        "window": (PositiveFloat, "seconds that the model sees at once; by default as in training"),
        "stride": (PositiveFloat, "seconds from window to window; by default half a window"),
        "smooth": (
            NonNegativeFloat,
            "deviation of the Gaussian that smooths scores over time, in seconds; 0: none; by "
            "default a quarter of a window",
        ),
        "threshold": (
            ClosedUnitInterval,
            "least probability of a class; by default as the model was calibrated, else 0",
        ),
    }
    for name, (kind, what) in told.items():
        parser.add_argument(f"--{name}", type=kind | None, default=None, help=what)
    parser.add_argument(
        "--min_seconds",
        type=NonNegativeFloat,
        default=0.0,
        help="leave out shorter segments, and close shorter gaps within a class",
    )
    parser.add_argument(
        "--per_class",
        action="store_true",
        help="every class that reaches the threshold, and not only the most probable",
    )
