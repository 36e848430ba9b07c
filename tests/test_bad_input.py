"""Every mistake ends in one line on standard error and status 2, and leaves no result behind."""

import json
import os
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from runs import TINY, files_below, stillmotion, tiny
from stillmotion.backbones.demo import DEMO_WEIGHTS
from stillmotion.errors import ClipError
from stillmotion.methods import AMFlow, LinearProbe
from stillmotion.training import train
from videos import write_sound, write_video


@pytest.fixture
def told(capfd):
    """Runs a command that must fail as a user's mistake; gives its one line.

    FFmpeg's own complaints would come past Python's standard error: the file itself is watched.
    """

    def run(*arguments):
        capfd.readouterr()
        assert stillmotion(*arguments) == 2
        lines = capfd.readouterr().err.splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("stillmotion: ")
        return lines[0]

    return run


@pytest.fixture
def refused(told, tmp_path):
    """The same for training, which must not leave any part of a result."""

    def run(data, *options):
        line = told("train", data, "--out", tmp_path / "out", *TINY, *options)
        left = files_below(tmp_path / "out")
        assert all(
            name in ("recipe.yaml", "split.jsonl", "metrics.jsonl")
            or name.startswith("tensorboard/")
            for name in left
        ), left
        return line

    return run


@pytest.fixture
def copied(few_videos, tmp_path):
    """A copy of `few_videos` that may be damaged."""
    return Path(shutil.copytree(few_videos, tmp_path / "copied"))


def damage(path, how):
    """Make a video unreadable in one of three ways."""
    content = path.read_bytes()
    path.unlink()
    if how == "only sound":
        write_sound(path)
    else:
        path.write_bytes(content[:300] if how == "damaged" else b"")


WAYS = pytest.mark.parametrize("how", ["damaged", "empty", "only sound"])


def test_missing_and_empty_folders(refused, tmp_path):
    assert "nowhere: no such file or folder" in refused(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "empty: no folders inside; expected one folder a class" in refused(tmp_path / "empty")


def test_a_class_without_videos(refused, copied):
    (copied / "bow").mkdir()
    assert "bow: no videos in this class" in refused(copied)


def test_one_class_only(refused, copied):
    shutil.rmtree(copied / "wave")
    assert "only one class, 'jump'; a classifier needs two" in refused(copied)


def test_a_class_with_one_video(refused, copied):
    write_video(copied / "bow/only.mp4", first_level=9)
    line = refused(copied)
    assert "only one training video in 1 classes (bow)" in line
    assert "videos.val_fraction=0" in line


@WAYS
@pytest.mark.parametrize("probe", [(), ("--method", "linear_probe", "--training.cache_clips", "1")])
def test_a_data_set_that_cannot_be_read(how, probe, refused, copied):
    for path in copied.rglob("*.mp4"):
        damage(path, how)
    line = refused(copied, "--videos.val_fraction", "0", *probe)
    assert "8 of 8 videos cannot be read" in line
    assert how in line


@pytest.mark.parametrize(
    ("how", "keep_frames", "cache_clips"),
    [("damaged", 0, 0), ("empty", 4, 0), ("only sound", 0, 0), ("damaged", 0, 2), ("empty", 4, 1)],
)
def test_a_few_unreadable_videos_are_counted_and_named(
    how, keep_frames, cache_clips, copied, tmp_path, capsys
):
    damage(copied / "jump/2.mp4", how)
    recipe = tiny(
        copied,
        tmp_path / "out",
        videos={"max_unreadable": 0.4, "val_fraction": 0.0, "keep_frames": keep_frames},
        training={"epochs": 2, "cache_clips": cache_clips},
        method=LinearProbe() if cache_clips else AMFlow.small(),
    )
    run = train(recipe)
    assert [row["unreadable"] for row in run.history] == [1.0, 1.0]
    assert [row["path"] for row in run.evaluation.unreadable] == ["jump/2.mp4"]
    assert run.evaluation.scores.n == 7
    printed = capsys.readouterr().out
    assert printed.count("left out: ") == 1
    assert how in printed
    assert "1 unreadable" in printed


def test_a_list_that_names_files_that_are_not_there(refused, few_videos, tmp_path):
    listing = tmp_path / "list.csv"
    listing.write_text("path,label\nghost.mp4,jump\njump/0.mp4,jump\nwave/0.mp4,wave\n")
    line = refused(listing, "--videos.root", few_videos)
    assert "list.csv line 2: there is no ghost.mp4 below" in line


@pytest.mark.parametrize(
    ("options", "nearest"),
    [
        (("--backbone", "vit_stillmotion_dem"), "did you mean 'vit_stillmotion_demo'?"),
        (("--method", "amflw"), "did you mean 'amflow'?"),
        (("--preset", "smal"), "did you mean 'small'?"),
        (("--amflow.flo", "static"), "did you mean --amflow.flow?"),
        (("--training.epoch", "3"), "did you mean --training.epochs?"),
        (("--video.workers=3",), "did you mean --videos.workers?"),
        (("--amflow.flow", "statc"), "'static'"),
        (("--backbone", "resnet50"), "resnet50 is not supported"),
    ],
)
def test_misspelt_names_are_answered_with_the_nearest(options, nearest, refused, few_videos):
    assert nearest in refused(few_videos, *options)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--training.epochs", "many"), "--training.epochs"),
        (("--training.epochs", "0"), "training.epochs cannot be 0: it is a number, at least 1"),
        (("--training.batch_size", "0"), "training.batch_size"),
        (("--training.accumulate", "0"), "training.accumulate"),
        (("--training.warmup", "1.5"), "training.warmup"),
        (("--training.learning_rate", "-1"), "training.learning_rate"),
        (("--training.label_smoothing", "3"), "training.label_smoothing"),
        (("--training.precision", "fp8"), "'bf16'"),
        (("--training.optimizer", "adam"), "'adamw'"),
        (("--training.decay", "none"), "'no_bias'"),
        (("--training.backbone_rate", "-1"), "training.backbone_rate"),
        (("--training.warmup_start", "1.5"), "training.warmup_start"),
        (
            ("--augmentation.magnitude", "31"),
            "magnitude cannot be 31: it is a number",
        ),
        (("--videos.val_fraction", "2"), "videos.val_fraction"),
        (("--videos.workers", "-1"), "videos.workers"),
        (("--views.clips", "0"), "views.clips"),
        (("--views.crops", "2"), "views.crops cannot be 2"),
        (("--seed", "-1"), "recipe.seed"),
        (("--image_size", "0"), "image size"),
        (("--weights", "nowhere.safetensors"), "there are no weights at nowhere.safetensors"),
        (("--amflow.flow_blocks", "[9]"), "this backbone has blocks 0 to 5"),
        (("--sampling.num_frames", "0"), "at least one frame"),
        (("--augmentation.crop", "middle"), "'resized', 'jitter', 'multiscale'"),
        (("--augmentation.mirror", "none.txt"), "cannot read the classes that a mirror swaps"),
        (("--augmentation.repeats", "3"), "counts clips, and augmentation.repeats=3"),
        (("--sampling.region", "boxes"), "videos have no box"),
        (("--sampling.strides", "[1, 2]"), "belong to dense clips"),
        (
            ("--views.short_side", "32", "--videos.val_fraction", "0"),
            "short_side=32 is less than the model's 64",
        ),
        (("--augmentation.flip", "2"), "flip cannot be 2.0: it is a number, from 0 to 1"),
        (("--training.learning_rate", "1e30"), "Lower training.learning_rate"),
    ],
)
def test_impossible_settings_are_refused_by_name(options, reason, refused, few_videos):
    assert reason in refused(few_videos, *options)


def test_fp16_without_a_gpu(refused, few_videos, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "fp16 needs a GPU" in refused(few_videos, "--training.precision", "fp16")


def test_an_image_model_that_cannot_be_had(refused, few_videos, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    line = refused(few_videos, "--backbone", "vit_base_patch8_224.dino", "--image_size", "32")
    assert "cannot get the pretrained weights of vit_base_patch8_224.dino" in line
    assert "the path of a safetensors file" in line


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("training:\n  epoch: 3\n", "does not accept option 'epoch'"),
        ("a: [\n", "cannot read"),
        ("just words\n", "just words"),
        ("method: amflw\n", "did you mean 'amflow'?"),
        (None, "No such file"),
    ],
)
def test_a_bad_configuration_file(text, reason, refused, few_videos, tmp_path):
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    assert reason in refused(few_videos, "--config", path)


def test_no_data_and_no_directory(told, tmp_path, few_videos):
    assert "which videos?" in told("train", "--out", tmp_path / "out")
    assert "give --out" in told("train", few_videos)


def test_a_directory_that_cannot_be(told, few_videos, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot write" in told("train", few_videos, "--out", tmp_path / "file", *TINY)
    assert (tmp_path / "file").read_text() == ""


def test_nothing_to_resume(told, few_videos, tmp_path):
    assert "there is nothing to resume" in told("train", "--resume", "--out", tmp_path)
    line = told("train", few_videos, "--resume", "--out", tmp_path, *TINY)
    assert f"there is no run to resume in {tmp_path}" in line


@pytest.mark.parametrize(
    "text", ["", "backbone: x\n", "data: a\nout: b\nfoo: 1\n", "data: a\nout: b\nmethod: 3\n"]
)
def test_a_damaged_recipe_is_not_resumed(text, told, tmp_path):
    (tmp_path / "recipe.yaml").write_text(text)
    told("train", "--resume", "--out", tmp_path)


@pytest.fixture(scope="module")
def other_weights(tmp_path_factory):
    """The image model with one number changed."""
    path = tmp_path_factory.mktemp("weights") / "other.safetensors"
    tensors = load_file(str(DEMO_WEIGHTS))
    tensors["blocks.0.mlp.fc1.bias"][0] += 0.5
    save_file(tensors, path)
    return path


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_checkpoint_of_another_image_model(
    command, told, finished_run, few_videos, other_weights, tmp_path
):
    where = ("--out", tmp_path / "s.json") if command == "evaluate" else ()
    data = few_videos if command == "evaluate" else few_videos / "jump/0.mp4"
    line = told(command, finished_run, data, "--weights", other_weights, *where)
    assert "belongs to vit_stillmotion_demo with weights" in line
    assert files_below(tmp_path) == set()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda config: config["info"]["sampling"].update(num_frames=9), "9 frames: this model"),
        (lambda config: config["backbone"].update(name="vit_x"), "unknown backbone 'vit_x'"),
        (lambda config: config["method"].update(method="amflw"), "did you mean 'amflow'?"),
        (lambda config: config["method"].update(flo="static"), "did you mean 'flow'?"),
        (lambda config: config.pop("class_names"), "class_names missing"),
    ],
)
def test_a_checkpoint_that_asks_for_what_cannot_be(
    change, reason, told, finished_run, few_videos, tmp_path
):
    shutil.copytree(finished_run / "best", tmp_path / "best")
    path = tmp_path / "best/adapter_config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))
    assert reason in told("predict", tmp_path / "best", few_videos / "jump/0.mp4")


@pytest.mark.parametrize(
    ("data", "options", "reason"),
    [
        ("nowhere", (), "no such file or folder"),
        ("bow", (), "unknown label 'bow'. Possible: jump, wave"),
        ("", ("--split", "tets"), "unknown split 'tets'"),
        ("", ("--views.crops", "2"), "views.crops cannot be 2"),
        ("", ("--splt", "test"), "did you mean --split?"),
    ],
)
def test_an_evaluation_that_cannot_be(data, options, reason, told, finished_run, copied, tmp_path):
    if data == "bow":
        write_video(copied / "bow/only.mp4", first_level=9)
        data = ""
    where = ("--out", tmp_path / "scores/s.json", "--videos.workers", "0")
    assert reason in told("evaluate", finished_run, copied / data, *where, *options)
    assert not (tmp_path / "scores").exists()


def test_no_run_to_evaluate(told, few_videos, tmp_path):
    assert "there is no adapter checkpoint at" in told("evaluate", tmp_path, few_videos)


@WAYS
def test_a_video_that_cannot_be_read_is_not_predicted(how, told, finished_run, copied):
    damage(copied / "jump/0.mp4", how)
    line = told("predict", finished_run, copied / "jump/0.mp4")
    assert "jump/0.mp4: " in line
    assert how in line


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (("nowhere.mp4",), "nowhere.mp4: no such file"),
        ((), "which videos?"),
        (("VIDEO", "--device", "cudda"), "cannot compute on cudda"),
        (("VIDEO", "--views.crops", "2"), "views.crops cannot be 2"),
        (("EMPTY",), "there are no videos in"),
    ],
)
def test_a_prediction_that_cannot_be(given, reason, told, finished_run, few_videos, tmp_path):
    places = {"VIDEO": few_videos / "jump/0.mp4", "EMPTY": tmp_path}
    assert reason in told("predict", finished_run, *(places.get(word, word) for word in given))


def test_more_frames_than_the_model_was_built_for(finished_run):
    """Without the shape checker of the tests this is what Python users meet."""
    import torch

    from stillmotion.checkpoint import load

    with pytest.raises(ClipError, match="9 frames: this model was built for 1 to 2"):
        load(finished_run)(torch.zeros(1, 9, 3, 64, 64))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (("trian",), "did you mean 'train'?"),
        (("--hlp",), "did you mean '--help'?"),
        (("info", "--backbone", "vit_bse_patch16_224"), "did you mean 'vit_base_patch16_224'?"),
        (("check", "nowhere"), "no such file or folder"),
        (("demo", "--out", "src"), "src is not empty"),
        (("demo", "--quik"), "did you mean --quick?"),
    ],
)
def test_other_commands(given, reason, told, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])
    assert reason in told(*given)


@contextmanager
def small_disk(most_bytes):
    """No file may become larger than this, as on a full disk.

    Lifted at once: the runner's own output may go to a file that is larger.
    """
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_ends_training_without_half_a_checkpoint(refused, few_videos):
    with small_disk(100_000):
        line = refused(few_videos)
    assert "cannot write" in line
    assert "out/last/adapter_config.json: File too large" in line


def test_a_full_disk_ends_evaluation_without_scores(told, finished_run, few_videos, tmp_path):
    where = ("--out", tmp_path / "scores.json", "--videos.workers", "0")
    where += ("--videos.allow_overlap", "true")
    with small_disk(5_000):
        line = told("evaluate", finished_run, few_videos, *where)
    assert "scores.json: File too large" in line
    assert files_below(tmp_path) == set()


def test_the_real_process_ends_in_one_line_too(finished_run, copied):
    damage(copied / "jump/0.mp4", "damaged")
    result = subprocess.run(
        [sys.executable, "-m", "stillmotion", "predict", finished_run, copied / "jump/0.mp4"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1, result.stderr


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch):
    """Python then prints it and exits with status 1."""
    monkeypatch.setattr("stillmotion.commands.predict.run", lambda arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        stillmotion("predict")


def test_what_holds_no_video_keeps_no_other_file_from_its_answer(finished_run, few_videos, capfd):
    folder = few_videos.parent / "empty"
    folder.mkdir(exist_ok=True)
    video = next(few_videos.rglob("*.mp4"))
    assert stillmotion("predict", finished_run, folder, video, "/dev/null") == 2
    told, wrong = capfd.readouterr()
    assert told.startswith(str(video))
    assert "there are no videos in" in wrong
    assert "/dev/null: a pipe or a device, not a file" in wrong
    assert wrong.endswith("stillmotion: 2 of 3 not read\n")


def test_addresses_are_not_taken_for_files(told, finished_run):
    assert "https://host/door.mp4: addresses are not fetched" in told(
        "predict", finished_run, "https://host/door.mp4"
    )
