"""One upload, good or bad, and what becomes of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import httpx

TOKEN, MOST_BYTES = "a-token", 200_000
"""What the service asks for, and how large it lets a video be."""

ALIKE = 1e-4
"""Probabilities that differ by less are the same answer."""

AGAIN = 0.2
"""Seconds after which somebody who waits asks again."""

VIDEO = {"Content-Type": "video/mp4"}


@dataclass(frozen=True)
class Known:
    """A video, and what `Predictor` says of it."""

    content: bytes
    probabilities: Mapping[str, float]
    """By class."""


@dataclass(frozen=True)
class Fate:
    """What became of one upload."""

    what: str
    """"answered", "refused", "broken off", or how it went wrong."""
    seconds: float = 0.0
    """From the first attempt to the answer."""
    turned_away: int = 0
    """How often the queue was full."""

    @property
    def is_right(self) -> bool:
        """Whether it is what the upload deserved."""
        return self.what in ("answered", "refused", "broken off")


def client_at(address: str, number: int) -> httpx.AsyncClient:
    """Somebody: the service believes a proxy on the loopback from where a request comes."""
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": f"10.0.0.{number}"}
    return httpx.AsyncClient(base_url=address, headers=headers, timeout=120)


async def ask(client: httpx.AsyncClient, video: Known) -> Fate:
    """A good upload, until it is answered."""
    began, turned_away = time.monotonic(), 0
    while True:
        posted = await client.post("/api/jobs", content=video.content, headers=VIDEO)
        if posted.status_code != 429:
            break
        turned_away += 1
        await asyncio.sleep(AGAIN)
    if posted.status_code != 202:
        return Fate(f"good, but {posted.text}")
    told = await ended(client, posted.json()["id"])
    if told["state"] != "done":
        return Fate(f"good, but {told['error']}")
    said = {share["label"]: share["probability"] for share in told["results"][0]["top"]}
    what = "answered" if difference(said, video.probabilities) < ALIKE else "another's answer"
    return Fate(what, time.monotonic() - began, turned_away)


def difference(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """The largest, of two answers; infinite where they name different classes."""
    if one.keys() != other.keys():
        return inf
    return max(abs(share - other[label]) for label, share in one.items())


async def ended(client: httpx.AsyncClient, job: str) -> dict[str, Any]:
    """A job that was accepted, once it has ended."""
    while True:
        told = (await client.get(f"/api/jobs/{job}")).json()
        if told["state"] in ("done", "failed", "cancelled"):
            return told
        await asyncio.sleep(AGAIN)


BAD = {
    "text": 422,
    "cut": 422,
    "broken off": None,
    "wrong token": 401,
    "too large": 413,
    "of another kind": 415,
    "slow": 408,
}
"""Kinds of bad uploads, and what must be said of them; None: nobody is there to hear it."""


def sent(kind: str, content: bytes) -> dict[str, Any]:
    """A bad upload of a kind that httpx can send, made of a good one."""
    half = content[: len(content) // 2]
    changes: dict[str, dict[str, Any]] = {
        "text": {"content": b"hello"},
        "cut": {"content": half},
        "broken off": {"content": broken(half)},
        "wrong token": {"headers": {"Authorization": "Bearer wrong"}},
        "too large": {"content": bytes(MOST_BYTES + 1)},
        "of another kind": {"headers": {"Content-Type": "text/html"}},
    }
    return {"content": content, "headers": VIDEO} | changes[kind]


async def misbehave(client: httpx.AsyncClient, content: bytes, *, kind: str) -> Fate:
    """A bad upload, until it is refused for what it is."""
    while True:
        try:
            said = await (slowly(client) if kind == "slow" else post(client, content, kind=kind))
        except EOFError:
            return Fate("broken off")
        if said != 429:
            break
        await asyncio.sleep(AGAIN)
    return Fate("refused" if said == BAD[kind] else f"{kind}, but {said}")


async def post(client: httpx.AsyncClient, content: bytes, *, kind: str) -> int:
    """The status that a bad upload is answered with."""
    return (await client.post("/api/jobs", **sent(kind, content))).status_code


async def slowly(client: httpx.AsyncClient) -> int:
    """A byte and a byte, until it is answered: the status. httpx would look only after the last."""
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    headers = {"Host": "localhost", "Content-Length": "1000", **VIDEO, **client.headers}
    lines = ["POST /api/jobs HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    answer = asyncio.create_task(reader.readline())
    while not answer.done():
        writer.write(b"a")
        await asyncio.sleep(AGAIN)
    writer.close()
    return int((await answer).split()[1])


async def broken(content: bytes) -> AsyncIterator[bytes]:
    """These, and then nobody is there."""
    yield content
    raise EOFError
