"""Ours has the published sizes to the last parameter, and the published multiply-adds."""

import io
import json

import pytest
import torch
from rich.console import Console

from runs import stillmotion
from stillmotion.accounting import count_parts, measure, without_weights
from stillmotion.methods import AIM, AdaptFormer, DualPath, STAdapter, ZeroI2V
from stillmotion.published import PUBLICATIONS, Publication, published_table, to_dict
from stillmotion.published.publications import AIM_3, AM_FLOW, CLIP, ST_ADAPTER, VIDEOMAE, ZEROI2V

pytestmark = pytest.mark.usefixtures("unchecked")  # whole ViT-Ls pass here
VIT = {"B": "vit_base_patch16_224", "L": "vit_large_patch16_224"}


def sizes(backbone, method, *, num_frames=8, num_classes=400, arguments=None):
    """Trained parameters without the head's, the head's, and all."""
    model = without_weights(
        backbone, method, num_frames=num_frames, num_classes=num_classes, arguments=arguments
    )
    head = sum(p.numel() for p in model.head.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return trained - head, head, sum(p.numel() for p in model.parameters())


FOUR_ADAPTERS = {
    "B/16": {8: 14_209_536, 16: 14_215_680, 32: 14_227_968},
    "L/14": {8: 50_464_768, 16: 50_472_960, 32: 50_489_344},
}
OFFICIAL = [
    *((AIM(), "B/16", t, n) for t, n in ((8, 10_659_072), (16, 10_665_216), (32, 10_677_504))),
    *((AIM(), "L/14", t, n) for t, n in ((8, 37_851_136), (16, 37_859_328), (32, 37_875_712))),
    *(
        (method, size, num_frames, count)
        for method in (AIM(adapters=4), ZeroI2V())
        for size, counts in FOUR_ADAPTERS.items()
        for num_frames, count in counts.items()
    ),
    (STAdapter(), "B/16", 8, 7_110_144),
    (STAdapter(), "L/14", 8, 18_945_024),
    (STAdapter(placement="both"), "B/16", 8, 14_220_288),
    (STAdapter(placement="both"), "L/14", 8, 37_890_048),
    (DualPath(), "B/16", 16, 18_095_104 - 39_424),
    (DualPath(), "L/14", 16, 63_654_656 - 59_136),
]
"""Trained parameters of the authors' classes without their heads; DualPath's also without the
positions of the text model, which its code trains and never reads."""


def named(case):
    return f"{type(case).__name__}" if not isinstance(case, int | str) else None


@pytest.mark.parametrize(("method", "size", "num_frames", "count"), OFFICIAL, ids=named)
def test_trained_parameters_are_those_of_the_authors_code(method, size, num_frames, count):
    assert sizes(CLIP[size], method, num_frames=num_frames)[0] == count


@pytest.mark.parametrize(
    ("size", "method", "arguments", "count"),
    [
        ("B", AdaptFormer(), None, 1_189_632),
        ("L", AdaptFormer(), None, 3_171_840),
        ("B", AdaptFormer.video(), VIDEOMAE, 1_191_168),
        ("L", AdaptFormer.video(), VIDEOMAE, 3_173_888),
    ],
)
def test_adaptformer_trains_as_many_and_its_video_model_a_norm_besides(
    size, method, arguments, count
):
    trained, head, _ = sizes(VIT[size], method, arguments=arguments)
    assert (trained, head) == (count, {"B": 307_600, "L": 410_000}[size])


def test_video_tokens_of_adaptformer_span_two_frames():
    """4 steps x 196 tokens attend to each other."""
    model = without_weights(
        VIT["B"], AdaptFormer.video(), num_frames=8, num_classes=174, arguments=VIDEOMAE
    )
    tokens = 4 * 196
    found, _ = measure(model, torch.empty(1, 8, 3, 224, 224, device="meta"))
    block = 12 * tokens * 768**2 + 2 * tokens**2 * 768 + 2 * tokens * 768 * 64
    assert found == tokens * 6 * 16**2 * 768 + 12 * block + 768 * 174


@pytest.mark.parametrize(
    ("size", "linear", "mlp"), [("B/16", 307_600, 730_000), ("L/14", 410_000, 1_488_016)]
)
def test_heads_are_those_of_the_authors(size, linear, mlp):
    for method in (AIM(), ZeroI2V(), STAdapter()):
        assert sizes(CLIP[size], method)[1] == linear
    assert sizes(CLIP[size], DualPath(), num_frames=16)[1] == mlp


@pytest.mark.parametrize(
    ("size", "aim", "merged"),
    [("B/16", 96_456_960, 85_805_568), ("L/14", 341_028_864, 303_187_968)],
)
def test_all_parameters_are_those_of_the_authors(size, aim, merged):
    _, head, all_of_it = sizes(CLIP[size], AIM())
    assert all_of_it - head == aim
    _, head, all_of_it = sizes(CLIP[size], ZeroI2V().merged())
    assert all_of_it - head == merged


WITH_FLOPS = [
    pytest.param(
        entry,
        id=f"{type(entry.method).__name__}-{entry.label}-{entry.data}-{entry.views}",
        marks=pytest.mark.slow if entry.label == "L/14" and entry.num_frames > 8 else (),
    )
    for publication in (AIM_3, ZEROI2V)
    for entry in publication.entries
    if entry.multiply_adds is not None
]


@pytest.mark.parametrize("entry", WITH_FLOPS)
def test_multiply_adds_are_the_published_ones_but_for_the_marked_misprint(entry):
    """To half a per cent; and printed parameters to the digits that are printed."""
    ours = entry.count()
    is_near = abs(ours.multiply_adds / 1e9 / entry.multiply_adds - 1) < 0.005
    assert is_near != ("multiply_adds" in entry.misprints)
    if entry.trained is not None:
        assert round(ours.trained / 1e6) == entry.trained
    if entry.data == "K400" and entry.parameters is not None:
        assert round(ours.parameters / 1e6) == entry.parameters


def test_what_is_marked_are_the_known_misprints_alone():
    marked = {
        (p.title.split(",")[0].split()[0], e.label, e.data, e.num_frames, e.misprints)
        for p in PUBLICATIONS
        for e in p.entries
        if e.misprints
    }
    views = ("views",)
    assert marked == {
        ("AIM", "L/14", "K400", 8, ("multiply_adds",)),
        ("ZeroI2V", "B/16", "K400", 8, views),
        ("ZeroI2V", "L/14", "K400", 8, views),
        ("ZeroI2V", "L/14", "K400", 32, views),
        ("ZeroI2V", "L/14", "SSv2", 32, views),
    }
    unclear = {e.label for e in AM_FLOW.entries if "multiply_adds" in e.unsaid}
    assert unclear == {e.label for e in AM_FLOW.entries}


def test_the_accuracies_are_there():
    best = {(e.data, e.top1) for e in ZEROI2V.entries}
    assert {("UCF101", 0.986), ("HMDB51", 0.834), ("K400", 0.872), ("SSv2", 0.722)} <= best
    accuracies = [a for p in PUBLICATIONS for e in p.entries for a in (e.top1, e.top5)]
    assert all(a is None or 0.5 < a < 1 for a in accuracies)
    assert sum(a is not None for a in accuracies) > 40


def check_shown(shown, publications):
    """Every configuration's figures stand on one line of eighty columns."""
    assert "…" not in shown
    for publication in publications:
        assert publication.title in shown
        for e in publication.entries:
            accuracy = "-" if e.top1 is None else f"{100 * e.top1:.1f}"
            facts = (e.label, e.data, e.views, f"/ {e.multiply_adds or '-'}", accuracy)
            lines = [s for s in shown.splitlines() if all(fact in s for fact in facts)]
            assert lines, facts
            assert all(len(line) < 80 for line in lines)


def test_the_table_is_whole_in_eighty_columns_and_marks_the_misprint():
    few = (Publication(title="AIM", note=AIM_3.note, entries=AIM_3.entries[3:4]), ST_ADAPTER)
    console = Console(width=80, file=io.StringIO())
    console.print(published_table(few))
    shown = console.file.getvalue()
    check_shown(shown, few)
    assert "2800 / 2902* " in shown
    assert shown.count("*") == 3  # the figure, its note, the legend


@pytest.mark.slow
def test_the_command_prints_every_publication(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert stillmotion("info", "--table", "published") == 0
    check_shown(capsys.readouterr().out, PUBLICATIONS)


def test_json_has_the_exact_counts():
    rows = json.loads(json.dumps(to_dict([ST_ADAPTER])))
    assert [row["ours"]["trained"] for row in rows] == [7_110_144, 14_220_288]
    assert rows[1]["method"]["placement"] == "both"
    assert (rows[0]["label"], rows[0]["top1"]) == ("12x384", 0.822)


def test_counts_are_those_of_the_parts():
    entry = ST_ADAPTER.entries[0]
    model = without_weights(entry.backbone, entry.method, num_frames=8, num_classes=400)
    parts = {part.name: part for part in count_parts(model)}
    ours = entry.count()
    assert ours.trained == parts["before_mlp"].trained
    assert ours.parameters == sum(p.parameters for n, p in parts.items() if "." not in n)


def test_help_teaches_the_table(capsys):
    with pytest.raises(SystemExit):
        stillmotion("info", "--help")
    told = capsys.readouterr().out
    assert "--table {published}" in told
    assert "stillmotion info --table published" in " ".join(told.split())


def test_the_table_takes_no_configuration_of_ones_own(capsys):
    assert stillmotion("info", "--table", "published", "--num_frames=4") != 0
    assert "it takes no --num_frames" in capsys.readouterr().err
    assert stillmotion("info", "--table", "papers") != 0
    assert "published" in capsys.readouterr().err
