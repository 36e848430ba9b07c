"""An evaluation as one HTML page: what `evaluation.json` says, to look through."""

from stillmotion.visualise import html
from stillmotion.visualise.charts import reliability, time_check, time_verdict
from stillmotion.visualise.evaluation_tables import Told, classes, mistakes, parts, where
from stillmotion.visualise.page import themed
from stillmotion.visualise.theme import percent

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
    if told["fewer_bits"]:
        listed["precision"] = told["fewer_bits"]["words"]
    lost = "".join(html.note(f"{row['path']}: {row['reason']}") for row in told["unreadable"][:20])
    unread = (
        f"<details><summary>Videos that could not be read: {len(told['unreadable'])}</summary>"
        f"{lost}</details>"
        if lost
        else ""
    )
    return html.section("facts", "What was scored, and how", html.facts(listed), unread)
