"""The command line as people meet it."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest
import yaml

from plain import run_plain
from runs import TINY, stillmotion
from stillmotion import __version__
from stillmotion.cli import COMMANDS, main
from stillmotion.files import writing
from stillmotion.parsing import Parser


def said_by(capsys, *arguments):
    """What a command that ends by itself, as --help does, prints."""
    with pytest.raises(SystemExit) as ended:
        stillmotion(*arguments)
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_help_and_version_import_nothing_heavy():
    told = run_plain(
        """
        import sys
        from stillmotion.cli import main
        for arguments in (["--help"], ["--version"], []):
            try:
                main(arguments)
            except SystemExit as end:
                assert end.code == 0
        main(["trian"])
        heavy = {"torch", "numpy", "timm", "av", "jsonargparse", "matplotlib", "rich", "accelerate"}
        print("imported:", sorted(heavy & sys.modules.keys()))
        """
    )
    assert told.splitlines()[-1] == "imported: []"


def test_help_names_every_command_and_each_explains_itself(capsys):
    told = said_by(capsys, "--help")
    for name, command in COMMANDS.items():
        assert f"{name} " in told
        assert command.what.split(",")[0] in told


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command, capsys):
    told = said_by(capsys, command, "--help")
    assert told.startswith(f"usage: stillmotion {command}")
    undescribed = re.findall(r"^  (--[\w.]+)(?: \S+)?\n\s+\(type: [^)]*\)$", told, re.MULTILINE)
    assert len(told) > 200
    assert "--help" in told
    assert not [option for option in undescribed if "." not in option and option != "--seed"]


def test_the_version(capsys):
    assert said_by(capsys, "--version").strip() == f"stillmotion {__version__}"


def test_nothing_asked_for_is_a_question_for_help(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["stillmotion"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "stillmotion COMMAND" in capsys.readouterr().out


def test_the_configuration_is_printed_and_can_be_read_again(few_videos, tmp_path, capsys):
    printed = said_by(capsys, "train", few_videos, "--out", tmp_path / "a", *TINY, "--print_config")
    values = yaml.safe_load(printed)
    assert values["training"]["epochs"] == 1
    (tmp_path / "c.yaml").write_text(printed)
    config = ("--config", tmp_path / "c.yaml")
    again = said_by(capsys, "train", few_videos, *config, "--print_config")
    assert yaml.safe_load(again) == values


def test_a_written_recipe_alone_repeats_the_run(finished_run, tmp_path, capsys):
    recipe = finished_run / "recipe.yaml"
    assert stillmotion("train", "--config", recipe, "--out", tmp_path / "again") == 0
    one, other = (json.loads((run / "evaluation.json").read_text())
                  for run in (finished_run, tmp_path / "again"))  # fmt: skip
    assert one == other


def test_training_tells_its_plan_before_its_first_epoch(few_videos, tmp_path, capsys):
    assert stillmotion("train", few_videos, "--out", tmp_path / "[a]", *TINY) == 0
    told = capsys.readouterr().out
    plan, rest = told.split("epoch   0")
    assert "6 to train, 2 to validate, 2 to score (val); 2 classes" in plan
    assert re.search(r"trains .* [\d,]+ of [\d,]+ parameters \(\d+\.\d%\)", plan)
    assert "1 epochs of 3 batches of 2 clips" in plan
    assert "time" in plan
    assert "memory" in plan
    assert "val: 2 videos, 2 classes" in rest
    assert str(tmp_path / "[a]" / "best") in rest.splitlines()[-1]


def test_an_epoch_is_one_line_however_narrow_the_output(few_videos, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    assert stillmotion("train", few_videos, "--out", tmp_path / "a", *TINY) == 0
    (line,) = [row for row in capsys.readouterr().out.splitlines() if row.startswith("epoch")]
    assert line.split("validation:")[1].strip().startswith("loss")


def test_the_doctor_speaks_where_torch_does_not_import(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert stillmotion("doctor") == 2
    assert "pip install" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="pipes differ")
def test_a_reader_that_has_seen_enough_is_no_fault():
    command = f"{sys.executable} -m stillmotion info --json --backbone vit_stillmotion_demo | true"
    shell = ["bash", "-o", "pipefail", "-c", command]
    told = subprocess.run(shell, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_ends_in_a_word_and_its_own_status(command, capsys, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Parser, "parse", stop)
    monkeypatch.setattr("stillmotion.doctor.diagnose", stop)
    assert stillmotion(command) == 130
    assert capsys.readouterr().err == "\nstopped\n"


@pytest.mark.parametrize(
    ("outputs", "what"),
    [
        (("--out", "list.csv"), "--out list.csv would replace what is read"),
        (("--out", "a/../new", "--json", "new"), "--json new would replace --out a/../new"),
    ],
)
def test_a_check_writes_over_nothing(outputs, what, few_videos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    rows = [f"{few_videos}/{name}/{n}.mp4,{name}" for name in ("jump", "wave") for n in (0, 1)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    assert stillmotion("check", "list.csv", *outputs) == 2
    assert what in capsys.readouterr().err
    assert (tmp_path / "list.csv").read_text().startswith("path,label")
    assert not (tmp_path / "new").exists()


def test_a_run_is_not_put_among_other_files(few_videos, capsys):
    assert stillmotion("train", few_videos, "--out", few_videos / "jump") == 2
    assert "holds files that are no run's" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate", "RUN", "DATA", "--batch_size", "0"),
        ("predict", "RUN", "DATA", "--top", "0"),
        ("compare", "RUN", "RUN", "--seed", "-1"),
        ("calibrate", "RUN", "DATA", "--batch_size", "-3"),
        ("prepare", "ucf101", "DATA", "m.jsonl", "--workers", "0"),
    ],
)
def test_a_count_that_counts_nothing_is_refused(arguments, capsys):
    assert stillmotion(*arguments) == 2
    assert arguments[-2] in capsys.readouterr().err


def test_scores_replace_no_list(finished_run, few_videos, tmp_path, capsys):
    listing = tmp_path / "split.csv"
    listing.write_text("path,label\n")
    assert stillmotion("evaluate", finished_run, few_videos, "--out", listing) == 2
    assert "is there already, and no .json file" in capsys.readouterr().err
    assert stillmotion("compare", finished_run, finished_run, "--out", listing) == 2
    assert listing.read_text() == "path,label\n"


def test_a_command_that_is_told_to_end_removes_what_is_half_written(tmp_path, monkeypatch):
    """As `kill` and a cluster's manager tell it."""
    before = signal.getsignal(signal.SIGTERM)

    def interrupted(_):
        with writing(tmp_path / "report.json", "w") as file:
            file.write("{")
            os.kill(os.getpid(), signal.SIGTERM)
        return 0

    monkeypatch.setattr("stillmotion.commands.check.run", interrupted)
    with pytest.raises(SystemExit) as end:
        main(["check", "videos"])
    assert end.value.code == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) == before
