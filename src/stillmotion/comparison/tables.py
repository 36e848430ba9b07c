"""A comparison in the terminal."""

from rich.table import Table

from stillmotion.comparison.result import Comparison
from stillmotion.metrics import METRICS


def scores(comparison: Comparison) -> Table:
    """A row a run, then their ensembles."""
    table = Table("", title=f"{comparison.n} videos", title_justify="left")
    table.add_column("model", overflow="fold")
    for name in ("top-1", "95 % interval", "mean class", "95 % interval"):
        table.add_column(name, justify="right")
    short = comparison.letters
    for row in [*comparison.runs, *comparison.ensembles]:
        (low, high), (least, most) = row["top1_interval"], row["mean_class_interval"]
        table.add_row(
            short.get(row["name"], ""),
            row["name"],
            f"{row['top1']:.1%}",
            f"{low:.1%} - {high:.1%}",
            f"{row['mean_class']:.1%}",
            f"{least:.1%} - {most:.1%}",
        )
    table.caption = f"at least one of the runs is right: {comparison.one_is_right:.1%}"
    return table


def differences(comparison: Comparison) -> Table:
    """A row a pair: the second less the first."""
    title = f"differences in {METRICS[comparison.metric]}, in points"
    table = Table("", title=title, title_justify="left")
    for name in ("", "95 % interval", "only one is right"):
        table.add_column(name, justify="right")
    several = len(comparison.pairs) > 1
    for name in ("p (McNemar)", "p (Holm)")[: 1 + several]:
        table.add_column(name, justify="right")
    short = comparison.letters
    for pair in comparison.pairs:
        first, second = short[pair.first], short[pair.second]
        low, high = getattr(pair, f"{comparison.metric}_interval")
        table.add_row(
            f"{second} - {first}",
            f"{100 * getattr(pair, comparison.metric):+.1f}",
            f"{100 * low:+.1f} to {100 * high:+.1f}",
            f"{second} {pair.only_second}, {first} {pair.only_first}",
            *[probability(p) for p in (pair.p, pair.p_holm)[: 1 + several]],
        )
    return table


def probability(p: float) -> str:
    """A p-value for print.

    >>> probability(0.0321), probability(0.00001)
    ('0.032', '< 0.001')
    """
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
