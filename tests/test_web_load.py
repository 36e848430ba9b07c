"""Many at once, some of them badly: each gets its own answer, and nobody keeps another waiting."""

import asyncio
import contextlib
import importlib
import itertools
import os
import signal
import socket
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from stillmotion.web.connections import protocol
from stillmotion.web.job import Job
from stillmotion.web.jobs import Book
from stillmotion.web.limits import Limits
from stillmotion.web.metrics import Metrics
from stillmotion.web.schemas import VideoTold
from stillmotion.web.server import listen


@pytest.fixture
def crowds(monkeypatch):
    """The benchmark, whose clients these tests send as well."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    return importlib.import_module("clients")


@pytest.fixture
def uploads(crowds):
    return importlib.import_module("crowd.uploads")


def sent(crowds, uploads, folder, *, clients, each, kinds):
    """Fates of all uploads, and of the jobs that were accepted when the service was stopped."""
    videos = crowds.known_videos(folder, clients * each)
    said = [video.probabilities for video in videos]
    differences = [uploads.difference(*pair) for pair in itertools.combinations(said, 2)]
    assert min(differences) > 2 * uploads.ALIKE  # else a mixture of answers could not be told
    with crowds.serving(folder / "model") as (process, address):
        fates, _ = asyncio.run(
            crowds.crowd(address, process.pid, videos, clients=clients, kinds=kinds)
        )
        children = psutil.Process(process.pid).children(recursive=True)
        last = asyncio.run(stopped(uploads, process, address, videos[:3]))
        _, warned = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "Traceback" not in warned
    psutil.wait_procs(children, timeout=60)
    assert not any(child.is_running() for child in children)
    return fates, last


async def stopped(uploads, process, address, videos):
    """Jobs that were accepted before every process of the service was told to end."""
    async with uploads.client_at(address, 99) as client:
        posted = [
            await client.post("/api/jobs", content=video.content, headers=uploads.VIDEO)
            for video in videos
        ]
        os.killpg(process.pid, signal.SIGTERM)
        return await asyncio.gather(
            *(uploads.ended(client, answer.json()["id"]) for answer in posted)
        )


def assert_each_met_its_fate(fates, last, *, good, kinds, temporary):
    """Good uploads their own answers, bad ones their refusals; nothing is left."""
    counts = Counter(fate.what for fate in fates)
    assert all(fate.is_right for fate in fates), counts
    assert counts["answered"] == good
    assert sum(counts.values()) - good >= len(kinds)
    assert [job["state"] for job in last] == ["done"] * 3
    assert not list(temporary.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="signals differ")
def test_each_of_a_crowd_gets_its_own_answer_and_a_stop_ends_what_was_accepted(
    crowds, uploads, tmp_path, tmp_path_factory, monkeypatch
):
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(temporary))
    fates, last = sent(crowds, uploads, tmp_path, clients=5, each=1, kinds=["cut"])
    assert_each_met_its_fate(fates, last, good=5, kinds=["cut"], temporary=temporary)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals differ")
def test_fifty_clients_get_their_own_answers(
    crowds, uploads, tmp_path, tmp_path_factory, monkeypatch
):
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(temporary))
    kinds = tuple(uploads.BAD)
    fates, last = sent(crowds, uploads, tmp_path, clients=50, each=2, kinds=kinds)
    assert_each_met_its_fate(fates, last, good=100, kinds=kinds, temporary=temporary)


def job_of(client):
    told = VideoTold(name="a", seconds=1.0, width=1, height=1, fps=1.0)
    return Job(path=Path("a"), is_upload=False, video=told, models=(), window=None, stride=None,
               wants_flow=False, client=client)  # fmt: skip


@dataclass
class Line:
    """What the first waiting job of a client saw, from when it was the first."""

    first: Job
    there: set[str]
    """Clients that had jobs."""
    served: list[str] = field(default_factory=list)


def unfinished(book, state=None):
    return [job for job in book.unfinished() if state in (None, job.state)]


def lines_of(book, lines):
    """Those of all clients that wait, by client: begun anew where another job is the first now."""
    first = {job.client: job for job in reversed(unfinished(book, "queued"))}
    there = {job.client for job in unfinished(book)}
    kept = {client: line for client, line in lines.items() if line.first is first.get(client)}
    return {client: Line(job, there) for client, job in first.items()} | kept


CLIENTS = st.sampled_from("abcdef")
DONE = st.one_of(
    st.tuples(st.sampled_from(["ask", "ask", "leave"]), CLIENTS),
    st.tuples(st.sampled_from(["take", "take", "end", "end and forget"]), st.just("")),
)


@given(st.lists(DONE, max_size=60))
def test_who_waits_sees_each_client_served_once_that_was_there_and_no_newcomer(done):
    book, lines = Book(Limits(), Metrics()), {}
    for what, client in done:
        running = [job for job in unfinished(book) if job.state == "reading"]
        if what == "ask":
            book.add(job_of(client))
        elif what == "take" and (job := book.take(seconds=0.0)):
            lines.pop(job.client)
            for line in lines.values():
                line.served.append(job.client)
        elif what == "leave":
            for job in unfinished(book):
                if job.client == client:
                    book.remove(job)
        elif what in ("end", "end and forget") and running:
            book.end(running[0], "done")
            if what != "end":
                book.remove(running[0])
        lines = lines_of(book, lines)
        for line in lines.values():
            assert len(set(line.served)) == len(line.served)
            assert set(line.served) <= line.there - {line.first.client}


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12))
def test_the_order_that_is_told_is_that_in_which_jobs_are_taken(asked):
    book = Book(Limits(), Metrics())
    for client in asked:
        book.add(job_of(client))
    told = {book.told(job).ahead: job for job in unfinished(book)}
    taken = [book.take(seconds=0.0) for _ in asked]
    assert [told[place] for place in range(len(asked))] == taken


def test_who_removes_its_jobs_is_not_served_before_others():
    book = Book(Limits(), Metrics())
    for client in "ggggpp":
        book.add(job_of(client))
    served = []
    while job := book.take(seconds=0.0):
        served.append(job.client)
        book.end(job, "done")
        book.remove(job)
    assert "".join(served) == "gpgpgg"


def test_a_second_job_is_served_though_newcomers_never_end():
    book = Book(Limits(), Metrics())
    book.add(job_of("old"))
    book.add(second := job_of("old"))
    for number in range(3):
        book.add(job_of(f"new {number}"))
        book.end(book.take(seconds=0.0), "done")
    assert second.has_ended


LARGE = 50_000_000


async def answer(scope, receive, send):
    """An app that says little, or much."""
    body = bytes(LARGE if scope["path"] == "/large" else 2)
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"%d" % len(body))]})  # fmt: skip
    for begin in range(0, len(body), 65536):
        part = body[begin : begin + 65536]
        more = begin + 65536 < len(body)
        await send({"type": "http.response.body", "body": part, "more_body": more})


@contextlib.contextmanager
def listening(**limits):
    """A server of this app, and how to connect to it."""
    http = protocol(Limits(**limits))
    config = uvicorn.Config(answer, http=http, ws="none", lifespan="off", log_level="error")
    with listen("127.0.0.1", 0) as door:
        address = door.getsockname()
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
        thread.start()
        try:
            yield lambda source="": socket.create_connection(address, 30, (source, 0))
        finally:
            server.should_exit = True
            thread.join()


def ask(connection, path="/"):
    connection.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode())


def is_answered(connection):
    ask(connection)
    said = b""
    while not said.endswith(b"\r\n\r\n\0\0"):
        said += connection.recv(1000)
    return said.startswith(b"HTTP/1.1 200")


def is_closed(connection):
    """Once it is: the other end says so, or is gone."""
    try:
        while connection.recv(2**20):
            pass
    except ConnectionResetError:
        return True
    return True


def test_who_asks_nothing_or_half_or_again_and_again_half_is_not_waited_for():
    with listening(request_seconds=0.2) as connect:
        with connect() as silent, connect() as half, connect() as second:
            half.sendall(b"GET / HTTP/1.1\r\n")
            assert is_answered(second)
            second.sendall(b"GET / HTTP/1.1\r\nHost:")
            assert all(map(is_closed, (silent, half, second)))
        with connect() as proper:
            assert is_answered(proper)
            assert is_answered(proper)


def test_who_takes_no_more_of_an_answer_is_not_waited_for():
    with listening(answer_seconds=0.2) as connect, connect() as lazy:
        ask(lazy, "/large")
        threading.Event().wait(1.0)
        taken = 0
        with contextlib.suppress(ConnectionResetError):
            while part := lazy.recv(2**20):
                taken += len(part)
        assert taken < LARGE


def test_who_takes_an_answer_slowly_gets_all_of_it():
    with listening(answer_seconds=5.0, request_seconds=0.2) as connect, connect() as slow:
        ask(slow, "/large")
        threading.Event().wait(0.5)
        taken = 0
        while taken < LARGE:
            taken += len(slow.recv(2**20))


def test_where_too_many_are_connected_those_go_that_ask_nothing():
    with (
        listening(connections=3, request_seconds=300.0) as connect,
        contextlib.ExitStack() as stack,
    ):
        known = stack.enter_context(connect())
        assert is_answered(known)
        idle = [stack.enter_context(connect()) for _ in range(5)]
        newcomer = stack.enter_context(connect())
        assert is_answered(newcomer)
        assert is_answered(known)
        assert all(map(is_closed, idle[:4]))


def test_where_too_many_take_nothing_of_their_answers_the_next_is_answered():
    with listening(connections=3) as connect, contextlib.ExitStack() as stack:
        lazy = [stack.enter_context(connect()) for _ in range(3)]
        for connection in lazy:
            ask(connection, "/large")
            assert connection.recv(1)
        assert all(is_answered(stack.enter_context(connect())) for _ in range(3))


@pytest.mark.skipif(sys.platform != "linux", reason="one loopback address")
def test_an_address_that_asks_again_and_again_keeps_no_other_out():
    with listening(connections=3) as connect, contextlib.ExitStack() as stack:
        for _ in range(3):
            busy = stack.enter_context(connect("127.0.0.2"))
            busy.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                while True:
                    busy.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 10_000)
        assert all(is_answered(stack.enter_context(connect())) for _ in range(3))


def test_where_too_many_rest_after_an_answer_the_next_is_answered():
    with listening(connections=3) as connect, contextlib.ExitStack() as stack:
        for _ in range(6):
            assert is_answered(stack.enter_context(connect()))
