"""An explanation as one HTML page: frames and heat in rows, curves, and how to read them."""

from html import escape
from pathlib import Path

from stillmotion.files import readable
from stillmotion.visualise import html
from stillmotion.visualise.explanation import Explanation
from stillmotion.visualise.explanation_charts import importance_chart, so_far_chart
from stillmotion.visualise.page import picture_row, picture_rows, themed

GREAT = 3
"""Classes whose probabilities stand in great numbers."""

IMPORTANCE, SO_FAR = "Importance of each frame", "What it would say so far"
"""Above the curves."""

NAMES = {"flow": "Attention-map flow", "rollout": "Rollout"}
NAMES |= {"occlusion": "Importance of frames", "time": "Answer so far"}

ROWS = ("Attention-map flow", "Colours", "Rollout")
"""What the legends call the signals that are drawn over frames."""


def explanation_page(explanation: Explanation) -> str:
    """The page of an explanation: self-contained HTML, for wide and narrow, light and dark."""
    e = explanation
    first = zip(e.probabilities[:GREAT], e.labels, strict=False)
    return html.page(
        title=e.answer,
        kicker="stillmotion explanation",
        lede=f"What {e.model} says of {readable(Path(e.path).name)}, and what that rests on.",
        headline=html.headline([(share, name, None) for share, name in first]),
        sections=(where(e), when(e), missing(e), how(e)),
    )


def where(e: Explanation) -> str:
    """The frames as the model saw them; below, in the same order, what lights up in each."""
    rows = "\n".join(picture_row(*row) for row in e.rows())
    told = e.legends()
    notes = [html.note(f"{name}. {told[name]}") for name in ROWS if name in told]
    return html.section("where", "Where it looks", picture_rows(rows), *notes)


def when(e: Explanation) -> str:
    """The curves over the frames."""
    told, shown = e.legends(), []
    if e.indecision:
        shown.append(html.titled(IMPORTANCE, html.paragraph(e.indecision)))
    elif e.importance is not None:
        most = int(e.importance.argmax())
        alt = f"Importance of each frame: most at {e.seconds[most]:.1f} s, {e.importance[most]:.2f}"
        chart = themed(lambda theme: importance_chart(e, theme=theme), alt=f"{alt} nats")
        shown.append(html.titled(IMPORTANCE, html.figure(chart, told["Importance"])))
    if e.so_far is not None:
        first, last = e.so_far[[0, -1], 0]
        alt = f"Probability of {e.label}: {first:.2f} after the first frame, {last:.2f} at the end"
        chart = themed(lambda theme: so_far_chart(e, theme=theme), alt=alt)
        shown.append(html.titled(SO_FAR, html.figure(chart, told["So far"])))
    return html.section("when", "Which moments count", html.side_by_side(*shown)) if shown else ""


def missing(e: Explanation) -> str:
    """What there is not, and why."""
    if not e.missing:
        return ""
    rows = (f"<li>{NAMES[name]}: {escape(why)}.</li>" for name, why in e.missing.items())
    return html.section("missing", "What is not shown", f"<ul>{''.join(rows)}</ul>")


def how(e: Explanation) -> str:
    """What was asked."""
    told = {"video": readable(e.path), "clip": f"{e.span}, {e.crop}", "model": e.model}
    return html.section("how", "What was asked", html.facts(told))
