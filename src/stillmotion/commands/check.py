"""stillmotion check: look through a data set."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from stillmotion.commands.shared import DATA, READING, Arguments, add_videos, keep_apart
from stillmotion.files import refuse_unwritable, write_text
from stillmotion.parsing import Parser
from stillmotion.terminal import progress_bar


def run(arguments: Arguments) -> int:
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
    parser.add_argument(
        "--folds", type=int, default=0, help="propose so many folds instead, for repeat --folds"
    )
    parser.add_argument("--json", default=None, help="file to write the whole report to")
    parser.add_argument("--seconds_per_file", type=float, default=60.0, help="time limit of each")
    add_videos(parser, None, "workers")
    values = parser.parse(arguments)
    refuse_outputs(values)
    from stillmotion.data.check import check_videos
    from stillmotion.data.reading import read_videos

    data = Path(values["data"])
    flat = data.is_dir() and not any(child.is_dir() for child in data.iterdir())
    videos = data if flat else read_videos(data, **{name: values[name] for name in READING})
    console = Console()
    with progress_bar(console) as bar:
        task = bar.add_task("reading", total=None)
        report = check_videos(
            videos,
            folds=values["folds"],
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


def refuse_outputs(values: dict[str, Any]) -> None:
    """Refuse, before any work, to write over what is read, or where nothing can be written.

    Raises:
        ConfigurationError, StorageError: see `keep_apart` and `refuse_unwritable`.
    """
    outputs = {f"--{name}": values[name] for name in ("out", "json")}
    keep_apart(inputs=[values["data"]], outputs=outputs)
    for path in filter(None, outputs.values()):
        refuse_unwritable(Path(path))
