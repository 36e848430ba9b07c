"""A service in this process, and how tests ask it."""

import time
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from models import randomise
from stillmotion import STAdapter, adapt, load_together
from stillmotion.backbones.demo import DEMO_BACKBONE
from stillmotion.model import VideoClassifier
from stillmotion.web.app import create_app
from stillmotion.web.schemas import ENDED

MP4 = {"content-type": "video/mp4"}


def two_models(run: Path, folder: Path) -> dict[str, VideoClassifier]:
    """One that was trained, and one of another method and length, on one image model."""
    other = adapt(
        DEMO_BACKBONE, STAdapter(), class_names=["up", "down", "still"], num_frames=4, image_size=64
    )
    randomise(other).save_pretrained(folder / "other")
    return dict(zip(["doors", "other"], load_together([run, folder / "other"]), strict=True))


def client_of(models: dict[str, VideoClassifier], **settings: Any) -> TestClient:
    """Asks a service of these models; it works while the client is entered."""
    return TestClient(create_app(models, **settings), base_url="http://localhost")


def asked(client: TestClient, content: bytes = b"", **question: Any) -> str:
    """The id of a job that was accepted."""
    answer = client.post("/api/jobs", content=content, headers=MP4, params=question)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def ended(client: TestClient, job: str) -> dict[str, Any]:
    """A job once it has ended."""
    while (told := client.get(f"/api/jobs/{job}").json())["state"] not in ENDED:
        time.sleep(0.02)
    return told


def refusal(answer: Any, status: int) -> str:
    """The code of a refusal of this status; its reason is a sentence."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert len(error["reason"].split()) > 2
    return error["code"]
