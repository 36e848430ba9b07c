"""From a request to a job: what is asked, and whether it can be."""

from pathlib import Path

from fastapi import Request

from stillmotion.errors import unknown
from stillmotion.web import decoding
from stillmotion.web.job import Job
from stillmotion.web.jobs import refuse_stopping
from stillmotion.web.process import messages
from stillmotion.web.refusal import CancelledError, refuse
from stillmotion.web.samples import Sample
from stillmotion.web.schemas import VideoTold
from stillmotion.web.service import Service
from stillmotion.web.working import look_of


def models_named(service: Service, asked: str | None) -> tuple[str, ...]:
    """The models of a list of ids with commas between; all where there is none.

    Raises:
        RefusalError: 422 for an id that is not known.
    """
    ids = dict.fromkeys(service.models if asked is None else asked.split(","))
    for model in ids:
        if model not in service.models:
            refuse(422, "no_such_model", unknown("model", model, service.models))
    return tuple(ids)


def sample_named(service: Service, sample_id: str, *, status: int) -> Sample:
    """The sample of an id.

    Raises:
        RefusalError: of the status, where there is none.
    """
    known = {sample.id: sample for sample in service.samples}
    if sample_id not in known:
        refuse(status, "no_such_sample", unknown("sample", sample_id, known))
    return known[sample_id]


def refuse_no_video(size: int) -> None:
    """Refuse an upload of no bytes.

    Raises:
        RefusalError: 422.
    """
    if size == 0:
        refuse(422, "no_video", "send the bytes of a video, or name a sample")


def refuse_two_videos(size: int) -> None:
    """Refuse an upload beside a sample.

    Raises:
        RefusalError: 422.
    """
    if size:
        refuse(422, "two_videos", "send the bytes of a video or name a sample, not both")


def look_into(service: Service, path: Path, *, name: str) -> VideoTold:
    """What a file is, by a process that opens it.

    Raises:
        RefusalError: 413 or 422, where it is not to be taken; 503 where the service stops first.
    """
    limits = service.limits
    try:
        (told, _), *_ = messages(
            decoding.inspect,
            path,
            limits,
            limits=limits,
            seconds=limits.open_seconds,
            stop=service.book.over,
        )
    except CancelledError:
        refuse_stopping()
    return VideoTold(name=name, **told)


async def refuse_nobody(request: Request) -> None:
    """Refuse a job that nobody would learn the id of, once its video was read.

    Raises:
        RefusalError: 400.
    """
    if await request.is_disconnected():
        refuse(400, "broken_off", "whoever asked left before there was an answer")


def refuse_many_windows(service: Service, job: Job) -> None:
    """Refuse a stride that would make models look again and again.

    Raises:
        RefusalError: 422.
    """
    most = service.limits.max_windows
    for model in job.models:
        windows = job.video.seconds / look_of(service.models[model], job).stride
        if windows > most:
            text = f"{windows:.0f} windows; at most {most} are looked at: choose a longer stride"
            refuse(422, "too_many_windows", text)
