"""Only exact algorithms, while they are wanted and no longer; what has none is named."""

import os

import pytest
import torch

from models import VARIANTS, classifier, moving
from stillmotion.errors import ConfigurationError
from stillmotion.training.determinism import VARIABLE, deterministic


def settings():
    """All that is changed meanwhile."""
    cudnn = torch.backends.cudnn
    mode = torch.get_deterministic_debug_mode()
    return mode, cudnn.deterministic, cudnn.benchmark, os.environ.get(VARIABLE)


def test_it_is_in_force_inside_and_restored_after(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    before = settings()
    with deterministic(False):
        assert settings() == before
    with deterministic(True):
        assert settings() == (2, True, False, ":4096:8")
    assert settings() == before
    with pytest.raises(ZeroDivisionError), deterministic(True):
        raise ZeroDivisionError
    assert settings() == before


def test_what_has_no_exact_algorithm_is_named_with_what_to_do():
    numbers, places = torch.zeros(3), torch.tensor([0, 0])
    told = r"training.deterministic: put_ does not have .* do without training.deterministic"
    with pytest.raises(ConfigurationError, match=told), deterministic(True):
        numbers.put_(places, torch.ones(2))


def test_another_fault_stays_what_it_is():
    with pytest.raises(RuntimeError, match="another"), deterministic(True):
        raise RuntimeError("another")


@pytest.mark.parametrize("name", ["amflow", "aim", "st_adapter", "dualpath", "zeroi2v"])
def test_methods_have_exact_algorithms(name):
    model = classifier(VARIANTS[name]).train()
    with deterministic(True):
        model(moving()).square().mean().backward()
