"""The same recipe several times: other seeds, other draws of few shots, other splits of the data.

One number from one run says little about a method on a small set. Episodes draw videos, seeds draw
weights and clips, and what a protocol asks to be averaged (three splits of UCF101, five folds) are
parts. The interval is over episodes where there are several, of the mean over their seeds and
parts: runs on the same videos are not independent. Without episodes it is over seeds, and with a
single seed over parts.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from stillmotion.data.reading import read_videos
from stillmotion.data.rows import canonical_split
from stillmotion.errors import ConfigurationError, DataError
from stillmotion.fields import allows
from stillmotion.files import write_text
from stillmotion.given_files import read_json
from stillmotion.processes import is_main
from stillmotion.recipe import Recipe
from stillmotion.training import state, train

SCORES = ("top1", "top5", "mean_class", "macro_f1")
"""What is averaged, where an evaluation has it."""


@dataclass(frozen=True)
class Repeat:
    """One run: its draws of chance, and which part of the protocol it is."""

    seed: int
    episode: int
    part: str
    recipe: Recipe

    @property
    def words(self) -> str:
        """All of it, for people."""
        return f"seed {self.seed}, episode {self.episode}, {self.part}"


@dataclass(frozen=True)
class Mean:
    """A mean with what is known of its uncertainty; fractions in [0, 1]."""

    mean: float
    deviation: float | None
    """Standard deviation of single values (n - 1); None of one value."""
    interval: tuple[float, float] | None
    """95 % interval of the mean by Student's t; None of one value."""


def plan_repeats(
    recipe: Recipe,
    *,
    data: Sequence[str],
    seeds: Sequence[int],
    episodes: int = 1,
    folds: bool = False,
) -> list[Repeat]:
    """Every seed with every episode on every part.

    Args:
        data: lists or manifests, such as those of three splits; each is a part.
        episodes: how many draws of ``videos.shots`` and ``videos.ways``, from the recipe's own on.
        folds: every split that a list names is the test once, and a part.

    Raises:
        ConfigurationError: nothing to repeat, a seed twice, or episodes without shots and ways.
        DataError: folds of a list that has none, but perhaps train, val and test.
    """
    if not seeds or len(set(seeds)) < len(seeds) or episodes < 1:
        raise ConfigurationError(f"seeds {list(seeds)}, {episodes} episodes: give each seed once")
    if episodes > 1 and not (recipe.videos.shots or recipe.videos.ways):
        raise ConfigurationError("episodes are draws of videos.shots or videos.ways: give one")
    parts = [part for source in data for part in _parts(recipe, source, folds)]
    names = [name for name, _ in parts]
    if len(set(names)) < len(names):
        parts = [(f"{name} ({n})", part) for n, (name, part) in enumerate(parts)]
    repeats = []
    for seed, episode, (name, part) in product(seeds, range(episodes), parts):
        episode += recipe.videos.episode
        words = [f"seed{seed}", *([f"episode{episode}"] if episodes > 1 else []), name]
        out = Path(recipe.out, "-".join(words).replace(" ", "_"))
        videos = replace(part.videos, episode=episode)
        own = replace(part, seed=seed, out=str(out), videos=videos)
        repeats.append(Repeat(seed, episode, name, own))
    return repeats


def _parts(recipe: Recipe, source: str, folds: bool) -> list[tuple[str, Recipe]]:
    """What of one list is averaged: the list itself, or each of its folds."""
    name = Path(source).stem
    if not folds:
        return [(name, replace(recipe, data=source))]
    videos = recipe.videos
    splits = read_videos(
        source, root=videos.root, columns=videos.columns, classes=videos.classes,
        exclude=videos.exclude,
    ).splits  # fmt: skip
    named = {"train", "val", "test", canonical_split(videos.val)}.intersection(splits)
    if len(splits) < 2 or named:
        what = f"its splits are {', '.join(splits)}" if splits else "it names none"
        raise DataError(
            f"{source} has no folds, each of which is the test once: {what}. Make some: "
            "stillmotion check DATA --folds 5 --out LIST"
        )
    parts = [(f"{name} fold {fold}", replace(videos, test=fold)) for fold in splits]
    return [(words, replace(recipe, data=source, videos=part)) for words, part in parts]


def run_repeats(repeats: Sequence[Repeat], out: Path, *, quiet: bool = False) -> dict[str, Any]:
    """Trains what has not been trained, and writes ``repeats.json`` into ``out``.

    Finished runs are taken as they are, a stopped one goes on where it was: the same call again
    loses nothing.

    Returns:
        What is written: every run's scores, and their `Mean`s.

    Raises:
        ConfigurationError: a directory holds a run with other settings.
    """
    console, rows = Console(quiet=quiet or not is_main()), []
    for number, repeat in enumerate(repeats, start=1):
        console.print(f"[bold]run {number} of {len(repeats)}[/]  {repeat.words}")
        told = _finished(repeat.recipe)
        if told is None:
            begun = Path(repeat.recipe.out, "recipe.yaml").is_file()
            told = train(repeat.recipe, resume=begun, quiet=quiet).evaluation.to_dict()
        scores = {name: told[name] for name in SCORES if told.get(name) is not None}
        place = {"seed": repeat.seed, "episode": repeat.episode, "part": repeat.part}
        rows.append({**place, "out": repeat.recipe.out, **scores})
        summary = summarise(rows)
        if is_main():
            write_text(out / "repeats.json", json.dumps(summary, indent=2) + "\n")
    console.print(table(summary))
    return summary


def _finished(recipe: Recipe) -> dict[str, Any] | None:
    """The evaluation of a run that has been finished with these settings; None: it has not.

    Raises:
        DataError: it is damaged.
    """
    path = Path(recipe.out, "evaluation.json")
    if not path.is_file():
        return None
    state.earlier(Path(recipe.out), recipe, resume=True)
    try:
        told = read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged: {error}") from error
    if not isinstance(told, dict) or not all(allows(float | None, told.get(s)) for s in SCORES):
        raise DataError(f"{path} is damaged: its scores are no numbers")
    return told


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over episodes, seeds or parts, the first of which there are several."""
    several = (kind for kind in ("episode", "seed") if len({row[kind] for row in rows}) > 1)
    over = next(several, "part")
    units = list(dict.fromkeys(row[over] for row in rows))
    means = {}
    for name in SCORES:
        if all(name in row for row in rows):
            values = [fmean(row[name] for row in rows if row[over] == unit) for unit in units]
            means[name] = vars(mean_of(values))
    return {"mean": means, "interval_over": f"{len(units)} {over}s", "runs": list(rows)}


def mean_of(values: Sequence[float]) -> Mean:
    """The mean of values, with Student's interval."""
    mean = fmean(values)
    if len(values) < 2:
        return Mean(mean, None, None)
    deviation = stdev(values)
    reach = student_t(len(values) - 1) * deviation / len(values) ** 0.5
    return Mean(mean, deviation, (mean - reach, mean + reach))


def student_t(freedom: int, *, share: float = 0.95) -> float:
    """Between -t and t lies this share of Student's distribution.

    With t = tan(a) sqrt(n) its density is proportional to cos(a)^(n - 1), which is summed here.
    """
    angle = np.linspace(0, np.pi / 2, 200_001)
    density = np.cos(angle) ** (freedom - 1)
    mass = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    return float(np.tan(np.interp(share, mass / mass[-1], angle)) * freedom**0.5)


def table(summary: dict[str, Any]) -> Table:
    """The runs and their means, for people."""
    names = list(summary["mean"])
    shown = Table("", *names, title=f"mean, with its 95 % interval over {summary['interval_over']}")
    for row in summary["runs"]:
        words = f"seed {row['seed']}, episode {row['episode']}, {row['part']}"
        shown.add_row(words, *(f"{row[name]:.1%}" for name in names))
    shown.add_section()
    shown.add_row("mean", *(_words(summary["mean"][name]) for name in names), style="bold")
    return shown


def _words(mean: dict[str, Any]) -> str:
    if mean["interval"] is None:
        return f"{mean['mean']:.1%}"
    return f"{mean['mean']:.1%} ± {mean['interval'][1] - mean['mean']:.1%}"
