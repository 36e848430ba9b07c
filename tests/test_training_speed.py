"""What training computes and keeps: no more than its equations need, whatever the options."""

import itertools
import re
from collections import Counter
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch.utils._python_dispatch import TorchDispatchMode

from models import FAMILIES, FRAMES, VARIANTS, image_model, moving, trained
from runs import tiny
from stillmotion.backbones import OpenBlock, frozen_block, open_backbone
from stillmotion.methods import AMFlow, STAdapter
from stillmotion.training import train

FUSED = re.compile("_scaled_dot_product_(flash|efficient|cudnn)_attention(_for_cpu)?")
"""Torch's names of the kernels that keep no attention map, on CPUs and GPUs."""
DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
PARALLEL = replace(AMFlow.small(), placement="parallel")
FREEZING = {
    "amflow": replace(PARALLEL, flow_blocks=(-1,), adapter_blocks=(-2, -1)),
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
    "amflow.parallel": 18.5,
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

    def fused(self, *, backward=False):
        """Attentions in one kernel."""
        names = {name: name.removesuffix("_backward") for name in self.counts}
        return sum(
            self.counts[name]
            for name, forward in names.items()
            if FUSED.fullmatch(forward) and backward == (name != forward)
        )

    @property
    def unfused(self):
        """Softmaxes that someone computed as such."""
        return self.counts["_softmax"] + self.counts["_safe_softmax"]


def open_blocks(family):
    return [b for b in open_backbone(image_model(family)).blocks if isinstance(b, OpenBlock)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("attention", ["attn", "attn_over_time", "attn_jointly"])
@pytest.mark.parametrize("training", [False, True], ids=["forward", "training"])
def test_every_attention_takes_the_fused_kernel(family, attention, training, device):
    """With five axes it is passed over in silence; over space, over time and jointly."""
    for block in open_blocks(family):
        block.to(device)
        shape = (2, FRAMES, block.grid.num_tokens, block.dim)
        x = torch.randn(shape, device=device, requires_grad=training)
        with torch.set_grad_enabled(training), Operations(block) as seen:
            y = getattr(block, attention)(x)
            if training:
                y.sum().backward()
        assert (seen.fused(), seen.unfused) == (1, 0)
        assert seen.fused(backward=True) == int(training)


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


@torch.no_grad()
def test_without_a_backward_zeroi2v_copies_the_shifted_channels_alone():
    block = trained(VARIANTS["zeroi2v"]).trunk.blocks[0]
    frozen = frozen_block(block)
    x = torch.randn(2, FRAMES, frozen.grid.num_tokens, frozen.dim)
    copies = []
    for forward in (frozen, block):
        with Operations(block) as seen:
            forward(x)
        copies.append(seen.counts["clone"])
    assert copies[0] == copies[1]


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
    model = trained(PARALLEL if name == "amflow.parallel" else VARIANTS[name]).train()
    block = model.trunk.blocks[1]
    tokens, dim = frozen_block(block).grid.num_tokens, frozen_block(block).dim
    x = torch.randn(2, FRAMES, tokens, dim, requires_grad=True)
    assert bytes_kept(lambda: block(x), model) / (x.numel() * 4) <= KEPT[name]


def test_an_adapter_keeps_its_embedding_and_not_what_it_lifts():
    adapter = trained(PARALLEL).trunk.blocks[0].mlp_adapter
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
