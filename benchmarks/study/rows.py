"""Every row of the study: a method, how it is read, and how long it trains."""

from dataclasses import dataclass, replace
from typing import Literal

from positional import Positional
from side4video import Side4Video

from harness import PARALLEL
from stillmotion.methods import (
    AIM,
    AdaptFormer,
    AMFlow,
    AttentiveProbe,
    DualPath,
    FullFineTuning,
    LinearProbe,
    LoRA,
    Method,
    STAdapter,
    TemporalProbe,
    ZeroI2V,
)

SIDE = AMFlow.small()
ENDS = (0, -1)
LAST_SIX = (-6, -5, -4, -3, -2, -1)
PAPER = replace(AMFlow.paper("tcn"), flow="static")


@dataclass(frozen=True)
class Row:
    """What is trained, and under which heading it stands."""

    method: Method
    group: str
    rates: str = "adapters"
    """Which of the budget's rates are tried."""
    rate_of: str | None = None
    """The row whose chosen rate this one takes; None: it chooses its own."""
    stage: Literal["folds", "probes", "part", "long", "few", "choice"] = "folds"
    """Which of the budget's stages it is run in."""
    searched: Literal["inner", "slow"] = "inner"
    """The stage in which its rate is chosen."""
    cache_clips: int = 0
    """Random clips of each training video whose features are computed once; 0: new ones always."""


def own(method: Method, *, rates: str = "adapters") -> Row:
    """A method with the read-out that its authors gave it, which learns late."""
    return Row(method, "own read-out", rates, stage="long", searched="slow")


# As their authors set them where motion decides (Something-Something), for a backbone of C = 192.
RIVALS: dict[str, Row] = {
    "ST-Adapter": own(STAdapter(width=96, placement="both")),
    "AIM": own(AIM(adapters=4, scale=1.0)),
    "ZeroI2V": own(ZeroI2V(offsets=(-1, 1, -2, 2), divisors=(12,) * 4, scale=1.0)),
    "DualPath": own(DualPath(grid_side=3)),  # 8 frames leave half of the published 4 x 4 empty
    "AdaptFormer": own(AdaptFormer()),
    "LoRA": own(LoRA()),
    "full fine-tuning": own(FullFineTuning(), rates="whole model"),
}


def probe(method: Method) -> Row:
    """What reads frozen features, on clips whose features are computed once."""
    return Row(method, "computed once", stage="probes", searched="slow", cache_clips=8)


def positional(row: Row) -> Row:
    """The same method, read as AM Flow `small` is, too."""
    return Row(Positional(inner=row.method), "positional read-out", row.rates, stage="part")


def paper(method: AMFlow, rate_of: str | None = None) -> Row:
    """AM Flow without a grid, centring and losses of branches, which learns late."""
    return Row(method, "AM Flow", rate_of=rate_of, stage="long", searched="slow")


# AM Flow `small` by its placement, with one change each.
INJECTED = {
    "parallel, aligned": replace(PARALLEL, flow="aligned"),
    "serial": replace(PARALLEL, placement="serial"),
    "serial, without flow": replace(PARALLEL, placement="serial", flow="none"),
    "parallel, first and last block": replace(PARALLEL, flow_blocks=ENDS, adapter_blocks=ENDS),
    "parallel, all blocks": replace(PARALLEL, flow_blocks="all", adapter_blocks="all"),
}
SIDES = {
    "side, without flow": replace(SIDE, flow="none"),
    "side, learned vote": replace(SIDE, vote="linear"),
    "side, averaged loss": replace(SIDE, loss="averaged"),
    "side, first and last block": replace(SIDE, flow_blocks=ENDS, adapter_blocks=ENDS),
    "side, all blocks": replace(SIDE, flow_blocks="all", adapter_blocks="all"),
}
TEMPORAL = {
    "side, transformer": replace(SIDE, tpm="transformer"),
    "side, LSTM": replace(SIDE, tpm="lstm", tpm_hidden_ratio=0.5),
}
"""Other temporal units, which may want other steps than the TCN."""
# What trains before the flow, or reads the last frame alone, cannot be computed once; whether flow
# or read-out leads is asked where `side` does.
SIDES_ANEW = {
    "side, without flow, new crops": SIDES["side, without flow"],
    "side, aligned": replace(SIDE, flow="aligned"),
    "side, streaming": AMFlow.streaming(),
}
CANDIDATES = {
    "side": SIDE,
    "without flow": SIDES["side, without flow"],
    "flow over 1, 2 and 4 frames": replace(SIDE, flow_steps=(1, 2, 4)),
    "log flow": replace(SIDE, flow_scale="log"),
    "grid of 7 x 7 cells, 8 channels": replace(SIDE, grid_cells=7, grid_channels=8),
    "attention squeeze": replace(SIDE, tpm_tokens="attention"),
    "mean squeeze": replace(SIDE, tpm_tokens="mean"),
    "not centred": replace(SIDE, centre="none"),
    "adapters half as wide": replace(SIDE, adapter_ratio=0.125),
    "adapters twice as wide": replace(SIDE, adapter_ratio=0.5),
    "temporal units half as wide": replace(SIDE, tpm_ratio=0.25),
    "temporal units one and a half times as wide": replace(SIDE, tpm_ratio=0.75),
    "last two blocks": replace(SIDE, flow_blocks=(-2, -1), adapter_blocks=(-2, -1)),
    "last six blocks": replace(SIDE, flow_blocks=LAST_SIX, adapter_blocks=LAST_SIX),
    "every third block": replace(SIDE, flow_blocks=(2, 5, 8, 11), adapter_blocks=(2, 5, 8, 11)),
    "branches' own loss": replace(SIDE, loss="branches"),
    "averaged loss": SIDES["side, averaged loss"],
}
"""The side form with one change each, on features that are computed once, at the rate of `side`."""

STAGES = {
    "AIM, spatial, positional": AIM(adaptation="spatial", scale=1.0),
    "AIM, spatial and temporal, positional": AIM(adaptation="temporal", scale=1.0),
    "AIM, all three stages, positional": AIM(scale=1.0),
}
"""AIM's gradual adaptation, which its own read-out is too slow to tell."""

# In the order in which they are run: what is asked first of all comes first.
ROWS: dict[str, Row] = {
    "parallel": Row(PARALLEL, "AM Flow"),
    "parallel, without flow": Row(replace(PARALLEL, flow="none"), "AM Flow"),
    "side": Row(SIDE, "AM Flow"),
    "side, computed once": Row(SIDE, "computed once", rate_of="side", cache_clips=8),
    "temporal probe, computed once": probe(TemporalProbe()),
    "temporal probe of a grid, computed once": probe(TemporalProbe(tokens="grid")),
    "linear probe, computed once": probe(LinearProbe()),
    "attentive probe, computed once": probe(AttentiveProbe()),
    "linear probe, positional": Row(Positional(inner=LinearProbe()), "positional read-out"),
}
ROWS |= {
    f"choice: {name}": Row(method, "choice", rate_of="side", stage="choice", cache_clips=8)
    for name, method in CANDIDATES.items()
}
ROWS["choice: aligned, a sixteenth as wide"] = Row(
    replace(SIDE, flow="aligned", align_ratio=1 / 16, align_hidden_ratio=1 / 8),
    "choice",
    rate_of="side",
    stage="choice",
)
ROWS |= {
    f"choice: {name}": Row(ROWS[name].method, "choice", rate_of=name, stage="choice")
    for name in ("parallel", "parallel, without flow")
}
ROWS["choice: at the rate of parallel adapters"] = replace(ROWS["choice: side"], rate_of="parallel")
ROWS["choice: parallel, at the rate of side"] = replace(ROWS["choice: parallel"], rate_of="side")
ROWS |= {
    "linear probe, positional behind the last block": Row(
        Positional(inner=LinearProbe(), blocks=1), "positional read-out", stage="part"
    ),
    **{f"{name}, positional": positional(row) for name, row in RIVALS.items()},
    **{
        name: Row(method, "AM Flow", rate_of="parallel", stage="part")
        for name, method in INJECTED.items()
    },
    **RIVALS,
    "Side4Video": own(Side4Video()),
    "paper, static, TCN": paper(PAPER),
    "paper, without flow, TCN": paper(replace(PAPER, flow="none"), "paper, static, TCN"),
    "paper, aligned, transformer": paper(AMFlow.paper()),
}
AT_ONE_RATE = ("parallel", "AdaptFormer, positional")
"""Rows that also learn at the rate of `side`, four times theirs."""
FEW = (
    "parallel",
    "parallel, without flow",
    "side",
    "side, computed once",
    "serial",
    "linear probe, positional",
    "linear probe, positional behind the last block",
    "temporal probe of a grid, computed once",
    "ST-Adapter, positional",
    "AIM, positional",
    "AdaptFormer, positional",
    "LoRA, positional",
    "Side4Video",
)
ROWS |= {
    f"few: {name}": replace(
        ROWS[name], group="few", rate_of=ROWS[name].rate_of or name, stage="few"
    )
    for name in FEW
}
ROWS |= {
    f"few: {name}, at the rate of side": replace(ROWS[f"few: {name}"], rate_of="side")
    for name in AT_ONE_RATE
}
ROWS |= {
    f"few: {name}": Row(method, "few", rate_of="side", stage="few", cache_clips=8)
    for name, method in SIDES.items()
}
ROWS |= {
    f"few: {name}": Row(method, "few", stage="few", cache_clips=8)
    for name, method in TEMPORAL.items()
}
ROWS |= {
    f"few: {name}": Row(method, "few", rate_of="side", stage="few")
    for name, method in SIDES_ANEW.items()
}
ROWS |= {
    f"few: {name}": Row(Positional(inner=method), "few", rate_of="AIM, positional", stage="few")
    for name, method in STAGES.items()
}


def label(name: str) -> str:
    """A row's name in a table; with few videos it says, too, whether features are computed once."""
    unsaid = ROWS[name].stage == "few" and ROWS[name].cache_clips and "computed once" not in name
    return f"{name}, computed once" if unsaid else name
