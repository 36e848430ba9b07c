"""Every row of the study: a method, how it is read, and how long it trains."""

from dataclasses import dataclass, replace
from typing import Literal

from positional import Positional
from side4video import Side4Video

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

SMALL = AMFlow.small()
SIDE = replace(SMALL, placement="side")
ENDS = (0, -1)


@dataclass(frozen=True)
class Row:
    """What is trained, and under which heading it stands."""

    method: Method
    group: str
    rates: str = "adapters"
    """Which of the budget's rates are tried."""
    rate_of: str | None = None
    """The row whose chosen rate this one takes; None: it chooses its own."""
    stage: Literal["folds", "long", "few", "choice"] = "folds"
    """Which of the budget's stages it is run in."""
    searched: Literal["inner", "slow"] = "inner"
    """The stage in which its rate is chosen."""
    cache_clips: int = 0
    """Random clips of each training video whose features are computed once; 0: new ones always."""


def own(method: Method, *, rates: str = "adapters") -> Row:
    """A method with the read-out that its authors gave it."""
    return Row(method, "own read-out", rates=rates, searched="slow")


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
FROZEN = own(LinearProbe())


def probe(method: Method) -> Row:
    """What reads frozen features, on clips whose features are computed once."""
    return Row(method, "computed once", searched="slow", cache_clips=8)


def positional(row: Row) -> Row:
    """The same method, read as AM Flow `small` is, too."""
    return Row(Positional(inner=row.method), "positional read-out")


AMFLOW = {
    "small": SMALL,
    "small, without flow": replace(SMALL, flow="none"),
    "small, aligned": replace(SMALL, flow="aligned"),
    "side": SIDE,
    "side, without flow": replace(SIDE, flow="none"),
    "side, aligned": replace(SIDE, flow="aligned"),
    "small, serial": replace(SMALL, placement="serial"),
    "small, first and last block": replace(SMALL, flow_blocks=ENDS, adapter_blocks=ENDS),
    "small, all blocks": replace(SMALL, flow_blocks="all", adapter_blocks="all"),
    "small, transformer": replace(SMALL, tpm="transformer"),
    "small, LSTM": replace(SMALL, tpm="lstm", tpm_hidden_ratio=0.5),
    "small, learned vote": replace(SMALL, vote="linear"),
    "small, averaged loss": replace(SMALL, loss="averaged"),
    "small, streaming": AMFlow.streaming(),
    "small, serial without flow": replace(SMALL, placement="serial", flow="none"),
}
# Without a grid, centring and losses of branches, which learn late.
PAPER = {
    "paper, without flow, TCN": replace(AMFlow.paper("tcn"), flow="none"),
    "paper, static, TCN": replace(AMFlow.paper("tcn"), flow="static"),
    "paper, aligned, transformer": AMFlow.paper(),
}
CANDIDATES = {
    "small": SMALL,
    "without flow": AMFLOW["small, without flow"],
    "flow over 1 and 2 frames": replace(SMALL, flow_steps=(1, 2)),
    "flow over 1, 2 and 4 frames": replace(SMALL, flow_steps=(1, 2, 4)),
    "log flow": replace(SMALL, flow_scale="log"),
    "log flow over 1, 2 and 4 frames": replace(SMALL, flow_steps=(1, 2, 4), flow_scale="log"),
    "aligned": AMFLOW["small, aligned"],
    "aligned, a sixteenth as wide": replace(
        SMALL, flow="aligned", align_ratio=1 / 16, align_hidden_ratio=1 / 8
    ),
    "aligned by a linear map": replace(SMALL, flow="aligned", align_ratio=1 / 16, align_layers=0),
    "grid of 7 x 7 cells, 8 channels": replace(SMALL, grid_cells=7, grid_channels=8),
    "grid of 2 x 2 cells": replace(SMALL, grid_cells=2),
    "attention squeeze": replace(SMALL, tpm_tokens="attention"),
    "mean squeeze": replace(SMALL, tpm_tokens="mean"),
    "not centred": replace(SMALL, centre="none"),
    "adapters half as wide": replace(SMALL, adapter_ratio=0.125),
    "temporal units half as wide": replace(SMALL, tpm_ratio=0.25),
    "last two blocks": replace(SMALL, flow_blocks=(-2, -1), adapter_blocks=(-2, -1)),
    "every third block": replace(SMALL, flow_blocks=(2, 5, 8, 11), adapter_blocks=(2, 5, 8, 11)),
    "branches' own loss": replace(SMALL, loss="branches"),
    "averaged loss": AMFLOW["small, averaged loss"],
    "side": SIDE,
    "side, without flow": AMFLOW["side, without flow"],
    "side, flow over 1, 2 and 4 frames": replace(SIDE, flow_steps=(1, 2, 4)),
    "side, adapters twice as wide": replace(SIDE, adapter_ratio=0.5),
}
"""AM Flow with one change each, where settings are chosen, at the rate of `small` or `side`."""

STAGES = {
    "AIM, spatial": AIM(adaptation="spatial", scale=1.0),
    "AIM, spatial and temporal": AIM(adaptation="temporal", scale=1.0),
    "AIM, all three stages": AIM(scale=1.0),
}

# In the order in which they are run: what is asked first of all comes first.
ROWS: dict[str, Row] = {
    "small": Row(SMALL, "AM Flow"),
    "small, without flow": Row(AMFLOW["small, without flow"], "AM Flow"),
    "side, computed once": Row(SIDE, "computed once", rate_of="side", cache_clips=8),
    "temporal probe, computed once": probe(TemporalProbe()),
    "temporal probe of a grid, computed once": probe(TemporalProbe(tokens="grid")),
    **{name: Row(AMFLOW[name], "AM Flow") for name in list(AMFLOW)[2:6]},
    "linear probe, positional": positional(FROZEN),
    "linear probe, positional behind the last block": Row(
        Positional(inner=FROZEN.method, blocks=1), "positional read-out"
    ),
    **RIVALS,
    **{f"{name}, positional": positional(RIVALS[name]) for name in list(RIVALS)[:-1]},
    "Side4Video": own(Side4Video()),
    "temporal probe": own(TemporalProbe()),
    "attentive probe": own(AttentiveProbe()),
    "linear probe": FROZEN,
    **{name: Row(AMFLOW[name], "AM Flow") for name in list(AMFLOW)[6:]},
    **{name: Row(method, "AM Flow", searched="slow") for name, method in PAPER.items()},
    **{name: own(method) for name, method in STAGES.items()},
}
ROWS |= {
    f"choice: {name}": Row(
        method, "choice", rate_of="side" if name.startswith("side") else "small", stage="choice"
    )
    for name, method in CANDIDATES.items()
}
FEW = (
    "small",
    "small, without flow",
    "side",
    "linear probe, positional",
    "ST-Adapter, positional",
    "AIM, positional",
    "ST-Adapter",
    "temporal probe of a grid, computed once",
)
ROWS |= {
    f"few: {name}": replace(ROWS[name], group="few", rate_of=name, stage="few") for name in FEW
}
LONG = (
    "small",
    "side, computed once",
    "temporal probe, computed once",
    *RIVALS,
    "Side4Video",
    "paper, without flow, TCN",
    "paper, static, TCN",
)
ROWS |= {
    f"{name}, long": replace(
        ROWS[name], group="long", rate_of=ROWS[name].rate_of or name, stage="long"
    )
    for name in LONG
}
