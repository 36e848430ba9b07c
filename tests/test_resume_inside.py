"""A run that was stopped inside an epoch goes on at that batch, to the very same result."""

from dataclasses import replace

import pytest
import torch

from runs import tiny
from sharded import write_small_shards
from stillmotion.data.dataset import ClipDataset
from stillmotion.data.reading import read_videos
from stillmotion.data.transforms import Augmentation
from stillmotion.errors import ConfigurationError
from stillmotion.methods import AMFlow
from stillmotion.training import train
from stillmotion.training.log import Meter, RunLog
from stillmotion.training.position import Position, of_this_process
from stillmotion.training.state import FILE, read_state
from test_resume import StoppedError, assert_same, without_speed
from videos import write_classes

STOPPED_AT = 4
"""Batch of the second epoch, from 0, before which the run ends."""


def train_until(recipe, monkeypatch):
    """Train, and stop in the middle of the second epoch."""
    whole = RunLog.batches

    def cut_short(self, loader, meter, title):
        for number, batch in enumerate(whole(self, loader, meter, title)):
            if title == "epoch 1" and number == STOPPED_AT:
                raise StoppedError
            yield batch

    with monkeypatch.context() as patch:
        patch.setattr(RunLog, "batches", cut_short)
        with pytest.raises(StoppedError):
            train(recipe, quiet=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Fourteen videos as files, the same in tars, and a place for decoded frames."""
    folder = tmp_path_factory.mktemp("inside")
    write_classes(folder / "files", videos_each=7)
    write_small_shards(folder / "files", folder / "shards")
    return folder


def random_recipe(source, out, *, workers, accumulate=1, save_every=3, cache=None):
    return tiny(
        source,
        out,
        videos={"workers": workers, "cache": cache, "val_fraction": 0.2},
        training={
            "epochs": 3,
            "batch_size": 2,
            "accumulate": accumulate,
            "save_every": save_every,
        },
        method=replace(AMFlow.small(), dropout=0.5, tpm_dropout=0.2),
        augmentation=Augmentation(flip=0.5, colour=0.3, erase=0.3),
    )


@pytest.mark.parametrize(
    ("kind", "workers", "options"),
    [
        pytest.param("files", 0, {}, marks=pytest.mark.slow),
        ("files", 1, {}),
        ("shards", 0, {"accumulate": 2}),
        pytest.param("shards", 1, {"cache": "frames"}, marks=pytest.mark.slow),
    ],
)
def test_the_rest_of_an_epoch_is_the_same_to_the_last_bit(
    kind, workers, options, data, tmp_path, monkeypatch
):
    source = data / kind / "manifest.jsonl" if kind == "shards" else data / kind
    if "cache" in options:
        options = {**options, "cache": str(tmp_path / "frames")}
    recipe = random_recipe(source, tmp_path / "stopped", workers=workers, **options)
    whole = train(replace(recipe, out=str(tmp_path / "whole")), quiet=True)
    train_until(recipe, monkeypatch)
    saved = read_state(tmp_path / "stopped" / FILE)
    assert saved.progress.epoch == 1
    assert saved.positions[0].batches == (4 if "accumulate" in options else 3)
    drawn = []
    read = ClipDataset._decoded
    with monkeypatch.context() as patch:
        patch.setattr(
            ClipDataset, "_decoded", lambda self, s: drawn.append(self.train) or read(self, s)
        )
        resumed = train(recipe, resume=True, quiet=True)
    assert without_speed(resumed.history) == without_speed(whole.history)
    assert_same(tmp_path / "whole", tmp_path / "stopped")
    if workers == 0:
        skipped = 2 * saved.positions[0].batches
        videos = len(read_videos(tmp_path / "stopped/split.jsonl").only("train"))
        trial = 1
        assert sum(drawn) == trial + 2 * videos - skipped, "what was skipped is not decoded"


def test_without_save_every_a_state_is_of_whole_epochs(data, tmp_path, monkeypatch):
    recipe = random_recipe(data / "files", tmp_path / "run", workers=0, save_every=0)
    train_until(recipe, monkeypatch)
    assert read_state(tmp_path / "run" / FILE).positions == []


def test_another_number_of_processes_is_refused():
    positions = [Position(3, 1.0, {}, torch.zeros(3)) for _ in range(3)]
    assert of_this_process(positions[:2], process=1, processes=2) is positions[1]
    assert of_this_process([], process=0, processes=2) is None
    with pytest.raises(ConfigurationError, match="with 3 processes; go on with as many, not 2"):
        of_this_process(positions, process=1, processes=2)


def test_a_position_brings_back_generators_and_sums():
    meter = Meter(torch.device("cpu"))
    meter.add(torch.tensor(0.7), torch.eye(3), torch.tensor([0, 1, 0]))
    position = Position.now(5, meter, {3: "damaged"})
    told, tensors = position.to_parts("position.0")
    expected = torch.rand(4)
    later = Meter(torch.device("cpu"))
    again = Position.from_parts("position.0", told, tensors)
    again.restore(later)
    assert torch.equal(torch.rand(4), expected)
    assert torch.equal(later.totals(), meter.totals())
    assert (again.batches, again.failures) == (5, {3: "damaged"})
    assert later.seconds >= position.seconds
