"""stillmotion predict: say what happens in files and folders."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse.typing import NonNegativeInt, PositiveInt

from stillmotion.commands.shared import (
    RUN,
    WEIGHTS,
    Arguments,
    add_computing,
    add_views,
    views_from,
)
from stillmotion.errors import ConfigurationError, DataError, VideoError
from stillmotion.parsing import Parser

if TYPE_CHECKING:
    from stillmotion.prediction import Predictor


def run(arguments: Arguments) -> int:
    """Classify files and folders, or a whole collection."""
    values = options().parse(arguments)
    refuse_both(values)
    if values["manifest"] is not None:
        from stillmotion.collection import read_collection
        from stillmotion.commands.collection import answer_all

        collection = read_collection(values["manifest"], split=values["split"])
        return answer_all(collection, predictor_from(values), values)
    paths, empty = files_of(values["files"])
    predictor = predictor_from(values)
    if values["precision"] != "fp32":
        print(predictor.quantise(values["precision"], paths).line(), file=sys.stderr)
    unreadable = empty
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
    asked = len(paths) + empty
    if unreadable and asked > 1:
        print(f"stillmotion: {unreadable} of {asked} not read", file=sys.stderr)
    return 2 if unreadable else 0


def files_of(given: list[str]) -> tuple[list[Path], int]:
    """All files, and how many folders had none, each of which is said.

    Raises:
        ConfigurationError: for an address.
        DataError: where there is no file at all.
    """
    from stillmotion.prediction import video_files

    found: list[Path] = []
    empty: list[DataError] = []
    for name in given:
        if "://" in name:
            raise ConfigurationError(
                f"{name}: addresses are not fetched; download the file, or see stillmotion watch"
            )
        try:
            found += video_files([Path(name)])
        except DataError as error:
            empty.append(error)
    if not found:
        raise empty[0]
    print(*(f"stillmotion: {folder}\n" for folder in empty), sep="", end="", file=sys.stderr)
    return found, len(empty)


def predictor_from(values: dict[str, Any]) -> "Predictor":
    """The model, as it is asked for."""
    from stillmotion.as_trained import views_of
    from stillmotion.checkpoint import load
    from stillmotion.prediction import Predictor

    model = load(values["run"], values["weights"])
    return Predictor(
        model,
        views=views_from(values, views_of(model)),
        device=values["device"],
        threshold=values["threshold"],
        memory_gib=values["memory_gib"],
    )


COLLECTION = {"split": None, "rows": 1000, "format": "jsonl", "share": None, "workers": 2}
"""Options for very many videos alone, and their defaults."""


def refuse_both(values: dict[str, Any]) -> None:
    """Files are answered on the screen, a collection into a folder.

    Raises:
        ConfigurationError: for both or neither, no --out, or options of the other.
    """
    files, manifest = bool(values["files"]), values["manifest"] is not None
    if files and manifest:
        raise ConfigurationError("give files and folders, or --manifest LIST, not both")
    if not (files or manifest):
        raise ConfigurationError(
            "which videos? Give files and folders, or --manifest LIST with --out DIR"
        )
    if manifest != (values["out"] is not None):
        raise ConfigurationError("--manifest LIST and --out DIR go together")
    if manifest and values["json"]:
        raise ConfigurationError("--json goes with files; --manifest writes files of answers")
    others = [f"--{name}" for name, usual in COLLECTION.items() if values[name] != usual]
    if files and others:
        raise ConfigurationError(f"{', '.join(others)} go with --manifest LIST")


def options() -> Parser:
    """What can be asked for."""
    parser = Parser(
        "predict",
        "RUN (FILE... | --manifest LIST --out DIR) [options]",
        "Say what happens in videos. A folder stands for all videos below it. An answer that the "
        'model is not sure enough of is "none of these"; see stillmotion calibrate. A file that '
        "cannot be read is reported and the others still answered; the exit status is then 2.",
    )
    parser.add_argument("run", help=RUN)
    parser.add_argument("files", nargs="*", default=[], help="video files and folders")
    add_collection(parser)
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


def add_collection(parser: Parser) -> None:
    """Options for very many videos."""
    listed = "a list of very many videos, or a folder: answered into files, in order, each once; "
    again = "the same command again goes on, several processes share the work"
    parser.add_argument("--manifest", default=None, help=listed + again)
    parser.add_argument("--out", default=None, help="folder of the files of answers")
    parser.add_argument("--split", default=None, help="those of the list's train, val or test")
    parser.add_argument("--rows", type=PositiveInt, help="videos of each file")
    parser.add_argument("--format", choices=("jsonl", "parquet"), help="of files")
    told = "which part of the files, i/n from 0; by default as torchrun or SLURM numbers processes"
    parser.add_argument("--share", default=None, help=told)
    parser.add_argument("--workers", type=NonNegativeInt, help="processes that read")
    parser.set_defaults(COLLECTION)
