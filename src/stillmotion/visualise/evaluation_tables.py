"""The tables of an evaluation's page: by part, by pair of classes, by class, by camera."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stillmotion.visualise import html
from stillmotion.visualise.charts import TILED, confusion_matrix
from stillmotion.visualise.page import themed

Told = Mapping[str, Any]
"""What `Evaluation.to_dict` says, or a part of it."""

MOST = 1000
"""Classes that are listed at most, those with the most videos."""


def parts(told: Told) -> str:
    """Where classes are combinations: the scores of each part."""
    if not told["parts"]:
        return ""
    columns = [html.Column("Part", text=True)]
    columns += [html.Column(name, descending=True) for name in ("Top-1", "Top-5", "Mean class")]
    rows = [
        [
            html.words(name),
            html.on_track(own["top1"], own["intervals"]["top1"]),
            html.on_track(own["top5"], own["intervals"]["top5"]),
            html.share(own["mean_class"]),
        ]
        for name, own in told["parts"].items()
    ]
    rows.append(
        [
            html.words(" and ".join(told["parts"])),
            html.on_track(told["top1"], told["intervals"]["top1"]),
            html.on_track(told["top5"], told["intervals"]["top5"]),
            html.share(told["mean_class"]),
        ]
    )
    intro = "A class is right where all of its parts are. Its probability is their product."
    return html.section("parts", "Part by part", html.paragraph(intro),
                        html.table("Scores of each part", columns, rows, titled=False))  # fmt: skip


def mistakes(told: Told) -> str:
    """Which class is taken for which."""
    columns = [html.Column("Truth", text=True), html.Column("Taken for", text=True)]
    columns += [html.Column("Videos", descending=True), html.Column("Of its own", descending=True)]
    rows = [
        [
            html.words(pair["truth"]),
            html.words(pair["predicted"]),
            html.count(pair["n"]),
            html.share(pair["n"] / pair["of"], bar=True, mistake=True),
        ]
        for pair in told["most_confused"]
    ]
    listed = html.table("The most confused pairs", columns, rows) if rows else ""
    if not rows:
        listed = html.paragraph("Every answer is right.")
    matrix = ""
    if told["num_classes"] <= TILED:
        names, counts = told["class_names"], np.array(told["confusion"])
        chart = themed(
            lambda theme: confusion_matrix(counts, names, theme=theme),
            alt=f"Confusion matrix: {counts.trace()} of {counts.sum()} on the diagonal",
        )
        matrix = html.figure(chart, "Rows are the truth, columns the answer.")
    return html.section("mistakes", "What is taken for what", html.side_by_side(matrix, listed))


def classes(told: Told) -> str:
    """Every class: how many videos, how many answers, and how many of these are right."""
    rows = [row for row in told["per_class"] if row["n"] or row["answered"]] or told["per_class"]
    shown = sorted(rows, key=lambda row: -row["n"])[:MOST] if len(rows) > MOST else rows
    columns = [html.Column("Class", text=True)]
    columns += [html.Column(name, descending=True) for name in ("Videos", "Answers")]
    columns += [html.Column(name) for name in ("Recall", "Precision", "F1")]
    cells = [
        [
            html.words(row["name"]),
            html.count(row["n"]),
            html.count(row["answered"]),
            html.share(row["recall"], bar=True),
            html.share(row["precision"]),
            html.share(row["f1"]),
        ]
        for row in shown
    ]
    absent = told["num_classes"] - len(rows)
    notes = [
        "Recall: the share of a class's videos that is recognised. Precision: the share of a "
        "class's answers that is right. F1: their harmonic mean."
    ]
    if absent:
        notes.append(f"{absent:,} classes have no video here and were never the answer.")
    if len(shown) < len(rows):
        notes.append(f"The {MOST:,} with the most videos; the CSV file holds all {len(rows):,}.")
    listed = html.table("Class by class", columns, cells, titled=False)
    return html.section("classes", "Class by class", html.note(" ".join(notes)), listed)


def where(told: Told) -> str:
    """The score of each camera, subject and group."""
    if not told["breakdown"]:
        return ""
    tables = [by(field, rows) for field, rows in told["breakdown"].items()]
    what = html.note("Lines are 95% intervals: many videos make them short.")
    return html.section("where", "Where it works", what, html.side_by_side(*tables))


def by(field: str, rows: Sequence[Told]) -> str:
    """A table with a row for each camera, subject or group."""
    columns = [html.Column(field.capitalize(), text=True), html.Column("Videos", descending=True)]
    columns += [html.Column("Right"), html.Column("Mean class")]
    cells = [
        [
            html.words("not stated" if row["name"] is None else row["name"]),
            html.count(row["n"]),
            html.on_track(row["top1"], row["interval"]),
            html.share(row["mean_class"]),
        ]
        for row in rows
    ]
    return html.table(f"By {field}", columns, cells)
