"""The doctor speaks where things are broken, names what to do, and is quiet where all is well."""

import json

import pytest
from rich.console import Console

from plain import run_plain
from stillmotion import doctor
from stillmotion.doctor import Finding, diagnose, free_space, package, report, usable

DIAGNOSE = """
    import dataclasses, json, sys
    from stillmotion.doctor import diagnose
    print(json.dumps([dataclasses.asdict(finding) for finding in diagnose()]))
"""


@pytest.fixture(scope="module")
def findings():
    return diagnose()


def by_subject(findings):
    return {finding.subject: finding for finding in findings}


def test_a_machine_that_runs_these_tests_is_usable(findings):
    assert usable(findings)
    assert {"python", "stillmotion", "torch", "torchvision", "timm", "av"} <= set(
        by_subject(findings)
    )
    assert by_subject(findings)["decoder pyav"].found[0].isdigit()


def test_what_has_a_fix_is_no_success_and_every_problem_has_one(findings):
    for finding in findings:
        assert finding.found
        assert not (finding.fix and finding.state == "ok"), finding


def test_every_requirement_is_looked_at(findings):
    """The optional ones are left alone."""
    assert {"pillow", "pyyaml", "huggingface-hub", "accelerate"} <= set(by_subject(findings))
    assert not {"ruff", "onnx", "fastapi"} & set(by_subject(findings))


def broken(folder, name, error):
    """A package that cannot be imported, found before the real one."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(f"raise {error}\n")
    return {"PYTHONPATH": str(folder)}


@pytest.fixture(scope="module")
def sick(tmp_path_factory):
    """Findings by subject where torchvision is another torch's and the hub is offline."""
    folder = tmp_path_factory.mktemp("sick")
    error = "RuntimeError('operator torchvision::nms does not exist')"
    environment = broken(folder, "torchvision", error)
    told = run_plain(DIAGNOSE, **environment, HF_HUB_OFFLINE="1", HF_HOME=str(folder))
    return {finding["subject"]: finding for finding in json.loads(told)}


def test_torch_and_torchvision_that_do_not_match_are_told_apart(sick):
    assert sick["torchvision"]["state"] == "problem"
    assert "operator torchvision::nms does not exist" in sick["torchvision"]["found"]
    assert "--force-reinstall torch torchvision" in sick["torchvision"]["fix"]
    assert sick["torch"]["state"] == "ok"


def test_an_offline_hub_is_noted(sick):
    assert sick["image models"]["state"] == "note"
    assert sick["image models"]["found"] == "0 kept; offline"


def test_a_file_of_methods_that_cannot_be_run_is_told(tmp_path):
    told = run_plain(DIAGNOSE, STILLMOTION_METHODS=str(tmp_path / "mine.py"))
    found = {f["subject"]: f for f in json.loads(told)}
    assert found["methods"]["state"] == "problem"
    assert "mine.py, which is no Python file" in found["methods"]["found"]


def test_a_torch_that_does_not_load_stops_no_other_check(tmp_path):
    error = "OSError('libcudart.so.13: cannot open shared object file')"
    told = run_plain(DIAGNOSE, **broken(tmp_path, "torch", error))
    found = {f["subject"]: f for f in json.loads(told)}
    assert "libcudart.so.13" in found["torch"]["found"]
    assert found["torch"]["fix"] == "pip install --upgrade --force-reinstall torch"
    assert found["processor"]["state"] == "ok"
    assert "disk here" in found


def test_a_missing_package_and_an_old_one_are_told_with_the_command():
    missing = package("stillmotion-nonexistent", ">=2")
    assert (missing.state, missing.found) == ("problem", "not installed")
    assert missing.fix == "pip install --upgrade 'stillmotion-nonexistent>=2'"
    old = package("timm", ">=99")
    assert old.state == "problem"
    assert old.found.endswith("but >=99 is needed")
    assert package("timm", ">=1.0").state == "ok"


def test_a_disk_without_room_is_noted(tmp_path):
    tight = free_space("disk", tmp_path / "not/there", least=2**80, fix="make room")
    assert (tight.state, tight.fix) == ("note", "make room")
    assert str(tmp_path) in tight.found
    assert free_space("disk", tmp_path, least=0, fix="make room").fix == ""


def shown(findings):
    with open("/dev/null", "w") as nowhere:
        console = Console(width=100, record=True, file=nowhere)
        report(findings, console)
        return console.export_text()


def test_the_report_shows_every_finding_its_fix_and_the_verdict(findings):
    text = shown(findings)
    assert all(finding.subject in text for finding in findings)
    assert "stillmotion can be used here." in text
    bad = Finding(subject="torch", state="problem", found="[red]gone", fix="pip install torch")
    text = shown([bad])
    assert "[red]gone" in text
    assert "-> pip install torch" in text
    assert "cannot be used" in text


def test_the_doctor_needs_nothing_that_may_be_broken():
    told = run_plain("""
        import sys
        import stillmotion.doctor
        print({"torch", "torchvision", "timm", "av", "numpy"} & set(sys.modules))
    """)
    assert told == "set()\n"
    assert doctor.__doc__
