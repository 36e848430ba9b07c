"""Collections: each video is answered once, by whoever, whatever dies, as predict answers it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from plain import environment
from runs import stillmotion
from stillmotion import Predictor, load
from stillmotion.collection import Plan, answer_collection, read_collection
from stillmotion.collection.answering import PLAN, begin
from stillmotion.commands.collection import share_of
from stillmotion.errors import ConfigurationError, DataError
from stillmotion.files import PARTIAL


@pytest.fixture(scope="module")
def videos(few_videos, tmp_path_factory):
    """Eight videos, one of them damaged, and a list of them with a missing one and two parts."""
    folder = tmp_path_factory.mktemp("many") / "videos"
    shutil.copytree(few_videos, folder)
    whole = (folder / "jump/0.mp4").read_bytes()
    (folder / "jump/0.mp4").write_bytes(whole[:300])
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.mp4"))
    rows = [{"path": name} for name in [*names, "gone.mp4"]]
    rows += [{"path": names[1], "start": 0, "end": 0.2}, {"path": names[1], "start": 0.2}]
    (folder / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def predictor(finished_run):
    return Predictor(load(finished_run), device="cpu")


def rows_in(out):
    """The answers of all files, in their order."""
    return [json.loads(line) for p in sorted(out.glob("*.jsonl")) for line in p.open()]


@given(st.integers(0, 500), st.integers(1, 60), st.integers(1, 9))
def test_every_video_has_one_file_and_every_file_one_process(videos, rows, processes):
    plan = Plan(videos=videos, rows=rows)
    spans = [plan.span(number) for number in range(len(plan))]
    assert [video for span in spans for video in span] == list(range(videos))
    shares = [plan.share(process, processes=processes) for process in range(processes)]
    assert sorted(number for share in shares for number in share) == list(range(len(plan)))


def test_answers_are_those_of_predict(predictor, videos, tmp_path):
    collection = read_collection(videos / "list.jsonl")
    done = answer_collection(predictor, collection, tmp_path / "out", rows=3, workers=0)
    rows = rows_in(tmp_path / "out")
    assert [row["path"] for row in rows] == list(collection.names)
    assert (done.answered, done.unreadable, done.there, done.files) == (11, 2, 4, 4)
    by_name = {row["path"]: row for row in rows[:9]}
    assert "error" in by_name["jump/0.mp4"]
    assert "gone.mp4" in by_name["gone.mp4"]["error"]
    told = predictor(videos / "wave/2.mp4").to_dict()
    assert by_name["wave/2.mp4"] == told | {"path": "wave/2.mp4"}
    first, second = rows[9:]
    assert (first["start"], first["end"], second["start"]) == (0.0, 0.2, 0.2)
    assert first["predictions"] != second["predictions"]


def test_shares_together_are_the_whole_and_what_is_there_is_left_alone(predictor, videos, tmp_path):
    collection, out = read_collection(videos / "list.jsonl"), tmp_path / "out"
    answer_collection(predictor, collection, tmp_path / "whole", rows=2, workers=0)
    for process in (2, 0, 1):
        done = answer_collection(
            predictor, collection, out, rows=2, process=process, processes=3, workers=0
        )
    assert done.there == done.files == 6
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    again = answer_collection(predictor, collection, out, rows=2, workers=0)
    assert (again.answered, again.written) == (0, 0)
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before
    next(out.glob("answers-00001*")).unlink()
    answer_collection(predictor, collection, out, rows=2, workers=0)
    for path in (tmp_path / "whole").iterdir():
        assert (out / path.name).read_bytes() == path.read_bytes()


def test_parquet_holds_the_same(predictor, videos, tmp_path):
    collection = read_collection(videos / "list.jsonl")
    for form in ("jsonl", "parquet"):
        answer_collection(predictor, collection, tmp_path / form, form=form, workers=0)
    (path,) = (tmp_path / "parquet").glob("*.parquet")
    held = [
        {k: v for k, v in row.items() if v is not None}
        for row in parquet.read_table(path).to_pylist()
    ]
    assert held == rows_in(tmp_path / "jsonl")


@pytest.mark.parametrize(
    "changed", [{"rows": 4}, {"top": 2}, {"described": {"precision": "bf16"}}, {"form": "parquet"}]
)
def test_other_settings_are_not_mixed_in(changed, predictor, videos, tmp_path):
    collection = read_collection(videos)
    answer_collection(predictor, collection, tmp_path / "out", rows=3, workers=0)
    with pytest.raises(ConfigurationError, match=r"answers to something else: .* differ"):
        answer_collection(
            predictor, collection, tmp_path / "out", workers=0, **{"rows": 3} | changed
        )


def test_other_videos_and_other_files_are_not_mixed_in(predictor, videos, tmp_path):
    out = tmp_path / "out"
    answer_collection(predictor, read_collection(videos), out, workers=0)
    with pytest.raises(ConfigurationError, match="list_sha256, videos"):
        answer_collection(predictor, read_collection(videos / "list.jsonl"), out, workers=0)
    with pytest.raises(ConfigurationError, match="no answers"):
        answer_collection(predictor, read_collection(videos), videos, workers=0)


@pytest.mark.parametrize(
    ("name", "text", "paths"),
    [
        ("list.txt", "a b.mp4\n\nc.mp4\n", ["a b.mp4", "c.mp4"]),
        ("list.csv", "path,label,start\na.mp4,wave,1.5\nb.mp4,,\n", ["a.mp4", "b.mp4"]),
        ("list.jsonl", '{"path": "a.mp4", "label": "wave"}\n', ["a.mp4"]),
        ("list.json", '[{"video": "a.mp4"}]', ["a.mp4"]),
    ],
)
def test_lists_of_every_kind_are_read(name, text, paths, tmp_path):
    (tmp_path / name).write_text(text)
    collection = read_collection(tmp_path / name)
    assert list(collection.names) == paths
    assert [sample.path for sample in collection.samples] == [tmp_path / path for path in paths]


def test_one_split_of_a_list_is_taken(tmp_path):
    rows = [{"path": f"{n}.mp4", "split": name} for n, name in enumerate(["train", "val", "test"])]
    (tmp_path / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    taken = read_collection(tmp_path / "list.jsonl", split="validation")
    assert list(taken.names) == ["1.mp4"]
    with pytest.raises(DataError, match=r"split 'tests'.*test"):
        read_collection(tmp_path / "list.jsonl", split="tests")
    (tmp_path / "plain.txt").write_text("a.mp4")
    with pytest.raises(DataError, match="names no splits"):
        read_collection(tmp_path / "plain.txt", split="test")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no videos"),
        ('{"label": 3}', "no path; the columns are label"),
        ('{"path": 7}', "no path"),
        ('{"path": "a.mp4", "start": "soon"}', "start 'soon' is no number of seconds"),
        ('{"path": "a.mp4", "end": Infinity}', "end inf is no number of seconds"),
        ("{", "not valid JSON"),
    ],
)
def test_bad_lists_are_refused_with_their_line(text, told, tmp_path):
    (tmp_path / "list.jsonl").write_text(text)
    with pytest.raises(DataError, match=told):
        read_collection(tmp_path / "list.jsonl")


def test_a_process_takes_the_share_that_it_is_told(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "SLURM_PROCID", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    assert share_of(None) == (0, 1)
    monkeypatch.setenv("SLURM_PROCID", "3")
    monkeypatch.setenv("SLURM_NTASKS", "8")
    assert share_of(None) == (3, 8)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert share_of(None) == (1, 2)
    assert share_of("5/6") == (5, 6)
    with pytest.raises(ConfigurationError, match="give i/n"):
        share_of("half")
    with pytest.raises(ConfigurationError, match="none of number 6"):
        Plan(videos=9, rows=1).share(6, processes=6)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "which videos?"),
        (["a.mp4", "--manifest", "list", "--out", "out"], "not both"),
        (["a.mp4", "--rows", "3", "--share", "0/2"], "--rows, --share go with --manifest"),
        (["--manifest", "list", "--out", "out", "--json"], "--json goes with files"),
        (["--manifest", "list"], "go together"),
        (["a.mp4", "--out", "out"], "go together"),
    ],
)
def test_what_is_asked_for_must_be_one_thing(arguments, told, capsys):
    assert stillmotion("predict", "run", *arguments) == 2
    assert told in capsys.readouterr().err


def test_a_killed_process_loses_no_file_and_doubles_none(finished_run, videos, tmp_path):
    """Killed when its first file is there; the same command goes on."""
    out = tmp_path / "out"
    command = ["predict", finished_run, "--manifest", videos / "list.jsonl", "--out", out]
    command = [*map(str, command), "--rows", "1", "--workers", "0", "--device", "cpu"]
    script = "import sys; from stillmotion.cli import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen([sys.executable, "-c", script, *command], env=environment())
    while not list(out.glob("answers-*")) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = len(list(out.glob("answers-*")))
    assert stillmotion(*command) == 2  # two of the videos cannot be read
    assert 1 <= there <= len(list(out.glob("answers-*"))) == 11
    assert [row["path"] for row in rows_in(out)] == list(
        read_collection(videos / "list.jsonl").names
    )
    assert os.listdir(out)


def test_processes_that_begin_together_do_not_refuse_each_other(tmp_path):
    """And neither what one left that was killed while it wrote the plan."""
    for number in range(20):
        out, refused = tmp_path / str(number), []
        out.mkdir()
        (out / f".{PLAN}.abc{PARTIAL}").touch()
        barrier = threading.Barrier(4)

        def start(out=out, refused=refused, barrier=barrier):
            barrier.wait()
            try:
                begin(out, {"videos": 3})
            except ConfigurationError as error:
                refused.append(error)

        threads = [threading.Thread(target=start) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert refused == []


def test_a_name_that_is_not_utf8_is_answered(predictor, videos, tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    odd = os.fsdecode(b"bad\xff.mp4")
    shutil.copy(videos / "wave/2.mp4", folder / odd)
    answer_collection(predictor, read_collection(folder), tmp_path / "out", workers=0)
    (row,) = rows_in(tmp_path / "out")
    assert row["path"] == odd
    assert row["predictions"]
    collection = read_collection(folder)
    answer_collection(predictor, collection, tmp_path / "table", form="parquet", workers=0)
    (path,) = (tmp_path / "table").glob("*.parquet")
    assert parquet.read_table(path)["path"].to_pylist() == [r"bad\xff.mp4"]


def test_a_column_longer_than_any_is_a_mistake_in_the_list(tmp_path):
    """As in a list of labelled videos: both are read in one place."""
    (tmp_path / "list.csv").write_text(f"path,label\n{'a' * 200_000}.mp4,wave\n")
    with pytest.raises(DataError, match="field larger than field limit"):
        read_collection(tmp_path / "list.csv")
