"""A compiled step computes what the step computes, and is refused where it would not run."""

from dataclasses import replace

import pytest
import torch

from models import VARIANTS, trained
from plain import run_plain
from runs import tiny
from stillmotion.errors import ConfigurationError
from stillmotion.methods import AMFlow
from stillmotion.training import train
from stillmotion.training.compiling import refuse_uncompilable

COMPILED = """
    import sys
    import torch
    from models import VARIANTS, moving, trained
    from stillmotion.training.compiling import CompiledStep
    from stillmotion.training.optimisation import Objective

    def step(run, model, clip):
        model.zero_grad(set_to_none=True)
        loss, logits = run(clip, torch.zeros(len(clip), dtype=torch.long))
        loss.backward()
        return loss.detach(), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}

    def whole_graphs():
        return torch._dynamo.utils.counters["stats"]["unique_graphs"]

    torch.set_num_threads(1)
    backend, *names = sys.argv[1:]
    for name in names:
        model = trained(VARIANTS[name])
        names_before = list(model.state_dict())
        objective = Objective(model)
        compiled = CompiledStep(objective, num_clips=2, backend=backend)
        want, found = step(objective, model, moving()), step(compiled, model, moving())
        torch.testing.assert_close(found, want, rtol=1e-3, atol=1e-3)
        graphs = whole_graphs()
        odd = moving(batch=3)
        loss, _ = step(compiled, model, odd)
        assert loss.equal(step(objective, model, odd)[0])
        assert whole_graphs() == graphs > 0
        assert list(model.state_dict()) == names_before
        assert [id(p) for p in compiled.parameters()] == [id(p) for p in objective.parameters()]
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        print(name)
"""


def test_a_compiled_step_is_one_graph_and_gives_the_same_gradients():
    assert run_plain(COMPILED, "aot_eager", "adaptformer").split() == ["adaptformer"]


@pytest.mark.slow
def test_every_method_compiles_for_training():
    assert run_plain(COMPILED, "aot_eager", *VARIANTS).split() == list(VARIANTS)


@pytest.mark.slow
def test_torch_s_own_compiler_gives_the_same_gradients():
    assert run_plain(COMPILED, "inductor", "adaptformer").split() == ["adaptformer"]


RESUMED = """
    import sys
    from pathlib import Path
    import pytest
    import torch
    from safetensors.torch import load_file
    from runs import tiny
    from videos import write_classes
    from stillmotion.training import loop, train

    class Stopped(Exception):
        pass

    def save_and_stop(*given):
        save(*given)
        raise Stopped

    torch.set_num_threads(1)
    root, save = Path(sys.argv[1]), loop.save
    data = write_classes(root / "videos", videos_each=4)
    options = {"epochs": 2, "compile": True}
    train(tiny(data, root / "whole", training=options), quiet=True)
    loop.save = save_and_stop
    with pytest.raises(Stopped):
        train(tiny(data, root / "stopped", training=options), quiet=True)
    loop.save = save
    torch._dynamo.reset()
    train(tiny(data, root / "stopped", training=options), resume=True, quiet=True)
    whole, resumed = (
        load_file(root / run / "last" / "adapter_model.safetensors") for run in ("whole", "stopped")
    )
    assert whole.keys() == resumed.keys()
    assert [name for name in whole if not whole[name].equal(resumed[name])] == []
    print("same")
"""


@pytest.mark.slow
def test_a_compiled_run_resumes_to_the_same_weights(tmp_path):
    assert run_plain(RESUMED, str(tmp_path)) == "same\n"


def test_compiling_without_a_compiler_is_refused_with_what_is_missing(monkeypatch):
    asked = {"batch_size": 2, "num_clips": 2, "device": torch.device("cpu")}
    asked["model"] = torch.nn.Linear(1, 1)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigurationError, match=r"C\+\+ compiler.*no-such-compiler"):
        refuse_uncompilable(**asked)
    monkeypatch.setenv("CXX", "python3")  # anything that is there
    refuse_uncompilable(**asked)


def test_a_recurrent_network_is_not_compiled():
    asked = {"batch_size": 2, "num_clips": 2, "device": torch.device("cpu")}
    with pytest.raises(ConfigurationError, match=r"no LSTM; choose .*amflow.tpm=tcn"):
        refuse_uncompilable(trained(replace(AMFlow.small(), tpm="lstm")), **asked)


def test_a_run_whose_batches_are_never_full_is_not_compiled_in_silence(few_videos, tmp_path):
    recipe = tiny(few_videos, tmp_path / "run", training={"compile": True, "batch_size": 64})
    with pytest.raises(ConfigurationError, match=r"batches of 64 clips, and there are \d training"):
        train(recipe, quiet=True)
