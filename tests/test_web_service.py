"""The service answers as the library does, and keeps to its contract."""

import base64

import numpy as np
import pytest
import torch
from PIL import Image

from services import asked, client_of, ended, refusal, two_models
from stillmotion import Predictor
from stillmotion.localisation import as_calibrated, follow, locate
from stillmotion.rejection import KEY, Rejection
from stillmotion.visualise.extract import attention_flow
from stillmotion.web.hosting import named
from stillmotion.web.limits import Limits
from stillmotion.web.metrics import Metrics
from stillmotion.web.schemas import FlowTold
from videos import write_video


@pytest.fixture(scope="module")
def models(finished_run, tmp_path_factory):
    return two_models(finished_run, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def client(models):
    with client_of(models) as client:
        yield client


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Longer than a window, and wider than it is high."""
    return write_video(tmp_path_factory.mktemp("video") / "long.mp4", num_frames=24, fps=4)


def test_several_models_answer_at_once_as_predictor_and_follow_do(client, models, video):
    job = ended(client, asked(client, video.read_bytes()))
    assert (job["state"], job["error"], job["progress"], job["ahead"]) == ("done", None, 1.0, 0)
    assert [result["model"] for result in job["results"]] == list(models)
    for result, model in zip(job["results"], models.values(), strict=True):
        expected, track = Predictor(model)(video), as_calibrated(follow(model, video), model)
        assert result["answer"] == expected.answer
        assert [s["label"] for s in result["top"]] == list(expected.labels)
        told = [s["probability"] for s in result["top"]]
        assert told == pytest.approx(expected.probabilities, abs=1e-5)
        assert result["track"]["starts"] == track.starts.tolist()
        assert result["track"]["stops"] == track.stops.tolist()
        columns = [model.class_names.index(name) for name in result["track"]["labels"]]
        told = np.array(result["track"]["probabilities"])
        np.testing.assert_allclose(told, track.probabilities[:, columns], atol=1e-5)
        assert len(track) > 1
        assert result["seconds_of_work"] > 0


def test_a_track_is_calibrated_as_that_of_locate_is(client, models, video, monkeypatch):
    hotter = models["doors"].info | {KEY: Rejection(threshold=0.0, temperature=3.0).to_dict()}
    monkeypatch.setattr(models["doors"], "info", hotter)
    question = {"models": "doors", "window": 2.0, "stride": 1.0}
    (result,) = ended(client, asked(client, video.read_bytes(), **question))["results"]
    scaled = locate(models["doors"], video, window=2.0, stride=1.0, smooth=0.0).track
    raw = follow(models["doors"], video, window=2.0, stride=1.0)
    columns = [scaled.class_names.index(name) for name in result["track"]["labels"]]
    told = np.array(result["track"]["probabilities"])
    np.testing.assert_allclose(told, scaled.probabilities[:, columns], atol=1e-5)
    assert np.abs(told - raw.probabilities[:, columns]).max() > 1e-3


def test_what_a_video_is_comes_with_its_job(client, video):
    headers = {"content-type": "application/octet-stream", "x-file-name": "my%2Fsea%20side.mp4"}
    posted = client.post("/api/jobs?models=doors", content=video.read_bytes(), headers=headers)
    job = ended(client, posted.json()["id"])
    assert job["video"] == {
        "name": "sea side.mp4",
        "seconds": 6,
        "width": 64,
        "height": 48,
        "fps": 4,
    }
    assert [result["model"] for result in job["results"]] == ["doors"]


def test_the_window_and_the_stride_are_the_askers(client, models, video):
    question = {"models": "other", "window": 2.0, "stride": 1.0}
    (result,) = ended(client, asked(client, video.read_bytes(), **question))["results"]
    track = follow(models["other"], video, window=2.0, stride=1.0)
    assert result["track"]["starts"] == track.starts.tolist() == [0, 1, 2, 3, 4]


def test_models_say_what_they_are_and_with_whom_they_share(client, models):
    doors, other = client.get("/api/models").json()
    assert (doors["id"], doors["method"], doors["shares"]) == ("doors", "amflow", ["other"])
    assert (other["id"], other["method"], other["shares"]) == ("other", "st_adapter", ["doors"])
    assert other["class_names"] == ["up", "down", "still"]
    assert (other["num_frames"], other["image_size"]) == (4, 64)
    trained = sum(tensor.numel() for tensor in models["other"].adapter_tensors().values())
    assert other["trained_parameters"] == trained
    assert doors["has_flow"]


def test_models_that_share_nothing_say_so(finished_run, few_videos):
    import stillmotion

    apart = {name: stillmotion.load(finished_run) for name in ("one", "two")}
    with client_of(apart, samples=few_videos) as client:
        assert [model["shares"] for model in client.get("/api/models").json()] == [[], []]


def test_samples_are_videos_and_can_be_asked_about(client):
    samples = client.get("/api/samples").json()
    assert len(samples) == 4
    for sample in samples:
        video = client.get(f"/api/samples/{sample['id']}/video", headers={"Range": "bytes=4-7"})
        assert (video.status_code, video.content) == (206, b"ftyp")
        assert video.headers["content-type"] == "video/mp4"
    job = ended(client, asked(client, sample=samples[-1]["id"], models="doors"))
    assert job["state"] == "done"
    assert job["video"]["name"] == samples[-1]["name"]
    assert job["video"]["seconds"] == pytest.approx(samples[-1]["seconds"])


def test_samples_of_a_folder(models, few_videos):
    with client_of(models, samples=few_videos) as client:
        names = [sample["name"] for sample in client.get("/api/samples").json()]
    assert names[:2] == ["jump/0.mp4", "jump/1.mp4"]
    assert len(names) == 8


def test_samples_that_would_not_be_taken_are_left_out_and_the_log_says_why(
    models, tmp_path, caplog
):
    good = write_video(tmp_path / "good.mp4")
    write_video(tmp_path / "wide.mp4", width=66)
    write_video(tmp_path / "many.mp4", num_frames=13)
    write_video(tmp_path / "long.mp4", num_frames=3, pts=[0, 10, 7000])
    (tmp_path / "large.mp4").write_bytes(good.read_bytes() + b"\0" * 100_000)
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "frames").mkdir()
    for number in range(3):
        Image.new("RGB", (64, 48)).save(tmp_path / "frames" / f"{number}.png")
    limits = Limits(max_pixels=64 * 48, max_frames=12, max_seconds=60.0, max_bytes=90_000)
    with client_of(models, limits=limits, samples=tmp_path) as client:
        (sample,) = client.get("/api/samples").json()
        assert sample["name"] == "good.mp4"
        ended(client, asked(client, sample=sample["id"], models="doors"))
    left_out = {record.args[0] for record in caplog.records}
    assert left_out == {"wide.mp4", "many.mp4", "long.mp4", "large.mp4", "text.mp4", "frames"}


def test_flow_is_the_models_own_on_the_clips_that_it_saw(client, models, video):
    job = asked(client, video.read_bytes(), flow=True, window=2.0, stride=1.0)
    ended(client, job)
    answer = client.get(f"/api/jobs/{job}/flow", params={"model": "doors"})
    assert answer.content == client.app.state.service.book.get(job).flows["doors"]  # made once
    assert answer.headers["content-type"] == "application/json"
    told = FlowTold.model_validate_json(answer.content).model_dump()
    shape = len(told["times"]), told["height"], told["width"]
    strength = np.frombuffer(base64.b64decode(told["strength"]), np.uint8).reshape(shape)
    assert told["times"] == sorted(set(told["times"]))
    assert told["times"][0] < 1
    assert told["times"][-1] > 5
    assert told["box"] == pytest.approx([0.125, 0, 0.75, 1])
    assert told["read"]
    assert strength.max() == 255
    clip = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    read = [block.title for block in attention_flow(models["doors"], clip) if block.read]
    assert told["block"] == read[-1]


def test_flow_that_was_not_asked_for_or_is_not_there_is_refused(client, video):
    job = asked(client, video.read_bytes(), models="doors")
    ended(client, job)
    flow = f"/api/jobs/{job}/flow"
    assert refusal(client.get(flow, params={"model": "doors"}), 404) == "not_asked"
    assert refusal(client.get(flow, params={"model": "other"}), 404) == "not_asked"
    assert refusal(client.get(flow), 422) == "invalid"


def test_the_video_of_a_job_is_kept_in_ranges_until_the_job_is_forgotten(client, video):
    job = asked(client, video.read_bytes(), models="doors")
    ended(client, job)
    whole = client.get(f"/api/jobs/{job}/video")
    part = client.get(f"/api/jobs/{job}/video", headers={"Range": "bytes=10-19"})
    assert whole.content == video.read_bytes()
    assert (part.status_code, part.content) == (206, video.read_bytes()[10:20])
    folder = client.app.state.service.folder
    assert len(list(folder.glob("*"))) > 1
    assert client.delete(f"/api/jobs/{job}").status_code == 204
    assert refusal(client.get(f"/api/jobs/{job}"), 404) == "no_such_job"
    assert refusal(client.get(f"/api/jobs/{job}/video"), 404) == "no_such_job"


def counts(client):
    """Of uploads, and their bytes."""
    values = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines())
    names = ("stillmotion_uploads_total", "stillmotion_upload_bytes_total")
    return tuple(int(values.get(name, 0)) for name in names)


def test_uploads_are_counted_whether_they_are_taken_or_not_and_samples_are_none(client, video):
    uploads, size = counts(client)
    ended(client, asked(client, video.read_bytes(), models="doors"))
    refusal(client.post("/api/jobs", content=b"no video"), 422)
    sample = client.get("/api/samples").json()[0]["id"]
    ended(client, asked(client, sample=sample, models="doors"))
    assert counts(client) == (uploads + 2, size + video.stat().st_size + len(b"no video"))


def test_metrics_tell_every_digit():
    metrics = Metrics()
    for amount in (123_456_789, 1, 0.25):
        metrics.add("upload_bytes_total", amount)
    assert "stillmotion_upload_bytes_total 123456790.25" in metrics.text({}).splitlines()


def test_metrics_count_what_happened_in_the_format_of_prometheus(client, video):
    ended(client, asked(client, video.read_bytes()))
    refusal(client.get("/api/jobs/none"), 404)
    lines = client.get("/metrics").text.splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    clips = float(values['stillmotion_clips_total{model="doors",kind="logits"}'])
    batches = float(values['stillmotion_batches_total{model="doors",kind="logits"}'])
    assert 0 < batches < clips
    assert float(values["stillmotion_upload_bytes_total"]) >= video.stat().st_size
    assert float(values['stillmotion_jobs_ended_total{state="done"}']) >= 1
    assert float(values['stillmotion_refusals_total{code="no_such_job"}']) >= 1
    assert float(values["stillmotion_memory_peak_bytes"]) > 1e7
    for name in {key.split("{")[0] for key in values}:
        assert any(line.startswith(f"# TYPE {name} ") for line in lines)


def test_health_and_the_limits_are_told(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    told = client.get("/api/service").json()
    assert told["needs_token"] is False
    assert told["limits"]["max_bytes"] == client.app.state.service.limits.max_bytes


@pytest.mark.parametrize(
    ("sources", "ids"),
    [
        (["runs/doors", "other/doors/", "runs/doors/best"], ["doors", "doors-2", "doors-3"]),
        (["runs/doors", "runs/doors/last", "last"], ["doors", "doors-last", "last"]),
        (["someone/Hand signs", "."], ["hand-signs", "model"]),
        (["a-2", "a", "a"], ["a-2", "a", "a-3"]),
    ],
)
def test_runs_are_named_apart(sources, ids):
    assert named(sources) == ids
