"""Every row of the study: a method, how it is read, and how long it trains."""

from dataclasses import dataclass, replace

from positional import Positional

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
    long_of: str | None = None
    """The row with the same method and the usual budget, whose rate this one takes."""


RIVALS: dict[str, Row] = {
    "ST-Adapter": Row(STAdapter(width=96), "own read-out"),
    "AIM": Row(AIM(), "own read-out"),
    "ZeroI2V": Row(ZeroI2V(), "own read-out"),
    "DualPath": Row(DualPath(), "own read-out"),
    "AdaptFormer": Row(AdaptFormer(), "own read-out"),
    "LoRA": Row(LoRA(), "own read-out"),
    "full fine-tuning": Row(FullFineTuning(), "own read-out", rates="whole model"),
}
FROZEN = Row(LinearProbe(), "own read-out")


def positional(row: Row) -> Row:
    """The same method, read as AM Flow `small` is."""
    return replace(row, method=Positional(inner=row.method), group="positional read-out")


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
    "small, serial without flow": replace(SMALL, placement="serial", flow="none"),
    "paper, static, TCN": replace(AMFlow.paper("tcn"), flow="static"),
    "paper, aligned, transformer": AMFlow.paper(),
}
STAGES = {
    "AIM, spatial": AIM(adaptation="spatial"),
    "AIM, spatial and temporal": AIM(adaptation="temporal"),
}

# In the order in which they are run: what is asked first of all comes first.
ROWS: dict[str, Row] = {
    "temporal probe": Row(TemporalProbe(), "own read-out"),
    "attentive probe": Row(AttentiveProbe(), "own read-out"),
    "linear probe": FROZEN,
    **{name: Row(AMFLOW[name], "AM Flow") for name in list(AMFLOW)[:6]},
    "linear probe, positional": positional(FROZEN),
    **RIVALS,
    **{f"{name}, positional": positional(row) for name, row in RIVALS.items()},
    **{name: Row(AMFLOW[name], "AM Flow") for name in list(AMFLOW)[6:]},
    **{name: Row(method, "own read-out") for name, method in STAGES.items()},
}
SLOW = ("temporal probe", "side", *RIVALS)
ROWS |= {f"{name}, long": replace(ROWS[name], group="long", long_of=name) for name in SLOW}
