"""A run that is asked to stop saves inside the epoch, and goes on to the same result."""

import os
import signal
import threading

import pytest
from accelerate import Accelerator

from runs import tiny
from stillmotion.training import train
from stillmotion.training.log import RunLog
from stillmotion.training.state import FILE, read_state
from stillmotion.training.stopping import Stopped, StopRequest
from test_resume import assert_same, without_speed


def recipe_of(data, out, *, accumulate=1):
    training = {"epochs": 2, "batch_size": 1, "accumulate": accumulate, "label_smoothing": 0.1}
    return tiny(data, out, training=training)


def tell(kind):
    """As the system does."""
    os.kill(os.getpid(), kind)


@pytest.fixture
def stopped_while(monkeypatch):
    """Sends a signal before batch 1 of the second epoch, in training or in validation."""

    def stop(kind, *, validating):
        whole, between, epochs = RunLog.batches, StopRequest.between, []

        def training_batches(self, loader, meter, title):
            for number, batch in enumerate(whole(self, loader, meter, title)):
                if title == "epoch 1" and number == 1 and not validating:
                    tell(kind)
                yield batch

        def validation_batches(self, batches):
            epochs.append(None)
            if len(epochs) == 2 and validating:
                tell(kind)
            return between(self, batches)

        monkeypatch.setattr(RunLog, "batches", training_batches)
        monkeypatch.setattr(StopRequest, "between", validation_batches)

    return stop


@pytest.mark.parametrize(
    ("kind", "validating", "accumulate", "done"),
    [
        (signal.SIGINT, 0, 1, 2),
        (signal.SIGTERM, 0, 3, 3),
        (signal.SIGINT, 1, 1, 6),
        pytest.param(signal.SIGTERM, 0, 1, 2, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 0, 3, 3, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 1, 1, 6, marks=pytest.mark.slow),
    ],
)
def test_a_run_asked_to_stop_goes_on_where_it_was(
    kind, validating, accumulate, done, few_videos, tmp_path, stopped_while, monkeypatch, capsys
):
    whole = train(recipe_of(few_videos, tmp_path / "whole", accumulate=accumulate), quiet=True)
    recipe = recipe_of(few_videos, tmp_path / "stopped", accumulate=accumulate)
    before = signal.getsignal(kind)
    stopped_while(kind, validating=validating)
    with pytest.raises(Stopped) as stop:
        train(recipe, quiet=True)
    monkeypatch.undo()
    assert stop.value.signal == kind
    assert "again: stop at once" in capsys.readouterr().err
    assert signal.getsignal(kind) == before
    saved = read_state(tmp_path / "stopped" / FILE)
    assert (saved.progress.epoch, saved.positions[0].batches) == (1, done)
    resumed = train(recipe, resume=True, quiet=True)
    assert without_speed(resumed.history) == without_speed(whole.history)
    assert_same(tmp_path / "whole", tmp_path / "stopped")


def test_a_second_signal_is_not_waited_for():
    with StopRequest(Accelerator(cpu=True)) as stop:
        tell(signal.SIGINT)
        assert stop.asked()
        with pytest.raises(KeyboardInterrupt):
            tell(signal.SIGINT)


def test_elsewhere_than_in_the_main_thread_nothing_is_noted():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def train_there():
        with StopRequest(Accelerator(cpu=True)) as stop:
            seen.append((signal.getsignal(signal.SIGTERM), stop.asked()))

    thread = threading.Thread(target=train_there)
    thread.start()
    thread.join()
    assert seen == [(before, False)]
