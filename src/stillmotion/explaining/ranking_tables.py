"""A ranking of blocks for people, and as JSON."""

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from stillmotion.explaining.choosing import BlockRanking

RULE = (
    "the best block and those whose mean shortfall from it is within its standard error over videos"
)
"""How the proposal is made of several videos."""

BEST = "the best block alone, as one video shows no spread by which others could be as good"
"""How it is made of one."""

ONE_VIDEO = (
    "one video with motion says little: how much the ranking changes from video to video is "
    "unknown; give more"
)
"""What is said to those who gave no more."""


def ranking_table(ranking: BlockRanking) -> Group:
    """The blocks, the best first, and what follows from them."""
    videos = len(ranking.correlations)
    table = Table("flow_blocks", "block", "correlation", "spread", "", box=None, pad_edge=False)
    table.title = f"Flow against motion, {videos} video{'s' if videos > 1 else ''}"
    table.title_justify = "left"
    for column in table.columns[:4]:
        column.justify = "right"
    for row in ranking_rows(ranking):
        chosen = "proposed" if row["block"] in ranking.proposal else ""
        spread = "unknown" if row["spread"] is None else f"{row['spread']:.3f}"
        number = str(row["block"])
        table.add_row(number, str(row["block"] + 1), f"{row['correlation']:+.3f}", spread, chosen)
    return Group(table, Text(), Text(told_proposal(ranking)))


def told_proposal(ranking: BlockRanking) -> str:
    """The options that use it, and the rule."""
    if not ranking.proposal:
        return "No block's flow follows the motion of these videos: nothing is proposed."
    chosen = ",".join(map(str, ranking.proposal))
    over = "mean and standard deviation over videos" if several(ranking) else "of one video"
    return (
        f"Proposal: --amflow.flow_blocks [{chosen}] --amflow.adapter_blocks [{chosen}]\n"
        f"Rule: {rule_of(ranking)}.\n"
        "Correlation: Spearman's, of a block's flow with the change of pixels, patch by patch; "
        f"{over}. That a block's flow follows motion does not "
        "say that training with it scores higher: compare runs."
    )


def several(ranking: BlockRanking) -> bool:
    """Whether there are videos to compare."""
    return len(ranking.correlations) > 1


def rule_of(ranking: BlockRanking) -> str:
    """How the proposal was made."""
    return RULE if several(ranking) else BEST


def ranking_told(ranking: BlockRanking) -> dict[str, Any]:
    """JSON-able."""
    return {
        "videos": len(ranking.correlations),
        "still": list(ranking.still),
        "blocks": ranking_rows(ranking),
        "proposal": list(ranking.proposal),
        "rule": rule_of(ranking),
    }


def ranking_rows(ranking: BlockRanking) -> list[dict[str, Any]]:
    """A row a block, the best first. The spread of one video is None."""
    means, spreads = ranking.means, ranking.spreads
    return [
        {
            "block": ranking.blocks[place],
            "correlation": round(float(means[place]), 4),
            "spread": None if spreads is None else round(float(spreads[place]), 4),
            "read": ranking.read[place],
        }
        for place in (-means).argsort(kind="stable").tolist()
    ]
