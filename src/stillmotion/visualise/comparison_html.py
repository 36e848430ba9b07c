"""A comparison as one HTML page: what `comparison.json` says, to look through."""

from collections.abc import Mapping, Sequence
from typing import Any

from stillmotion.visualise import html

Told = Mapping[str, Any]
WORDS = {
    "top1": "How many videos each names right.",
    "mean_class": "How many videos each names right, mean over classes.",
}
MOST = 1000
"""Classes that are listed at most, those with the most videos."""


def comparison_page(told: Told) -> str:
    """The page of a comparison: self-contained HTML, for wide and narrow, light and dark.

    Args:
        told: the dictionary of `Comparison.to_dict`.
    """
    metric = told["metric"]
    best = max(told["ensembles"], key=lambda row: row[metric])
    numbers = [
        (row[metric], " ".join(filter(None, (letter, row["name"]))), row[f"{metric}_interval"])
        for letter, row in [*named(told)[:4], (None, best)]
    ]
    return html.page(
        title=f"{len(told['runs'])} models, the same {told['n']:,} videos",
        kicker="stillmotion comparison",
        lede=f"{WORDS[metric]} {verdict(told)}",
        headline=html.headline(numbers),
        sections=(scores(told), pairs(told), better(told), classes(told), facts(told)),
    )


def named(told: Told) -> list[tuple[str, Told]]:
    """Each run with its letter."""
    return list(zip(told["letters"].values(), told["runs"], strict=True))


def verdict(told: Told) -> str:
    """What the tests say."""
    clear = [pair for pair in told["pairs"] if pair["p_holm"] < 0.05]
    if not clear:
        return "No two of them differ by more than luck may explain."
    if len(told["pairs"]) == 1:
        (pair,) = clear
        winner = pair["second"] if pair["only_second"] > pair["only_first"] else pair["first"]
        return f"{told['letters'][winner]} gets more videos right, and luck hardly explains it."
    some = "All" if len(clear) == len(told["pairs"]) else f"{len(clear)} of the"
    return f"{some} {len(told['pairs'])} differences are hardly luck."


def scores(told: Told) -> str:
    """Each run, then what they would score together."""
    columns = [html.Column("Model", text=True)]
    columns += [html.Column(name, descending=True) for name in ("Top-1", "Mean over classes")]
    columns += [html.Column("Top-5", descending=True)]
    short = told["letters"]
    rows = [
        [
            html.words(" ".join(filter(None, (short.get(row["name"]), row["name"])))),
            html.on_track(row["top1"], row["top1_interval"]),
            html.on_track(row["mean_class"], row["mean_class_interval"]),
            html.share(row["top5"]),
        ]
        for row in [*told["runs"], *told["ensembles"]]
    ]
    rest = html.note(
        f"Lines are 95% intervals. At least one of the runs is right on "
        f"{100 * told['one_is_right']:.1f}% of the videos: more than that no choice among their "
        "answers can reach."
    )
    return html.section("scores", "Scores", html.table("Scores", columns, rows, titled=False), rest)


def pairs(told: Told) -> str:
    """How much every two differ, and whether that is luck."""
    widest = max(abs(end) for pair in told["pairs"] for end in pair["top1_interval"]) or 0.01
    several = len(told["pairs"]) > 1
    names = ("Top-1", "Mean over classes", "Only one is right", "p", "p, Holm")
    columns = [html.Column("Pair", text=True)]
    columns += [html.Column(name, descending=name[0] != "p") for name in names[: 4 + several]]
    short = told["letters"]
    rows = []
    for pair in told["pairs"]:
        first, second = short[pair["first"]], short[pair["second"]]
        alone = f"{second} {pair['only_second']:,}, {first} {pair['only_first']:,}"
        cells = [
            html.words(f"{second} - {first}"),
            difference(pair["top1"], pair["top1_interval"], widest),
            difference(pair["mean_class"], pair["mean_class_interval"], None),
            html.Cell(alone, pair["only_second"] + pair["only_first"]),
            *(html.Cell(small(pair[key]), pair[key]) for key in ("p", "p_holm")[: 1 + several]),
        ]
        rows.append(cells)
    how = html.note(
        "Differences are in points, with 95% intervals of a paired bootstrap "
        f"({told['draws']:,} draws of the videos, seed {told['seed']}). p is McNemar's exact test "
        "of the videos that one alone gets right; Holm's correction allows for the number of "
        "pairs. All count videos as independent, which clips of one recording are not."
    )
    listed = html.table("Differences", columns, rows, titled=False)
    return html.section("pairs", "Do they differ?", listed, how)


def difference(value: float, interval: html.Interval, widest: float | None) -> html.Cell:
    """A cell with a difference in points, its interval, and where both lie around none."""
    low, high = interval
    shown = f'{100 * value:+.1f} <span class="quiet">({100 * low:+.1f} to {100 * high:+.1f})</span>'
    if widest is not None:
        place, least, most = (0.5 + 0.48 * end / widest for end in (value, low, high))
        style = f"--share:{place:.4f};--low:{least:.4f};--high:{most:.4f}"
        shown += f'<span class="track signed" style="{style}"><i></i><b></b></span>'
    return html.Cell(shown, round(value, 6))


def small(p: float) -> str:
    """A p-value, as HTML."""
    return "&lt; 0.001" if p < 0.001 else f"{p:.3f}"


def better(told: Told) -> str:
    """Where one is better than the other, class by class."""
    short = told["letters"]
    blocks = []
    for pair in told["pairs"]:
        first, second = short[pair["first"]], short[pair["second"]]
        both = html.side_by_side(
            leaders(f"{second} is better than {first}", pair["second_better"]),
            leaders(f"{first} is better than {second}", pair["first_better"]),
        )
        opened = " open" if len(told["pairs"]) == 1 else ""
        name = f"<summary>{html.escape(f'{second} and {first}')}</summary>"
        blocks.append(f"<details{opened}>{name}{both}</details>")
    why = html.note(
        "The greatest differences. Among many classes some are great by luck, above all those "
        "with few videos."
    )
    return html.section("better", "Where each is better", why, *blocks)


def leaders(caption: str, rows: Sequence[Told]) -> str:
    """The classes on which one is better."""
    if not rows:
        return html.note(f"{caption} on no class.")
    columns = [html.Column("Class", text=True), html.Column("Videos", descending=True)]
    columns += [html.Column("Points", descending=True)]
    cells = [
        [
            html.words(row["name"]),
            html.count(row["n"]),
            html.Cell(f"{100 * abs(row['difference']):+.0f}", abs(row["difference"])),
        ]
        for row in rows
    ]
    return html.table(caption, columns, cells)


def classes(told: Told) -> str:
    """Each class's accuracy by each run."""
    rows = told["per_class"]
    if len(rows) > MOST:
        rows = sorted(rows, key=lambda row: -row["n"])[:MOST]
    columns = [html.Column("Class", text=True), html.Column("Videos", descending=True)]
    columns += [html.Column(letter, descending=True) for letter in told["letters"].values()]
    cells = [
        [html.words(row["name"]), html.count(row["n"])]
        + [html.share(value, bar=True) for value in row["accuracy"]]
        for row in rows
    ]
    more = (
        html.note(f"The {MOST:,} classes with the most videos; the CSV file holds all.")
        if len(rows) < len(told["per_class"])
        else ""
    )
    return html.section(
        "classes",
        "Class by class",
        more,
        html.table("Class by class", columns, cells, titled=False),
    )


def facts(told: Told) -> str:
    """How each run was evaluated."""
    listed, short = {}, told["letters"]
    for name, how in told["told"].items():
        views = how.get("views", {})
        listed[f"{short[name]}, {name}"] = (
            f"{views.get('frames')} frames x {views.get('clips')} clips x {views.get('crops')} "
            f"crops; list {str(how.get('list_sha256'))[:12]}; image model {how.get('backbone')}, "
            f"{str(how.get('backbone_sha256'))[:12]}"
        )
    listed["stillmotion"] = told["stillmotion_version"]
    return html.section("facts", "What was compared", html.facts(listed))
