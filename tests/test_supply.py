"""What we are built of, and what is built of us: bounds, known weaknesses, the same bytes twice."""

import importlib.util
import io
import json
import runpy
import tarfile
import threading
import tomllib
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NAMED = [
    *PROJECT["build-system"]["requires"],
    *PROJECT["project"]["dependencies"],
    *(line for lines in PROJECT["project"]["optional-dependencies"].values() for line in lines),
]
"""Every requirement."""


@pytest.mark.parametrize("line", NAMED)
def test_every_dependency_is_bounded_below_and_by_the_next_version_that_may_break_it(line):
    requirement = Requirement(line)
    if requirement.name == "stillmotion":  # an extra of our own
        return
    bounds = {bound.operator: Version(bound.version) for bound in requirement.specifier}
    assert set(bounds) == {">=", "<"}
    assert bounds[">="] < bounds["<"]
    release = bounds["<"].release
    assert len(release) == 1 or (len(release) == 2 and release[0] == 0), "no major or 0.x version"


def test_one_name_has_one_range():
    ranges = {}
    for line in NAMED:
        ranges.setdefault(Requirement(line).name, set()).add(str(Requirement(line).specifier))
    assert [name for name, told in ranges.items() if len(told) > 1] == []


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Two folders of the same files, built apart, and the names that git tracks."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("needs hatchling: pip install -e '.[dev]'")
    if not (ROOT / ".git").exists():
        pytest.skip("not in a clone: git says what is built")
    wheel = runpy.run_path(str(ROOT / "scripts/wheel.py"))
    files = wheel["tracked"]()
    return *wheel["build_twice"](files, tmp_path_factory.mktemp("built")), files, wheel["build"]


def test_two_builds_are_the_same_bytes(built):
    first, second, *_ = built
    names = sorted(path.name for path in first.iterdir())
    assert [Path(name).suffix for name in names] == [".whl", ".gz"]
    assert names == sorted(path.name for path in second.iterdir())
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_the_wheel_holds_the_package_whole_and_nothing_else(built):
    first, _, files, _ = built
    (path,) = first.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        held = b"".join(wheel.read(name) for name in wheel.namelist())
    package = {file.relative_to("src").as_posix() for file in files if file.parts[0] == "src"}
    assert names == package
    assert {Path(name).suffix for name in names} > {".yaml", ".safetensors", ".js", ".css"}
    assert str(ROOT).encode() not in held
    assert str(first.parent).encode() not in held


def test_the_sdist_makes_the_same_wheel(built, tmp_path):
    first, _, _, build = built
    (archive,) = first.glob("*.tar.gz")
    with tarfile.open(archive) as sdist:
        sdist.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    assert (unpacked / "tests/test_supply.py").is_file()
    made = build(unpacked, umask=0o022, zone="UTC")
    (again,), (wheel,) = made.glob("*.whl"), first.glob("*.whl")
    assert again.read_bytes() == wheel.read_bytes()


def zipped(**files):
    """A wheel's bytes."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(zipfile.ZipInfo(name), text)
    return whole.getvalue()


def tarred(text, *, modified=0):
    """An sdist's bytes."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as sdist:
        about = tarfile.TarInfo("a/README")
        about.size, about.mtime = len(text), modified
        sdist.addfile(about, io.BytesIO(text))
    return whole.getvalue()


def test_builds_that_differ_are_told_with_what_differs():
    different = runpy.run_path(str(ROOT / "scripts/wheel.py"))["different"]
    first = {"a.whl": zipped(same="1", other="2", gone="3"), "a.tar.gz": tarred(b"1")}
    second = {"a.whl": zipped(same="1", other="3"), "a.tar.gz": tarred(b"1", modified=1)}
    assert list(different(first, second)) == [
        "a.tar.gz: the order or the headers of what it holds",
        "a.whl: gone, other",
    ]
    assert list(different(first, {"a.whl": first["a.whl"]})) == ["a.tar.gz: built once only"]
    second["a.tar.gz"] = tarred(b"2")
    assert next(different(first, second)) == "a.tar.gz: a/README"


class Advisories(BaseHTTPRequestHandler):
    """A service that knows one weakness, in the form of the Open Source Vulnerabilities project."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        package = {"name": "weak", "ecosystem": "PyPI"}
        events = [{"introduced": "0"}, {"fixed": "1.1"}]
        affected = {"package": package, "versions": ["1.0"]}
        affected["ranges"] = [{"type": "ECOSYSTEM", "events": events}]
        weakness = {"id": "PYSEC-0", "summary": "", "details": "", "affected": [affected]}
        told = {"vulns": [weakness]} if asked["package"]["name"] == "weak" else {}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    def log_message(self, *_):
        """Say nothing."""


@pytest.mark.parametrize(
    ("names", "status", "told"),
    [
        (["sound", "weak"], 1, "weak 1.0: PYSEC-0, mended in 1.1"),
        pytest.param(["sound"], 0, "1 packages, 0 not looked at, 0 known", marks=pytest.mark.slow),
        pytest.param([], 0, "did not answer", marks=pytest.mark.slow),
    ],
)
def test_a_known_weakness_fails_and_a_service_that_does_not_answer_is_told(
    names, status, told, tmp_path, capfd
):
    pytest.importorskip("pip_audit", reason="needs pip-audit: pip install -e '.[dev]'")
    for name in names or ["unasked"]:
        (tmp_path / f"{name}-1.0.dist-info").mkdir()
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        (tmp_path / f"{name}-1.0.dist-info/METADATA").write_text(about)
    audit = runpy.run_path(str(ROOT / "scripts/audit.py"))["main"]
    with HTTPServer(("127.0.0.1", 0), Advisories) as server:
        address = f"http://127.0.0.1:{server.server_port}/v1/query"
        if not names:
            server.server_close()
        else:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        assert audit(f"--path={tmp_path}", f"--osv-url={address}") == status
        if names:
            server.shutdown()
    assert told in capfd.readouterr().out


@pytest.mark.parametrize(
    ("told", "status", "passes"),
    [
        ("urllib3 ...\nrequests.exceptions.ConnectionError: refused\n", 1, True),
        ("requests.exceptions.ProxyError: 403\n", 1, True),
        ("requests.exceptions.ReadTimeout: 15\n", 1, True),
        (
            "ERROR:pip_audit._cli:Could not connect to OSV's ... feed\nERROR:pip_audit._cli:Tip",
            1,
            True,
        ),
        ("requests.exceptions.HTTPError: 500\n", 1, False),
        ("requests.exceptions.ConnectionError: refused\n", 0, False),
        ("pip-audit: error: unrecognized arguments: --nonsense\n", 2, False),
        ("MemoryError\n", 1, False),
        ("", -9, False),
        ("", 0, False),
    ],
)
def test_only_a_service_out_of_reach_passes(told, status, passes, capfd):
    pytest.importorskip("pip_audit", reason="needs pip-audit: pip install -e '.[dev]'")
    unanswered = runpy.run_path(str(ROOT / "scripts/audit.py"))["unanswered"]
    assert unanswered(told, status) == (0 if passes else status or 1)
    out, err = capfd.readouterr()
    assert ("did not answer" in out) == passes
    assert passes or (told or "said nothing") in err


@pytest.mark.slow
def test_an_option_that_pip_audit_does_not_know_fails_with_its_words(capfd):
    pytest.importorskip("pip_audit", reason="needs pip-audit: pip install -e '.[dev]'")
    assert runpy.run_path(str(ROOT / "scripts/audit.py"))["main"]("--nonsense") == 2
    assert "unrecognized arguments: --nonsense" in capfd.readouterr().err
