"""The runner beside an exported model says what `stillmotion predict` says, without stillmotion."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import stillmotion as sm
from models import randomise
from stillmotion.backbones.demo import DEMO_BACKBONE
from stillmotion.data.annotations import Sample
from stillmotion.data.crops import view_crops
from stillmotion.data.parts import Part, combinations
from stillmotion.data.sampling import Sampling, view_indices
from stillmotion.data.timeline import timeline_from_pts
from stillmotion.errors import ClipError
from stillmotion.exporting import to_onnx
from stillmotion.exporting.onnx_folder import RUNNER, describe
from stillmotion.loading import view_dataset
from stillmotion.methods import LinearProbe
from stillmotion.prediction import Predictor
from stillmotion.rejection import KEY
from stillmotion.settings import Views
from videos import write_sound, write_video

SHARED = Path(os.environ.get("STILLMOTION_SHARED", Path(__file__).parents[2] / "shared"))
ZOO = SHARED / "data/decoder-zoo"

onnxruntime = pytest.importorskip("onnxruntime", reason="export needs the extra `export`")

ALONE = """
import runpy, sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision", "timm", "stillmotion"):
            raise ImportError(f"{name} is not to be used")

sys.meta_path.insert(0, Refused())
sys.path.insert(0, sys.argv[1])
sys.argv = [sys.argv[1] + "/run.py", *sys.argv[2:]]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

DAMAGED = {"no_timescale.mp4", "sample_with_invalid_nalu.mp4"}
"""Where stillmotion finds the whole frames around the damage, and the runner gives up."""

VIEWS = {
    "one view": (Sampling(num_frames=4), Views()),
    "many views": (
        Sampling(num_frames=4, kind="dense", stride=2, short="loop"),
        Views(clips=2, crops=3, short_side=72, interpolation="bicubic", average="logits"),
    ),
}


@pytest.fixture(scope="module")
def video():
    """The runner's own module, as Python finds it beside run.py."""
    sys.path.insert(0, str(RUNNER))
    import video

    yield video
    sys.path.remove(str(RUNNER))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model of six classes that is sure of little, and its folder."""
    model = sm.adapt(DEMO_BACKBONE, LinearProbe(), num_frames=4, num_classes=6)
    randomise(model, std=0.05).eval()
    folder = tmp_path_factory.mktemp("exported") / "onnx"
    jaxtyping.config.update("jaxtyping_disable", True)  # sizes are symbols while it is traced
    to_onnx(model, folder)
    jaxtyping.config.update("jaxtyping_disable", False)
    return model, folder


@pytest.fixture
def asked_with(exported):
    """The model and its folder once they are told how to look at a video."""

    def tell(sampling, views, parts=()):
        model, folder = exported
        model.parts = parts
        model.class_names = combinations(parts) if parts else model.class_names
        rejection = {"threshold": 0.3, "temperature": 0.7}
        model.info = {"sampling": sampling.to_dict(), "views": vars(views), KEY: rejection}
        (folder / "model.json").write_text(json.dumps(describe(model)))
        return Predictor(model, device="cpu"), folder

    yield tell
    exported[0].parts = ()


def answers(folder, *arguments):
    """What the runner prints as JSON where neither torch nor stillmotion can be imported."""
    words = [sys.executable, "-c", ALONE, folder, "--json", *arguments]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert done.returncode in (0, 2), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done


def same(found, want, *, by=1e-3):
    """Whether both say the same classes, probabilities, and "none of these"."""
    assert found["path"] == want["path"]
    probability = {row["label"]: row["probability"] for row in want["predictions"]}
    for row in found["predictions"]:
        assert row["probability"] == pytest.approx(probability[row["label"]], abs=by)
    assert found["predictions"][0]["label"] == want["predictions"][0]["label"]
    assert found["confidence"] == pytest.approx(want["confidence"], abs=by)
    assert found["threshold"] == want["threshold"]
    assert found["answer"] == want["answer"]


@pytest.mark.parametrize("views", VIEWS)
def test_the_runner_says_what_predict_says_without_torch(views, asked_with, tmp_path):
    predict, folder = asked_with(*VIEWS[views])
    files = [
        write_video(tmp_path / "plain.mp4", num_frames=9),
        write_video(tmp_path / "turned.mp4", num_frames=5, rotation=90),
        write_video(tmp_path / "uneven.mkv", num_frames=6, pts=[0, 10, 12, 50, 55, 90]),
        write_video(tmp_path / "short.mp4", num_frames=2),
        write_video(tmp_path / "old.avi", num_frames=7, codec="mpeg4"),
    ]
    told, _ = answers(folder, *files)
    assert len(told) == len(files)
    for path, found in zip(files, told, strict=True):
        same(found, predict(path).to_dict())


def test_the_threshold_and_the_number_of_classes_can_be_chosen(asked_with, tmp_path):
    predict, folder = asked_with(*VIEWS["one view"])
    path = write_video(tmp_path / "video.mp4")
    asked = Predictor(predict.model, device="cpu", threshold=0.99)(path).to_dict(top=2)
    told, _ = answers(folder, path, "--threshold", 0.99, "--top", 2)
    same(told[0], asked)
    assert told[0]["answer"] == "none of these"
    assert len(told[0]["predictions"]) == 2


def test_classes_that_are_combinations_are_put_together(asked_with, tmp_path):
    parts = (Part("verb", ("take", "put", "cut")), Part("noun", ("cup", "pan")))
    predict, folder = asked_with(*VIEWS["many views"], parts)
    path = write_video(tmp_path / "video.mp4")
    (told,), _ = answers(folder, path)
    same(told, predict(path).to_dict(top=6))


def test_a_bad_file_is_said_and_the_others_are_answered(asked_with, tmp_path):
    _, folder = asked_with(*VIEWS["one view"])
    good = write_video(tmp_path / "good.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").touch()
    bad = [tmp_path / "text.mp4", tmp_path / "empty.mp4", tmp_path / "absent.mp4"]
    told, done = answers(folder, *bad, write_sound(tmp_path / "sound.mp4"), good)
    assert [row["path"] for row in told] == [str(good)]
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 4
    assert "Traceback" not in done.stderr


@given(
    length=st.integers(1, 60),
    frames=st.integers(1, 9),
    stride=st.integers(1, 9),
    kind=st.sampled_from(["uniform", "frame_uniform", "dense"]),
    short=st.sampled_from(["repeat", "loop", "error"]),
    spread=st.sampled_from(["ends", "middles", "starts"]),
    clips=st.integers(1, 5),
)
def test_clips_are_made_of_the_same_frames(
    video, length, frames, stride, kind, short, spread, clips
):
    sampling = Sampling(num_frames=frames, kind=kind, stride=stride, short=short)
    try:
        want = view_indices(length, sampling=sampling, num_clips=clips, spread=spread).tolist()
    except ClipError:
        with pytest.raises(video.UnreadableError):
            video.clip_indices(length, sampling.to_dict(), clips, spread)
    else:
        assert video.clip_indices(length, sampling.to_dict(), clips, spread) == want


@given(steps=st.lists(st.integers(1, 90), max_size=30), last=st.integers(1, 90))
def test_uneven_videos_are_sampled_by_time_alike(video, steps, last):
    stamps = [7 + sum(steps[:count]) for count in range(len(steps) + 1)]
    timeline = timeline_from_pts(stamps, last_step=last, seconds_per_unit=0.01)
    assert video.ticks(stamps, last, 0.01) == timeline.ticks()


@settings(max_examples=40)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    size=st.integers(2, 40),  # of some images PyTorch itself cannot make a single pixel
    margin=st.integers(0, 9),
    crops=st.sampled_from([1, 3, 10]),
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
    spread=st.sampled_from(["ends", "middles", "starts"]),
)
def test_crops_are_the_same_but_for_rounding(
    video, height, width, size, margin, crops, interpolation, spread
):
    generator = torch.Generator().manual_seed(height * width)
    frames = torch.randint(256, (2, 3, height, width), dtype=torch.uint8, generator=generator)
    views = Views(crops=crops, short_side=size + margin, interpolation=interpolation, spread=spread)
    cut = view_crops(
        size, num_crops=crops, short_side=size + margin, interpolation=interpolation, spread=spread
    )
    want = cut(frames).numpy().astype(int)
    found = video.crops(frames.permute(0, 2, 3, 1).numpy(), vars(views), size).astype(int)
    assert found.shape == want.shape
    assert np.abs(found - want).max() <= 2


@pytest.mark.skipif(not ZOO.is_dir(), reason="the shared decoder zoo is not here")
@pytest.mark.slow
@pytest.mark.parametrize("views", VIEWS)
def test_the_decoder_zoo_is_read_alike(video, views):
    """Pixel for pixel where the decoder resizes; files that cannot be read are refused by both."""
    sampling, how = VIEWS[views]
    read = 0
    for path in sorted(p for p in ZOO.rglob("*.*") if p.name != "probe.csv"):
        dataset = view_dataset([Sample(path, label=0)], sampling=sampling, image_size=64, views=how)
        item = dataset[0]
        try:
            found = video.read(path, sampling=sampling.to_dict(), views=vars(how), size=64)
        except video.UnreadableError:
            assert "error" in item or path.name in DAMAGED, path
            continue
        assert "error" not in item, path
        difference = np.abs(found.astype(int) - item["clip"].numpy().astype(int))
        assert difference.max() <= (0 if how.interpolation == "bilinear" else 2), path
        read += 1
    assert read > 60
