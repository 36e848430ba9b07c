"""stillmotion timeline: say what happens when in long videos."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse.typing import ClosedUnitInterval, NonNegativeFloat, PositiveFloat, PositiveInt
from rich.console import Console
from rich.markup import escape

from stillmotion.commands.shared import RUN, WEIGHTS, Arguments
from stillmotion.commands.timeline_files import refuse_outputs, refuse_several, write
from stillmotion.errors import VideoError, some
from stillmotion.files import readable
from stillmotion.parsing import Parser
from stillmotion.settings import MEMORY_GIB
from stillmotion.terminal import progress_bar

if TYPE_CHECKING:
    from stillmotion.localisation import LocalisationScores, Located, Segment
    from stillmotion.model import VideoClassifier

ASKED = ("window", "stride", "smooth", "threshold", "min_seconds", "per_class")
COMPUTING = ("device", "memory_gib")
"""Together what `locate` is told."""

UNKNOWN = "length of the training videos unknown: give --window"


def run(arguments: Arguments) -> int:
    """Find segments in videos, and score them where they are known."""
    values = options().parse(arguments)
    refuse_outputs(values)
    from stillmotion.checkpoint import load
    from stillmotion.localisation import matched, read_truth
    from stillmotion.prediction import video_files

    paths = list(video_files([Path(file) for file in values["files"]]))
    refuse_several(values, paths)
    model, known = load(values["run"], values["weights"]), None
    if values["truth"]:
        known = matched(read_truth(Path(values["truth"]), classes=model.class_names), paths)
        say_unknown(known)
    print(assumed(model, values), file=sys.stderr)
    console = Console()
    found: list[Located] = []
    for one in read_all(model, paths, values):
        console.print(f"{readable(one.path)}:", soft_wrap=True, markup=False, highlight=False)
        console.print(one.table())
        found.append(one)
    scores = None if known is None else scored(found, known)
    if scores is not None:
        console.print(scores.line(), soft_wrap=True, highlight=False)
    if found:
        write(found, values, known=known, scores=scores)
    return 0 if len(found) == len(paths) else 2


def assumed(model: "VideoClassifier", values: dict[str, Any]) -> str:
    """How videos will be looked at, in a line: as was asked, else as is usual.

    Raises:
        CheckpointError: the checkpoint says what cannot be.
    """
    from stillmotion.as_trained import sampling_of, usual_seconds_of
    from stillmotion.localisation.locating import usual_threshold

    window, stride, threshold = (values[name] for name in ("window", "stride", "threshold"))
    sampling = sampling_of(model)
    if window is not None:
        told, half = f"{window:g} s", f"{window / 2:g} s"
    elif sampling.kind == "dense":
        frames = sampling.num_frames * sampling.stride
        told, half = f"{frames} frames (as a clip of its training)", "half a window"
    else:
        usual, is_known = usual_seconds_of(model)
        why = "as its training videos" if is_known else UNKNOWN
        told, half = f"{usual:g} s ({why})", f"{usual / 2:g} s"
    every = half if stride is None else f"{stride:g} s"
    needed = usual_threshold(model) if threshold is None else threshold
    return f"windows of {told}, every {every}, threshold {100 * needed:.3g}%"


def read_all(
    model: "VideoClassifier", paths: list[Path], values: dict[str, Any]
) -> Iterator["Located"]:
    """What is found in each video; one that cannot be read is reported and passed over."""
    unread = 0
    for path in paths:
        try:
            yield located(model, path, {name: values[name] for name in (*ASKED, *COMPUTING)})
        except VideoError as error:
            unread += 1
            print(f"stillmotion: {error}", file=sys.stderr)
    if unread and len(paths) > 1:
        print(f"stillmotion: {unread} of {len(paths)} not read", file=sys.stderr)


def located(model: "VideoClassifier", path: Path, asked: dict[str, Any]) -> "Located":
    """What is found in one video; shows how far it is, and says so when it is stopped."""
    from stillmotion.localisation import locate

    with progress_bar(Console(stderr=True)) as bar:
        task = bar.add_task(escape(readable(path.name)), total=1.0)
        try:
            one = locate(
                model, path, **asked, on_progress=lambda part: bar.update(task, completed=part)
            )
        except KeyboardInterrupt:
            done = bar.tasks[task].completed
            print(f"{readable(path)}: stopped after {done:.0%}, nothing written", file=sys.stderr)
            raise
    if len(one.track) == 1:
        told = f"its {one.track.seconds:.3g} s are no longer than a window, and have one answer"
        print(f"{readable(path)}: {told}", file=sys.stderr)
    return one


def scored(
    found: list["Located"], known: dict[Path, list["Segment"]]
) -> "LocalisationScores | None":
    """How well what was found matches; None, and said, where none of it is known."""
    from stillmotion.localisation import score_segments

    truth = {str(one.path): known[one.path] for one in found}
    if any(truth.values()):
        return score_segments({str(one.path): one.segments for one in found}, truth)
    print("stillmotion: no segments are known in what was read: not scored", file=sys.stderr)
    return None


def say_unknown(known: dict[Path, list["Segment"]]) -> None:
    """Name the videos in which nothing happens as far as people know."""
    if without := [str(path) for path, segments in known.items() if not segments]:
        told = f"no segments are known in {some(without)}: what is found there counts as wrong"
        print(f"stillmotion: {told}", file=sys.stderr)


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
        "exit status is then 2. Files that are written must not be there yet.",
    )
    parser.add_argument("run", help=RUN)
    parser.add_argument("files", nargs="+", help="video files and folders")
    add_finding(parser)
    parser.add_argument(
        "--top",
        type=PositiveInt,
        default=4,
        help="scores of so many classes, or of all that are found, in JSON and picture",
    )
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
