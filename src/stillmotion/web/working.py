"""One job, from its video to its answer: clips come from one process, answers from one thread."""

import logging
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import CancelledError as Dropped
from concurrent.futures import wait
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from stillmotion.answering import average_of_views
from stillmotion.localisation import Track
from stillmotion.localisation.following import track_of, usual_window
from stillmotion.localisation.locating import as_calibrated
from stillmotion.localisation.windows import Span
from stillmotion.metrics import softmax
from stillmotion.web import decoding
from stillmotion.web.decoding import Look
from stillmotion.web.flow import Excess, FlowFrames
from stillmotion.web.hosting import Hosted
from stillmotion.web.job import CANCELLED, Job
from stillmotion.web.jobs import Book
from stillmotion.web.limits import Limits
from stillmotion.web.process import LOOK_UP_SECONDS, messages
from stillmotion.web.refusal import CancelledError, RefusalError, refuse
from stillmotion.web.schemas import MISTAKE, Result, Share, TrackTold
from stillmotion.web.scoring import Answer, Scorer

log = logging.getLogger("stillmotion")

AHEAD = 16
"""Clips of one job that may wait for the models: the process that reads is held up meanwhile."""

FIRST = 5
"""Classes that are told of a video, and at most of its windows."""


@dataclass
class Gathered:
    """What one model is asked of one video."""

    whole: list[Answer[Tensor]] = field(default_factory=list)
    """Logits (W,) of each view of the whole video."""
    spans: list[Span] = field(default_factory=list)
    windows: list[Answer[Tensor]] = field(default_factory=list)
    """Logits (W,) of each span."""
    flows: list[tuple[list[float], Answer[Excess]]] = field(default_factory=list)
    """When the frames of a clip are shown, and their flow."""
    flow_until: float = 0.0
    """Where the last clip of those ends."""

    @property
    def seconds(self) -> float:
        """Of work."""
        seconds = [answer.seconds for answer in (*self.whole, *self.windows)]
        return sum(seconds) + sum(answer.seconds for _, answer in self.flows)


@dataclass
class Worker:
    """Does one job."""

    job: Job
    models: Mapping[str, Hosted]
    """Those that the job asks, by their ids."""
    scorer: Scorer
    book: Book
    limits: Limits
    waiting: deque[Answer] = field(default_factory=deque)
    """What was asked and may not be answered yet, the first first."""
    answered: int = 0
    expected: int = 0
    """Answers that there will be, once the length of the video is known."""

    def __post_init__(self) -> None:
        self.gathered = {model: Gathered() for model in self.models}
        self.deadline = time.monotonic() + self.limits.time_limit_seconds

    def work(self) -> None:
        """The job ends done, failed or cancelled, whatever happens."""
        try:
            self.read()
            while self.waiting:
                self.wait_for_one()
            results = [self.result(model) for model in self.models]
            self.book.end(self.job, "done", results=results)
        except (CancelledError, Dropped):
            self.book.end(self.job, "cancelled", error=CANCELLED)
        except RefusalError as error:
            self.book.end(self.job, "failed", error=error.fault)
        except Exception:  # one job's fault must not end the thread that works at all of them
            log.exception("job %s failed", self.job.id)
            self.book.end(self.job, "failed", error=MISTAKE)
        finally:
            self.scorer.forget(self.job.id)

    def read(self) -> None:
        """Asks the models about every clip, as clips come.

        Raises:
            RefusalError, CancelledError: as `process.messages`.
        """
        askers: dict[Look, list[str]] = {}
        for model, hosted in self.models.items():
            askers.setdefault(look_of(hosted, self.job), []).append(model)
        looks = list(askers)
        for told, clip in messages(
            decoding.read,
            self.job.path,
            looks,
            limits=self.limits,
            seconds=self.limits.time_limit_seconds,
            stop=self.job.stop,
        ):
            if clip is None:
                for look, windows in zip(looks, told["windows"], strict=True):
                    views = look.views.clips * look.views.crops
                    self.expected += len(askers[look]) * (views + windows)
                continue
            self.book.scoring(self.job)
            for model in askers[looks[told["look"]]]:
                self.ask(model, told, clip)

    def ask(self, model: str, told: Mapping, clip: Tensor) -> None:
        """Asks one model about one clip."""
        gathered = self.gathered[model]
        answer = self.scorer.logits(self.job.id, model, clip)
        self.waiting.append(answer)
        if "span" not in told:
            gathered.whole.append(answer)
        else:
            gathered.windows.append(answer)
            gathered.spans.append((told["span"][0], told["span"][1]))
            self.ask_for_flow(model, told, clip)
        while len(self.waiting) > AHEAD:
            self.wait_for_one()

    def ask_for_flow(self, model: str, told: Mapping, clip: Tensor) -> None:
        """Asks for the flow of windows that hardly overlap, which show all of the video."""
        gathered = self.gathered[model]
        start, stop = told["span"]
        wanted = self.job.wants_flow and self.models[model].why_no_flow is None
        is_last = stop >= self.job.video.seconds
        if wanted and (start >= gathered.flow_until or is_last):
            answer = self.scorer.flow(self.job.id, model, clip)
            gathered.flows.append((told["times"], answer))
            gathered.flow_until = stop
            self.waiting.append(answer)
            self.expected += 1

    def wait_for_one(self) -> None:
        """Waits for the answer that was asked for first.

        Raises:
            RefusalError: 422, the job takes too long.
            CancelledError: it was cancelled.
        """
        answer = self.waiting.popleft()
        while not answer.said.done():
            if self.job.stop.is_set():
                raise CancelledError
            if time.monotonic() > self.deadline:
                refuse(422, "too_slow", "the job takes longer than the service allows")
            wait([answer.said], timeout=LOOK_UP_SECONDS)
        answer.said.result()
        self.answered += 1
        self.job.progress = max(self.job.progress, self.answered / self.expected)

    def result(self, model: str) -> Result:
        """What one model says, once all its answers are there."""
        hosted, gathered = self.models[model], self.gathered[model]
        if gathered.flows:
            frames = FlowFrames(box=hosted.box_in(self.job.video))
            for times, answer in gathered.flows:
                frames.add(times, answer.said.result())
            self.job.flows[model] = frames.told().model_dump_json().encode()
        predictor = hosted.predictor
        views = logits(gathered.whole)[None]
        said = average_of_views(views, predictor.views.average, predictor.sizes)[0]
        prediction = predictor.prediction(said, path=str(self.job.path))
        windows = softmax(logits(gathered.windows), predictor.sizes)
        raw = track_of(hosted.model, gathered.spans, windows, seconds=self.job.video.seconds)
        return Result(
            model=model,
            answer=prediction.answer,
            top=[Share(label=name, probability=p) for name, p in prediction.top(FIRST)],
            track=track_told(as_calibrated(raw, hosted.model)),
            seconds_of_work=gathered.seconds,
        )


def look_of(hosted: Hosted, job: Job) -> Look:
    """How a model looks at a video: as it was trained, or as the job asks."""
    window = job.window or usual_window(hosted.model, fps=job.video.fps)
    return Look(
        sampling=hosted.sampling,
        image_size=hosted.model.backbone.image_size[0],
        views=hosted.predictor.views,
        window=window,
        stride=job.stride or window / 2,
    )


def logits(answers: list[Answer[Tensor]]) -> Float[Tensor, "n W"]:
    """Answers that are there, one above the other."""
    return torch.stack([answer.said.result() for answer in answers])


def track_told(track: Track) -> TrackTold:
    """A track of the classes that are likely somewhere, the likeliest first."""
    order = (-track.probabilities.max(axis=0)).argsort(kind="stable")[:FIRST]
    return TrackTold(
        starts=track.starts.tolist(),
        stops=track.stops.tolist(),
        labels=[track.class_names[index] for index in order],
        probabilities=track.probabilities[:, order].tolist(),
    )
