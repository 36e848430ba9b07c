"""The reference methods give the logits of the authors' code, from states with the same keys."""

import pytest
import torch
from safetensors.torch import load_file

import plain_methods
from golden import CASES, read_golden
from plain_shapes import shapes
from plain_states import random_state, split_st_adapter

SIZES = {"width": 32, "depth": 2, "patch": 8, "size": 16, "frames": 4, "classes": 5}
SHIFTS = {"scale": 0.5, "offsets": [(-1, 5), (1, 4), (-2, 8)]}
MODELS = [
    ("aim", {"pretrained": "clip", "adapters": 3}, {"scale": 0.5}),
    ("aim", {"pretrained": "clip", "adapters": 4}, {"scale": 1.0}),
    ("aim", {"pretrained": "imagenet", "adapters": 4}, {"scale": 0.5}),
    ("zeroi2v", {"adapters": 0}, SHIFTS),
    ("zeroi2v", {"adapters": 3}, SHIFTS),
    ("zeroi2v", {"adapters": 4, "hidden": 12}, SHIFTS),
    ("st_adapter", {"placement": "attention", "kernel": (3, 3, 3)}, {}),
    ("st_adapter", {"placement": "both", "last_blocks": 1, "hidden": 12}, {}),
    ("dualpath", {}, {}),
    ("adaptformer_image", {"global_pool": False}, {"scale": 0.1}),
    ("adaptformer_image", {"global_pool": True}, {"scale": 1.0, "placement": "sequential"}),
    ("adaptformer_video", {"tubelet": 2}, {"scale": 0.1}),
    ("adaptformer_video", {"tubelet": 1}, {"scale": 1.0, "placement": "sequential"}),
]
FRAMES = {"dualpath": 16, "adaptformer_image": 1}


@pytest.fixture(params=CASES)
def golden(request, shared):
    return read_golden(shared, request.param)


def clip_for(method):
    frames = FRAMES.get(method, SIZES["frames"])
    return torch.randn(2, 3, frames, SIZES["size"], SIZES["size"], dtype=torch.float64)


def logits(method, state, clip, **arguments):
    return getattr(plain_methods, method)(state, clip, num_heads=4, **arguments)


def test_references_give_the_authors_logits(golden):
    reference = getattr(plain_methods, golden.method)
    ours = reference(golden.state, golden.clip, **golden.arguments)
    torch.testing.assert_close(ours, golden.logits, rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", ["dualpath_a", "dualpath_b"])
def test_dualpath_gives_the_authors_logits_with_antialiased_tiles(case, shared):
    golden = read_golden(shared, case)
    ours = plain_methods.dualpath(golden.state, golden.clip, antialias=True, **golden.arguments)
    theirs = load_file(shared / "golden" / f"{case}.safetensors")["output_antialias"]
    torch.testing.assert_close(ours.float(), theirs, rtol=0, atol=2e-6)  # kept in float32 only


def test_shapes_are_the_authors(golden):
    theirs = {key: tuple(tensor.shape) for key, tensor in golden.state.items()}
    assert shapes(golden.method, golden.sizes, **golden.options) == theirs


def is_unread(method, key, last_block):
    """Tensors that cannot reach the logits, in the authors' code as in ours."""
    return (
        key.endswith(("num_batches_tracked", "k_proj.bias"))  # softmax forgets what all keys share
        or (method == "dualpath" and not key.startswith("visual."))  # the text tower
        or f"{last_block}.adapter_pre_mlp" in key  # only the class token is read after it
    )


@pytest.mark.parametrize(("method", "options", "arguments"), MODELS)
def test_every_tensor_of_a_random_state_matters(method, options, arguments):
    state = random_state(method, seed=1, **SIZES, **options)
    clip = clip_for(method)
    expected = logits(method, state, clip, **arguments)
    for key, tensor in state.items():
        assert tensor.ne(0).all()
        without = {**state, key: torch.zeros_like(tensor)}
        change = (logits(method, without, clip, **arguments) - expected).abs().max()
        assert (change > 1e-5) != is_unread(method, key, SIZES["depth"] - 1), key


def test_seeds_and_only_seeds_change_a_random_state():
    first, same, other = (random_state("zeroi2v", seed=seed, **SIZES) for seed in (1, 1, 2))
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert not any(torch.equal(first[key], other[key]) for key in first)


def test_order_of_frames_is_seen_by_zeroi2v_but_by_aim_only_in_its_embedding():
    clip = clip_for("aim")
    for method, arguments, sees_order in (
        ("aim", {"scale": 0.5}, False),
        ("zeroi2v", SHIFTS, True),
    ):
        state = random_state(method, seed=1, **SIZES)
        state["backbone.temporal_embedding"].zero_()
        there, back = (logits(method, state, x, **arguments) for x in (clip, clip.flip(2)))
        assert ((there - back).abs().max() > 1e-3) == sees_order


def test_the_two_files_of_an_st_adapter_hold_its_state():
    state = random_state("st_adapter", seed=1, **SIZES, placement="both", last_blocks=1)
    trained, clip_file = split_st_adapter(state, seed=2)
    assert all("adapter" in key or key in ("fc.weight", "fc.bias") for key in trained)
    assert {"visual.proj", "text_projection", "logit_scale"} <= clip_file.keys()
    visual = {key.removeprefix("visual."): x for key, x in clip_file.items() if "visual." in key}
    del visual["proj"]
    joined = visual | trained
    assert joined.keys() == state.keys()
    assert all(torch.equal(joined[key], state[key]) for key in state)
