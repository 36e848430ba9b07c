"""A video that arrives: to a file as it comes, and no further than it may."""

import asyncio
import re
from pathlib import Path
from urllib.parse import unquote

from fastapi import Request
from starlette.requests import ClientDisconnect

from stillmotion.web.limits import Limits
from stillmotion.web.refusal import refuse

KINDS = re.compile(r"video/[\w.+-]+|application/octet-stream")
NAME_LENGTH = 120

PATIENCE_SECONDS = 10.0
"""Before it counts how quickly a video arrives."""


async def receive(request: Request, path: Path, limits: Limits) -> int:
    """Writes the body of a request to a file, and gives its length in bytes.

    Raises:
        RefusalError: 400 where it breaks off, 408 where it takes too long, 413 where it is too
            large, 415 for what does not say it is a video.
    """
    refuse_early(request, limits)
    size, began = 0, asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout_at(began + allowed_seconds(size, limits)) as patience:
            with path.open("wb") as file:
                async for chunk in request.stream():
                    size += len(chunk)
                    refuse_many_bytes(size, limits)
                    await asyncio.to_thread(file.write, chunk)
                    patience.reschedule(began + allowed_seconds(size, limits))
    except ClientDisconnect:
        refuse(400, "broken_off", "the upload broke off")
    except TimeoutError:
        seconds = f"{allowed_seconds(size, limits):.3g} s"
        refuse(408, "too_slow", f"only {size} bytes of the video arrived within {seconds}")
    return size


def allowed_seconds(size: int, limits: Limits) -> float:
    """In which the next bytes must arrive, from the first, once so many are there.

    >>> allowed_seconds(2**20, Limits(upload_bytes_per_second=2**15))
    42.0
    """
    slowest = limits.upload_bytes_per_second
    seconds = PATIENCE_SECONDS + size / slowest if slowest else limits.upload_seconds
    return min(seconds, limits.upload_seconds)


def refuse_early(request: Request, limits: Limits) -> None:
    """Refuse what the headers tell is not to be taken.

    Raises:
        RefusalError: 415 or 413.
    """
    kind = request.headers.get("content-type", "application/octet-stream").partition(";")[0]
    if not KINDS.fullmatch(kind.strip().lower()):
        text = f"send the bytes of a video as application/octet-stream or video/*, not {kind!r}"
        refuse(415, "not_a_video", text)
    stated = request.headers.get("content-length", "")
    if stated.isdecimal():
        refuse_many_bytes(int(stated), limits)


def refuse_many_bytes(size: int, limits: Limits) -> None:
    """Refuse a file of too many bytes.

    Raises:
        RefusalError: 413.
    """
    if size > limits.max_bytes:
        refuse(413, "too_large", f"a video may have {limits.max_bytes / 2**20:g} MiB")


def file_name(header: str | None) -> str:
    """What to call a video: the last part of its percent-encoded name, without control characters.

    >>> file_name("holiday%2Fsea%20side.mp4")
    'sea side.mp4'
    """
    last = re.split(r"[/\\]", unquote(header or ""))[-1]
    return "".join(c for c in last if c.isprintable())[:NAME_LENGTH].strip() or "video"
