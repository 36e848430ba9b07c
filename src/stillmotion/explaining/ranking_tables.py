"""A ranking of blocks for people, and as JSON."""

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from stillmotion.explaining.choosing import BlockRanking

RULE = (
    "the best block and those whose mean shortfall from it is within its standard error over videos"
)
"""How the proposal is made."""


def ranking_table(ranking: BlockRanking) -> Group:
    """The blocks, the best first, and what follows from them."""
    videos = len(ranking.correlations)
    table = Table("flow_blocks", "block", "correlation", "spread", "", box=None, pad_edge=False)
    table.title = f"Flow against motion, {videos} videos" if videos > 1 else "Flow against motion"
    table.title_justify = "left"
    for column in table.columns[:4]:
        column.justify = "right"
    for row in ranking_rows(ranking):
        chosen = "proposed" if row["block"] in ranking.proposal else ""
        spread = f"{row['spread']:.3f}" if videos > 1 else "-"
        number = str(row["block"])
        table.add_row(number, str(row["block"] + 1), f"{row['correlation']:+.3f}", spread, chosen)
    return Group(table, Text(), Text(told_proposal(ranking)))


def told_proposal(ranking: BlockRanking) -> str:
    """The options that use it, and the rule."""
    if not ranking.proposal:
        return "No block's flow follows the motion of these videos: nothing is proposed."
    chosen = ",".join(map(str, ranking.proposal))
    return (
        f"Proposal: --amflow.flow_blocks [{chosen}] --amflow.adapter_blocks [{chosen}]\n"
        f"Rule: {RULE}.\n"
        "Correlation: Spearman's, of a block's flow with the change of pixels, patch by patch; "
        "mean and standard deviation over videos. That a block's flow follows motion does not "
        "say that training with it scores higher: compare runs."
    )


def ranking_told(ranking: BlockRanking) -> dict[str, Any]:
    """JSON-able."""
    return {
        "videos": len(ranking.correlations),
        "still": list(ranking.still),
        "blocks": ranking_rows(ranking),
        "proposal": list(ranking.proposal),
        "rule": RULE,
    }


def ranking_rows(ranking: BlockRanking) -> list[dict[str, Any]]:
    """A row a block, the best first."""
    means, spreads = ranking.means, ranking.spreads
    return [
        {
            "block": ranking.blocks[place],
            "correlation": round(float(means[place]), 4),
            "spread": round(float(spreads[place]), 4),
            "read": ranking.read[place],
        }
        for place in (-means).argsort(kind="stable").tolist()
    ]
