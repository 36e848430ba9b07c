"""What the study asks: two rows that differ in one thing, on the same videos."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from asked import Result, finished
from rows import FEW, RIVALS, label
from run import BUDGET

from stillmotion.metrics.significance import mcnemar, paired_bootstrap

AGAIN = tuple(BUDGET["stages"]["few"]["again"])
EVERY_DRAW = (*BUDGET["stages"]["few"]["seeds"], *AGAIN)
Cells = dict[str, object]
"""A line of a table."""


@dataclass(frozen=True)
class Question:
    """Whether the second row is better than the first."""

    asked: str
    first: str
    second: str
    seeds: tuple[int, ...] = ()
    """Of the draws that it is asked in; none: those of the rows."""


QUESTIONS = (
    Question("Does the static flow help?", "parallel, without flow", "parallel"),
    Question("Does the static flow help serial adapters?", "serial, without flow", "serial"),
    Question("Does the static flow help in the paper's form?",
             "paper, without flow, TCN", "paper, static, TCN"),
    Question("The paper's preset, or ours?", "paper, aligned, transformer", "side"),
    Question("Does the aligned flow help?", "parallel, without flow", "parallel, aligned"),
    Question("Is the aligned flow better than the static one?", "parallel", "parallel, aligned"),
    Question("Are parallel adapters as good as serial ones?", "serial", "parallel"),
    Question("Are the first and last block enough?",
             "parallel, all blocks", "parallel, first and last block"),
    Question("Are the last four blocks enough?", "parallel, all blocks", "parallel"),
    Question("Does it cost to add nothing back?", "parallel", "side"),
    Question("Are eight fixed clips a video as good as new ones?", "side", "side, computed once"),
    Question("A temporal probe of the class token, or AM Flow?",
             "temporal probe, computed once", "side, computed once"),
    Question("A temporal probe of a grid, or AM Flow?",
             "temporal probe of a grid, computed once", "side, computed once"),
    Question("Is a frozen model with our read-out as good as AM Flow?",
             "linear probe, positional", "side"),
    Question("Is it enough to read behind the last block?",
             "linear probe, positional", "linear probe, positional behind the last block"),
    *(Question(f"{name}: does our read-out beside its own help?", name, f"{name}, positional")
      for name in RIVALS),
    *(Question(f"{name} with its own read-out, or AM Flow?", name, "side")
      for name in (*RIVALS, "Side4Video")),
    *(Question(f"{name} with our read-out, or AM Flow?", f"{name}, positional", "side")
      for name in RIVALS),
)  # fmt: skip
FEW_QUESTIONS = (
    Question("Does the static flow help parallel adapters?",
             "few: parallel, without flow", "few: parallel"),
    Question("Does the static flow help the side form?",
             "few: side, without flow", "few: side, computed once"),
    Question("Does it, in other draws?", "few: side, without flow", "few: side, computed once",
             seeds=AGAIN),
    Question("Does it, on new crops?", "few: side, without flow, new crops", "few: side"),
    Question("Does it, on new crops in other draws?",
             "few: side, without flow, new crops", "few: side", seeds=AGAIN),
    Question("Does it, on new crops in all draws?",
             "few: side, without flow, new crops", "few: side", seeds=EVERY_DRAW),
    Question("Is the aligned flow better than the static one?", "few: side", "few: side, aligned"),
    Question("Does it cost to add nothing back?", "few: parallel", "few: side"),
    Question("Does it, in other draws?", "few: parallel", "few: side", seeds=AGAIN),
    Question("Does it, at one rate?", "few: parallel, at the rate of side", "few: side"),
    Question("Are parallel adapters as good as serial ones?", "few: serial", "few: parallel"),
    Question("Are eight fixed clips a video as good as new ones?",
             "few: side", "few: side, computed once"),
    Question("Is a transformer better than the TCN?",
             "few: side, computed once", "few: side, transformer"),
    Question("Is an LSTM better than the TCN?", "few: side, computed once", "few: side, LSTM"),
    Question("Is an averaged vote better than a learned one?",
             "few: side, learned vote", "few: side, computed once"),
    Question("Do the branches' own losses help?",
             "few: side, averaged loss", "few: side, computed once"),
    Question("Are the first and last block enough?",
             "few: side, all blocks", "few: side, first and last block"),
    Question("Are the last four blocks enough?",
             "few: side, all blocks", "few: side, computed once"),
    Question("What does the preset for streams cost?", "few: side", "few: side, streaming"),
    Question("A temporal probe of a grid, or AM Flow?",
             "few: temporal probe of a grid, computed once", "few: side, computed once"),
    Question("Is a frozen model with our read-out as good as AM Flow?",
             "few: linear probe, positional", "few: side"),
    Question("Is it, in other draws?", "few: linear probe, positional", "few: side", seeds=AGAIN),
    Question("Is it enough to read behind the last block?", "few: linear probe, positional",
             "few: linear probe, positional behind the last block"),
    Question("Is a frozen model with our read-out as good as AM Flow without flow?",
             "few: linear probe, positional", "few: side, without flow, new crops"),
    Question("Is it, in other draws?", "few: linear probe, positional",
             "few: side, without flow, new crops", seeds=AGAIN),
    *(Question(f"{name} with our read-out, or AM Flow?", f"few: {name}, positional", "few: side")
      for name in RIVALS if f"{name}, positional" in FEW),
    Question("A published side network with its own read-out, or AM Flow?",
             "few: Side4Video", "few: side"),
    Question("AdaptFormer with our read-out, or AM Flow, at one rate?",
             "few: AdaptFormer, positional, at the rate of side", "few: side"),
    Question("What does AIM's temporal stage add?",
             "few: AIM, spatial, positional", "few: AIM, spatial and temporal, positional"),
    Question("What does AIM's joint stage add?", "few: AIM, spatial and temporal, positional",
             "few: AIM, all three stages, positional"),
)  # fmt: skip


def answered(
    questions: tuple[Question, ...], compare: Callable[[Question], Cells | None]
) -> list[Cells]:
    """A line for each question whose rows can be compared: both scores first, then the rest."""
    lines: list[Cells] = []
    for asked in questions:
        if found := compare(asked):
            scores = {
                "from": f"{short(asked.first)}: {found['first']}",
                "to": f"{short(asked.second)}: {found['second']}",
            }
            rest = {name: cell for name, cell in found.items() if name not in ("first", "second")}
            lines.append({"question": asked.asked, **scores, **rest})
    return lines


def by_video(results: list[Result], asked: Question, *, data: str) -> Cells | None:
    """Two rows on the videos that both have answered; nothing where there are none."""
    before, after = (right(results, row, data=data) for row in (asked.first, asked.second))
    return difference(before, after) if before.keys() & after.keys() else None


def difference(first: dict[str, bool], second: dict[str, bool]) -> Cells:
    """Second less first on the videos that both have, with a paired bootstrap's 95 % interval."""
    videos = sorted(first.keys() & second.keys())
    a, b = (np.array([row[video] for video in videos]) for row in (first, second))
    low, high = paired_bootstrap(a, b, np.zeros(len(videos), dtype=int)).top1
    p = mcnemar(int((a & ~b).sum()), int((b & ~a).sum()))
    return {
        "first": f"{a.mean():.3f}",
        "second": f"{b.mean():.3f}",
        "difference": f"{b.mean() - a.mean():+.3f} ({low:+.3f} to {high:+.3f})",
        "p": f"{p:.3f}" if p >= 0.001 else "< 0.001",
        "videos": len(videos),
    }


def right(results: list[Result], row: str, *, data: str) -> dict[str, bool]:
    """Which videos of all folds a finished row answered rightly."""
    return {
        f"{told['fold']}/{video}": is_right
        for told in finished(results, row, data=data)
        for video, is_right in told["answers"].items()
    }


def short(name: str) -> str:
    """A row's label behind the name of its stage."""
    return label(name).rsplit(": ", maxsplit=1)[-1]
