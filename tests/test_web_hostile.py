"""Whatever is sent, the service refuses it with a reason, and goes on."""

import asyncio
import time

import pytest
from fastapi import Request

from services import MP4, asked, client_of, ended, refusal, two_models
from stillmotion import Predictor
from stillmotion.errors import VideoError
from stillmotion.web.limits import Limits
from stillmotion.web.refusal import RefusalError
from stillmotion.web.uploads import receive
from videos import write_sound, write_video


@pytest.fixture(scope="module")
def models(finished_run, tmp_path_factory):
    return two_models(finished_run, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def client(models, few_videos):
    limits = Limits(
        max_bytes=200_000, max_seconds=60.0, max_pixels=64 * 48, max_frames=22, max_windows=50
    )
    with client_of(models, limits=limits, samples=few_videos) as client:
        yield client
        assert client.get("/healthz").json() == {"status": "ok"}


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("video") / "a.mp4", num_frames=10)


def post(client, content, **question):
    return client.post("/api/jobs", content=content, headers=MP4, params=question)


def test_what_is_no_video_is_refused(client, tmp_path):
    for content in (b"hello", b"\0" * 5000, b"#EXTM3U\nfile:///etc/passwd\n", b"RIFF" + b"A" * 900):
        assert refusal(post(client, content), 422) == "unreadable"
    sound = write_sound(tmp_path / "sound.mp4").read_bytes()
    answer = post(client, sound)
    assert refusal(answer, 422) == "unreadable"
    assert answer.json()["error"]["reason"] == "the file has only sound"


def test_no_reason_tells_where_files_lie(client):
    reason = post(client, b"hello").json()["error"]["reason"]
    assert str(client.app.state.service.folder) not in reason


def test_a_file_that_breaks_off_is_refused(client, tmp_path):
    whole = write_video(tmp_path / "a.mp4", num_frames=20).read_bytes()
    assert refusal(post(client, whole[: len(whole) // 2]), 422) == "unreadable"


def test_a_file_that_is_damaged_further_on_fails_as_a_job_with_the_reason(client, tmp_path):
    options = {"crf": "1", "x264-params": "keyint=1"}
    data = bytearray(write_video(tmp_path / "a.mp4", num_frames=20, options=options).read_bytes())
    start = data.index(b"mdat")
    size = int.from_bytes(data[start - 4 : start], "big")
    data[start + size // 2 : start + size - 8] = b"\xff" * (size - 8 - size // 2)
    job = ended(client, asked(client, bytes(data)))
    assert (job["state"], job["error"]["code"], job["results"]) == ("failed", "unreadable", [])
    assert "of 20 cannot be decoded" in job["error"]["reason"]
    assert str(client.app.state.service.folder) not in job["error"]["reason"]


def test_a_header_that_claims_huge_frames_is_refused_before_memory_is_taken(client):
    for side, code, status in ((20_000, "unreadable", 422), (8_000, "too_many_pixels", 413)):
        header = f"YUV4MPEG2 W{side} H{side} F25:1 Ip A1:1 C420jpeg\nFRAME\n".encode()
        assert refusal(post(client, header + b"\0" * 1000), status) == code


def test_a_video_that_is_too_large_too_long_or_too_many_frames_is_refused(client, tmp_path):
    wide = write_video(tmp_path / "wide.mp4", width=66, height=48)
    assert refusal(post(client, wide.read_bytes()), 413) == "too_many_pixels"
    long = write_video(tmp_path / "long.mp4", num_frames=3, pts=[0, 10, 700_000])
    assert long.stat().st_size < 5000
    assert refusal(post(client, long.read_bytes()), 413) == "too_long"
    many = write_video(tmp_path / "many.mp4", num_frames=23)
    assert refusal(post(client, many.read_bytes()), 413) == "too_many_frames"


def test_too_many_bytes_are_refused_whether_they_are_announced_or_not(client):
    def in_pieces():
        for _ in range(100):
            yield b"\0" * 10_000

    folder = client.app.state.service.folder
    before = set(folder.iterdir())
    assert refusal(post(client, b"\0" * 200_001), 413) == "too_large"
    assert refusal(client.post("/api/jobs", content=in_pieces(), headers=MP4), 413) == "too_large"
    assert set(folder.iterdir()) == before


def test_other_kinds_of_content_are_refused(client, video):
    for kind in ("text/html", "multipart/form-data; boundary=a", "video", "video/<script>"):
        answer = client.post(
            "/api/jobs", content=video.read_bytes(), headers={"content-type": kind}
        )
        assert refusal(answer, 415) == "not_a_video"


def test_questions_that_make_no_sense_are_refused(client, video):
    content, sample = video.read_bytes(), client.get("/api/samples").json()[0]
    assert refusal(post(client, b""), 422) == "no_video"
    assert refusal(post(client, content, sample=sample["id"]), 422) == "two_videos"
    assert refusal(post(client, b"", sample="nine"), 422) == "no_such_sample"
    answer = post(client, content, models="doors,dors")
    assert refusal(answer, 422) == "no_such_model"
    assert "did you mean 'doors'" in answer.json()["error"]["reason"]
    for value in ("0", "-1", "nan", "inf", "long", "5e-324", "0.0099"):
        assert refusal(post(client, content, window=value), 422) == "invalid"
        assert refusal(post(client, content, stride=value), 422) == "invalid"
    assert refusal(post(client, content, stride=0.01), 422) == "too_many_windows"


def test_addresses_that_do_not_exist_are_refused_in_the_same_form(client):
    assert refusal(client.get("/api/nothing"), 404) == "not_found"
    assert refusal(client.put("/api/jobs"), 405) == "method_not_allowed"
    assert refusal(client.get("/api/samples/nine/video"), 404) == "no_such_sample"
    for job in ("none", "..%2f..%2fetc%2fpasswd", "%00"):
        assert refusal(client.get(f"/api/jobs/{job}"), 404) in ("no_such_job", "not_found")
        assert refusal(client.delete(f"/api/jobs/{job}"), 404) in ("no_such_job", "not_found")


def test_after_all_that_a_video_is_still_answered(client, video):
    assert ended(client, asked(client, video.read_bytes()))["state"] == "done"


def test_an_upload_that_dawdles_is_refused(models, few_videos):
    limits = Limits(upload_seconds=0.05)

    def dawdling():
        for _ in range(4):
            time.sleep(0.05)
            yield b"\0"

    with client_of(models, limits=limits, samples=few_videos) as client:
        answer = client.post("/api/jobs", content=dawdling(), headers=MP4)
        assert refusal(answer, 408) == "too_slow"


def test_an_upload_that_breaks_off_is_refused_without_a_fault_of_ours(tmp_path):
    parts = [
        {"type": "http.request", "body": b"abc", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def next_part():
        return parts.pop(0)

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"video/mp4")]}
    request = Request(scope, next_part)
    with pytest.raises(RefusalError, match="broke off"):
        asyncio.run(receive(request, tmp_path / "a", Limits()))


def test_whoever_left_while_the_video_was_opened_gets_no_job(client, video):
    """As the server tells it: the whole body, and then that nobody is there."""
    parts = [
        {"type": "http.request", "body": video.read_bytes()},
        {"type": "http.disconnect"},
    ]
    said = []

    async def next_part():
        return parts.pop(0)

    async def say(part):
        said.append(part)

    service = client.app.state.service
    before, jobs = set(service.folder.iterdir()), set(service.book._jobs)
    scope = {"type": "http", "method": "POST", "path": "/api/jobs", "query_string": b"",
             "headers": [(b"host", b"localhost"), (b"content-type", b"video/mp4")]}  # fmt: skip
    asyncio.run(client.app(scope, next_part, say))
    assert said[0]["status"] == 400
    assert b"broken_off" in said[1]["body"]
    assert set(service.folder.iterdir()) == before
    assert set(service.book._jobs) == jobs


@pytest.mark.slow
def test_files_of_every_kind_are_answered_as_predictor_does_or_refused(models, few_videos, shared):
    predictor, seen = Predictor(models["doors"]), set()
    with client_of(models, samples=few_videos) as client:
        for path in sorted((shared / "data" / "decoder-zoo").rglob("*.*")):
            headers = {**MP4, "x-file-name": path.name}
            posted = client.post(
                "/api/jobs?models=doors", content=path.read_bytes(), headers=headers
            )
            accepted = posted.status_code == 202
            job = ended(client, posted.json()["id"]) if accepted else {"state": "refused"}
            seen.add(job["state"])
            try:
                expected = predictor(path).probabilities[0]
            except VideoError:
                assert job["state"] in ("refused", "failed"), path
            else:
                told = job["results"][0]["top"][0]["probability"]
                assert told == pytest.approx(expected, abs=1e-5), path
    assert seen == {"done", "failed", "refused"}
