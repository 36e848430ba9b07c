"""An evaluation as one HTML page: what `evaluation.json` says, to look through."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stillmotion.visualise import html
from stillmotion.visualise.charts import (
    TILED,
    confusion_matrix,
    reliability,
    time_check,
    time_verdict,
)
from stillmotion.visualise.page import themed
from stillmotion.visualise.theme import percent

Told = Mapping[str, Any]

MOST = 1000
"""Classes that are listed at most, those with the most videos."""

WORDS = {"top1": "right", "mean_class": "right, mean over classes"}


def evaluation_page(told: Told) -> str:
    """The page of an evaluation: self-contained HTML, for wide and narrow, light and dark.

    Args:
        told: the dictionary of `Evaluation.to_dict`.
    """
    return html.page(
        title=told["dataset"] or f"Scores of “{told['split']}”",
        kicker="stillmotion evaluation",
        lede=lede(told),
        headline=html.headline(scores(told)),
        sections=(
            parts(told),
            time(told),
            mistakes(told),
            classes(told),
            confidence(told),
            none_of_these(told),
            where(told),
            facts(told),
        ),
    )


def lede(told: Told) -> str:
    """What was scored."""
    unreadable = len(told["unreadable"])
    lost = f" {unreadable} videos could not be read." if unreadable else ""
    return (
        f"{told['n']:,} videos of “{told['split']}” in {told['num_classes']:,} classes; guessing "
        f"would be right once in {told['num_classes']:,}.{lost}"
    )


def scores(told: Told) -> list[tuple[float, str, html.Interval | None]]:
    """The numbers on top; first the one that the data set's papers quote."""
    first = told["metric"]
    (second,) = set(WORDS) - {first}
    intervals = told["intervals"]
    return [
        (told[first], WORDS[first], intervals[first]),
        (told[second], WORDS[second], intervals[second]),
        (told["top5"], "among the first five", intervals["top5"]),
        (told["macro_f1"], "macro-F1", None),
    ]


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


def time(told: Told) -> str:
    """Whether the order of frames matters."""
    verdict = html.paragraph(time_verdict(told).replace("\n", " "))
    if told["top1_shuffled"] is None:
        return html.section("time", "Does it use time?", verdict)
    why = (
        "Each clip is shown three times: as it is, with its frames shuffled, and backwards. A "
        "model that uses order fails when the order is gone."
    )
    orders = {"in order": "top1", "shuffled": "top1_shuffled", "reversed": "top1_reversed"}
    alt = "; ".join(f"{word}: {percent(told[key])}" for word, key in orders.items())
    chart = themed(lambda theme: time_check(told, theme=theme), alt=alt)
    shown = html.figure(chart, "Share of videos named right. Thin lines: 95% intervals.")
    both = html.side_by_side(verdict + html.paragraph(why), shown)
    return html.section("time", "Does it use time?", both)


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


def confidence(told: Told) -> str:
    """Whether the model is as sure as it is right."""
    found = told["calibration"]
    gap = percent(found["error"])
    if found["error_at_temperature"] >= found["error"]:
        mend = "A temperature would not bring it closer."
    else:
        sure = "too sure" if found["temperature"] > 1 else "not sure enough"
        mend = (
            f"It is {sure}: dividing its log-probabilities by a temperature of "
            f"{found['temperature']:.2f} leaves {percent(found['error_at_temperature'])}. (Chosen "
            "on these very videos, so a little too good.)"
        )
    said = (
        f"Confidence and accuracy differ by {gap} on average over {len(found['bins'])} bins. {mend}"
    )
    likelihood = (
        f"Mean negative log-likelihood {found['nll']:.3f}; at the temperature "
        f"{found['nll_at_temperature']:.3f}."
    )
    chart = themed(
        lambda theme: reliability(found["bins"], theme=theme),
        alt=f"Accuracy by confidence; calibration error {gap}",
    )
    shown = html.figure(chart, "Bars on the dashed line would be perfect. Strong colour: many.")
    text = html.paragraph(said) + html.note(likelihood)
    return html.section("confidence", "Is it as sure as it is right?",
                        html.side_by_side(text, shown))  # fmt: skip


def none_of_these(told: Told) -> str:
    """What the threshold does to these videos."""
    found = told["none_of_these"]
    if found is None:
        return ""
    of_these = (
        "no answer counts"
        if found["accuracy"] is None
        else f"of those, {percent(found['accuracy'])} are right"
    )
    kept = "" if found["kept"] is None else f" {percent(found['kept'])} of the right ones are kept."
    words = (
        f"An answer counts where its confidence is at least {100 * found['threshold']:.1f}%; "
        f"otherwise the model says “none of these”. Here {percent(found['coverage'])} of the "
        f"answers count, and {of_these} (of all answers {percent(told['top1'])}).{kept}"
    )
    same = (
        html.note("The threshold was chosen on these very videos.") if found["same_videos"] else ""
    )
    return html.section("none", "None of these", html.paragraph(words), same)


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


def facts(told: Told) -> str:
    """All that is needed to compare these scores with others."""
    views = told["views"]
    listed = {
        "views": f"{views['frames']} frames x {views['clips']} clips x {views['crops']} crops, "
        f"mean of {views['average']}",
        "list": told["list_sha256"],
        "image model": f"{told['backbone'] or 'unnamed'}, {told['backbone_sha256'] or 'unknown'}",
        "decoder": told["decoder"],
        "stillmotion": told["stillmotion_version"],
    }
    lost = "".join(html.note(f"{row['path']}: {row['reason']}") for row in told["unreadable"][:20])
    unread = (
        f"<details><summary>Videos that could not be read: {len(told['unreadable'])}</summary>"
        f"{lost}</details>"
        if lost
        else ""
    )
    return html.section("facts", "What was scored, and how", html.facts(listed), unread)
