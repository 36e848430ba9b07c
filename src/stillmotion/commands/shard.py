"""stillmotion shard: pack videos into tars that are read in sequence."""

import sys
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from stillmotion.commands.shared import DATA, Arguments
from stillmotion.parsing import Parser
from stillmotion.terminal import progress_bar


def run(arguments: Arguments) -> int:
    """Pack videos; called again after an interruption, go on."""
    parser = Parser(
        "shard",
        "DATA OUT [options]",
        "Pack the videos of a list into WebDataset tars, and write OUT/manifest.jsonl, a list over "
        "them that train, evaluate and check take like any other. Videos are copied byte by byte. "
        "Those that do not open are left out and reported. Stopped, the same command goes on: tars "
        "that are whole are kept. Example: stillmotion shard kinetics.jsonl shards/",
    )
    parser.add_argument("data", help=DATA)
    parser.add_argument("out", help="folder for the tars and their manifest")
    parser.add_argument("--shard_gb", type=float, default=1.0, help="10^9 bytes in a tar")
    parser.add_argument("--seed", type=int, default=0, help="deals the videos out")
    parser.add_argument(
        "--root", default=None, help="folder to which the list's paths are relative"
    )
    parser.add_argument(
        "--max_unreadable",
        type=float,
        default=0.05,
        help="stop where more than this part of the samples cannot be read",
    )
    values = parser.parse(arguments)
    console = Console()
    try:
        with progress_bar(console) as bar:
            shard(values, bar)
    except KeyboardInterrupt:
        print("\nstopped; whole tars are kept: the same command goes on", file=sys.stderr)
        return 130
    return 0


def shard(values: dict, bar: Progress) -> None:
    """Read the list, leave out what does not open, write the tars, and say what was done.

    Raises:
        ConfigurationError: a size that is not positive.
        ProblemsError: too much cannot be read.
    """
    from stillmotion.data.reading import read_videos
    from stillmotion.data.reading_problems import sample_problems
    from stillmotion.data.shard_writing import MANIFEST, write_shards
    from stillmotion.errors import ConfigurationError, ProblemsError
    from stillmotion.files import refuse_unwritable

    if not values["shard_gb"] > 0:
        raise ConfigurationError(f"--shard_gb must be positive, got {values['shard_gb']}")
    refuse_unwritable(Path(values["out"], MANIFEST))
    videos = read_videos(values["data"], root=values["root"])
    opening = bar.add_task("opening", total=None)
    found = sample_problems(
        videos.samples,
        open_all=True,
        on_progress=lambda done, of: bar.update(opening, completed=done, total=of),
    )
    problems = [problem for index in sorted(found) for problem in found[index]]
    if len(found) == len(videos) or len(found) > values["max_unreadable"] * len(videos):
        raise ProblemsError(values["data"], problems)
    samples = tuple(s for index, s in enumerate(videos.samples) if index not in found)
    copying = bar.add_task("copying", total=None)
    done = write_shards(
        replace(videos, samples=samples),
        Path(values["out"]),
        shard_bytes=round(values["shard_gb"] * 1e9),
        seed=values["seed"],
        on_progress=lambda done, of: bar.update(copying, completed=done, total=of),
    )
    for problem in problems:
        line = f"left out: {problem.place}: {problem.what}"
        bar.console.print(line, markup=False, soft_wrap=True)
    told = f"{len(samples)} of {len(videos)} samples in {len(done.shards)} tars"
    told += f", {len(done.kept)} of them there already" if done.kept else ""
    told += f", {len(done.mended)} written again" if done.mended else ""
    bar.console.print(f"{told}; the list over them: {done.manifest}", markup=False, soft_wrap=True)
