"""Every answer that is not a success, in one form: {"error": {"code": ..., "reason": ...}}."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from stillmotion.web.refusal import RefusalError
from stillmotion.web.schemas import MISTAKE, Failure, Fault

POSSIBLE = {
    400: "The request is malformed.",
    401: "The token is missing or wrong.",
    403: "The request comes from another site's page.",
    404: "There is no such thing, or no longer.",
    408: "The video takes too long to arrive.",
    409: "The job has not ended yet.",
    413: "The video is too large or too long.",
    415: "The body is not said to be a video.",
    422: "The video or a value cannot be used.",
    429: "The queue is full; Retry-After says when to come back.",
    503: "The service is stopping.",
}
"""What each status means here, for OpenAPI."""


REFERENCE = {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}}
"""To `Failure`: FastAPI would describe a route of files to fail in files."""


def possible(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route says of its failures, for OpenAPI."""
    return {status: {"description": POSSIBLE[status], "content": REFERENCE} for status in statuses}


def failure(status: int, fault: Fault, *, headers: dict[str, str] | None = None) -> JSONResponse:
    """The answer."""
    return JSONResponse(Failure(error=fault).model_dump(), status_code=status, headers=headers)


def install(app: FastAPI) -> None:
    """Makes the app fail in this form."""

    @app.exception_handler(RefusalError)
    async def refused(request: Request, error: RefusalError) -> JSONResponse:
        app.state.service.metrics.add("refusals_total", code=error.fault.code)
        retry = error.retry_seconds
        headers = None if retry is None else {"Retry-After": str(retry)}
        return failure(error.status, error.fault, headers=headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        app.state.service.metrics.add("refusals_total", code="invalid")
        wrong = "; ".join(f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors())
        return failure(422, Fault(code="invalid", reason=wrong))

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> JSONResponse:
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        app.state.service.metrics.add("refusals_total", code=code)
        reason = f"{request.method} {request.url.path}: {error.detail}"
        headers = dict(error.headers or {})
        return failure(error.status_code, Fault(code=code, reason=reason), headers=headers)

    @app.exception_handler(Exception)
    async def ours(request: Request, error: Exception) -> JSONResponse:
        return failure(500, MISTAKE)
