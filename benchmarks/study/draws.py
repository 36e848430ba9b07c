"""Rows with few training videos as a table: a score a draw, compared draw by draw.

Runs on the same draw share their luck, and videos that were tested after one draw are not
independent: intervals are Student's, over draws.
"""

from statistics import fmean

from asked import Result
from questions import FEW_QUESTIONS, Question
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
    other, own = both(results, first, name)
    if not own:
        return {}
    told = own[0]
    return {
        "row": short(name),
        "top-1": words(mean_of([run["top1"] for run in own]), "{:.3f}"),
        f"against {short(first)}": difference(other, own),
        "trained": f"{told['trained_parameters']:,}",
        "kept, MB": f"{told['kept_bytes'] / 1e6:.1f}",
        "core seconds": f"{min(run['core_seconds'] for run in own):.0f}",
        "draws": len(own),
    }


def few_questions(results: list[Result]) -> Table:
    """Every question of rows with few videos of which something is known."""
    return [told for asked in FEW_QUESTIONS if (told := answer(asked, results))]


def answer(question: Question, results: list[Result]) -> dict[str, object]:
    """The difference on the draws that both rows have; nothing where there are none."""
    first, second = both(results, question.first, question.second)
    if not first:
        return {}
    before, after = (fmean(run["top1"] for run in runs) for runs in (first, second))
    return {
        "question": question.asked,
        "from": f"{short(question.first)}: {before:.3f}",
        "to": f"{short(question.second)}: {after:.3f}",
        "difference": difference(first, second),
        "draws": len(first),
    }


def both(results: list[Result], *names: str) -> list[list[Result]]:
    """Each row's runs on the draws that all have, in one order."""
    runs = [by_draw(results, name) for name in names]
    draws = sorted(set.intersection(*(set(of) for of in runs)))
    return [[of[draw] for draw in draws] for of in runs]


def difference(first: list[Result], second: list[Result]) -> str:
    """Second less first, draw by draw."""
    pairs = zip(first, second, strict=True)
    return words(mean_of([b["top1"] - a["top1"] for a, b in pairs]), "{:+.3f}")


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
