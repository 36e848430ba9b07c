"""What training computes and keeps: no more than its equations need, whatever the options."""

import itertools
from collections import Counter
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch.utils._python_dispatch import TorchDispatchMode

from models import FAMILIES, FRAMES, VARIANTS, image_model, moving, trained
from plain import run_plain
from runs import tiny
from stillmotion.backbones import OpenBlock, frozen_block, open_backbone
from stillmotion.errors import ConfigurationError
from stillmotion.methods import AMFlow, STAdapter
from stillmotion.training import compiling, train

FUSED = "_scaled_dot_product_flash_attention_for_cpu"
FREEZING = {
    "amflow": replace(AMFlow.small(), flow_blocks=(-1,), adapter_blocks=(-2, -1)),
    "st_adapter": STAdapter(last_blocks=2, placement="both"),
    "linear_probe": VARIANTS["linear_probe"],
    "attentive_probe": VARIANTS["attentive_probe"],
}
"""Methods that train nothing before the third of four blocks."""
KEPT = {
    "linear_probe": 10.2,
    "bias_norm": 10.2,
    "adaptformer": 14.2,
    "aim": 19.8,
    "amflow.small": 18.5,
    "st_adapter": 26.2,
    "zeroi2v": 16.2,
    "lora": 16.9,
    "full": 16.2,
}
"""What one block keeps for the backward, in tensors of all tokens (B, T, N, C).

Ten are the frozen block's own: what enters its two norms, q, k, v and what attends, and four for
the inside of the MLP. The rest are what enters the linear maps and activations that train; widths
that are no fraction of C weigh more here than in a real model.
"""


class Operations(TorchDispatchMode):
    """Counts what torch computes by its name, and products that repeat a parameter."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
        self.counts: Counter[str] = Counter()
        self.repeated: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix("aten::")
        self.counts[name] += 1
        if name in ("bmm", "baddbmm"):
            self.repeated += [tuple(t.shape) for t in args if self.is_parameter(t)]
        return func(*args, **(kwargs or {}))

    def is_parameter(self, tensor):
        return tensor.untyped_storage().data_ptr() in self.parameters

    @property
    def unfused(self):
        """Softmaxes that someone computed as such."""
        return self.counts["_softmax"] + self.counts["_safe_softmax"]


def open_blocks(family):
    return [b for b in open_backbone(image_model(family)).blocks if isinstance(b, OpenBlock)]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("attention", ["attn", "attn_over_time", "attn_jointly"])
@pytest.mark.parametrize("training", [False, True], ids=["forward", "training"])
def test_every_attention_takes_the_fused_kernel(family, attention, training):
    """With five axes it is passed over in silence; over space, over time and jointly."""
    for block in open_blocks(family):
        x = torch.randn(2, FRAMES, block.grid.num_tokens, block.dim, requires_grad=training)
        with torch.set_grad_enabled(training), Operations(block) as seen:
            y = getattr(block, attention)(x)
            if training:
                y.sum().backward()
        assert (seen.counts[FUSED], seen.unfused) == (1, 0)
        assert seen.counts[f"{FUSED}_backward"] == int(training)


@pytest.mark.parametrize("training", [False, True], ids=["forward", "training"])
@pytest.mark.parametrize(
    ("name", "family"),
    list(zip(VARIANTS, itertools.cycle(["vit", "eva02", "hiera"]), strict=False)),
)
def test_every_linear_map_is_one_product(name, family, training):
    """Of a view that is not contiguous torch would make a product for each token, far slower."""
    model = trained(VARIANTS[name], family).train(training)
    with torch.set_grad_enabled(training), Operations(model) as seen:
        logits = model(moving())
        if training:
            logits.sum().backward()
    assert seen.counts["addmm"] > 0
    assert seen.repeated == []


@pytest.mark.parametrize("method", FREEZING.values(), ids=FREEZING)
def test_no_graph_reaches_what_lies_before_the_first_trained_part(method):
    """Nothing is kept of the stem and the first blocks, and no gradient passes them."""
    model = trained(method).train()
    kept: list[torch.Tensor] = []
    entered: list[tuple[bool, int]] = []
    for block in model.trunk.blocks:
        block.register_forward_pre_hook(
            lambda _, given: entered.append((given[0].requires_grad, len(kept)))
        )
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        logits = model(moving())
    assert entered[:3] == [(False, 0)] * 3
    assert kept
    logits.sum().backward()
    assert any(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("name", KEPT)
def test_a_block_keeps_what_its_backward_needs_and_nothing_else(name):
    model = trained(VARIANTS[name]).train()
    block = model.trunk.blocks[1]
    tokens, dim = frozen_block(block).grid.num_tokens, frozen_block(block).dim
    x = torch.randn(2, FRAMES, tokens, dim, requires_grad=True)
    assert bytes_kept(lambda: block(x), model) / (x.numel() * 4) <= KEPT[name]


def test_an_adapter_keeps_its_embedding_and_not_what_it_lifts():
    adapter = trained(AMFlow.small()).trunk.blocks[0].mlp_adapter
    e = torch.randn(2, FRAMES, 17, 12, requires_grad=True)
    small = 2 * sum(p.numel() for p in adapter.parameters()) * 4
    assert bytes_kept(lambda: adapter.lift(e), adapter) <= e.numel() * 4 + small


def bytes_kept(forward, model):
    """Of all tensors that a forward keeps for its backward, parameters left out."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = tensor  # held, so that no other takes its address
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        forward()
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def gradients(model, clip):
    """Logits and all gradients of a step with the same random numbers."""
    torch.manual_seed(5)
    model.zero_grad(set_to_none=True)
    logits = model(clip)
    logits.square().sum().backward()
    return {"logits": logits} | {
        name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None
    }


@pytest.mark.parametrize("name", VARIANTS)
def test_checkpointed_blocks_give_the_same_gradients_to_the_last_bit(name):
    """Dropout and drop path, too, draw the same."""
    model, clip = trained(VARIANTS[name]).train(), moving()
    names = list(model.state_dict())
    want = gradients(model, clip)
    model.trunk.checkpoint_blocks = True
    found = gradients(model, clip)
    assert found.keys() == want.keys()
    assert [n for n in want if not want[n].equal(found[n])] == []
    assert list(model.state_dict()) == names


@pytest.mark.parametrize("name", ["aim", "amflow.paper", "zeroi2v"])
def test_a_checkpointed_block_keeps_the_tokens_that_enter_it(name):
    """What the forward keeps grows with depth by one tensor of tokens a block."""
    model, clip = trained(VARIANTS[name]).train(), moving()
    ordinary = bytes_kept(lambda: model(clip), model)
    model.trunk.checkpoint_blocks = True
    assert bytes_kept(lambda: model(clip), model) < ordinary / 3


def test_nothing_is_checkpointed_where_nothing_is_kept():
    model = trained(VARIANTS["aim"])
    model.trunk.checkpoint_blocks = True
    with torch.no_grad():
        plain = trained(VARIANTS["aim"])(moving())
        assert model(moving()).equal(plain)


def test_a_run_with_checkpointed_blocks_ends_in_the_same_weights(
    few_videos, finished_run, tmp_path
):
    train(tiny(few_videos, tmp_path / "run", training={"checkpoint_blocks": True}), quiet=True)
    want, found = (
        load_file(run / "last" / "adapter_model.safetensors")
        for run in (finished_run, tmp_path / "run")
    )
    assert found.keys() == want.keys()
    assert [name for name in want if not want[name].equal(found[name])] == []


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
    options = {"epochs": 2, "compile": "on"}
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
    monkeypatch.setenv("CXX", "no-such-compiler")
    cpu = torch.device("cpu")
    with pytest.raises(ConfigurationError, match=r"C\+\+ compiler.*no-such-compiler"):
        compiling.should_compile("on", cpu)
    monkeypatch.setattr(compiling, "WINS_ON", frozenset({"cpu"}))
    assert not compiling.should_compile("auto", cpu)
    monkeypatch.setenv("CXX", "python3")  # anything that is there
    assert compiling.should_compile("on", cpu)
    assert compiling.should_compile("auto", cpu)
    assert not compiling.should_compile("off", cpu)
