"""The study of docs/results.md: its rows are possible, its figures are those of its runs."""

import csv
import json
import runpy
import sys
from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType

import pytest
import torch

from models import image_model, moving
from stillmotion import adapt
from stillmotion.methods import METHODS, AMFlow, LinearProbe
from stillmotion.training.splits import read_splits

STUDY = Path(__file__).parents[1] / "benchmarks" / "study"
LINES = (STUDY / "results.jsonl").read_text(encoding="utf-8").splitlines()
RESULTS = [json.loads(line) for line in LINES]


@dataclass
class Study:
    """Its modules."""

    main: dict
    rows: ModuleType
    run: ModuleType
    tables: ModuleType
    questions: ModuleType
    report: ModuleType
    picture: ModuleType
    draws: ModuleType
    guidance: ModuleType
    asked: ModuleType
    side4video: ModuleType


@pytest.fixture(scope="module")
def study():
    """Its modules are found in its own folder; what they register and load is forgotten."""
    methods, modules = dict(METHODS), set(sys.modules)
    sys.path.insert(0, str(STUDY))
    main = runpy.run_path(str(STUDY / "__main__.py"))
    names = [field.name for field in fields(Study) if field.name != "main"]
    yield Study(main, **{name: sys.modules[name] for name in names})
    sys.path.remove(str(STUDY))
    for name in ("positional", *names):
        sys.modules.pop(name, None)
    own = {"positional", "side4video"}
    assert set(METHODS) - set(methods) == own
    for name in own:
        METHODS.pop(name)
    sys.path[:] = [folder for folder in sys.path if folder != str(STUDY.parent)]
    assert {"rows", "run", "tables"}.isdisjoint(set(sys.modules) - modules)


def told(row="parallel", fold=0, **changes):
    """A line of the results, of three videos of which two are right."""
    answers = {"a": True, "b": True, "c": False}
    return {
        "data": "egogestar",
        "row": row,
        "fold": fold,
        "seed": 0,
        "rate": 0.002,
        "search": False,
        "answers": answers,
        "n": 3,
        "top1": 2 / 3,
        "mean_class": 0.5,
        "top1_shuffled": 0.2,
        "top1_reversed": 0.1,
        "trained_parameters": 1000,
        "multiply_adds": 2e9,
        "kept_bytes": 3_000_000,
        "checkpoint_bytes": 4000,
        "train_top1": [0.5, 0.95, 1.0],
        "preparing_seconds": 1.0,
        "training_seconds": 30.0,
        "core_seconds": 20.0,
        "seconds": 40.0,
        **changes,
    }


def kind(method):
    """What a row is made of; rows of one kind differ in numbers."""
    inner = getattr(method, "inner", method)
    return type(method), type(inner), *(getattr(inner, part, None) for part in ("placement", "tpm"))


@pytest.mark.parametrize(
    "alike", [kind, pytest.param(lambda method: method, marks=pytest.mark.slow)]
)
def test_a_row_of_each_kind_is_a_model_that_can_be_trained(alike, study):
    labels = torch.tensor([0, 1])
    rows = {alike(row.method): (row.method, name) for name, row in study.rows.ROWS.items()}
    for method, name in rows.values():
        torch.manual_seed(0)
        model = adapt(image_model(depth=12), method, num_classes=3, num_frames=8)
        branches = model.branches(model.normalise(moving(frames=8)))
        loss = model.method.objective(
            branches,
            model.head.vote(branches),
            lambda logits: torch.nn.functional.cross_entropy(logits, labels),
        )
        loss.backward()
        trains = {n: p for n, p in model.named_parameters() if p.requires_grad}
        assert any(p.grad is not None and p.grad.abs().max() > 0 for p in trains.values()), name


def test_the_read_out_beside_a_method_leaves_its_tokens_and_says_more(study):
    probe, positional = LinearProbe(), study.rows.ROWS["linear probe, positional"].method
    models = [
        adapt(image_model(depth=12), method, num_classes=3, num_frames=8).eval()
        for method in (probe, positional)
    ]
    pixels = models[0].normalise(moving(frames=8))
    (tokens, said), (tokens_too, said_too) = (model.tokens(pixels) for model in models)
    assert torch.equal(tokens, tokens_too)
    assert (len(said), len(said_too)) == (0, 4)
    assert positional.blocks == len(AMFlow.small().flow_blocks)


def test_each_method_keeps_its_own_classifier_beside_the_read_out(study):
    for name in study.rows.RIVALS:
        row = study.rows.ROWS[f"{name}, positional"]
        model = adapt(image_model(depth=12), row.method, num_classes=3, num_frames=8)
        own = adapt(image_model(depth=12), row.method.inner, num_classes=3, num_frames=8)
        (classifier,) = own.head.classifiers
        *_, (dropout, kept) = model.head.classifiers
        assert (type(kept), dropout.p) == (type(classifier), row.method.inner.dropout)
        assert len(model.head.classifiers) == 5


def test_every_row_has_a_rate_to_choose_or_to_take(study):
    rows, budget = study.rows.ROWS, study.run.BUDGET
    for name, row in rows.items():
        assert row.stage in budget["stages"], name
        assert len(budget["rates"][row.rates]) == 3, name
        if row.rate_of is not None:
            assert rows[row.rate_of].rate_of is None, name
    assert rows["full fine-tuning, positional"].rates == "whole model"
    questions = (*study.questions.QUESTIONS, *study.questions.FEW_QUESTIONS)
    known = {row for question in questions for row in (question.first, question.second)}
    assert known | set(study.picture.TRAINED) <= rows.keys()


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ({0.0005: 0.1, 0.002: 0.3, 0.008: 0.2}, 0.002),
        ({0.0005: 0.2, 0.002: 0.2, 0.008: 0.2}, 0.002),
        ({0.0005: 0.1, 0.002: 0.2, 0.008: 0.3, 0.032: 0.3}, 0.008),
        ({0.0005: 0.1, 0.002: 0.2, 0.008: 0.3, 0.032: 0.4}, 0.032),
        ({0.0005: 0.3, 0.002: 0.2, 0.008: 0.3, 0.000125: 0.1}, 0.0005),
    ],
)
def test_the_best_rate_is_chosen_and_beyond_an_end_one_more_is_tried(
    study, monkeypatch, scores, best
):
    choose = study.main["chosen_rate"]
    tried = []

    def done(job):
        tried.append(job.rate)
        return {"top1": scores[job.rate], "train_top1": [1.0]}

    monkeypatch.setitem(choose.__globals__, "done", done)
    assert choose("parallel") == best
    assert sorted(tried) == sorted(scores)


def test_training_chooses_the_rate_where_the_fold_is_guessed(study, monkeypatch):
    choose = study.main["chosen_rate"]
    trained = {0.000125: 0.2, 0.0005: 0.4, 0.002: 0.3, 0.008: 0.1}

    def done(job):
        return {"top1": 0.19 if job.rate == 0.008 else 0.1, "train_top1": [0.9, trained[job.rate]]}

    monkeypatch.setitem(choose.__globals__, "done", done)
    assert choose("AIM") == 0.0005


def test_what_is_not_read_as_small_is_searched_for_longer(study):
    own = [
        name
        for name, row in study.rows.ROWS.items()
        if row.rate_of is None
        and not isinstance(row.method, AMFlow)
        and row.group != "positional read-out"
    ]
    assert {study.rows.ROWS[name].searched for name in own} == {"slow"}
    assert {"temporal probe, computed once", "AIM", "LoRA"} <= set(own)


def test_folds_are_pooled_by_their_videos(study):
    runs = [told(fold=0), told(fold=1, n=1, top1=0.0)]
    assert study.tables.pooled(runs, "top1") == (pytest.approx(0.5), 4)
    assert study.tables.methods(runs, data="egogestar") == []  # three folds are missing
    assert "parallel (2 of 5)" in study.tables.unfinished(runs, data="egogestar")
    runs += [told(fold=fold, n=1, top1=1.0) for fold in (2, 3, 4)]
    (row,) = study.tables.methods(runs, data="egogestar")
    assert row["top-1"].startswith("0.714")
    assert row["other folds"] == "1.000"


def test_computing_is_counted_until_the_model_has_learned(study):
    runs = [told(), told(preparing_seconds=3.0)]
    assert study.tables.seconds_to(runs, 0.9) == pytest.approx((21 + 23) / 2 / 2)
    dearer = told(core_seconds=40.0)
    assert study.tables.seconds_to([dearer, *runs], 0.9) == pytest.approx(23 / 2)


def test_videos_of_one_name_in_two_folders_are_two(study):
    predictions = [
        {"path": f"{folder}/a.mp4", "predicted": 1, "label": label}
        for folder, label in (("x", 1), ("y", 0))
    ]
    assert study.run.answers(predictions) == {"x/a.mp4": True, "y/a.mp4": False}


def test_a_difference_counts_the_videos_that_both_rows_have(study):
    first = {"0/a": True, "0/b": False, "0/c": False, "1/a": True}
    second = {"0/a": True, "0/b": True, "0/c": True, "2/a": True}
    found = study.questions.difference(first, second)
    assert (found["first"], found["second"], found["videos"]) == ("0.333", "1.000", 3)
    assert found["difference"].startswith("+0.667")
    assert found["p"] == "0.500"


def test_a_search_never_reads_the_fold_that_it_must_not_see(study, tmp_path):
    shared = tmp_path / "shared"
    (shared / "egogestar").mkdir(parents=True)
    rows = "".join(f"{fold}.mp4,x,{fold}\n" for fold in range(5))
    (shared / "egogestar" / "index.csv").write_text("path,label,fold\n" + rows)
    job = study.run.Job("egogestar", "parallel", 1, 0, 0.002, search=True)
    listed = study.run.list_of(job, shared=shared, folder=tmp_path).read_text().splitlines()
    assert [line.rsplit(",", 1)[1] for line in listed[1:]] == ["1", "2", "3", "4"]


def test_the_folds_share_no_scene(study, shared, tmp_path):
    """Five test sets that together are all videos, and nothing leaks into training."""
    if not (shared / "data" / "egogestar").is_dir():
        pytest.skip(f"no EgoGestAR in {shared}")
    with (shared / "data" / "egogestar" / "index.csv").open(encoding="utf-8") as file:
        scene_of = {row["path"]: row["scene_auto"] for row in csv.DictReader(file)}
    tested = []
    for fold in range(5):
        job = study.run.Job("egogestar", "parallel", fold, 0, 0.002)
        splits = read_splits(study.run.recipe_of(job, shared=shared / "data", out=tmp_path / "run"))
        scenes = [
            {scene_of[f"videos/{Path(sample.path).name}"] for sample in part.samples}
            for part in (splits.train, splits.test)
        ]
        assert set.isdisjoint(*scenes)
        tested += [sample.path for sample in splits.test.samples]
    assert len(tested) == len(set(tested)) == 217


def test_few_videos_are_drawn_anew_by_each_seed(study, tmp_path):
    jobs = [study.run.Job("egogestar", "few: parallel", 2, seed, 0.002) for seed in (0, 1)]
    recipes = [study.run.recipe_of(job, shared=tmp_path, out=tmp_path / "run") for job in jobs]
    assert [(recipe.videos.shots, recipe.videos.episode) for recipe in recipes] == [(2, 0), (2, 1)]
    whole = study.run.Job("egogestar", "parallel", 2, 1, 0.002)
    assert study.run.recipe_of(whole, shared=tmp_path, out=tmp_path / "run").videos.shots == 0


def few(row, score, seeds=(0, 1, 2)):
    """All draws of a row with few videos."""
    folds = (2, 3, 4)
    return [
        told(row=f"few: {row}", fold=fold, seed=seed, top1=score + seed / 10)
        for fold in folds
        for seed in seeds
    ]


def test_draws_are_compared_one_by_one(study):
    lines = [*few("parallel", 0.5), *reversed(few("side", 0.6)), *few("AIM, positional", 0.1)[:-1]]
    side, parallel = study.draws.draws(lines, stage="few")
    assert (side["row"], parallel["row"]) == ("side", "parallel")
    assert side["against parallel"] == "+0.100 (+0.100 to +0.100)"
    assert side["draws"] == parallel["draws"] == 9
    (answer,) = study.draws.few_questions(lines)
    assert (answer["from"], answer["to"]) == ("parallel: 0.600", "side: 0.700")
    assert answer["difference"] == side["against parallel"]


def test_a_picture_has_the_mean_over_draws_of_each_finished_row_with_few_videos(study):
    parallel, side = few("parallel", 0.5), few("side", 0.6)
    first, (name, mean, (low, high)) = study.picture.with_few([*side, *parallel, told()])
    assert (first[0], name) == ("few: parallel", "few: side")
    assert low < mean < high
    assert mean == pytest.approx(0.7)
    assert study.picture.with_few([*side[1:], *parallel]) == [first]


def test_a_picture_has_no_score_of_a_fold_where_something_was_chosen(study):
    lines = [told(fold=fold, top1=0.0 if fold < 2 else 1.0) for fold in range(5)]
    ((name, score, _),) = study.picture.with_all(lines)
    assert (name, score) == ("parallel", 1.0)


def test_other_draws_are_counted_alone(study):
    again = study.questions.AGAIN
    lines = [*few("parallel", 0.5), *few("side", 0.6)]
    lines += [*few("parallel", 0.3, seeds=again), *few("side", 0.5, seeds=again)]
    first, other = study.draws.few_questions(lines)
    assert first["difference"].startswith("+0.100")
    assert other["difference"].startswith("+0.200")
    assert (first["draws"], other["draws"]) == (9, 9)


def test_seeds_are_tabled_with_their_mean_where_every_fold_was_run(study):
    name = "temporal probe, computed once"
    lines = [
        told(row=name, fold=fold, seed=seed, top1=0.3 * (1 + seed))
        for fold in range(5)
        for seed in range(3)
    ]
    (row,) = study.tables.seeds([*lines, *few("parallel", 0.5)], data="egogestar")
    assert row["row"] == name
    assert row["by seed"] == "0.300, 0.600, 0.900"
    assert row["mean"] == "0.600 (-0.145 to 1.345)"
    assert study.tables.seeds(lines[:-2], data="egogestar") == []


def test_runs_with_another_rate_than_the_chosen_one_are_not_counted(study):
    tried = [
        told(row="few: side, LSTM", fold=1, search=True, rate=rate, top1=top1)
        for rate, top1 in ((0.002, 0.5), (0.008, 0.9))
    ]
    runs = [told(row="few: side, LSTM", fold=2, rate=rate) for rate in (0.008, 0.002)]
    (kept,) = study.asked.runs_of([*tried, *runs], "few: side, LSTM", data="egogestar")
    assert kept["rate"] == 0.008


def test_advice_rests_on_finished_rows_where_nothing_was_chosen(study):
    lines = [told(fold=fold, top1=0.0 if fold < 2 else 2 / 3) for fold in range(5)]
    lines += [*few("side", 0.4), told(row="AIM", fold=2)]
    asked = "egogestar: AIM; parallel; few: side; ZeroI2V"
    table = study.guidance.backed(lines, asked)
    assert [row["top-1"].split()[0] for row in table] == ["not", "0.667", "0.500", "not"]
    assert [row["of"] for row in table] == ["", "3 folds", "9 draws", ""]
    assert study.report.written(lines, asked).count("\n") == 5
    with pytest.raises(SystemExit, match="'parallell'"):
        study.guidance.backed(lines, "egogestar: parallell")


def test_processes_share_rows_out_and_keep_together_those_of_one_rate(study):
    rows = [name for name, row in study.rows.ROWS.items() if row.stage != "choice"]
    parts = [study.main["shared_out"](rows, share, 2) for share in (0, 1)]
    assert sorted(parts[0] + parts[1]) == sorted(rows)
    rates = [{study.rows.ROWS[name].rate_of or name for name in part} for part in parts]
    assert rates[0].isdisjoint(rates[1])


def test_the_other_data_set_has_fewer_rows_and_all_of_its_folds(study):
    rows = study.asked.rows_on("weizmann")
    assert set(rows) < study.rows.ROWS.keys()
    assert not any(name.startswith(("few: ", "choice: ")) for name in rows)
    more = [told(row="ST-Adapter, positional", fold=fold) for fold in range(5)]
    kept = study.asked.runs_of(more, "ST-Adapter, positional", data="egogestar")
    assert [run["fold"] for run in kept] == [2, 3, 4]
    assert study.asked.folds_of("ST-Adapter, positional", data="weizmann") == list(range(9))


def test_the_side_network_sees_frames_in_order_and_leaves_the_image_model(study):
    token = torch.arange(12.0).reshape(1, 3, 1, 4)
    after, before = study.side4video.swapped(token)[0, :, 0].split(2, dim=-1)
    assert after.tolist() == [[4, 5], [8, 9], [0, 0]]
    assert before.tolist() == [[0, 0], [2, 3], [6, 7]]
    model = adapt(image_model(depth=2), study.side4video.Side4Video(), num_classes=3, num_frames=8)
    seen = []
    for block in model.trunk.blocks:
        block.register_forward_hook(lambda module, given, made: seen.append(made.requires_grad))
    assert model(moving(frames=8)).requires_grad
    assert seen == [False, False]
    assert not model.eval()(moving(frames=8)).equal(model(moving(frames=8).flip(1)))


def test_the_results_are_runs_of_the_study_each_once(study):
    jobs = Counter(study.main["job_of"](line) for line in RESULTS)
    assert set(jobs.values()) <= {1}
    for line in RESULTS:
        assert line["row"] in study.rows.ROWS
        assert len(line["train_top1"]) == study.main["job_of"](line).stage["epochs"]
        assert line["n"] == len(line["answers"])
        assert line["top1"] == pytest.approx(sum(line["answers"].values()) / line["n"])


def test_the_pages_show_the_results(study):
    for drawn in study.report.PICTURES.values():
        assert drawn(RESULTS).startswith(b"\x89PNG")
    for path in study.report.PAGES:
        page = path.read_text(encoding="utf-8")
        fresh = study.report.with_tables(page, RESULTS)
        assert fresh == page, "run: python benchmarks/study --write"
