"""Pictures: they say what the numbers say, for few and many classes, and the page stands alone."""

import base64
import hashlib
import io
import itertools
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from stillmotion import visualise
from stillmotion.errors import ClipError, ConfigurationError, DataError
from stillmotion.methods import AMFlow, LinearProbe, Method
from stillmotion.metrics import interval
from stillmotion.model import VideoClassifier, adapt
from stillmotion.nn.flow import static_flow
from stillmotion.visualise import words
from stillmotion.visualise.clips import as_pictures, evenly, strip
from stillmotion.visualise.flow import BlockFlow
from stillmotion.visualise.theme import percent

FRAMES, SIDE = 4, 32


def random_clip(frames: int = FRAMES, side: int = SIDE, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (frames, 3, side, side), dtype=np.uint8)


def block_flow(flow: np.ndarray, still: float = 1.0) -> BlockFlow:
    return BlockFlow(block=0, flow=flow.astype(np.float32), still=still, pairing="next", read=True)


def size_of(picture: bytes) -> tuple[int, int]:
    image = Image.open(io.BytesIO(picture))
    image.load()
    return image.size


# --- theme and scores


@given(st.floats(0, 1))
def test_only_a_perfect_score_is_printed_as_perfect_and_only_none_as_none(share: float) -> None:
    printed = percent(share)
    assert printed not in ("0.0%", "100.0%")
    if 1e-6 <= share <= 1 - 1e-6:
        assert printed not in ("0%", "100%")
    assert abs(float(printed[:-1]) / 100 - share) <= 0.005 + 1e-9


def test_a_perfect_interval_ends_at_what_a_perfect_score_is_printed_as() -> None:
    for n in range(1, 300):
        assert interval(1.0, n)[1] == 1
        assert interval(0.0, n)[0] == 0
    assert percent(1 - 1e-7) == percent(1.0) == "100%"


def evaluation(classes: int, **changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(classes)
    confusion = rng.integers(0, 3, (classes, classes)) + 9 * np.eye(classes, dtype=int)
    n = int(confusion.sum())
    accuracy = (confusion.diagonal() / confusion.sum(axis=1)).tolist()
    top1 = float(confusion.trace() / n)
    names = [f"class {i} with a name that is much too long to be shown" for i in range(classes)]
    scores = {"top1": top1, "top1_shuffled": 0.2, "top1_reversed": 0.1}
    told = {
        **scores,
        "top5": 0.9,
        "mean_class": top1,
        "macro_f1": top1,
        "metric": "top1",
        "dataset": None,
        "num_classes": classes,
        "parts": {},
        "breakdown": {},
        "none_of_these": None,
        "n": n,
        "split": "test",
        "class_names": names,
        "confusion": confusion.tolist(),
        "per_class": [
            {"name": c, "n": 9, "answered": 9, "accuracy": a, "recall": a, "precision": a, "f1": a}
            for c, a in zip(names, accuracy, strict=True)
        ],
        "most_confused": [
            {"truth": names[i], "predicted": names[j], "n": int(confusion[i, j]), "of": 20}
            for i in range(classes)
            for j in range(classes)
            if i != j and confusion[i, j]
        ][:20],
        "calibration_error": 0.05,
        "calibration": {
            "error": 0.05,
            "nll": 0.4,
            "temperature": 1.3,
            "error_at_temperature": 0.02,
            "nll_at_temperature": 0.3,
            "bins": [
                {"low": 0.0, "high": 0.5, "n": 0, "confidence": None, "accuracy": None},
                {"low": 0.5, "high": 1.0, "n": n, "confidence": 0.9, "accuracy": top1},
            ],
        },
        "intervals": {
            name: (value - 0.02, value + 0.02)
            for name, value in (scores | {"top5": 0.9, "mean_class": top1}).items()
        },
        "views": {"frames": 8, "clips": 1, "crops": 1, "average": "probabilities"},
        "list_sha256": "ab" * 32,
        "backbone": None,
        "decoder": "pyav",
        "stillmotion_version": "1",
        "backbone_sha256": None,
        "unreadable": [],
        "fewer_bits": None,
    }
    return told | changes


@pytest.mark.parametrize("classes", [1, 2, 12, 60])
def test_an_evaluation_becomes_a_picture_whose_size_stays_bounded(classes: int) -> None:
    width, height = size_of(visualise.evaluation_picture(evaluation(classes)))
    assert 1500 < width < 2300
    assert 700 < height < 1600


def test_an_evaluation_without_a_time_check_or_with_an_empty_class_becomes_a_picture() -> None:
    told = evaluation(3, top1_shuffled=None, top1_reversed=None)
    told["per_class"][1]["accuracy"] = None
    told["confusion"][1] = [0, 0, 0]
    assert size_of(visualise.evaluation_picture(told))[0] > 1500


def test_the_score_that_the_data_set_quotes_stands_first() -> None:
    for metric, first in (("top1", "right"), ("mean_class", "right, mean over classes")):
        page = visualise.evaluation_page(evaluation(3, metric=metric))
        assert page.index("<dl") < page.index(f"<dt>{first}<small>") < page.index("<dt>macro-F1")
        assert page.count("<dt>") >= 4
        assert page[page.index("<dl") :].split("<dt>")[1].startswith(first)


def test_a_page_says_in_what_precision_it_was_asked() -> None:
    words = "int8: 15 of 16 clips keep their class"
    assert words in visualise.evaluation_page(evaluation(3, fewer_bits={"words": words}))
    assert "precision</dt>" not in visualise.evaluation_page(evaluation(3))


def test_names_in_an_evaluations_page_are_words_and_nothing_runs_but_its_own_script() -> None:
    nasty = "<script>alert(1)</script> & \"'"
    told = evaluation(4, dataset=nasty, unreadable=[{"path": nasty, "reason": nasty}])
    told["class_names"][0] = told["per_class"][0]["name"] = nasty
    told["most_confused"][0] |= {"truth": nasty, "predicted": nasty}
    told["parts"] = {nasty: told | {"intervals": told["intervals"]}}
    told["breakdown"] = {
        "camera": [{"name": n, "n": 3, "top1": 0.5, "interval": (0.1, 0.9), "mean_class": 0.5}
                   for n in (nasty, None)]
    }  # fmt: skip
    told["none_of_these"] = {
        "threshold": 0.4, "temperature": 1.0, "accepted": 1, "coverage": 0.1, "accuracy": None,
        "kept": None, "same_videos": True,
    }  # fmt: skip
    page = visualise.evaluation_page(told)
    read = Reader(page)
    assert [tag for tag, _ in read.tags].count("script") == 1
    assert page.count("alert(1)") == page.count("&lt;script&gt;alert(1)") >= 8
    assert {"not stated", "None of these", "Where it works"} <= {w.strip() for w in read.words}
    assert stands_alone(read, page)


def stands_alone(read: "Reader", page: str) -> bool:
    """No address outside, a policy that forbids all, and the hash of the one script in it."""
    links = [v for v in read.values("src") + read.values("srcset") if v]
    policy = next(v for v in read.values("content") if v and "default-src" in v)
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    return (
        all(link.startswith("data:image/") for link in links)
        and policy.startswith("default-src 'none'")
        and f"script-src 'sha256-{digest}'" in policy
        and "://" not in re.sub(r"data:image/[^\"]*", "", page)
    )


def test_every_table_of_a_page_can_be_sorted_by_every_column() -> None:
    read = Reader(visualise.evaluation_page(evaluation(5)))
    tables = [attrs for tag, attrs in read.tags if tag == "table"]
    heads = [tag for tag, attrs in read.tags if tag == "th" and attrs.get("scope") == "col"]
    buttons = [tag for tag, _ in read.tags if tag == "button"]
    assert tables
    assert all(attrs["class"] == "sortable" for attrs in tables)
    assert len(buttons) == len(heads)
    cells = [attrs for tag, attrs in read.tags if tag == "td"]
    assert all("data-value" in attrs for attrs in cells)


def texts(figure: Any) -> list[str]:
    drawn = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return [artist.get_text() for artist in drawn]


def test_a_confusion_matrix_shows_every_count_and_refuses_other_names() -> None:
    matrix = np.array([[7, 2], [0, 5]])
    figure = visualise.confusion_matrix(matrix, ["open", "close"], title="doors")
    assert {"7", "2", "5", "open", "close", "doors"} <= set(texts(figure))
    assert "0" not in texts(figure)
    with pytest.raises(DataError, match="2 rows of a confusion matrix, 3 class names"):
        visualise.confusion_matrix(matrix, ["a", "b", "c"])


def test_bars_are_as_long_as_the_scores() -> None:
    scores = [
        visualise.Score(group="g", name=str(v), value=v, interval=(0.0, 1.0)) for v in (0.25, 0.5)
    ]
    axes = visualise.bars(scores, references={"chance": 0.1}).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.25, 0.5]
    assert {"25%", "50%", "chance", "g"} <= set(texts(axes))


def test_curves_draw_what_a_history_tells_and_refuse_one_that_tells_nothing() -> None:
    history = [{"epoch": 1, "train_loss": 2.0}, {"epoch": 2, "train_loss": 1.0, "val_top1": 0.5}]
    figure = visualise.curves({"run": history})
    loss, accuracy = figure.axes
    assert list(loss.lines[0].get_ydata()) == [2.0, 1.0]
    assert list(accuracy.lines[0].get_xdata()) == [2]
    with pytest.raises(DataError, match="no losses and no accuracies"):
        visualise.curves({"run": [{"epoch": 1}]})


def test_the_same_chart_is_the_same_svg() -> None:
    def draw() -> str:
        return visualise.DARK.svg(visualise.per_class(np.array([0.5, np.nan]), ["a", "b"]))

    assert draw() == draw()
    assert "no clip" in draw()


# --- clips


@given(st.integers(1, 300), st.integers(1, 40))
def test_evenly_chosen_frames_are_different_in_order_and_reach_the_last(
    length: int, count: int
) -> None:
    chosen = evenly(length, count).tolist()
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(length, count)
    assert chosen[0] == 0
    assert chosen[-1] == length - 1 or count == 1


def test_a_strip_holds_the_frames_side_by_side() -> None:
    pictures = as_pictures(random_clip())
    row = strip(pictures, gap=3)
    assert row.shape == (SIDE, FRAMES * SIDE + (FRAMES - 1) * 3, 4)
    assert (row[:, SIDE + 3 : 2 * SIDE + 3, :3] == pictures[1]).all()
    assert (row[:, SIDE : SIDE + 3, 3] == 0).all()


@pytest.mark.parametrize("form", ["webp", "gif"])
def test_an_animation_plays_every_frame_and_rests_at_both_ends(form: Any) -> None:
    image: Any = Image.open(io.BytesIO(visualise.animation(random_clip(), height=48, form=form)))
    assert (image.n_frames, image.size) == (FRAMES, (48, 48))
    durations = []
    for frame in range(FRAMES):
        image.seek(frame)
        image.load()
        durations.append(image.info["duration"])
    assert durations[0] == durations[-1] > 5 * durations[1]


def test_a_clip_without_frames_is_refused() -> None:
    with pytest.raises(ClipError, match="0 frames"):
        visualise.film_strip(random_clip(0))


# --- attention-map flow


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 9), st.integers(0, 10_000))
def test_colours_of_flow_do_not_depend_on_the_order_of_frames(channels: int, seed: int) -> None:
    flow = np.random.default_rng(seed).gamma(1, size=(3, 4, 5, channels))
    there = visualise.flow_as_rgb(block_flow(flow)).astype(int)
    back = visualise.flow_as_rgb(block_flow(flow[::-1])).astype(int)[::-1]
    assert there.shape == (3, 4, 5, 3)
    assert np.abs(there - back).max() <= 1
    assert there.std() > 10


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_no_motion_is_grey(channels: int) -> None:
    flow = np.ones((2, 3, 3, channels))
    assert (visualise.flow_as_rgb(block_flow(flow)) == 128).all()
    flow[0, 1, 2] = np.arange(channels) + 2
    pictures = visualise.flow_as_rgb(block_flow(flow))
    assert (pictures[1] == 128).all()
    assert pictures[0, 1, 2].max() > 128


def test_one_channel_of_flow_gives_levels_of_grey() -> None:
    picture = visualise.flow_as_rgb(block_flow(np.random.default_rng(0).random((2, 3, 3, 1))))
    assert (picture == picture[..., :1]).all()


def test_heat_lies_where_attention_changes_and_nowhere_else() -> None:
    clip = np.full((2, 3, 32, 32), 100, dtype=np.uint8)
    flow = np.ones((2, 4, 4, 3))
    assert (visualise.flow_as_heat(block_flow(flow), clip) == 55).all()
    flow[0, 1, 2] = 5
    first, second = visualise.flow_as_heat(block_flow(flow), clip).astype(int)
    red = first[..., 0] - first[..., 2]
    assert np.unravel_index(red.argmax(), red.shape)[0] // 8 == 1
    assert np.unravel_index(red.argmax(), red.shape)[1] // 8 == 2
    assert (red[20:] == 0).all()
    assert (second == 55).all()


def test_heat_over_another_clip_is_refused() -> None:
    with pytest.raises(ClipError, match="a flow of 2 frames over a clip of 3"):
        visualise.flow_as_heat(block_flow(np.ones((2, 4, 4, 3))), random_clip(3))


def tiny_model(method: Method) -> VideoClassifier:
    torch.manual_seed(0)
    vit = timm.create_model(
        "vit_tiny_patch16_224", img_size=SIDE, patch_size=8, embed_dim=48, depth=3, num_heads=3
    )
    return adapt(vit, method, num_classes=3, num_frames=FRAMES)


AM_FLOWS = {
    "static, last two blocks": replace(AMFlow.small(), flow_blocks=(1, 2), adapter_blocks=(1, 2)),
    "aligned": AMFlow(tpm="tcn", align_ratio=0.5, image_readout="mean"),
    "aligned, patches": AMFlow(
        tpm="tcn", align_ratio=0.5, image_readout="mean", flow_tokens="patches"
    ),
    "causal": replace(AMFlow.streaming(), flow_blocks=(0,), adapter_blocks=(0,)),
}


@pytest.mark.parametrize("method", AM_FLOWS.values(), ids=AM_FLOWS)
def test_the_flow_shown_is_the_flow_that_adapters_read(method: AMFlow) -> None:
    model = tiny_model(method).train()
    for parameter in model.trunk.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter) * parameter.requires_grad
    seen: dict[int, torch.Tensor] = {}
    for number, block in enumerate(model.trunk.blocks):
        if isinstance(own := getattr(block, "flow", None), nn.Module):
            own.register_forward_hook(lambda m, i, o, n=number: seen.update({n: o}))
    clip = torch.from_numpy(random_clip())
    shown = visualise.attention_flow(model, clip)
    assert model.training
    read_while_shown = dict(seen)
    model.eval()(clip[None])
    assert [b.block for b in shown if b.read] == sorted(seen) != []
    for number, flow in seen.items():
        _, patches = model.backbone.grid.split(flow[0])
        torch.testing.assert_close(read_while_shown[number], flow)
        torch.testing.assert_close(torch.from_numpy(shown[number].flow), patches)
        lonely = -1 if shown[number].pairing == "next" else 0
        still = np.full_like(shown[number].flow[lonely], shown[number].still)
        np.testing.assert_allclose(shown[number].flow[lonely], still, atol=1e-5)


def test_a_method_without_flow_shows_the_static_flow_of_its_frozen_blocks() -> None:
    model = tiny_model(LinearProbe())
    clip = torch.from_numpy(random_clip())
    shown = visualise.attention_flow(model, clip)
    x = model.backbone.embed(model.normalise(clip[None]))
    block: Any = model.trunk.blocks[0]
    q, k, _ = block.qkv(block.norm1(x))
    _, expected = model.backbone.grid.split(static_flow(q, k)[0])
    assert len(shown) == 3
    assert not any(b.read for b in shown)
    torch.testing.assert_close(torch.from_numpy(shown[0].flow), expected)


def test_frames_that_do_not_change_show_no_flow() -> None:
    clip = torch.from_numpy(random_clip(1)).expand(FRAMES, -1, -1, -1)
    for block in visualise.attention_flow(tiny_model(LinearProbe()), clip):
        np.testing.assert_allclose(block.flow, block.still, atol=1e-4)


@dataclass(frozen=True, kw_only=True)
class NoBlocks(Method):
    """A method whose blocks hold no frozen block."""

    name = "no_blocks"

    def block(self, frozen: Any, *, layer: int, backbone: Any) -> nn.Module:
        return nn.Identity()


def test_what_has_no_flow_to_show_says_so() -> None:
    clip = torch.from_numpy(random_clip())
    with pytest.raises(ConfigurationError, match="holds 0 of the image model's blocks"):
        visualise.attention_flow(tiny_model(NoBlocks()), clip)
    with pytest.raises(ClipError, match="this model takes clips of shape"):
        visualise.attention_flow(tiny_model(LinearProbe()), clip[..., :16])


@pytest.mark.parametrize("show", ["rgb", "heat"])
def test_a_flow_picture_has_a_row_a_block_below_the_frames(show: Any) -> None:
    blocks = [block_flow(np.random.default_rng(i).random((FRAMES, 4, 4, 3))) for i in range(2)]
    blocks[1] = replace(blocks[1], block=1, read=False)
    figure = visualise.flow_picture(random_clip(), blocks, show=show)
    assert len(figure.axes) == 3
    assert {"frames", "block 1", "block 2 *"} <= set(texts(figure))
    assert any(line.startswith("* The model does not read") for line in texts(figure))
    assert size_of(visualise.LIGHT.png(figure, dpi=50))[0] > 200


# --- the demonstration


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1))
def test_examples_are_chosen_by_rule(rows: list[tuple[str, str]]) -> None:
    predictions = [{"label": label, "amflow": said} for label, said in rows]
    firsts, mistakes = visualise.choose_examples(predictions, mistakes=2)
    labels = [label for label, _ in rows]
    assert firsts == sorted(labels.index(label) for label in set(labels))
    assert mistakes == [i for i, (label, said) in enumerate(rows) if label != said][:2]


NAMES = ("opens <b>&", "closes", "grows", "shrinks")


def contender(name: str, top1: float, **changes: Any) -> visualise.Contender:
    scores = {"top1": top1, "top1_shuffled": 0.3, "top1_reversed": 0.05}
    right = round(20 * top1)
    told = {
        **scores,
        "intervals": {key: [max(0.0, v - 0.04), min(1.0, v + 0.04)] for key, v in scores.items()},
        "confusion": [
            [right if i == j else (20 - right) * (j == (i ^ 1)) for j in range(4)] for i in range(4)
        ],
        "history": [{"epoch": 1.0, "train_loss": 1.0, "val_top1": top1}],
        "trainable_parameters": 1234,
    }
    return visualise.Contender.from_report(name, told | changes)


@pytest.fixture(scope="module")
def demonstration() -> visualise.Demonstration:
    examples = [
        visualise.Example(
            path=f"test/{i}.mp4",
            label=NAMES[i],
            amflow=NAMES[i],
            baseline=NAMES[i ^ 1],
            clip=random_clip(seed=i),
        )
        for i in range(4)
    ]
    return visualise.Demonstration(
        class_names=NAMES,
        amflow=contender("AM Flow", 0.9),
        without_flow=contender("without flow", 0.85),
        baseline=contender("linear probe", 0.45, control_top1=0.8),
        firsts=examples,
        mistakes=[replace(examples[0], amflow=NAMES[2])],
        flow=visualise.FlowExample(
            label=NAMES[0],
            clip=random_clip(),
            blocks=[block_flow(np.random.default_rng(0).random((FRAMES, 4, 4, 3)))],
        ),
        num_train=40,
        num_heldout=80,
        num_shapes=6,
        backbone="vit",
        backbone_parameters=700_000,
        seed=0,
        seconds=61.0,
        command="stillmotion demo --seed 0",
        machine="two threads",
        versions={"torch": "2"},
    )


class Reader(HTMLParser):
    """Collects what a page holds, and fails where a tag is not closed in its place."""

    EMPTY = frozenset({"meta", "img", "input", "source"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def values(self, attribute: str) -> list[str | None]:
        return [attrs[attribute] for _, attrs in self.tags if attribute in attrs]


@pytest.fixture(scope="module")
def page(demonstration: visualise.Demonstration) -> str:
    return visualise.demo_page(demonstration)


def test_the_page_stands_alone_and_runs_nothing(page: str) -> None:
    reader = Reader(page)
    assert "script" not in {tag for tag, _ in reader.tags}
    links = reader.values("src") + reader.values("srcset") + reader.values("href")
    assert len(links) > 10
    assert all(re.match(r"data:image/(webp|svg\+xml);base64,|#", link or "") for link in links)
    assert not re.search(r"url\(|@import|\son\w+=|javascript:", page)


def test_the_page_can_be_read_without_seeing(page: str) -> None:
    reader = Reader(page)
    images = [attrs for tag, attrs in reader.tags if tag == "img"]
    assert all(image.get("alt") for image in images)
    levels = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 2 for before, after in itertools.pairwise(levels))
    ids = reader.values("id")
    assert len(ids) == len(set(ids))
    assert set(reader.values("aria-labelledby")) <= set(ids)


def test_the_page_says_names_and_scores_as_they_are(page: str) -> None:
    told = " ".join(Reader(page).words)
    assert NAMES[0] in told
    assert "<b>" not in page
    assert "90%" in told
    assert "stillmotion demo --seed 0" in told
    assert "1 min 1 s" in told


def test_the_verdict_follows_the_numbers(demonstration: visualise.Demonstration) -> None:
    d = demonstration
    assert words.time_verdict(d).startswith("Yes.")
    assert "backwards, its score is 5%" in words.time_verdict(d)
    blind = replace(d, amflow=contender("AM Flow", 0.5))
    assert words.time_verdict(blind).startswith("Not shown.")
    assert "the intervals overlap" in words.ablation(d)
    assert "clearly more" in words.ablation(replace(d, without_flow=contender("w", 0.6)))
    assert "clearly fewer" in words.ablation(replace(d, without_flow=contender("w", 1.0)))
    assert words.ablation(replace(d, without_flow=None)) == ""
    assert "got 8 of 80 held-out clips wrong" in words.mistakes_rule(d)
    perfect = replace(d, amflow=contender("AM Flow", 1.0), mistakes=[])
    assert "every held-out clip right" in words.mistakes_rule(perfect)


def test_a_demonstration_without_its_options_has_a_page_and_a_picture(
    demonstration: visualise.Demonstration,
) -> None:
    bare = replace(
        demonstration, without_flow=None, mistakes=[], baseline=contender("linear probe", 0.4)
    )
    Reader(visualise.demo_page(bare))
    width, height = size_of(visualise.summary_picture(bare, theme=visualise.DARK))
    assert 1150 <= width <= 1250
    assert height < width


def test_only_asking_a_model_needs_torch() -> None:
    check = (
        "import sys; from stillmotion import visualise\n"
        "for name in set(visualise.__all__) - {'attention_flow'}: getattr(visualise, name)\n"
        "print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
    assert visualise.__all__ == sorted(visualise.__all__)
