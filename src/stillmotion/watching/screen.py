"""What somebody sees in a terminal while a model watches."""

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from stillmotion.watching.tally import Tally
from stillmotion.watching.watch import Seen

WIDTH = 40
"""Characters of a bar that is full."""


def screen(seen: Seen, tally: Tally, *, top: int = 5) -> Group:
    """The answer, the first classes as bars, and how well the model keeps up."""
    shown = seen.prediction
    style = "dim" if shown.is_none else "bold"
    aside = [shown.how_sure, f"after {seen.seconds:.1f} s"]
    head = Text.assemble((seen.answer, style), *((f"  {words}", "dim") for words in aside if words))
    bars = Table.grid(padding=(0, 1))
    bars.add_column(no_wrap=True, overflow="ellipsis", max_width=WIDTH)
    bars.add_column()
    bars.add_column(justify="right")
    for name, share in shown.top(top):
        # As text: a class may be called [red], which is no mark-up.
        bar = ProgressBar(1.0, share, width=WIDTH, complete_style="cyan", finished_style="cyan")
        bars.add_row(Text(name), bar, f"{share:.1%}")
    live = tally.live
    foot = (
        f"{1000 * seen.latency_seconds:.0f} ms late, {tally.rate:.1f} answers a second, "
        f"{live.dropped} of {live.read} frames dropped; Ctrl-C ends"
    )
    return Group(head, bars, Text(foot, style="dim"))
