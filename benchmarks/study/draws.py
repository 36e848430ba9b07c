"""Rows with few training videos as a table: a score a draw, compared draw by draw.

Runs on the same draw share their luck, and videos that were tested after one draw are not
independent: intervals are Student's, over draws.
"""

from asked import Result
from rows import ROWS
from tables import Table

from stillmotion.repetition import Mean, mean_of

Draw = tuple[int, int]
"""A fold and a seed."""


def draws(results: list[Result], *, stage: str) -> Table:
    """The rows of a stage, best first, each beside the same draws of the first of them."""
    names = [name for name, row in ROWS.items() if row.stage == stage]
    lines = [line(name, results, first=names[0]) for name in names]
    return sorted(
        (told for told in lines if told), key=lambda told: str(told["top-1"]), reverse=True
    )


def by_draw(results: list[Result], name: str) -> dict[Draw, Result]:
    """A row's runs."""
    return {(told["fold"], told["seed"]): told for told in results if told["row"] == name}


def line(name: str, results: list[Result], *, first: str) -> dict[str, object]:
    """One row on the draws that the first had, too; nothing where there are none."""
    own, other = by_draw(results, name), by_draw(results, first)
    both = sorted(own.keys() & other.keys())
    if not both:
        return {}
    differences = [own[draw]["top1"] - other[draw]["top1"] for draw in both]
    return {
        "row": short(name),
        "top-1": words(mean_of([own[draw]["top1"] for draw in both]), "{:.3f}"),
        f"against {short(first)}": words(mean_of(differences), "{:+.3f}"),
        "trained": f"{own[both[0]]['trained_parameters']:,}",
        "kept, MB": f"{own[both[0]]['kept_bytes'] / 1e6:.1f}",
        "core seconds": f"{min(told['core_seconds'] for told in own.values()):.0f}",
        "draws": len(both),
    }


def short(name: str) -> str:
    """A row's name behind that of its stage."""
    return name.split(": ", maxsplit=1)[1]


def words(mean: Mean, form: str) -> str:
    """With its 95 % interval, where there are several."""
    told = form.format(mean.mean)
    if mean.interval is None:
        return told
    low, high = mean.interval
    return f"{told} ({form.format(low)} to {form.format(high)})"
