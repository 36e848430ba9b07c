"""One thread that asks the models: clips of several jobs together, every job in its turn."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import UInt8
from torch import Tensor

from stillmotion.web.flow import Excess
from stillmotion.web.hosting import Hosted
from stillmotion.web.metrics import Metrics

MOST_CLIPS = 32
"""Of one batch, however much memory there is: everyone waits for a batch to end."""

Said = TypeVar("Said")


@dataclass(eq=False)
class Answer(Generic[Said]):
    """What will be said of a clip."""

    said: Future[Said] = field(default_factory=Future)
    seconds: float = 0.0
    """Of work on the clip: its part of its batch's."""


@dataclass(frozen=True, eq=False)
class Question:
    """A clip, and where the answer goes."""

    clip: UInt8[Tensor, "T 3 size size"]
    answer: Answer[Any] = field(default_factory=Answer)


@dataclass(frozen=True)
class Line:
    """Who waits in one line: the clips of one job that go to one model for one kind of answer."""

    job: str
    model: str
    kind: str
    """"logits" or "flow"."""


class Scorer:
    """Answers questions in batches.

    The line that has waited longest is served next, together with a clip each, again and again, of
    all lines that ask the same model, until the batch is full. A job with a thousand clips so never
    keeps one with three waiting.

    Args:
        models: by their ids.
    """

    def __init__(self, models: Mapping[str, Hosted], metrics: Metrics) -> None:
        self.models, self.metrics = models, metrics
        self._lines: dict[Line, deque[Question]] = {}
        self._changed = threading.Condition()
        self._is_open = True
        self._thread = threading.Thread(target=self._work, name="scoring", daemon=True)
        self._thread.start()

    def logits(self, job: str, model: str, clip: Tensor) -> Answer[Tensor]:
        """Asks for the logits (W,) of a clip; see `Hosted.logits`."""
        return self._ask(Line(job, model, "logits"), clip)

    def flow(self, job: str, model: str, clip: Tensor) -> Answer[Excess]:
        """Asks for the attention-map flow of a clip."""
        return self._ask(Line(job, model, "flow"), clip)

    def forget(self, job: str) -> None:
        """Drops what a job still waits for."""
        with self._changed:
            for line in [line for line in self._lines if line.job == job]:
                for question in self._lines.pop(line):
                    question.answer.said.cancel()

    def waiting(self) -> int:
        """How many clips wait."""
        with self._changed:
            return sum(map(len, self._lines.values()))

    def close(self) -> None:
        """Ends after the batch that is being worked at; what still waits is cancelled."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
        self._thread.join()
        for job in {line.job for line in self._lines}:
            self.forget(job)

    def _ask(self, line: Line, clip: Tensor) -> Answer[Any]:
        question = Question(clip)
        with self._changed:
            self._lines.setdefault(line, deque()).append(question)
            self._changed.notify_all()
        return question.answer

    def _work(self) -> None:
        while (batch := self._take()) is not None:
            line, questions = batch
            started = time.perf_counter()
            said: Sequence[object]
            try:
                said = self._answer(line, [question.clip for question in questions])
            except Exception as error:  # of one batch: the thread goes on, the job learns why
                said = [error] * len(questions)
            seconds = time.perf_counter() - started
            self.metrics.batch(line.model, line.kind, clips=len(questions), seconds=seconds)
            for question, answer in zip(questions, said, strict=True):
                question.answer.seconds = seconds / len(questions)
                settle(question.answer.said, answer)

    def _answer(self, line: Line, clips: list[Tensor]) -> list[Tensor] | list[Excess]:
        model = self.models[line.model]
        if line.kind == "flow":
            return [model.flow(clip) for clip in clips]
        return list(model.logits(torch.stack(clips)))

    def _take(self) -> tuple[Line, list[Question]] | None:
        """The next batch; None once it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._lines or not self._is_open)
            if not self._is_open:
                return None
            first = next(iter(self._lines))
            most = MOST_CLIPS if first.kind == "logits" else 1
            served = take_in_turn(self._lines, most=most, like=lambda line: same(line, first))
            return first, served


def same(line: Line, other: Line) -> bool:
    """Whether two lines may share a batch."""
    return (line.model, line.kind) == (other.model, other.kind)


def take_in_turn(
    lines: dict[Line, deque[Question]], *, most: int, like: Callable[[Line], bool]
) -> list[Question]:
    """One question of each line that may be served, round after round; then they go last.

    Lines keep their order, and vanish when they are empty.
    """
    served: list[Question] = []
    chosen = [line for line in lines if like(line)]
    while len(served) < most and any(lines[line] for line in chosen):
        for line in chosen:
            if lines[line] and len(served) < most:
                served.append(lines[line].popleft())
    for line in chosen:
        rest = lines.pop(line)
        if rest:
            lines[line] = rest
    return served


def settle(answer: Future, said: object) -> None:
    """Gives an answer, or the reason why there is none, to whoever still waits."""
    if not answer.set_running_or_notify_cancel():
        return
    if isinstance(said, Exception):
        answer.set_exception(said)
    else:
        answer.set_result(said)
