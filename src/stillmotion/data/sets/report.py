"""A preparation as tables for people, and as plain data for JSON."""

from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from stillmotion.data.problem_tables import problem_tables
from stillmotion.data.sets.preparing import MOST_LACKING, Preparation, SplitCount
from stillmotion.data.splits import classes_missing
from stillmotion.errors import some


def preparation_tables(preparation: Preparation) -> list[Table | Text]:
    """What was found, from the whole to the details."""
    videos = preparation.videos
    table = Table(title=f"{videos.dataset} in {preparation.source}", title_justify="left")
    for column in ("split", "official", "listed", "usable", "lacking", "hash"):
        table.add_column(column, justify="left" if column in ("split", "hash") else "right")
    for name, count in preparation.splits.items():
        if name == "all":
            table.add_section()
        table.add_row(name, *_cells(count))
    return [
        table,
        *[Text(note) for note in _notes(preparation)],
        *problem_tables(preparation.problems),
    ]


def preparation_dict(preparation: Preparation) -> dict[str, Any]:
    """Everything, for JSON."""
    return {
        "dataset": preparation.videos.dataset,
        "source": str(preparation.source),
        "metric": preparation.videos.metric,
        "num_classes": len(preparation.listing.classes),
        "splits": {
            name: asdict(count) | {"lacking": count.lacking}
            for name, count in preparation.splits.items()
        },
        "notes": list(preparation.listing.notes),
        "problems": [asdict(problem) for problem in preparation.problems],
    }


def _cells(count: SplitCount) -> list[str]:
    share = f" ({count.lacking / count.listed:.1%})" if count.lacking else ""
    return [
        "-" if count.official is None else f"{count.official:,}",
        f"{count.listed:,}",
        f"{count.usable:,}",
        f"{count.lacking:,}{share}",
        count.sha256[:12] if count.sha256 else "-",
    ]


def _notes(preparation: Preparation) -> list[str]:
    """One line each: the classes, the score that papers quote, and what the reader noted."""
    listing, videos = preparation.listing, preparation.videos
    parts = " x ".join(f"{len(part.classes)} {part.name}s" for part in listing.parts)
    notes = [f"{len(listing.classes):,} classes" + (f" ({parts})" if parts else "")]
    if videos.metric == "mean_class":
        notes[0] += "; papers quote mean class accuracy"
    if not listing.parts:
        for split, names in classes_missing(videos).items():
            notes.append(f"no video in {split} of {len(names)} classes: {some(names)}")
    for name, count in preparation.splits.items():
        if count.official and abs(count.listed / count.official - 1) > MOST_LACKING:
            notes.append(
                f"{name}: the lists name {count.listed:,} videos, the owners {count.official:,}: "
                "are the lists whole?"
            )
    return [*notes, *listing.notes]
