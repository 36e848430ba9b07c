"""Counts are those of the real model, of the published closed forms, and of the paper's fit."""

import json

import pytest
import torch
from rich.console import Console

from models import VARIANTS, classifier, image_model, moving
from stillmotion.accounting import (
    IMAGE_MODEL,
    account,
    count_parts,
    measure,
    roles,
    without_weights,
)
from stillmotion.backbones.load import build
from stillmotion.errors import BackboneError, ConfigurationError
from stillmotion.methods import AIM, METHODS, AdaptFormer, AMFlow, LinearProbe, STAdapter, ZeroI2V
from stillmotion.paper_figures import PAPER_ROWS, paper_comparison, split_as_the_paper

pytestmark = pytest.mark.usefixtures("unchecked")  # whole ViT-Bs pass here
VIT_B = "vit_base_patch16_224"


def counted(method, *, num_frames=8, num_classes=400, backbone=VIT_B, **more):
    return account(backbone, method, num_frames=num_frames, num_classes=num_classes, **more)


def closed_form(*, width, depth, tokens, patch):
    """Multiply-adds of one frame in a plain ViT, as methods.md's section 0 has them."""
    embedding = (tokens - 1) * 3 * patch**2 * width
    block = 8 * tokens * width**2 + 4 * tokens * width**2 + 2 * tokens**2 * width
    return embedding + depth * block


def test_a_plain_vit_b_on_eight_frames_has_a_third_of_the_published_422_giga():
    found = counted(LinearProbe())
    frame = closed_form(width=768, depth=12, tokens=197, patch=16)
    assert found.image_model_multiply_adds == 8 * frame
    assert found.multiply_adds == 8 * frame + 768 * 400
    assert round(3 * found.multiply_adds / 1e9) == 422


TINY, TINY_DIM, DEPTH = "vit_tiny_patch16_224", 192, 2


def tiny_multiply_adds(method, *, num_frames, image_size):
    model = without_weights(
        TINY,
        method,
        num_frames=num_frames,
        num_classes=5,
        image_size=image_size,
        arguments={"depth": DEPTH},
    )
    clip = torch.empty(1, num_frames, 3, image_size, image_size, device="meta")
    return measure(model, clip)[0]


@pytest.mark.parametrize("num_frames", [1, 3, 8])
@pytest.mark.parametrize("image_size", [32, 80])
def test_multiply_adds_follow_the_closed_forms(num_frames, image_size):
    """Those of methods.md's section 0; a layer of M x C to M x K outputs takes M C K."""
    t, d, patches = num_frames, TINY_DIM, (image_size // 16) ** 2
    n = patches + 1
    plain = closed_form(width=d, depth=DEPTH, tokens=n, patch=16)
    adapter, over_time = 2 * n * d * (d // 4), 4 * n * d**2 + 2 * t * n * d
    convolved = 2 * patches * d * 100 + 3 * patches * 100
    head = 5 * d
    for method, frame in {
        LinearProbe(): plain,
        AIM(): plain + DEPTH * (over_time + 3 * adapter),
        AIM(adapters=4): plain + DEPTH * (over_time + 4 * adapter),
        ZeroI2V(): plain + DEPTH * 4 * adapter,
        ZeroI2V().merged(): plain,
        STAdapter(width=100, placement="both"): plain + DEPTH * 2 * convolved,
        AdaptFormer(hidden=10): plain + DEPTH * 2 * n * d * 10,
    }.items():
        found = tiny_multiply_adds(method, num_frames=num_frames, image_size=image_size)
        assert found == t * frame + head, method


@pytest.mark.parametrize("name", VARIANTS)
def test_the_meta_model_counts_as_the_real_one_does(name):
    """Multiply-adds and kept bytes need no numbers; parts are all parameters, each once."""
    model = classifier(VARIANTS[name]).train()
    with torch.device("meta"):
        twin = classifier_on_meta(VARIANTS[name])
    clip = moving(batch=1)
    assert measure(twin, clip.to("meta")) == measure(model, clip)
    parts = count_parts(model)
    assert parts == count_parts(twin)
    top = [part for part in parts if "." not in part.name]
    assert sum(part.parameters for part in top) == sum(p.numel() for p in model.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert sum(part.trained for part in top) == trained
    image = {part.name: part for part in parts}[IMAGE_MODEL]
    assert image.parameters == sum(p.numel() for p in image_model().parameters())


def classifier_on_meta(method):
    from stillmotion.model import adapt

    return adapt(image_model(), method, num_classes=3, num_frames=4).train()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "backbone",
    [
        "vit_small_patch14_dinov2",
        pytest.param("vit_small_patch16_dinov3", marks=pytest.mark.slow),
    ],
)
def test_every_method_is_counted_by_name(method, backbone):
    found = counted(METHODS[method](), backbone=backbone, image_size=112, num_frames=2)
    assert found.multiply_adds > found.image_model_multiply_adds > 1e9
    assert 0 < found.trained <= found.parameters
    assert found.state_bytes == 4 * found.parameters + 12 * found.trained
    assert json.loads(json.dumps(found.to_dict()))["trained"] == found.trained


def test_image_sizes_and_frames_count():
    small = counted(LinearProbe(), image_size=112)
    assert small.image_model_multiply_adds == 8 * closed_form(
        width=768, depth=12, tokens=50, patch=16
    )
    more = counted(LinearProbe(), image_size=112, num_frames=16)
    assert more.image_model_multiply_adds == 2 * small.image_model_multiply_adds


def test_flow_beyond_one_tile_is_counted():
    found = counted(
        AMFlow.small(), backbone="vit_small_patch14_dinov2", image_size=518, num_frames=2
    )
    assert found.multiply_adds > found.image_model_multiply_adds


def test_nothing_is_downloaded_or_said(caplog):
    counted(LinearProbe())
    assert caplog.text == ""


def test_unknown_image_models_are_refused():
    with pytest.raises(ConfigurationError, match="did you mean"):
        counted(LinearProbe(), backbone="vit_bose_patch16_224")
    with pytest.raises(BackboneError, match="not supported"):
        counted(LinearProbe(), backbone="resnet18")


def test_the_table_shows_every_part_and_the_sums():
    found = counted(AMFlow.small())
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(found.table())
    shown = console.export_text()
    for part in found.parts:
        assert part.name.split(".")[-1] in shown
        assert f"{part.parameters:,}" in shown
    assert f"{found.parameters:,}" in shown
    assert "1.02 times as many" in shown


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("trunk.blocks.3.flow.encoder.0.qkv.weight", ["flow", "flow.encoder"]),
        ("trunk.blocks.3.attention_adapter.scale", ["attention_adapter"]),
        ("trunk.temporal_embedding", ["temporal_embedding"]),
        ("stem.position", ["stem"]),
        ("head.classifiers.0.bias", ["head", "head.classifiers"]),
    ],
)
def test_roles_are_where_a_parameter_lies(name, expected):
    assert roles(name) == expected


def paper_sizes(tpm, num_classes):
    model = without_weights(VIT_B, AMFlow.paper(tpm), num_frames=8, num_classes=num_classes)
    return split_as_the_paper(count_parts(model))


FIT = {
    "tcn": {"linear": 28.16e6, "align": 47.28e6, "temporal": 56.6e6},
    "transformer": {"linear": 28.16e6, "align": 47.28e6, "temporal": 108.7e6},
    "lstm": {"linear": 29.23e6, "align": 47.28e6, "temporal": 377.9e6},
}
"""Parameters of the fit for SSv2 with ViT-B. The LSTM's 1024 channels widen the heads."""


@pytest.mark.parametrize("tpm", FIT)
def test_the_paper_preset_has_the_sizes_of_the_fit(tpm):
    """To half a per cent; the transformer has its position for each frame besides."""
    assert paper_sizes(tpm, 174) == pytest.approx(FIT[tpm], rel=5e-3)


def test_the_paper_preset_has_the_size_of_the_fit_for_kinetics():
    assert paper_sizes("transformer", 400)["linear"] == pytest.approx(32.51e6, rel=5e-3)


@pytest.mark.parametrize("row", PAPER_ROWS, ids=lambda r: f"{r.data}-{r.tpm}-{r.num_frames}")
def test_the_fit_meets_the_papers_printed_millions(row):
    """In units of 10^6 or of 2^20, to one and a half; the linear layers of the LSTM do not."""
    ours = split_as_the_paper(count_parts(row.model()))
    for name, count in ours.items():
        gap = min(abs(count / unit - getattr(row, name)) for unit in (1e6, 2**20))
        assert gap < 1.5 or (row.tpm, name) == ("lstm", "linear"), (name, count)


@pytest.mark.slow
def test_the_comparison_shows_every_row():
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(paper_comparison())
    shown = console.export_text()
    assert shown.count("/ 47.3 (45.1)") == len(PAPER_ROWS)


def test_building_without_weights_needs_no_memory():
    with torch.device("meta"):
        assert all(p.is_meta for p in build(VIT_B, pretrained=False, image_size=None).parameters())
