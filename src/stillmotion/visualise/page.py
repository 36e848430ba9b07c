"""A demonstration as one HTML page: no scripts, no network, everything inside the file."""

import base64
from collections.abc import Callable, Sequence
from html import escape
from importlib.resources import files
from string import Template

from matplotlib.figure import Figure

from stillmotion.visualise import words
from stillmotion.visualise.charts import bars, confusion_matrix, curves
from stillmotion.visualise.clips import (
    Pictures,
    animation,
    as_pictures,
    encode,
    film_strip,
    resized,
    strip,
)
from stillmotion.visualise.demonstration import Contender, Demonstration, Example, FlowExample
from stillmotion.visualise.flow import flow_as_heat, flow_as_rgb
from stillmotion.visualise.theme import DARK, LIGHT, Theme, percent


def demo_page(demonstration: Demonstration) -> str:
    """The page of a demonstration: self-contained HTML, for wide and narrow, light and dark.

    Sentences that judge are chosen by the numbers (`stillmotion.visualise.words`).
    """
    d = demonstration
    assets = files("stillmotion") / "assets"
    template = Template((assets / "report.html").read_text(encoding="utf-8"))
    return template.substitute(
        style=(assets / "report.css").read_text(encoding="utf-8"),
        lede=escape(words.lede(d)),
        headline=headline(d),
        task=escape(words.task(d)),
        there_and_back=there_and_back(d.firsts[0]),
        amflow=escape(d.amflow.name),
        baseline=escape(d.baseline.name),
        time_verdict=escape(words.time_verdict(d)),
        ablation=escape(words.ablation(d)),
        control=escape(words.control(d)),
        num_heldout=d.num_heldout,
        bars=score_bars(d),
        firsts="\n".join(clip_card(example, d) for example in d.firsts),
        mistakes_rule=escape(words.mistakes_rule(d)),
        mistakes="\n".join(clip_card(example, d) for example in d.mistakes),
        matrices="\n".join(matrix_figure(c, d.class_names) for c in (d.amflow, d.baseline)),
        flow_label=escape(d.flow.label),
        flow_rows=picture_rows(flow_rows(d.flow)),
        flow_note=escape(words.flow_note(d.flow)),
        trained=escape(words.trained(d)),
        parameters=parameters(d),
        curves=training_curves(d),
        command=escape(d.command),
        facts=facts(d),
    )


def headline(d: Demonstration) -> str:
    """The scores as a description list: number, what it is, its interval."""
    shown = [
        (d.amflow.top1, f"{d.amflow.name}, frames in order", d.amflow.interval()),
        (d.baseline.top1, d.baseline.name, d.baseline.interval()),
        (d.ceiling, "the best that is possible without order", None),
        (1 / len(d.class_names), f"guessing among {len(d.class_names)} motions", None),
    ]
    return "\n".join(
        f"<div><dt>{escape(name)}{_interval(interval)}</dt><dd>{percent(value)}</dd></div>"
        for value, name, interval in shown
    )


def _interval(interval: tuple[float, float] | None) -> str:
    if interval is None:
        return ""
    low, high = interval
    return f" <small>95% interval {percent(low)} to {percent(high)}</small>"


def there_and_back(example: Example) -> str:
    """A clip's frames, and the same frames backwards."""
    strips = {example.label: example.clip, "the same frames, backwards": example.clip[::-1]}
    return "\n".join(
        f'<img src="{data_uri(film_strip(clip, num_frames=5, height=112, form="webp"), "webp")}" '
        f'alt="Frames of a clip"><figcaption>{escape(name)}</figcaption>'
        for name, clip in strips.items()
    )


def score_bars(d: Demonstration) -> str:
    """The scores of every contender in each order of frames."""
    scores = [score for contender in d.contenders for score in contender.scores]
    told = "; ".join(f"{s.group}, {s.name}: {percent(s.value)}" for s in scores)
    return themed(lambda theme: bars(scores, references=d.references, theme=theme), alt=told)


def matrix_figure(contender: Contender, class_names: Sequence[str]) -> str:
    """One model's confusion matrix."""
    right, count = contender.confusion.trace(), contender.confusion.sum()
    chart = themed(
        lambda theme: confusion_matrix(
            contender.confusion, class_names, title=contender.name, theme=theme
        ),
        alt=f"Confusion matrix of {contender.name}: {right} of {count} on the diagonal",
    )
    return f"<figure>{chart}</figure>"


def training_curves(d: Demonstration) -> str:
    """Loss and accuracy of every contender that was trained in epochs."""
    runs = {contender.name: contender.history for contender in d.contenders if contender.history}
    alt = "; ".join(f"{name}: {words.last_epoch(history)}" for name, history in runs.items())
    return themed(lambda theme: curves(runs, theme=theme), alt=alt)


def themed(draw: Callable[[Theme], Figure], *, alt: str) -> str:
    """A chart drawn twice; the browser shows the one for its colour scheme."""
    light, dark = (data_uri(theme.svg(draw(theme)).encode(), "svg+xml") for theme in (LIGHT, DARK))
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{escape(alt)}"></picture>'
    )


def clip_card(example: Example, d: Demonstration) -> str:
    """A clip with the truth and both answers; its film strip for who wants no motion."""
    label = escape(example.label)
    moving = data_uri(animation(example.clip, height=160), "webp")
    still = data_uri(film_strip(example.clip, num_frames=6, height=96, form="webp"), "webp")
    said = "\n".join(
        verdict(name, answer, example.label)
        for name, answer in ((d.amflow.name, example.amflow), (d.baseline.name, example.baseline))
    )
    return (
        f'<li><img class="moving" src="{moving}" alt="Moving clip: {label}">'
        f'<img class="strip" src="{still}" alt="Frames of the clip: {label}">'
        f'<h4>{label}</h4>{said}<p class="path">{escape(example.path)}</p></li>'
    )


def verdict(name: str, answer: str, truth: str) -> str:
    """One model's answer, marked right or wrong by a sign as well as by colour."""
    state, sign = ("right", "✓") if answer == truth else ("wrong", "✗")
    told = "right" if state == "right" else escape(answer)
    return f'<p>{escape(name)}: <span class="{state}">{sign} {told}</span></p>'


def flow_rows(flow: FlowExample) -> str:
    """The frames; then each block, as heat and as the colours of the paper's Figure 5."""
    frames = as_pictures(flow.clip)
    rows = [picture_row("frames", "", frames, f"The frames of a clip: {flow.label}")]
    for block in flow.blocks:
        heat = flow_as_heat(block, flow.clip)
        use = "read by its adapter" if block.read else "not read"
        rows.append(picture_row(block.title, use, heat, f"Attention-map flow of {block.title}"))
        height, kind = flow.clip.shape[2], "three components"
        colours = resized(flow_as_rgb(block), height=height, smooth=False)
        rows.append(
            picture_row("", kind, colours, f"Principal components of the flow of {block.title}")
        )
    return "\n".join(rows)


def picture_rows(rows: str) -> str:
    """Rows of frames below each other, which scroll together where there is no room."""
    return (
        '<div class="flow" tabindex="0" role="region" aria-label="Rows of frames">\n'
        f'<div role="list">\n{rows}\n</div>\n</div>'
    )


def picture_row(title: str, note: str, pictures: Pictures, alt: str) -> str:
    """Frames beside each other, beside or below their name and a smaller note."""
    row = encode(strip(resized(pictures, height=112)), form="webp")
    return (
        f'<div role="listitem" style="--frames:{len(pictures)}">'
        f"<span>{escape(title)} <small>{escape(note)}</small></span>"
        f'<img src="{data_uri(row, "webp")}" alt="{escape(alt)}"></div>'
    )


def parameters(d: Demonstration) -> str:
    """Table rows: what is frozen and what was trained."""
    rows = [(f"image model {d.backbone}", d.backbone_parameters, "no")]
    rows += [(c.name, c.trainable_parameters, "yes") for c in d.contenders]
    return "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{number:,}</td><td>{trained}</td></tr>'
        for name, number, trained in rows
    )


def facts(d: Demonstration) -> str:
    """What else is needed to repeat the run."""
    told = {
        "took": words.duration(d.seconds),
        "machine": d.machine,
        "videos": f"{d.num_train} to train on, {d.num_heldout} held out",
        "seed": str(d.seed),
        "versions": ", ".join(f"{name} {version}" for name, version in d.versions.items()),
    }
    return "\n".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in told.items())


def data_uri(data: bytes, kind: str) -> str:
    """A picture inside the page."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
