"""Who may ask: the token, the names of the service, other sites' pages; and the headers."""

import pytest
from fastapi.testclient import TestClient

from services import client_of, refusal
from stillmotion import load
from stillmotion.errors import ConfigurationError
from stillmotion.web.app import create_app

GUARDED = ("/api/service", "/api/models", "/api/samples", "/api/jobs/a", "/metrics")
TOKEN = "a-long/secret+=~"


@pytest.fixture(scope="module")
def models(finished_run):
    return {"doors": load(finished_run)}


@pytest.fixture(scope="module")
def open_client(models, few_videos):
    with client_of(models, samples=few_videos) as client:
        yield client


@pytest.fixture(scope="module")
def closed_client(models, few_videos):
    with client_of(models, samples=few_videos, token=TOKEN) as client:
        yield client


@pytest.mark.parametrize("path", GUARDED)
def test_a_token_is_asked_for_and_must_be_right(closed_client, path):
    for given in (None, "", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer ü"):
        headers = {} if given is None else {"authorization": given.encode()}
        answer = closed_client.get(path, headers=headers)
        assert refusal(answer, 401) == "no_token"
        assert answer.headers["www-authenticate"] == "Bearer"
    answer = closed_client.get(path, headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == (404 if "jobs" in path else 200)


@pytest.mark.parametrize("below", ["/sm", "/page", "/sm/"])
def test_below_a_path_the_same_is_guarded_and_the_same_open(closed_client, below):
    client = TestClient(closed_client.app, root_path=below)
    for path in (*GUARDED, "/page", "/nowhere", "/healthz/more"):
        assert refusal(client.get(below + path), 401) == "no_token"
        headers = {"sec-fetch-site": "cross-site"}
        assert refusal(client.get(below + path, headers=headers), 403) == "cross_site"
    for path in ("/", "/page/main.js", "/healthz", "/openapi.json"):
        assert client.get(below + path).status_code == 200


def test_every_route_is_guarded_unless_it_is_named_as_open(closed_client):
    told = closed_client.get("/openapi.json").json()["paths"]
    for path in set(told) - {"/healthz"}:
        for method in told[path]:
            assert refusal(closed_client.request(method, path), 401) == "no_token"
    assert "/metrics" in told


@pytest.mark.parametrize("token", ["", "two words", "clé", "a\n", 'a"'])
def test_a_token_that_no_header_could_hold_is_refused_at_once(models, token):
    with pytest.raises(ConfigurationError, match="a token is made of"):
        create_app(models, token=token)


def test_who_is_not_let_through_is_counted(open_client, closed_client):
    def counted(client):
        return client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"}).text

    closed_client.get("/api/models")
    assert 'stillmotion_refusals_total{code="no_token"}' in counted(closed_client)
    open_client.get("/api/models", headers={"host": "evil.example"})
    open_client.get("/api/models", headers={"sec-fetch-site": "cross-site"})
    for code in ("unknown_host", "cross_site"):
        assert f'stillmotion_refusals_total{{code="{code}"}} ' in counted(open_client)


def test_no_upload_is_read_without_the_token(closed_client):
    def never():
        raise AssertionError("it was read")
        yield b""

    before = list(closed_client.app.state.service.folder.iterdir())
    assert refusal(closed_client.post("/api/jobs", content=b"a" * 100), 401) == "no_token"
    assert list(closed_client.app.state.service.folder.iterdir()) == before


def test_what_holds_nothing_is_open_and_says_that_a_token_is_needed(closed_client):
    assert closed_client.get("/healthz").status_code == 200
    assert closed_client.get("/openapi.json").status_code == 200
    headers = {"authorization": f"Bearer {TOKEN}"}
    assert closed_client.get("/api/service", headers=headers).json()["needs_token"] is True


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True),
        ("localhost:8000", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("LOCALHOST", True),
        ("evil.example", False),
        ("evil.example:8000", False),
        ("localhost.evil.example", False),
        ("localhost@evil.example", False),
        ("", False),
    ],
)
def test_without_a_token_only_the_services_own_names_lead_to_it(open_client, host, allowed):
    answer = open_client.get("/api/models", headers={"host": host})
    assert answer.status_code == (200 if allowed else 400)


def test_with_a_token_any_name_does(closed_client):
    headers = {"host": "videos.example", "authorization": f"Bearer {TOKEN}"}
    assert closed_client.get("/api/models", headers=headers).status_code == 200


def test_other_sites_pages_may_not_ask(open_client):
    for site, status in (("cross-site", 403), ("same-origin", 200), ("none", 200)):
        answer = open_client.get("/api/models", headers={"sec-fetch-site": site})
        assert answer.status_code == status
    answer = open_client.options(
        "/api/jobs",
        headers={"origin": "http://evil.example", "access-control-request-method": "POST"},
    )
    assert "access-control-allow-origin" not in answer.headers


def test_every_answer_forbids_to_load_from_elsewhere(open_client):
    for path in ("/healthz", "/api/models", "/api/nothing", "/nowhere"):
        headers = open_client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert headers["x-content-type-options"] == "nosniff"


def test_a_service_without_models_or_with_one_that_needs_boxes_is_refused(models, finished_run):
    with pytest.raises(ConfigurationError, match="at least one"):
        create_app({})
    model = load(finished_run)
    model.info["sampling"] = {**model.info["sampling"], "region": "boxes"}
    with pytest.raises(ConfigurationError, match="boxes"):
        create_app({"boxed": model})
