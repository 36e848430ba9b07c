"""Full disks, read-only ones, and directories and files that vanish: one line, and no harm done."""

import ast
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections import deque
from itertools import count
from pathlib import Path

import pytest
import yaml
from safetensors import safe_open
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

import stillmotion as library
from disks import leave_room, make_read_only, make_room, mounting, small_disk
from runs import TINY, files_below, stillmotion
from stillmotion.backbones.demo import DEMO_BACKBONE
from stillmotion.data.annotations import Sample
from stillmotion.data.frame_cache import FrameCache
from stillmotion.data.reading import read_videos
from stillmotion.data.sampling import Sampling
from stillmotion.data.shard_plan import plan_shards
from stillmotion.data.shard_writing import write_shard, write_shards
from stillmotion.data.video import open_video
from stillmotion.errors import StorageError, VideoError
from stillmotion.files import is_partial
from stillmotion.loading import view_loader
from stillmotion.model import adapt
from stillmotion.settings import Views
from stillmotion.training.board import Board
from stillmotion.training.log import RunLog
from test_resume import assert_same
from trees import frames as write_frames
from trees import ucf101
from videos import levels, write_video

QUICK = ("--videos.workers", "0", "--videos.allow_overlap", "true")
PROBE = (*TINY, "--method", "linear_probe", "--training.epochs", "2")

COMMANDS = {
    "train": (1, "train VIDEOS --out DISK/run", TINY),
    "compare": (2, "compare RUN AGAIN --out DISK/c.json", ()),
    "predict": (2, "predict RUN --manifest VIDEOS --out DISK/a --rows 3 --workers 0", ()),
    "shard": (6, "shard VIDEOS DISK/shards --shard_gb 2e-6", ()),
    "push": (99, "push RUN me/doors --license mit --dry_run DISK/card", ()),
    "prepare": (1, "prepare ucf101 UCF DISK/u.jsonl --allow_missing --json DISK/r.json", ()),
    "recipes": (0, "recipes copy amflow_k400 DISK/r.yaml", ()),
}
"""Each command that writes, and for how many pages there is room: fewer than it needs."""

LONG = {
    "export": (9, "export LORA DISK/peft --to peft", ()),
    "watch": (0, "watch RUN VIDEO --fast --draw DISK/a.mp4", ()),
    "merge": (500, "merge LORA DISK/merged", ()),
    "import": (3, "import --peft PEFT --num_frames 2 --out DISK/run --backbone", (DEMO_BACKBONE,)),
    "repeat": (3, "repeat VIDEOS --out DISK/runs --seeds [0]", TINY),
    "evaluate": (9, "evaluate RUN VIDEOS --out DISK/s.json --time_check false", QUICK),
    "calibrate": (0, "calibrate DISK/best VIDEOS", QUICK),
    "page": (2, "show RUN VIDEO --out DISK/a.html", ()),
    "film": (4, "show RUN VIDEO --out DISK/a.mp4", ()),
    "timeline": (2, "timeline RUN VIDEO --csv DISK/a.csv --picture DISK/a.png", ()),
    "demo": (2, "demo --quick --out DISK/demo", ()),
    "check": (1, "check VIDEOS --out DISK/l.csv --json DISK/r.json", ()),
    "program": (400, "export LORA DISK/m.pt2 --to torch", ()),
    "onnx": (400, "export LORA DISK/onnx --to onnx", ()),
}
"""Those that compute for longer, or write as one above does."""

ALL = COMMANDS | LONG
EACH = pytest.mark.parametrize(
    "command", [*COMMANDS, *(pytest.param(name, marks=pytest.mark.slow) for name in LONG)]
)


@pytest.fixture(scope="module")
def inputs(few_videos, finished_run, tmp_path_factory):
    """What commands read, by the words that stand for it."""
    folder = tmp_path_factory.mktemp("inputs")
    shutil.copytree(finished_run, folder / "again")
    adapt(DEMO_BACKBONE, "lora", class_names=["jump", "wave"], num_frames=2).save_pretrained(
        folder / "lora"
    )
    assert stillmotion("export", folder / "lora", folder / "peft", "--to", "peft") == 0
    return {
        "VIDEOS": few_videos,
        "VIDEO": few_videos / "jump/0.mp4",
        "RUN": finished_run,
        "AGAIN": folder / "again",
        "LORA": folder / "lora",
        "PEFT": folder / "peft",
        "UCF": ucf101(folder / "ucf"),
    }


def asked(command, inputs, disk):
    """The words of a command line."""
    _, line, more = ALL[command]
    words = [str(inputs.get(word, word)).replace("DISK", str(disk)) for word in line.split()]
    return [*words, *more]


def begun(disk, inputs):
    """What is on the disk before: a checkpoint, that may be calibrated."""
    shutil.copytree(inputs["RUN"] / "best", disk / "best")
    return {name: (disk / name).read_bytes() for name in files_below(disk)}


def refuse_half_written(folder):
    """What has its name is whole; nothing else is left."""
    assert not [path for path in folder.rglob("*") if is_partial(path)]
    for path in filter(Path.is_file, folder.rglob("*")):
        if path.suffix in (".json", ".jsonl"):
            lines = path.read_text().splitlines()
            assert [json.loads(line) for line in lines] if path.suffix == ".jsonl" else lines
        elif path.suffix == ".yaml":
            assert yaml.safe_load(path.read_text())["method"]
        elif path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                assert file.keys()
        elif path.suffix == ".tar":
            with tarfile.open(path) as tar:
                assert tar.getnames()
        else:
            assert path.suffix == ".csv" or "tfevents" in path.name or path.name == "filler", path


@EACH
@mounting
def test_a_full_disk_is_said_in_one_line_and_harms_nothing(command, inputs, tmp_path, capfd):
    with small_disk(tmp_path / "disk") as disk:
        before = begun(disk, inputs)
        leave_room(disk, pages=ALL[command][0])
        capfd.readouterr()
        assert stillmotion(*asked(command, inputs, disk)) == 2
        said = capfd.readouterr().err
        assert "No space left on device" in said.splitlines()[-1]
        assert said.count("cannot write") == 1
        assert "Traceback" not in said
        assert {name: (disk / name).read_bytes() for name in before} == before
        refuse_half_written(disk)


@EACH
@mounting
def test_a_read_only_disk_is_said_in_one_line(command, inputs, tmp_path, capfd):
    with small_disk(tmp_path / "disk") as disk:
        before = begun(disk, inputs)
        make_read_only(disk)
        capfd.readouterr()
        assert stillmotion(*asked(command, inputs, disk)) == 2
        said = capfd.readouterr().err
        assert said.count("cannot write") == 1
        assert "cannot write" in said.splitlines()[-1]
        assert files_below(disk) == before.keys()


@pytest.fixture(scope="module")
def whole(few_videos, tmp_path_factory):
    """A run that had room."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert stillmotion("train", few_videos, "--out", out, *PROBE) == 0
    return out


@pytest.mark.parametrize(
    "pages", [12, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 60) if n != 12)]
)
@mounting
def test_a_run_goes_on_once_there_is_room(pages, whole, few_videos, tmp_path):
    """Wherever it met the end of the disk, it ends as if it had not. Many rooms may be enough."""
    with small_disk(tmp_path / "disk") as disk:
        leave_room(disk, pages=pages)
        out = disk / "run"
        is_enough = stillmotion("train", few_videos, "--out", out, *PROBE) == 0
        assert not is_enough or pages > 40
        if not is_enough:
            refuse_half_written(out)
            for config in out.glob("*/adapter_config.json"):
                assert library.load(config.parent).class_names
            make_room(disk)
            go_on = ("--resume",) if (out / "recipe.yaml").exists() else (few_videos, *PROBE)
            assert stillmotion("train", *go_on, "--out", out) == 0
        assert_same(whole, out)


PRINTING = """
import sys, types
from stillmotion import cli
sys.modules["printing"] = types.SimpleNamespace(run=lambda words: print("x") or 0)
cli.COMMANDS["recipes"] = cli.Command("", "printing")
sys.exit(cli.main(["recipes"]))
"""
"""A command that needs nothing."""


@pytest.mark.parametrize(
    "words",
    [("-c", PRINTING), pytest.param(("-m", "stillmotion", "recipes"), marks=pytest.mark.slow)],
    ids=["light", "real"],
)
def test_a_full_standard_output_is_said_once(words):
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (result.returncode, result.stderr) == (
        2,
        "stillmotion: cannot write: No space left on device\n",
    )


def test_a_run_whose_directory_vanishes_does_not_begin_another(tmp_path):
    with RunLog(tmp_path / "run", is_main=True, quiet=True) as log:
        (tmp_path / "run").mkdir()
        row = {"epoch": 0.0, "train_loss": 1.0, "train_top1": 0.5, "clips_per_second": 1.0}
        log.epoch([row])
        shutil.rmtree(tmp_path / "run")
        with pytest.raises(StorageError, match="run is gone: it was removed or unmounted"):
            log.epoch([row, row])
    assert not (tmp_path / "run").exists()


@mounting
def test_a_board_stays_whole_wherever_the_disk_ends(tmp_path):
    """A disk that is nearly full takes a part of what is written."""
    with small_disk(tmp_path / "disk") as disk:
        board = Board(disk)
        leave_room(disk, pages=1)
        steps = count()
        with pytest.raises(StorageError, match=r"tfevents\.00000: No space left on device"):
            deque(board.add({"loss": 1.0}, step=step) for step in steps)
        taken = next(steps) - 1
        assert taken > 10
        make_room(disk)
        board.add({"loss": 1.0}, step=999)
        board.close()
        events = EventFileLoader(str(board.path)).Load()
        assert [event.step for event in events] == [0, *range(taken), 999]


def removed(path):
    path.unlink()


def cut_short(path):
    os.truncate(path, path.stat().st_size // 16)


def a_folder_instead(path):
    path.unlink()
    path.mkdir()


def a_link_to_nowhere(path):
    path.unlink()
    path.symlink_to("nowhere")


def two_files(folder):
    paths = [write_video(folder / f"{n}.mp4", first_level=n) for n in range(2)]
    return [Sample(path, label=0) for path in paths], paths[0]


def two_tars(folder):
    for n in range(2):
        write_video(folder / "videos" / f"{n}" / "a.mp4", first_level=n)
    done = write_shards(read_videos(folder / "videos"), folder / "tars", shard_bytes=1)
    samples = read_videos(done.manifest).samples
    return samples, samples[0].path.parent.parent


def two_folders(folder):
    paths = [write_frames(folder / f"{n}", count=4) for n in range(2)]
    return [Sample(path, label=0) for path in paths], sorted(paths[0].iterdir())[1]


MADE = {"file": two_files, "tar": two_tars, "frames": two_folders}
"""Two videos, and what is changed of the first."""
CHANGES = (removed, cut_short, a_folder_instead, a_link_to_nowhere)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", MADE)
def test_what_vanishes_between_two_epochs_is_named_and_the_rest_is_read(kind, change, tmp_path):
    samples, place = MADE[kind](tmp_path)
    sampling, views = Sampling(num_frames=2), Views()
    loader = view_loader(samples, sampling=sampling, image_size=16, views=views, workers=0)
    (first,) = loader
    assert (len(first), first.failures) == (2, [])
    change(place)
    (second,) = loader
    assert second.index.tolist() == [1]
    ((index, reason),) = second.failures
    assert index == 0
    assert str(samples[0].path) in reason or str(place) in reason


def frames_of(path, cache):
    with open_video(path, cache=cache) as video:
        return levels(video.frames_at([0, 1], short_side=32).data)


@pytest.mark.parametrize("year", [1971, 2100])
def test_kept_frames_follow_a_video_that_changes_whatever_the_clock_says(year, tmp_path):
    path = write_video(tmp_path / "a.mp4", first_level=0)
    cache = FrameCache(tmp_path / "cache", max_bytes=2**20)
    assert frames_of(path, cache) == frames_of(path, cache) == [0, 1]
    write_video(path, first_level=7)
    os.utime(path, ((year - 1970) * 31_557_600,) * 2)
    assert frames_of(path, cache) == [7, 8]


@mounting
def test_a_cache_that_vanishes_or_fills_or_is_locked_costs_speed_alone(tmp_path, caplog):
    path = write_video(tmp_path / "a.mp4")
    with small_disk(tmp_path / "cache") as folder:
        cache = FrameCache(folder / "kept", max_bytes=2**30)
        assert frames_of(path, cache) == [0, 1]
        shutil.rmtree(folder / "kept")
        assert frames_of(path, cache) == [0, 1]
        shutil.rmtree(folder / "kept")
        leave_room(folder, pages=0)
        assert frames_of(path, cache) == [0, 1]
        make_room(folder)
        cache = FrameCache(folder / "kept", max_bytes=2**30)
        make_read_only(folder)
        assert frames_of(path, cache) == [0, 1]
    assert "takes no more: cannot write" in caplog.text


@pytest.mark.parametrize(("part", "reason"), [(0.5, "it has become shorter"), (1.5, "did a video")])
def test_a_video_that_changes_while_it_is_packed_leaves_no_tar(part, reason, few_videos, tmp_path):
    shutil.copytree(few_videos, tmp_path / "videos")
    (shard,) = plan_shards(read_videos(tmp_path / "videos"), shard_bytes=2**30, seed=0)
    path = shard.videos[0].source
    content = path.read_bytes() * 2
    path.write_bytes(content[: int(part * len(content) / 2)])
    with pytest.raises((VideoError, StorageError), match=reason):
        write_shard(tmp_path / "out" / shard.name, shard)
    assert files_below(tmp_path / "out") == set()


def test_nothing_is_timed_or_ordered_by_a_clock_that_can_be_set():
    """Durations and deadlines are of monotonic clocks. One place tells people the time."""
    package = Path(library.__file__).parent
    settable = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "date.today"}
    found = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in settable:
                found.add(path.relative_to(package).as_posix())
            if isinstance(node, ast.ImportFrom) and node.module == "time":
                assert not {alias.name for alias in node.names} & {"time", "time_ns"}, path
    assert found == {"training/board.py"}
