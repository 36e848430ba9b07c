"""The files of an evaluation: for programs, for spreadsheets, for people."""

import csv
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stillmotion.errors import StorageError
from stillmotion.evaluation.result import Evaluation, most_confused
from stillmotion.files import write_bytes, write_text, writing

PER_CLASS = ("name", "n", "answered", "precision", "recall", "f1")
CONFUSIONS = ("truth", "predicted", "n", "of")
"""Columns of the CSV files."""


def write_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Write NAME.json and, beside it, what it is made of.

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
    from stillmotion.visualise.evaluation_page import evaluation_page

    if path.is_dir():
        raise StorageError(f"cannot write {path}: it is a directory; name a file")
    told = evaluation.to_dict()
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in evaluation.predictions)
    confusions = most_confused(evaluation.scores.confusion, evaluation.class_names, most=None)
    write_bytes(path.with_suffix(".png"), evaluation_picture(told))
    write_text(path.with_suffix(".html"), evaluation_page(told))
    write_rows(beside(path, "per_class.csv"), PER_CLASS, told["per_class"])
    write_rows(beside(path, "confusions.csv"), CONFUSIONS, confusions)
    write_text(beside(path, "predictions.jsonl"), "".join(lines))
    evaluation.saved.write(beside(path, "scores.safetensors"))
    write_text(path, as_json(told))


def as_json(told: Any) -> str:
    """Indented JSON in which a row of numbers is a line: a matrix looks like one."""
    text = json.dumps(told, indent=2, ensure_ascii=False)
    # A line break never stands inside a string, so only lists are met.
    return re.sub(r"\[\n\s*([-+.\deE,\s]+?)\s*\]", _in_a_line, text) + "\n"


def _in_a_line(numbers: re.Match[str]) -> str:
    return f"[{', '.join(numbers[1].replace(',', ' ').split())}]"


def beside(path: Path, name: str) -> Path:
    """A file that belongs to another: `runs/a/test.json` has `runs/a/test_scores.safetensors`."""
    return path.with_name(f"{path.stem}_{name}")


def write_rows(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """A CSV file with a header; what is None is empty."""
    with writing(path, "w") as file:
        writer = csv.DictWriter(file, list(columns), extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
