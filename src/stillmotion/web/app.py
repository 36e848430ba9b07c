"""The service as an ASGI app."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool
from starlette.staticfiles import StaticFiles

from stillmotion.errors import ConfigurationError
from stillmotion.model import VideoClassifier
from stillmotion.settings import MEMORY_GIB
from stillmotion.version import __version__
from stillmotion.web import failures
from stillmotion.web.access import LOOPBACK, Access, check_token
from stillmotion.web.hosting import Hosted
from stillmotion.web.limits import Limits
from stillmotion.web.routes import api, router
from stillmotion.web.service import Service

PAGE = Path(__file__).parent / "page"
"""The page's files; they are served as they are."""


def create_app(
    models: Mapping[str, VideoClassifier],
    *,
    sources: Mapping[str, str] | None = None,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    token: str | None = None,
    hosts: Collection[str] | None = LOOPBACK,
    samples: Path | None = None,
    device: str | None = None,
    memory_gib: float = MEMORY_GIB,
) -> FastAPI:
    """The service and its page. It works between the app's start and its end (its lifespan).

    Args:
        models: by the ids under which they are asked for; `load_together` makes them share an image
            model.
        sources: where they came from, for people, by the same ids; None: from a program.
        limits: how much may be asked.
        token: who asks must know it, letters of ASCII, digits and ``._~+/=-``; None: everyone may
            ask, as on the loopback.
        hosts: names by which the service may be called while nobody is asked for a token, without a
            port; None: any.
        samples: a folder of videos to try; None: some are drawn.
        device: where to compute; None: a GPU where there is one.
        memory_gib: bound on the tensors of the clips that are shown to a model at once, in GiB.

    Raises:
        ConfigurationError: no model, a token of other characters, or a device that is not there.
        DataError: no video of ``samples`` is to be taken.
    """
    if token is not None:
        check_token(token)
    if not models:
        raise ConfigurationError("a service without a model has nothing to say: give at least one")
    host = partial(Hosted, device=device, memory_gib=memory_gib)
    hosted = {i: host(i, model, source=(sources or {}).get(i)) for i, model in models.items()}
    service = Service(hosted, limits=limits, samples=samples)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(service.start)
        yield
        await run_in_threadpool(service.close)

    app = FastAPI(
        title="stillmotion",
        version=__version__,
        summary="What happens in a video, and when.",
        docs_url=None,  # FastAPI's own pages load their scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service, app.state.needs_token = service, token is not None
    app.include_router(router)
    app.include_router(api)
    app.add_api_route("/", page, include_in_schema=False)
    app.mount("/page", StaticFiles(directory=PAGE, check_dir=False))
    known = hosts if token is None else None
    app.add_middleware(Access, token=token, hosts=known, metrics=service.metrics)
    failures.install(app)
    return app


def page() -> FileResponse:
    """The page."""
    return FileResponse(PAGE / "index.html")
