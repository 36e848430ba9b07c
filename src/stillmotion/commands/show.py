"""stillmotion show: picture what an answer rests on, or choose blocks by their flow."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse.typing import PositiveFloat, PositiveInt
from rich.console import Console

from stillmotion.commands.shared import RUN, WEIGHTS, Arguments, keep_apart, refuse_output
from stillmotion.errors import ConfigurationError
from stillmotion.parsing import Parser
from stillmotion.settings import MEMORY_GIB
from stillmotion.terminal import progress_bar

if TYPE_CHECKING:
    from stillmotion.model import VideoClassifier
    from stillmotion.visualise import Explanation

FORMS = (".html", ".mp4", ".png")
OUT = "explanation.html"


def run(arguments: Arguments) -> int:
    """Explain, or choose blocks."""
    values = options().parse(arguments)
    if values["choose_blocks"]:
        return choose(values)
    directory, video, out = asked_for(values)
    from stillmotion.checkpoint import load
    from stillmotion.explaining import explain
    from stillmotion.files import readable

    explanation = explain(
        load(directory, values["weights"]),
        video,
        what=words(values["what"]),
        blocks=numbers(values["blocks"]),
        device=values["device"],
        memory_gib=values["memory_gib"],
    )
    for name, why in explanation.missing.items():
        print(f"no {name}: {why}", file=sys.stderr)
    write(explanation, out)
    print(f"{readable(video)}: {explanation.heading}   {readable(out)}")
    return 0


def asked_for(values: dict[str, Any]) -> tuple[str, str, Path]:
    """The run, the video, and where to write.

    Raises:
        ConfigurationError: one of them cannot be used, or an option that goes with --choose_blocks.
    """
    if values["backbone"] is not None:
        raise ConfigurationError("--backbone goes with --choose_blocks: it gives no answers yet")
    if values["json"]:
        raise ConfigurationError("--json goes with --choose_blocks: it prints a ranking")
    if len(values["inputs"]) != 2:
        raise ConfigurationError(
            f"stillmotion show explains one video: RUN VIDEO, not {len(values['inputs'])} names"
        )
    directory, video = values["inputs"]
    out = Path(values["out"] or OUT)
    keep_apart(inputs=[video], outputs={"--out": str(out)})
    refuse_output("--out", out, suffixes=FORMS)
    from stillmotion.data.frame_folder import is_frame_folder

    if Path(video).is_dir() and not is_frame_folder(Path(video)):
        raise ConfigurationError(
            f"stillmotion show explains one video; {video} is a folder, and holds no frames of one"
        )
    return directory, video, out


def write(explanation: "Explanation", out: Path) -> None:
    """As a film, a picture or a page, whichever the file's name asks for."""
    from stillmotion.explaining.film import write_film
    from stillmotion.files import write_bytes, write_text
    from stillmotion.visualise import LIGHT, explanation_page, explanation_picture

    match out.suffix.lower():
        case ".png":
            write_bytes(out, LIGHT.png(explanation_picture(explanation)))
        case ".html":
            write_text(out, explanation_page(explanation))
        case ".mp4":
            with progress_bar(Console(stderr=True)) as bar:
                task = bar.add_task("pictures")
                write_film(
                    explanation,
                    out,
                    on_progress=lambda done, of: bar.update(task, completed=done, total=of),
                )


def choose(values: dict[str, Any]) -> int:
    """Rank blocks by how well their flow follows motion."""
    videos = asked_about(values)
    from stillmotion.as_trained import views_of
    from stillmotion.explaining import rank_blocks
    from stillmotion.explaining.ranking_tables import ONE_VIDEO, ranking_table, ranking_told
    from stillmotion.prediction import Predictor, video_files

    paths = list(video_files([Path(name) for name in videos]))
    model = model_of(values)
    predictor = Predictor(model, views=views_of(model).single(), device=values["device"])
    with progress_bar(Console(stderr=True)) as bar:
        task = bar.add_task("videos")
        ranking = rank_blocks(
            predictor.model,
            paths,
            read=lambda path: predictor.read(path)[0],
            on_progress=lambda done, of: bar.update(task, completed=done, total=of),
        )
    for path in ranking.still:
        print(f"stillmotion: nothing moves in {path}, which is left out", file=sys.stderr)
    if len(ranking.correlations) == 1:
        print(f"stillmotion: {ONE_VIDEO}", file=sys.stderr)
    if values["json"]:
        print(json.dumps(ranking_told(ranking), indent=2))
    else:
        Console().print(ranking_table(ranking))
    return 0


def asked_about(values: dict[str, Any]) -> list[str]:
    """The videos and folders on which blocks are ranked.

    Raises:
        ConfigurationError: none, nothing whose blocks to rank, or an option that explains.
    """
    if given := [f"--{name}" for name in ("out", "what", "blocks") if values[name] is not None]:
        raise ConfigurationError(
            f"--choose_blocks prints a ranking of all blocks: leave out {', '.join(given)}"
        )
    if values["backbone"] is not None:
        return values["inputs"]
    first, *videos = values["inputs"]
    if not videos:
        raise ConfigurationError(
            f"whose blocks, on which videos? Only {first} is given: stillmotion show RUN VIDEOS "
            "--choose_blocks, or before training --backbone NAME VIDEOS --choose_blocks"
        )
    return videos


def model_of(values: dict[str, Any]) -> "VideoClassifier":
    """The run's, or the bare image model frame by frame."""
    if values["backbone"] is None:
        from stillmotion.checkpoint import load

        return load(values["inputs"][0], values["weights"])
    from stillmotion.methods import LinearProbe
    from stillmotion.model import adapt

    return adapt(
        values["backbone"],
        LinearProbe(),
        num_classes=1,
        num_frames=values["num_frames"],
        image_size=values["image_size"],
        weights=values["weights"] or "pretrained",
    )


def words(told: str | None) -> list[str]:
    """What commas separate."""
    return [word.strip() for word in told.split(",")] if told else []


def numbers(told: str | None) -> list[int]:
    """Whole numbers that commas separate, in brackets or not.

    Raises:
        ConfigurationError: something else.
    """
    try:
        return [int(word) for word in words(told and told.strip("[]"))]
    except ValueError as error:
        raise ConfigurationError(f"--blocks {told}: give numbers, such as 0,-1") from error


def options() -> Parser:
    """What can be asked for."""
    parser = Parser(
        "show",
        "RUN VIDEO [--out FILE] [options]",
        "Picture what the answer to a video rests on: where attention changes (AM Flow), which "
        "patches reach the answer (attention rollout), which frames it hangs on (occlusion), and "
        "how it came about over time. Example: stillmotion show runs/doors door.mp4 -o door.html. "
        "With --choose_blocks: rank blocks by how well their flow follows the motion in videos, of "
        "a run or, before training, of an image model: stillmotion show --backbone NAME videos/ "
        "--choose_blocks",
    )
    parser.add_argument("inputs", nargs="+", help=f"RUN, {RUN}; then VIDEO, or files and folders")
    parser.add_argument(
        "-o",
        "--out",
        default=None,
        help="a film (.mp4), a picture (.png) or a page (.html), which must not be there yet; by "
        f"default {OUT}",
    )
    parser.add_argument(
        "--what",
        default=None,
        help="some of flow,rollout,occlusion,time; by default all that the method has",
    )
    parser.add_argument(
        "--blocks",
        default=None,
        help="whose flow, from 0 or, negative, from the end, such as 0,-1; by default those that "
        "an adapter reads. Pictures count blocks from 1, as the paper does",
    )
    parser.add_argument("--choose_blocks", action="store_true", help="rank them")
    parser.add_argument("--json", action="store_true", help="the ranking as JSON")
    parser.add_argument("--backbone", default=None, help="rank the blocks of this timm model")
    parser.add_argument("--num_frames", type=PositiveInt, default=8, help="its frames of a video")
    parser.add_argument("--image_size", type=PositiveInt | None, default=None, help="its pixels")
    parser.add_argument("--weights", default=None, help=WEIGHTS)
    parser.add_argument("--device", default=None, help="cpu, cuda, mps; by default the best")
    parser.add_argument(
        "--memory_gib",
        type=PositiveFloat,
        default=MEMORY_GIB,
        help="GiB that the clips that are shown at once may take",
    )
    return parser
