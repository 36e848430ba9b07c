"""The part of stillmotion predict that answers a whole collection."""

import os
import re
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from stillmotion.collection import Collection, answer_collection
from stillmotion.errors import ConfigurationError
from stillmotion.prediction import Predictor
from stillmotion.terminal import progress_bar

TRIED = 64
"""Videos of a collection, from its first, among which those are found that fewer bits are checked
on."""

NUMBERED = (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS"))
"""What torchrun and SLURM call the number of a process, and how many there are."""


def answer_all(collection: Collection, predictor: Predictor, values: dict[str, Any]) -> int:
    """Answer this process's share of a collection, into files."""
    process, processes = share_of(values["share"])
    if values["precision"] != "fp32":
        paths = [sample.path for sample in collection.samples[:TRIED]]
        print(predictor.quantise(values["precision"], paths).line(), file=sys.stderr)
    with progress_bar(Console(stderr=True)) as bar:
        task = bar.add_task("videos", total=None)
        done = answer_collection(
            predictor,
            collection,
            Path(values["out"]),
            rows=values["rows"],
            form=values["format"],
            top=values["top"],
            process=process,
            processes=processes,
            workers=values["workers"],
            described={"precision": values["precision"]},
            on_progress=lambda done, of: bar.update(task, completed=done, total=of),
        )
    print(f"{values['out']}: {done.line()}")
    return 2 if done.unreadable else 0


def share_of(text: str | None) -> tuple[int, int]:
    """This process's number and how many there are: as given, or as torchrun and SLURM say.

    Raises:
        ConfigurationError: for anything but ``i/n``.
    """
    if text is None:
        known = ([os.environ.get(name) for name in names] for names in NUMBERED)
        text = next((f"{number}/{count}" for number, count in known if number and count), "0/1")
    if not (match := re.fullmatch(r"(\d+)/(\d+)", text)):
        raise ConfigurationError(f"--share {text}: give i/n, such as 0/4 for the first of four")
    return int(match[1]), int(match[2])
