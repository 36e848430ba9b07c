"""The service keeps to its own description, whatever the description allows to be asked."""

from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.specs.openapi.checks import positive_data_acceptance

from stillmotion import load
from stillmotion.web.app import create_app
from stillmotion.web.limits import Limits

EXAMPLES = 6
"""Of each operation; `pytest -m slow` takes many more."""


@pytest.fixture(scope="module")
def described(finished_run, few_videos):
    limits = Limits(max_bytes=100_000, time_limit_seconds=5.0, open_seconds=5.0)
    app = create_app({"doors": load(finished_run)}, limits=limits, hosts=None, samples=few_videos)
    yield schemathesis.openapi.from_asgi("/openapi.json", app)
    shutdown_lifespans()


@pytest.mark.parametrize("mode", GenerationMode)
def test_answers_are_as_described(described, mode):
    fuzz(described, mode, examples=EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("mode", GenerationMode)
def test_many_answers_are_as_described(described, mode):
    fuzz(described, mode, examples=200)


def fuzz(described, mode, *, examples):
    """Asks every operation what its description allows, or does not."""
    asked = set()
    for found in described.get_all_operations():
        operation = found.ok()
        with suppress(Unsatisfiable):  # nothing is forbidden where nothing can be said

            @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case):
                check(case)
                asked.add(case.operation.label)

            ask()
    if mode is GenerationMode.POSITIVE:
        assert len(asked) == 11
    else:
        assert {"POST /api/jobs", "GET /api/jobs/{job_id}/flow"} <= asked


def check(case):
    """Bytes that happen to be no video, and ids of nothing, are valid by the schema alone."""
    case.call_and_validate(excluded_checks=[positive_data_acceptance])


def test_everything_that_is_said_is_described(described):
    told = described.raw_schema
    paths = {path: set(methods) for path, methods in told["paths"].items()}
    assert paths == {
        "/healthz": {"get"},
        "/metrics": {"get"},
        "/api/service": {"get"},
        "/api/models": {"get"},
        "/api/samples": {"get"},
        "/api/samples/{sample_id}/video": {"get"},
        "/api/jobs": {"post"},
        "/api/jobs/{job_id}": {"get", "delete"},
        "/api/jobs/{job_id}/flow": {"get"},
        "/api/jobs/{job_id}/video": {"get"},
    }
    assert set(told["components"]["schemas"]["JobTold"]["properties"]) == {
        "id", "state", "progress", "ahead", "error", "video", "results"
    }  # fmt: skip
    for methods in told["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    schema = answer["content"]["application/json"]["schema"]
                    assert schema["$ref"].endswith("/Failure")
