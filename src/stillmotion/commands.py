"""The commands: each parses its arguments, calls the library, and prints what comes back."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from stillmotion.errors import ConfigurationError, VideoError
from stillmotion.parsing import Parser, add_method, early, recipe_from
from stillmotion.recipe import Recipe, Videos, Views

Arguments = Sequence[str]
RUN = "a directory written by train or save_pretrained, or a Hugging Face hub id"
DATA = "a folder with a folder for each class, or a list file"
WEIGHTS = "the image model's weights, where they are not where the run says"


def train(arguments: Arguments) -> int:
    """Train; with --resume go on with what was stopped."""
    parser = Parser(
        "train",
        "DATA --out DIR [options]",
        "Teach an image model the classes of your videos, by training a few per cent of its "
        "parameters. The best epoch's adapter, its scores and the whole recipe are written to DIR. "
        "Without a test split the validation videos are scored. Options may stand in a YAML file "
        "(--config); --print_config writes one. Example: stillmotion train videos/ --out runs/a",
    )
    parser.add_argument("--config", action="config", help="YAML file with options; others win")
    parser.add_argument("data", nargs="?", help=DATA)
    parser.add_argument("--resume", action="store_true", help="go on with the run in DIR")
    parser.add_class_arguments(Recipe, skip={"data", "method"})
    add_method(parser, arguments)
    values = parser.parse(arguments)
    resume = values.pop("resume")
    values["data"] = values["data"] or early(arguments).get("data")
    if resume and values["data"] is None:
        refuse_settings(arguments)
        recipe = replace(Recipe.read(Path(values["out"]) / "recipe.yaml"), out=values["out"])
    elif values["data"] is None:
        raise ConfigurationError(f"which videos? Give {DATA}: stillmotion train DATA --out DIR")
    else:
        recipe = recipe_from(values)
    from stillmotion.training import train as run_training

    try:
        run = run_training(recipe, resume=resume)
    except KeyboardInterrupt:
        print(
            f"\nstopped; every finished epoch is kept. Go on: stillmotion train --resume "
            f"--out {recipe.out}",
            file=sys.stderr,
        )
        return 130
    print(f"the adapter: {run.directory / 'best'}   scores: {run.directory / 'evaluation.json'}")
    return 0


def refuse_settings(arguments: Arguments) -> None:
    """A run is resumed with its own settings; others would be ignored."""
    given = {word.split("=")[0] for word in arguments if word.startswith("--")}
    if others := sorted(given - {"--resume", "--out"}):
        raise ConfigurationError(
            f"--resume goes on with the run's own settings; leave out {', '.join(others)}"
        )


def evaluate(arguments: Arguments) -> int:
    """Score a trained model."""
    parser = Parser(
        "evaluate",
        "RUN DATA --out FILE [options]",
        "Score a trained model on labelled videos: top-1, top-5, mean over classes, calibration; "
        "and the same with frames shuffled and reversed, which says whether it uses time. Writes "
        "JSON, a picture, and each video's answer beside it.",
    )
    parser.add_argument("run", help=RUN)
    parser.add_argument("data", help=DATA)
    parser.add_argument("--out", default="evaluation.json", help="file to write")
    parser.add_argument(
        "--split", default=None, help="which split; by default test, else val, else all videos"
    )
    parser.add_argument("--weights", default=None, help=WEIGHTS)
    parser.add_argument("--time_check", type=bool, default=True, help="also shuffle and reverse")
    parser.add_argument("--batch_size", type=int, default=8, help="clips at once")
    add_views(parser)
    parser.add_class_arguments(
        Videos, "videos", skip={"test", "val", "val_fraction", "keep_frames", "keep_gib"}
    )
    values = parser.parse(arguments)
    from stillmotion.checkpoint import load
    from stillmotion.evaluation import evaluate as run_evaluation
    from stillmotion.loading import choose_split

    model = load(values["run"], values["weights"])
    options = Videos(**values["videos"])
    videos, split = choose_split(values["data"], options, model, values["split"])
    result = run_evaluation(
        model,
        videos,
        split=split,
        views=views_from(values),
        time_check=values["time_check"],
        workers=options.workers,
        batch_size=values["batch_size"],
        max_unreadable=options.max_unreadable,
    )
    result.write(Path(values["out"]))
    Console().print(result.table())
    return 0


def predict(arguments: Arguments) -> int:
    """Classify files and folders."""
    parser = Parser(
        "predict",
        "RUN FILE... [options]",
        "Say what happens in videos. A folder stands for all videos below it. A file that cannot "
        "be read is reported and the others still answered; the exit status is then 2.",
    )
    parser.add_argument("run", help=RUN)
    parser.add_argument("files", nargs="+", help="video files and folders")
    parser.add_argument("--top", type=int, default=5, help="classes to show")
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    parser.add_argument("--weights", default=None, help=WEIGHTS)
    parser.add_argument("--device", default=None, help="cpu, cuda, mps; by default the best")
    add_views(parser)
    values = parser.parse(arguments)
    from stillmotion.checkpoint import load
    from stillmotion.prediction import Predictor, video_files

    paths = list(video_files([Path(f) for f in values["files"]]))
    predictor = Predictor(
        load(values["run"], values["weights"]),
        views=views_from(values),
        device=values["device"],
    )
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
            first = "  ".join(f"{name} {p:.1%}" for name, p in prediction.top(values["top"]))
            print(f"{path}: {first}")
    if unreadable and len(paths) > 1:
        print(f"stillmotion: {unreadable} of {len(paths)} not read", file=sys.stderr)
    return 2 if unreadable else 0


def add_views(parser: Parser) -> None:
    """Options for views; by default those of the training."""
    for name, what in (("clips", "clips of a video"), ("crops", "crops of a clip, 1 or 3")):
        told = f"{what} whose probabilities are averaged; by default as in training"
        parser.add_argument(f"--views.{name}", type=int | None, default=None, help=told)


def views_from(values: dict[str, Any]) -> Views | None:
    """The views asked for; None: those of the training."""
    given = {name: value for name, value in values["views"].items() if value is not None}
    return Views(**given) if given else None


def check(arguments: Arguments) -> int:
    """Look through a data set."""
    parser = Parser(
        "check",
        "DATA [--out LIST] [options]",
        "Decode every video, and report classes, lengths, frame rates, unreadable files with their "
        "reasons, duplicates, and classes too small to split. Proposes a split in which no group "
        "(person, scene, recording) is on both sides; --out writes it as a list file that train "
        "takes.",
    )
    parser.add_argument("data", help=f"{DATA}; or any folder of videos")
    parser.add_argument("--out", default=None, help="list file to write, with the proposed split")
    parser.add_argument("--json", default=None, help="file to write the whole report to")
    parser.add_argument("--seconds_per_file", type=float, default=60.0, help="time limit of each")
    parser.add_class_arguments(
        Videos, None, skip={"test", "val", "val_fraction", "keep_frames", "keep_gib",
                            "max_unreadable"},
    )  # fmt: skip
    values = parser.parse(arguments)
    from stillmotion.data.annotations import read_videos
    from stillmotion.data.check import check_videos
    from stillmotion.files import write_text

    data = Path(values["data"])
    flat = data.is_dir() and not any(child.is_dir() for child in data.iterdir())
    reading = {name: values[name] for name in ("root", "classes", "columns", "exclude")}
    videos = data if flat else read_videos(data, **reading)
    console = Console()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading", total=None)
        report = check_videos(
            videos,
            workers=values["workers"],
            seconds_per_file=values["seconds_per_file"],
            on_progress=lambda done, of: bar.update(task, completed=done, total=of),
        )
    console.print(report)
    if values["json"]:
        write_text(Path(values["json"]), json.dumps(report.to_dict(), indent=2) + "\n")
    if values["out"]:
        report.write_list(values["out"])
        console.print(f"the proposed split: {values['out']}")
    return 0


def info(arguments: Arguments) -> int:
    """Count."""
    parser = Parser(
        "info",
        "[options]",
        "Count parameters by part and multiply-adds of a clip, for any backbone with any method. "
        "No weights are needed or downloaded. Example: stillmotion info --backbone "
        "vit_base_patch16_224 --preset paper --num_classes 400",
    )
    parser.add_argument("--backbone", default="vit_base_patch16_224", help="timm's name")
    parser.add_argument("--num_frames", type=int, default=8, help="frames of a clip")
    parser.add_argument("--num_classes", type=int, default=400, help="classes of the head")
    parser.add_argument("--image_size", type=int, default=None, help="pixels a side")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    name = add_method(parser, arguments)
    values = parser.parse(arguments)
    from stillmotion.accounting import account
    from stillmotion.methods import get_method

    counted = account(
        values["backbone"],
        get_method(name).with_fields(values[name]),
        num_frames=values["num_frames"],
        num_classes=values["num_classes"],
        image_size=values["image_size"],
    )
    if values["json"]:
        print(json.dumps(counted.to_dict(), indent=2))
    else:
        Console().print(counted.table())
        if (name, values["preset"]) == ("amflow", "paper"):
            from stillmotion.paper_figures import paper_comparison

            Console().print(paper_comparison())
    return 0


def demo(arguments: Arguments) -> int:
    """The demonstration."""
    parser = Parser(
        "demo",
        "[--out DIR] [--quick] [--full] [--seed N]",
        "Make short videos whose class lies only in time, train AM Flow and an order-free baseline "
        "on them, score both on held-out videos, and write report.json and report.html, a page to "
        "look at. Needs nothing: no GPU, no download.",
    )
    parser.add_argument("--out", default="stillmotion-demo", help="directory to write")
    parser.add_argument("--quick", action="store_true", help="a minute, less data, lower scores")
    parser.add_argument("--full", action="store_true", help="also train AM Flow without its flow")
    parser.add_argument("--seed", type=int, default=0, help="changes the videos and the training")
    values = parser.parse(arguments)
    from stillmotion.demo import demonstrate

    report = demonstrate(Path(values.pop("out")), **values)
    print(f"look at it: {report}")
    return 0
