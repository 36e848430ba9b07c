"""Jobs wait their turn, can be cancelled at every stage, and are forgotten."""

import math
import signal
import threading
import time

import pytest

from services import MP4, asked, client_of, ended, refusal, two_models
from stillmotion.web.app import create_app
from stillmotion.web.asking import look_into
from stillmotion.web.job import Job
from stillmotion.web.jobs import Book
from stillmotion.web.limits import Limits
from stillmotion.web.metrics import Metrics
from stillmotion.web.refusal import RefusalError
from stillmotion.web.schemas import VideoTold
from stillmotion.web.server import LINGER_SECONDS, Server
from stillmotion.web.service import Service
from videos import write_video


@pytest.fixture(scope="module")
def models(finished_run, tmp_path_factory):
    return two_models(finished_run, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_video(
        tmp_path_factory.mktemp("video") / "a.mp4", num_frames=24, fps=4
    ).read_bytes()


LONG = {"stride": 0.01, "window": 1.0}
"""Hundreds of windows: a job that lasts for seconds."""


def state_of(client, job):
    return client.get(f"/api/jobs/{job}").json()


def until(client, job, *states):
    while (told := state_of(client, job))["state"] not in states:
        time.sleep(0.01)
    return told


def test_jobs_wait_their_turn_and_are_cancelled_at_every_stage(models, video, few_videos):
    limits = Limits(at_once=1, queue=3)
    with client_of(models, limits=limits, samples=few_videos) as client:
        running, first, second = (asked(client, video, **LONG) for _ in range(3))
        full = client.post("/api/jobs", content=video, headers=MP4)
        assert refusal(full, 429) == "queue_full"
        assert int(full.headers["retry-after"]) > 0
        assert until(client, running, "scoring")["ahead"] == 0
        assert (state_of(client, first)["ahead"], state_of(client, second)["ahead"]) == (1, 2)
        assert refusal(client.get(f"/api/jobs/{first}/flow?model=doors"), 409) == "not_done"
        assert client.delete(f"/api/jobs/{first}").status_code == 204  # while it waits
        assert state_of(client, first)["state"] == "cancelled"
        assert state_of(client, second)["ahead"] == 1
        assert client.delete(f"/api/jobs/{running}").status_code == 204  # while it is scored
        told = state_of(client, running)
        assert (told["state"], told["error"]["code"]) == ("cancelled", "cancelled")
        assert told["progress"] < 1
        until(client, second, "reading", "scoring")
        client.delete(f"/api/jobs/{second}")
        last = asked(client, video, models="doors")  # the places are free again
        assert ended(client, last)["state"] == "done"
        folder = client.app.state.service.folder
        while len(list(folder.iterdir())) > 1:  # videos of cancelled jobs go
            time.sleep(0.05)
        assert client.app.state.service.scorer.waiting() == 0


def test_a_small_job_does_not_wait_for_a_long_one(models, video, few_videos):
    with client_of(models, limits=Limits(at_once=2), samples=few_videos) as client:
        long = asked(client, video, **LONG)
        until(client, long, "scoring")
        assert ended(client, asked(client, video))["state"] == "done"
        assert state_of(client, long)["state"] == "scoring"
        client.delete(f"/api/jobs/{long}")


def test_a_job_that_takes_too_long_fails(models, video, few_videos):
    limits = Limits(time_limit_seconds=0.5)
    with client_of(models, limits=limits, samples=few_videos) as client:
        job = ended(client, asked(client, video, **LONG))
    assert (job["state"], job["error"]["code"]) == ("failed", "too_slow")


def test_a_service_that_stops_takes_nothing_more_and_says_why_jobs_end(models, video, few_videos):
    limits = Limits(grace_seconds=0.1)
    with client_of(models, limits=limits, samples=few_videos) as client:
        service = client.app.state.service
        job = service.book.get(asked(client, video, **LONG))
        folder = service.folder
        assert not service.drain()
        assert client.get("/healthz").json() == {"status": "stopping"}
        assert refusal(client.post("/api/jobs", content=video, headers=MP4), 503) == "stopping"
    assert (job.state, job.error.code) == ("cancelled", "stopping")
    assert not folder.exists()


def test_a_service_that_stops_lets_jobs_end(models, video, few_videos):
    with client_of(models, samples=few_videos) as client:
        job = asked(client, video)
        assert client.app.state.service.drain()
        assert state_of(client, job)["state"] == "done"


def job_of(path, *, is_upload=True, client=""):
    """A job about a file that is there."""
    path.touch()
    told = VideoTold(name="a", seconds=1.0, width=1, height=1, fps=1.0)
    return Job(path=path, is_upload=is_upload, video=told, models=(), window=None,
               stride=None, wants_flow=False, client=client)  # fmt: skip


def book_of(tmp_path, number, **limits):
    """A book with jobs that are done, each with a file."""
    book = Book(Limits(**limits), Metrics())
    for index in range(number):
        job = job_of(tmp_path / str(index), is_upload=index != 1)
        book.add(job)
        book.end(job, "done")
    return book


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_oldest_jobs_are_forgotten_with_their_uploads_alone(tmp_path):
    book = book_of(tmp_path, 5, keep_jobs=2)
    book.sweep()
    assert names(tmp_path) == ["1", "3", "4"]  # 1 is a sample: nobody's to remove
    assert book.count("done") == 2


def test_jobs_are_forgotten_after_a_while(tmp_path):
    book = book_of(tmp_path, 3, keep_seconds=3600.0)
    book.sweep()
    assert book.count("done") == 3
    book = book_of(tmp_path, 3, keep_seconds=0.0)
    book.sweep()
    assert book.count("done") == 0


def test_videos_of_jobs_that_are_cancelled_go_though_nobody_works(tmp_path):
    book = Book(Limits(keep_jobs=2, queue=2), Metrics())
    running = job_of(tmp_path / "running")
    book.add(running)
    assert book.take(seconds=0.0) is running
    for number in range(5):
        with book.place():
            waiting = job_of(tmp_path / str(number))
            book.add(waiting)
        book.remove(waiting)
        assert names(tmp_path) == ["running"]
    assert book.count("cancelled") == 2


def test_jobs_are_forgotten_when_others_come_though_nobody_works(tmp_path):
    book = book_of(tmp_path, 3, keep_seconds=0.0)
    with book.place():
        assert names(tmp_path) == ["1"]


def test_one_client_alone_does_not_fill_the_queue(tmp_path):
    book = Book(Limits(queue=3, queue_each=2), Metrics())
    with book.place("greedy"):
        greedy = job_of(tmp_path / "greedy", client="greedy")
        book.add(greedy)
    with book.place("greedy"):
        with pytest.raises(RefusalError, match="2 jobs of yours") as refused, book.place("greedy"):
            pass
        assert (refused.value.status, refused.value.retry_seconds) == (429, 5)
        with (
            book.place("another"),
            pytest.raises(RefusalError, match="3 jobs"),
            book.place("third"),
        ):
            pass
    book.end(greedy, "done")
    with book.place("greedy"), book.place("greedy"):
        assert book.under_way() == 2


def test_a_service_that_stops_waits_for_no_video_to_open(tmp_path):
    service = Service({}, limits=Limits())
    service.book.stop()
    with pytest.raises(RefusalError, match="stopping") as refused:
        look_into(service, write_video(tmp_path / "a.mp4"), name="a")
    assert refused.value.status == 503


def test_a_video_that_arrives_while_the_service_stops_is_waited_for(tmp_path):
    book = Book(Limits(), Metrics())
    worked = threading.Thread(target=lambda: book.end(book.take(seconds=60.0), "done"))
    worked.start()
    with book.place():
        book.close()
        assert not book.wait(seconds=0.0)
        job = job_of(tmp_path / "a")
        book.add(job)
    assert book.wait(seconds=60.0)
    assert job.state == "done"
    worked.join()


def test_a_video_that_arrives_after_the_end_is_refused(tmp_path):
    book = Book(Limits(), Metrics())
    with book.place():
        book.stop()
        with pytest.raises(RefusalError, match="stopping") as refused:
            book.add(job_of(tmp_path / "a"))
    assert refused.value.status == 503
    assert book.wait(seconds=0.0)


def test_who_asks_for_what_ended_just_before_a_stop_finds_it(models, tmp_path):
    app = create_app(models)
    book, server = app.state.service.book, Server(app, told="")
    assert book.last_end() == -math.inf
    with book.place():
        job = job_of(tmp_path / "a")
        book.add(job)
    book.end(job, "done")
    server.handle_exit(signal.SIGTERM, None)
    while not server.should_exit:
        time.sleep(0.05)
    assert time.monotonic() >= job.ended_at + LINGER_SECONDS
    assert book.get(job.id) is job
    hasty = Server(app, told="")
    job.ended_at = time.monotonic() + 3600.0  # it would linger for an hour
    for _ in range(2):
        hasty.handle_exit(signal.SIGINT, None)
    assert hasty.should_exit


def test_a_job_whose_video_arrived_while_the_service_drained_is_worked_at(
    models, video, few_videos
):
    patient = Limits(grace_seconds=300.0)  # of a busy machine
    with client_of(models, samples=few_videos, limits=patient) as client:
        service, drained = client.app.state.service, []
        draining = threading.Thread(target=lambda: drained.append(service.drain()))

        def arriving():
            yield video[:100]
            draining.start()
            while service.book.is_open:
                time.sleep(0.01)
            yield video[100:]

        job = asked(client, arriving())
        draining.join()
        assert drained == [True]
        assert state_of(client, job)["state"] == "done"
