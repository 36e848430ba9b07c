"""What the study asks: two rows that differ in one thing, on the same videos."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stillmotion.metrics.significance import mcnemar, paired_bootstrap


@dataclass(frozen=True)
class Question:
    """Whether the second row is better than the first."""

    asked: str
    first: str
    second: str


RIVALS = ("ST-Adapter", "AIM", "ZeroI2V", "DualPath", "AdaptFormer", "LoRA", "full fine-tuning")
QUESTIONS = (
    Question("Does the static flow help?", "small, without flow", "small"),
    Question("Does it in the side form?", "side, without flow", "side"),
    Question("Does it with serial adapters?", "small, serial without flow", "small, serial"),
    Question("Does the aligned flow help?", "small, without flow", "small, aligned"),
    Question("Does it in the side form?", "side, without flow", "side, aligned"),
    Question("Is it better than the static one?", "small", "small, aligned"),
    Question("Are parallel adapters as good as serial ones?", "small, serial", "small"),
    Question("Are the first and last block enough?",
             "small, all blocks", "small, first and last block"),
    Question("Are the last four?", "small, all blocks", "small"),
    Question("Is an averaged vote better than a learned one?", "small, learned vote", "small"),
    Question("Do the branches' own losses help?", "small, averaged loss", "small"),
    Question("A transformer instead of the TCN?", "small", "small, transformer"),
    Question("An LSTM?", "small", "small, LSTM"),
    Question("Does it cost to add nothing back?", "small", "side"),
    Question("Is training adapters worth more than reading a frozen model?",
             "linear probe, positional", "small"),
    Question("Does it cost to look at no later frame?", "small", "small, streaming"),
    Question("A temporal probe, or AM Flow?", "temporal probe", "small"),
    Question("What does AIM's temporal stage add?", "AIM, spatial", "AIM, spatial and temporal"),
    Question("And its joint stage?", "AIM, spatial and temporal", "AIM"),
    *(Question(f"{name}: our read-out instead of its own?", name, f"{name}, positional")
      for name in RIVALS),
    *(Question(f"{name} as it is published, or AM Flow?", name, "small") for name in RIVALS),
    *(Question(f"{name} with our read-out, or AM Flow?", f"{name}, positional", "small")
      for name in RIVALS),
)  # fmt: skip


def answer(question: Question, results: list[dict[str, Any]], *, data: str) -> dict[str, object]:
    """The difference on the videos that both rows have answered; nothing where there are none."""
    first, second = (right(results, row, data=data) for row in (question.first, question.second))
    if not first.keys() & second.keys():
        return {}
    told = difference(first, second)
    return {
        "question": question.asked,
        "from": f"{question.first}: {told.pop('first')}",
        "to": f"{question.second}: {told.pop('second')}",
        **told,
    }


def difference(first: dict[str, bool], second: dict[str, bool]) -> dict[str, object]:
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


def right(
    results: list[dict[str, Any]], row: str, *, data: str, search: bool = False
) -> dict[str, bool]:
    """Which videos of all folds a row answered rightly, with the first seed."""
    wanted = {"row": row, "data": data, "search": search, "seed": 0}
    return {
        f"{told['fold']}/{video}": is_right
        for told in results
        if wanted.items() <= told.items()
        for video, is_right in told["answers"].items()
    }
