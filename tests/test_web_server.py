"""`stillmotion serve` as people meet it: it listens, says where, and ends in order."""

import contextlib
import os
import re
import signal
import subprocess
import sys

import httpx
import pytest

from plain import environment
from runs import stillmotion
from services import MP4, ended
from stillmotion.commands.serve import address_of, is_loopback, refuse_without
from stillmotion.errors import ConfigurationError
from stillmotion.web.server import listen
from videos import write_video

HOST = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
"""Elsewhere this machine has one address of its own."""


@contextlib.contextmanager
def serving(*arguments):
    """A process that listens, and a client that asks it; it must end by itself."""
    command = [sys.executable, "-m", "stillmotion", "serve", *map(str, arguments), "--port", "0"]
    with subprocess.Popen(
        command,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            address = re.search(r"http://\S+?/", line)[0]
            with httpx.Client(base_url=address, timeout=60) as client:
                yield process, client, line
        finally:
            process.kill()


@pytest.mark.skipif(os.name != "posix", reason="signals differ")
def test_a_job_that_was_accepted_ends_before_the_service_does(finished_run, few_videos, tmp_path):
    video = write_video(tmp_path / "a.mp4", num_frames=24, fps=4)
    with serving(finished_run, "--samples", few_videos, "--host", HOST) as (process, client, line):
        assert line.startswith(f"{finished_run.name}: open http://{HOST}:")
        (model,) = client.get("/api/models").json()
        assert model["id"] == finished_run.name
        assert model["source"] == str(finished_run / "best")
        question = {"window": 1.0, "stride": 0.05}
        posted = client.post("/api/jobs", content=video.read_bytes(), headers=MP4, params=question)
        os.killpg(process.pid, signal.SIGTERM)  # as systemd does: to all its processes
        job = ended(client, posted.json()["id"])
        assert job["state"] == "done"
        said, warned = process.communicate(timeout=60)
    assert process.returncode == 0
    assert said == ""
    assert "1 job may end within 20 s" in warned
    assert "Traceback" not in warned


def test_a_port_that_is_taken_is_a_mistake_in_one_line(finished_run, capsys):
    with listen("127.0.0.1", 0) as door:
        port = door.getsockname()[1]
        assert stillmotion("serve", finished_run, "--port", port) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"stillmotion: cannot listen at 127.0.0.1, port {port}: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("nowhere",),
        ("--limits.queue", "0"),
        ("--limits.max_bytes", "many"),
        ("--port", "-1"),
        ("--port", "65536"),
    ],
)
def test_mistakes_are_told_before_anything_listens(finished_run, arguments, capsys):
    run = [] if arguments == ("nowhere",) else [finished_run]
    assert stillmotion("serve", *run, *arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_folder_without_samples_is_a_mistake_in_one_line(finished_run, tmp_path, capsys):
    nowhere = tmp_path / "nowhere"
    assert stillmotion("serve", finished_run, "--port", 0, "--samples", nowhere) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"there are no videos within the service's limits in {nowhere}" in line
    assert stillmotion("serve", finished_run, "--port", 0, "--token", "") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "a token is made of" in line


def test_only_this_machines_own_addresses_ask_for_no_token():
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.0.2", "example.org", "")))


@pytest.mark.parametrize(
    ("host", "token", "address"),
    [
        ("LOCALHOST", None, "http://localhost:80/"),
        ("::1", None, "http://[::1]:80/"),
        ("0.0.0.0", "a+b/c=", "http://0.0.0.0:80/#token=a%2Bb%2Fc%3D"),
    ],
)
def test_the_address_that_is_printed_can_be_opened(host, token, address):
    assert address_of(host, 80, token) == address


def test_a_missing_library_names_the_extra():
    with pytest.raises(
        ConfigurationError, match=r"needs not_there: pip install 'stillmotion\[serve"
    ):
        refuse_without(("json", "not_there"))
