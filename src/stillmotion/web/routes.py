"""What can be asked over HTTP, and who answers."""

import mimetypes
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse
from starlette.concurrency import run_in_threadpool

from stillmotion.errors import unknown
from stillmotion.version import __version__
from stillmotion.web.asking import (
    look_into,
    models_named,
    refuse_many_windows,
    refuse_no_video,
    refuse_nobody,
    refuse_two_videos,
    sample_named,
)
from stillmotion.web.failures import POSSIBLE, possible
from stillmotion.web.job import Job
from stillmotion.web.refusal import refuse
from stillmotion.web.schemas import (
    Accepted,
    Failure,
    FlowTold,
    Health,
    JobTold,
    LimitsTold,
    ModelTold,
    SampleTold,
    ServiceTold,
)
from stillmotion.web.service import Service
from stillmotion.web.uploads import file_name, receive


def service_of(request: Request) -> Service:
    """The service that an app belongs to."""
    return request.app.state.service


Asked = Annotated[Service, Depends(service_of)]
Seconds = Annotated[float | None, Query(ge=0.01, allow_inf_nan=False)]
router = APIRouter()
api = APIRouter(prefix="/api", responses=possible(400, 401, 403))

VIDEO_BODY = {
    "requestBody": {
        "required": False,
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in ("application/octet-stream", "video/mp4")
        },
    }
}
VIDEO_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"video/mp4": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get("/healthz")
def health(service: Asked) -> Health:
    """Whether the service works."""
    return Health(status="ok" if service.book.is_open else "stopping")


@router.get("/metrics", response_class=PlainTextResponse, responses=possible(400, 401, 403))
def metrics(service: Asked) -> PlainTextResponse:
    """Counts for a monitor, as Prometheus reads them."""
    kind = "text/plain; version=0.0.4; charset=utf-8"
    return PlainTextResponse(service.measurements(), media_type=kind)


@api.get("/service")
def about(service: Asked, request: Request) -> ServiceTold:
    """What the service is, and how much may be asked of it."""
    limits = {name: getattr(service.limits, name) for name in LimitsTold.model_fields}
    return ServiceTold(
        version=__version__,
        limits=LimitsTold(**limits),
        needs_token=request.app.state.needs_token,
    )


@api.get("/models")
def models(service: Asked) -> list[ModelTold]:
    """The models that can be asked."""
    return service.told


@api.get("/samples")
def samples(service: Asked) -> list[SampleTold]:
    """Videos to try."""
    return [SampleTold(id=s.id, name=s.name, seconds=s.seconds) for s in service.samples]


@api.get(
    "/samples/{sample_id}/video",
    response_class=FileResponse,
    responses={**VIDEO_ANSWER, **possible(404, 422)},
)
def sample_video(sample_id: str, service: Asked) -> FileResponse:
    """The file of a sample; ranges of it may be asked for."""
    return file_of(sample_named(service, sample_id, status=404).path)


@api.post(
    "/jobs",
    status_code=202,
    openapi_extra=VIDEO_BODY,
    responses={
        **possible(408, 413, 415, 422, 429),
        503: {"model": Failure, "description": POSSIBLE[503]},  # where the others' reference leads
    },
)
async def add_job(
    request: Request,
    service: Asked,
    models: Annotated[str | None, Query(description="Ids, with commas between; all.")] = None,
    sample: Annotated[str | None, Query(description="A sample, in place of a body.")] = None,
    window: Seconds = None,
    stride: Seconds = None,
    flow: bool = False,
    x_file_name: Annotated[str | None, Header(description="Percent-encoded.")] = None,
) -> Accepted:
    """Ask models about a video: its bytes are the body.

    The video is opened before this is answered, so one that is none is refused here; one that is
    damaged further on fails as a job.
    """
    asked = models_named(service, models)
    known = None if sample is None else sample_named(service, sample, status=422)
    client = request.client.host if request.client else ""
    with service.book.place(client), arriving(service) as path:
        size = await receive(request, path, service.limits)
        service.metrics.upload(size)
        (refuse_no_video if known is None else refuse_two_videos)(size)
        source = path if known is None else known.path
        name = file_name(x_file_name) if known is None else known.name
        job = Job(
            path=source,
            is_upload=known is None,
            video=await run_in_threadpool(look_into, service, source, name=name),
            models=asked,
            window=window,
            stride=stride,
            wants_flow=flow,
            client=client,
        )
        refuse_many_windows(service, job)
        await refuse_nobody(request)
        service.book.add(job)
    return Accepted(id=job.id)


@api.get("/jobs/{job_id}", responses=possible(404, 422))
def job(job_id: str, service: Asked) -> JobTold:
    """How far a job is, and what came of it."""
    return service.book.told(service.book.get(job_id))


@api.delete(
    "/jobs/{job_id}", status_code=204, response_class=Response, responses=possible(404, 422)
)
def remove_job(job_id: str, service: Asked) -> None:
    """Cancel a job that has not ended, or forget one that has."""
    service.book.remove(service.book.get(job_id))


@api.get("/jobs/{job_id}/flow", response_model=FlowTold, responses=possible(404, 409, 422))
def flow(job_id: str, model: str, service: Asked) -> Response:
    """The attention-map flow of a job that was asked for it."""
    job = service.book.get(job_id)
    if model not in job.models:
        refuse(404, "not_asked", unknown("model of this job", model, job.models))
    if not job.has_ended:
        refuse(409, "not_done", "the job has not ended yet")
    why = service.models[model].why_no_flow
    if why is not None:
        refuse(404, "no_flow", why)
    if model not in job.flows:
        refuse(404, "not_asked", "this job was not asked for flow, or did not get so far")
    return Response(job.flows[model], media_type="application/json")


@api.get(
    "/jobs/{job_id}/video",
    response_class=FileResponse,
    responses={**VIDEO_ANSWER, **possible(404, 422)},
)
def job_video(job_id: str, service: Asked) -> FileResponse:
    """The file of a job; ranges of it may be asked for."""
    job = service.book.get(job_id)
    if not job.path.is_file():
        refuse(404, "no_video", "the video of this job is no longer kept")
    return file_of(job.path, name=job.video.name)


@contextmanager
def arriving(service: Service) -> Iterator[Path]:
    """Where to write a video; the file goes if no job comes of it."""
    path = service.folder / secrets.token_urlsafe(12)
    try:
        yield path
    finally:
        if not service.book.holds(path):
            path.unlink(missing_ok=True)


def file_of(path: Path, *, name: str = "") -> FileResponse:
    """A file, whose kind its name tells, or the name that it came with."""
    kinds = (mimetypes.guess_type(known)[0] or "" for known in (path.name, name))
    kind = next((kind for kind in kinds if kind.startswith("video/")), "application/octet-stream")
    return FileResponse(path, media_type=kind)
