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
    """What is trained, under which heading it stands, and whether it gets the long budget."""

    method: Method
    group: str
    long: bool = False


AMFLOW = {
    "small": SMALL,
    "small, aligned": replace(SMALL, flow="aligned"),
    "small, without flow": replace(SMALL, flow="none"),
    "small, transformer": replace(SMALL, tpm="transformer"),
    "small, LSTM": replace(SMALL, tpm="lstm", tpm_hidden_ratio=0.5),
    "small, all blocks": replace(SMALL, flow_blocks="all", adapter_blocks="all"),
    "small, first and last block": replace(SMALL, flow_blocks=ENDS, adapter_blocks=ENDS),
    "small, serial": replace(SMALL, placement="serial"),
    "small, serial without flow": replace(SMALL, placement="serial", flow="none"),
    "small, learned vote": replace(SMALL, vote="linear"),
    "small, averaged loss": replace(SMALL, loss="averaged"),
    "side": SIDE,
    "side, aligned": replace(SIDE, flow="aligned"),
    "side, without flow": replace(SIDE, flow="none"),
    "paper (static, TCN)": replace(AMFlow.paper("tcn"), flow="static"),
    "paper (aligned, transformer)": AMFlow.paper(),
}
RIVALS: dict[str, Method] = {
    "AIM": AIM(),
    "ZeroI2V": ZeroI2V(),
    "ST-Adapter": STAdapter(width=96),
    "DualPath": DualPath(),
    "AdaptFormer": AdaptFormer(),
    "LoRA": LoRA(),
    "full fine-tuning": FullFineTuning(),
}
PROBES = {
    "linear probe": LinearProbe(),
    "attentive probe": AttentiveProbe(),
    "temporal probe": TemporalProbe(),
}
SLOW = ("AIM", "ZeroI2V", "ST-Adapter", "DualPath", "AdaptFormer", "LoRA", "full fine-tuning")
"""They have their read-out alone to begin with, and may need many steps."""

ROWS: dict[str, Row] = {
    **{name: Row(method, "AM Flow") for name, method in AMFLOW.items()},
    **{name: Row(method, "own read-out") for name, method in (RIVALS | PROBES).items()},
    **{f"{name}, long": Row(RIVALS[name], "own read-out, long", long=True) for name in SLOW},
    **{
        f"{name}, positional": Row(Positional(inner=method), "positional read-out")
        for name, method in (RIVALS | {"frozen": LinearProbe()}).items()
    },
}
