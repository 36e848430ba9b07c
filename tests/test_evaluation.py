"""Scores of a model on videos: what is counted, how, and what is written."""

import csv
import json
import math
from dataclasses import asdict, replace

import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from torch import nn

import stillmotion as sm
from models import CLASSES, SIZE, VARIANTS, trained
from runs import files_below, stillmotion
from stillmotion.answering import (
    answer,
    average_of_views,
    logits_of_views,
    reorder,
    shuffled,
)
from stillmotion.data.dataset import Batch
from stillmotion.data.parts import Part, combinations
from stillmotion.data.reading import read_videos
from stillmotion.data.sampling import Sampling
from stillmotion.errors import DataError
from stillmotion.evaluation import evaluate
from stillmotion.identity import model_sha256
from stillmotion.loading import view_loader
from stillmotion.methods import LinearProbe
from stillmotion.metrics import interval, score
from stillmotion.prediction import Predictor
from stillmotion.saved_scores import read_scores
from stillmotion.selection import choose_split
from stillmotion.settings import Videos, Views

DEMANDED = (
    "top1", "top5", "mean_class", "macro_f1", "top1_shuffled", "top1_reversed", "n", "split",
    "list_sha256", "backbone_sha256", "model_sha256", "calibration_error", "calibration",
    "confusion", "confusion_pairs", "most_confused", "per_class", "intervals", "unreadable",
    "views", "decoder", "backbone", "class_names", "num_classes", "metric", "dataset", "parts",
    "breakdown", "none_of_these", "fewer_bits", "stillmotion_version",
)  # fmt: skip
BESIDE = (
    ".json", ".png", ".html", "_per_class.csv", "_confusions.csv", "_predictions.jsonl",
    "_scores.safetensors",
)  # fmt: skip


@pytest.fixture(scope="module")
def model(finished_run):
    return sm.load(finished_run)


@pytest.fixture(scope="module")
def whole(model, few_videos):
    return evaluate(model, read_videos(few_videos), split="all", views=Views(clips=2), workers=0)


def test_the_written_result_says_all_that_is_needed(whole, few_videos, model, tmp_path):
    whole.write(tmp_path / "scores.json")
    assert files_below(tmp_path) == {f"scores{ending}" for ending in BESIDE}
    told = json.loads((tmp_path / "scores.json").read_text())
    assert set(DEMANDED) == told.keys()
    assert told["n"] == sum(map(sum, told["confusion"])) == 8
    assert told["list_sha256"] == read_videos(few_videos).sha256
    assert told["backbone_sha256"] == model.backbone.sha256
    assert told["model_sha256"] == model_sha256(model)
    assert told["views"] == {"frames": 2} | asdict(Views(clips=2))
    assert told["unreadable"] == []
    with Image.open(tmp_path / "scores.png") as picture:
        assert min(picture.size) > 200


def test_each_videos_answer_gives_the_scores(whole):
    told = whole.to_dict()
    for key, name in (
        ("top1", "predicted"),
        ("top1_shuffled", "predicted_shuffled"),
        ("top1_reversed", "predicted_reversed"),
    ):
        right = [row[name] == row["label"] for row in whole.predictions]
        assert told[key] == pytest.approx(sum(right) / 8)
        assert told["intervals"][key] == interval(told[key], 8)
    low, high = told["intervals"]["mean_class"]
    assert low <= told["mean_class"] <= high
    assert [row["path"] for row in whole.predictions] == [
        f"{label}/{i}.mp4" for label in ("jump", "wave") for i in range(4)
    ]
    for index, row in enumerate(told["per_class"]):
        assert row["n"] == 4
        assert row["accuracy"] == told["confusion"][index][index] / 4
    assert told["mean_class"] == pytest.approx(told["top1"])  # as many videos in each class


def test_without_the_time_check_it_is_not_claimed(model, few_videos):
    told = evaluate(model, read_videos(few_videos), workers=0, time_check=False).to_dict()
    assert told["top1_shuffled"] is told["top1_reversed"] is None
    assert set(told["intervals"]) == {"top1", "top5", "mean_class"}
    assert "predicted_shuffled" not in told


def batches_of(few_videos, *, batch_size=8, views=None):
    return view_loader(
        read_videos(few_videos).samples,
        sampling=Sampling(num_frames=4),
        image_size=SIZE,
        views=views or Views(),
        workers=0,
        batch_size=batch_size,
    )


@pytest.mark.parametrize("views", [Views(), Views(clips=2, crops=3)])
def test_answers_do_not_depend_on_the_batch(views, few_videos):
    model = trained(VARIANTS["amflow.small"])
    found = [
        answer(
            model,
            batches_of(few_videos, batch_size=size, views=views),
            orders=("given", "shuffled", "reversed"),
            accelerator=Accelerator(),
        )
        for size in (1, 5, 100)
    ]
    for other in found[1:]:
        assert other.index == found[0].index == list(range(8))
        for order, probabilities in other.probabilities.items():
            torch.testing.assert_close(probabilities, found[0].probabilities[order])


def test_an_order_free_model_scores_the_same_in_every_order(few_videos):
    found = answer(
        trained(LinearProbe()),
        batches_of(few_videos),
        orders=("given", "shuffled", "reversed"),
        accelerator=Accelerator(),
    ).probabilities
    for order in ("shuffled", "reversed"):
        torch.testing.assert_close(found[order], found["given"])
    found = answer(
        trained(VARIANTS["amflow.small"]),
        batches_of(few_videos),
        orders=("given", "reversed"),
        accelerator=Accelerator(),
    ).probabilities
    assert (found["given"] - found["reversed"]).abs().max() > 1e-4


def test_a_video_that_came_twice_counts_once(few_videos):
    """As with several processes, whose last batch is filled up."""
    loader = list(batches_of(few_videos, batch_size=3))
    twice = answer(trained(LinearProbe()), [*loader, loader[0]], accelerator=Accelerator())
    assert twice.index == list(range(8))
    assert twice.probabilities["given"].shape == (8, CLASSES)


def test_views_are_averaged_as_probabilities_or_as_logits():
    model = trained(LinearProbe())
    views = torch.randint(0, 256, (2, 3, 4, 3, SIZE, SIZE), dtype=torch.uint8)
    logits = logits_of_views(model, views)
    each = torch.stack([model(views[:, v]) for v in range(3)])
    torch.testing.assert_close(logits, each.transpose(0, 1))
    for average, expected in (
        ("probabilities", each.softmax(dim=2).mean(dim=0)),
        ("logits", each.mean(dim=0).softmax(dim=1)),
    ):
        torch.testing.assert_close(average_of_views(logits, average), expected)


def test_what_is_averaged_makes_a_difference():
    """One view is sure of one class, the other a little less of another."""
    logits = torch.tensor([[[9.0, 0.0, 8.0], [0.0, 1.0, 1.5]]])
    assert average_of_views(logits).argmax() == 0
    assert average_of_views(logits, "logits").argmax() == 2
    for sizes in ((), (1, 2)):
        for average in ("probabilities", "logits"):
            said = average_of_views(logits, average, sizes)
            assert said.sum() == pytest.approx(max(1, len(sizes)))


def test_the_parts_of_combinations_are_averaged_each_on_its_own():
    model, sizes = nn.Sequential(nn.Flatten(), nn.Linear(4 * 3 * 2 * 2, 6)), (2, 3)
    views = torch.rand(2, 3, 4, 3, 2, 2)
    joint = torch.stack([model(views[:, v]).softmax(dim=1) for v in range(3)]).unflatten(2, sizes)
    said = average_of_views(logits_of_views(model, views, sizes), sizes=sizes)
    expected = torch.cat([joint.sum(dim=3), joint.sum(dim=2)], dim=2).mean(dim=0)
    torch.testing.assert_close(said, expected)


@pytest.mark.parametrize("frames", range(1, 9))
def test_a_shuffle_is_another_order_that_is_always_the_same(frames):
    for seed in range(30):
        order = shuffled(frames, seed)
        assert sorted(order) == list(range(frames))
        assert order == shuffled(frames, seed)
        assert frames == 1 or order != list(range(frames))


def test_frames_are_reordered_within_each_view():
    views = torch.arange(5, dtype=torch.uint8).view(1, 1, 5, 1, 1, 1).expand(2, 3, 5, 3, 1, 1)
    index = torch.tensor([4, 9])
    assert torch.equal(reorder(views, "given", index), views)
    backwards = reorder(views, "reversed", index)
    assert backwards[1, 2, :, 0, 0, 0].tolist() == [4, 3, 2, 1, 0]
    mixed = reorder(views, "shuffled", index)
    for video, seed in enumerate((4, 9)):
        for view in range(3):
            assert mixed[video, view, :, 0, 0, 0].tolist() == shuffled(5, seed)


def test_batches_without_a_readable_video_are_listed(few_videos):
    empty = Batch(
        clip=torch.empty((0, 0, 3, 0, 0), dtype=torch.uint8),
        label=torch.empty(0, dtype=torch.long),
        index=torch.empty(0, dtype=torch.long),
        failures=[(7, "why")],
    )
    found = answer(
        trained(LinearProbe()), [empty, *batches_of(few_videos)], accelerator=Accelerator()
    )
    assert found.failures == {7: "why"}


def test_other_classes_are_refused_with_the_difference(model, few_videos):
    for classes, difference in (
        (("jump", "wave", "zoom"), r"adds \['zoom'\]"),
        (("wave", "jump"), "orders them otherwise"),
    ):
        with pytest.raises(DataError, match=difference):
            evaluate(model, read_videos(few_videos, classes=classes), workers=0)


def test_the_split_is_test_then_val_then_all(model, few_videos, tmp_path):
    def listed(*splits):
        rows = [
            f"{few_videos / 'jump' / f'{i}.mp4'},jump,{split}" for i, split in enumerate(splits)
        ]
        (tmp_path / "list.csv").write_text("path,label,split\n" + "\n".join(rows))
        return tmp_path / "list.csv"

    for splits, expected, n in (
        (("train", "val", "test"), "test", 1),
        (("train", "val", "val"), "val", 2),
        (("train", "train"), "all", 2),
    ):
        videos, split = choose_split(listed(*splits), Videos(), model, None)
        assert (split, len(videos)) == (expected, n)
    videos, split = choose_split(listed("train", "test"), Videos(), model, "train")
    assert (split, len(videos)) == ("train", 1)


def test_the_command_scores_what_training_scored(finished_run, few_videos, tmp_path, capsys):
    """The validation videos of the run, as a list."""
    told = json.loads((finished_run / "evaluation.json").read_text())
    rows = map(json.loads, (finished_run / "evaluation_predictions.jsonl").read_text().splitlines())
    lines = [f"{few_videos / row['path']},{row['label']}" for row in rows]
    if "/" not in lines[0].removeprefix(str(few_videos)).strip("/"):
        pytest.fail("paths of predictions are relative to the folder of all videos")
    (tmp_path / "list.csv").write_text("path,label\n" + "\n".join(lines))
    where = ("--out", tmp_path / "scores.json", "--videos.workers", "0")
    assert stillmotion("evaluate", finished_run, tmp_path / "list.csv", *where) == 0
    again = json.loads((tmp_path / "scores.json").read_text())
    assert again["split"] == "all"
    for key in DEMANDED:
        if key != "split":
            assert again[key] == told[key], key
    printed = capsys.readouterr().out
    assert "frames shuffled, top-1" in printed
    assert "0 unreadable videos" in printed
    assert not math.isnan(again["calibration_error"])


# --- what the videos and the data set say


def labelled(videos, **columns):
    """The same videos with a camera, a subject or a group each."""
    samples = tuple(
        replace(sample, **{name: values[i % len(values)] for name, values in columns.items()})
        for i, sample in enumerate(videos.samples)
    )
    return replace(videos, samples=samples)


def test_scores_are_told_by_camera_and_subject_where_videos_have_them(model, few_videos):
    videos = labelled(
        read_videos(few_videos), camera=["hall", "door"], subject=["p1"], group=["a", None]
    )
    told = evaluate(model, videos, workers=0, time_check=False)
    assert set(told.breakdown) == {"camera", "group"}  # one subject tells nothing
    assert [row["name"] for row in told.breakdown["camera"]] == ["door", "hall"]
    assert [row["name"] for row in told.breakdown["group"]] == ["a", None]
    for number, row in enumerate(reversed(told.breakdown["camera"])):
        own = told.predictions[number::2]
        right = sum(each["predicted"] == each["label"] for each in own) / 4
        assert (row["n"], row["top1"]) == (4, right)
        assert row["interval"] == interval(right, 4)
    many = labelled(videos, group=[str(i) for i in range(8)])
    assert "group" in evaluate(model, many, workers=0, time_check=False).breakdown


def test_the_data_sets_own_score_is_named_first(model, few_videos):
    videos = replace(read_videos(few_videos), metric="mean_class", dataset="smarthome/cs")
    told = evaluate(model, videos, workers=0, time_check=False)
    assert next(iter(told.to_dict())) == "mean_class"
    assert told.to_dict()["dataset"] == "smarthome/cs"
    first = next(iter(told.table().columns[0].cells))
    assert first == "mean over classes"
    plain = evaluate(model, read_videos(few_videos), workers=0, time_check=False)
    assert next(iter(plain.to_dict())) == "top1"
    assert next(iter(plain.table().columns[0].cells)) == "top-1"


def test_saved_scores_give_the_evaluations_scores(model, few_videos, tmp_path):
    for average in ("probabilities", "logits"):
        views = Views(clips=3, average=average)
        told = evaluate(model, read_videos(few_videos), views=views, workers=0, time_check=False)
        told.write(tmp_path / "scores.json")
        saved = read_scores(tmp_path / "scores_scores.safetensors")
        again = score(saved.answers, saved.labels)
        assert (again.top1, again.macro_f1) == (told.scores.top1, told.scores.macro_f1)
        sure = saved.answers.max(dim=1).values.tolist()
        assert [row["confidence"] for row in told.predictions] == pytest.approx(sure, abs=1e-4)
        assert [path for path, *_ in saved.videos] == [row["path"] for row in told.predictions]


def test_the_csv_files_say_what_the_json_says(whole, tmp_path):
    whole.write(tmp_path / "scores.json")
    told = json.loads((tmp_path / "scores.json").read_text())
    with (tmp_path / "scores_per_class.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row, own in zip(rows, told["per_class"], strict=True):
        assert (row["name"], int(row["n"])) == (own["name"], own["n"])
        for name in ("precision", "recall", "f1"):
            assert (float(row[name]) if row[name] else None) == own[name]
    with (tmp_path / "scores_confusions.csv").open() as file:
        wrong = sum(int(row["n"]) for row in csv.DictReader(file))
    assert wrong == told["n"] - round(told["n"] * told["top1"])
    assert sum(n for *_, n in told["confusion_pairs"]) == told["n"]


@pytest.fixture(scope="module")
def actions(few_videos, tmp_path_factory):
    """The same videos as combinations of a verb and a noun, and a model of these."""
    parts = (Part("verb", ("take", "put")), Part("noun", ("cup", "pan", "lid")))
    videos = read_videos(few_videos)
    samples = tuple(replace(s, label=i % 6, start=0.1) for i, s in enumerate(videos.samples))
    combined = replace(videos, samples=samples, classes=combinations(parts), parts=parts)
    model = sm.adapt("vit_stillmotion_demo", LinearProbe(), parts=parts, num_frames=2)
    torch.nn.init.normal_(next(model.head.parameters()), std=0.5)
    return model.eval(), combined


def test_combinations_are_scored_part_by_part(actions, tmp_path):
    model, videos = actions
    views = Views(clips=2)
    whole = evaluate(model, videos, views=views, workers=0)
    told = whole.to_dict()
    assert set(told["parts"]) == {"verb", "noun"}
    assert whole.saved.probabilities.shape == (8, 5)
    words = [(row["label"].split(), row["predicted"].split()) for row in whole.predictions]
    for axis, name in enumerate(("verb", "noun")):
        right = sum(truth[axis] == said[axis] for truth, said in words) / 8
        assert told["parts"][name]["top1"] == pytest.approx(right)
    assert told["top1"] == pytest.approx(sum(t == s for t, s in words) / 8)
    assert told["top1_shuffled"] is not None
    assert whole.predictions[0]["start"] == 0.1
    whole.write(tmp_path / "scores.json")
    again = read_scores(tmp_path / "scores_scores.safetensors")
    assert again.parts == videos.parts
    assert again.class_names == videos.classes


def test_prediction_and_evaluation_say_the_same_of_combinations(actions):
    model, videos = actions
    whole = replace(videos, samples=tuple(replace(s, start=None) for s in videos.samples))
    told = evaluate(model, whole, workers=0, time_check=False)
    predict = Predictor(model)
    for sample, row in zip(whole.samples, told.predictions, strict=True):
        answer = predict(sample.path)
        assert answer.label == row["predicted"]
        assert answer.probabilities[0] == pytest.approx(row["confidence"], abs=1e-4)
        assert len(answer.labels) == 6
