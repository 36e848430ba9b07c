"""The files of an evaluation: for programs, for spreadsheets, for people."""

import json
from pathlib import Path

from stillmotion.evaluation.result import Evaluation, most_confused
from stillmotion.files import as_json, write_bytes, write_rows, write_text, writing_together

PER_CLASS = ("name", "n", "answered", "precision", "recall", "f1")
CONFUSIONS = ("truth", "predicted", "n", "of")
"""Columns of the CSV files."""


def write_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Write NAME.json and, beside it, what it is made of: all of it or nothing.

    NAME.png              the scores in a picture
    NAME.html             a page that stands alone
    NAME_per_class.csv    videos, answers, precision, recall and F1 of each class
    NAME_confusions.csv   which class was taken for which, the most frequent first
    NAME_predictions.jsonl    each video's answer
    NAME_scores.safetensors   each video's probabilities and logits: see `saved_scores`

    Raises:
        StorageError: a file cannot be written.
    """
    from stillmotion.visualise.charts import evaluation_picture
    from stillmotion.visualise.evaluation_html import evaluation_page

    told = evaluation.to_dict()
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in evaluation.predictions)
    confusions = most_confused(evaluation.scores.confusion, evaluation.class_names, most=None)
    with writing_together(path) as path:
        write_bytes(path.with_suffix(".png"), evaluation_picture(told))
        write_text(path.with_suffix(".html"), evaluation_page(told))
        write_rows(beside(path, "per_class.csv"), PER_CLASS, told["per_class"])
        write_rows(beside(path, "confusions.csv"), CONFUSIONS, confusions)
        write_text(beside(path, "predictions.jsonl"), "".join(lines))
        evaluation.saved.write(beside(path, "scores.safetensors"))
        write_text(path, as_json(told))


def beside(path: Path, name: str) -> Path:
    """A file that belongs to another: `runs/a/test.json` has `runs/a/test_scores.safetensors`."""
    return path.with_name(f"{path.stem}_{name}")
