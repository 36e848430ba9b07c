"""Where inside an epoch a run stands: what makes the rest of the epoch the same to the last bit.

Which batches are left follows from the epoch's seed and a number, and the clips in them from the
seed, the epoch and the video. So a position is that number, the state of the generators that
dropout and mixing draw from, and the sums that the epoch's row of metrics is made of. Each process
has its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import Tensor

from stillmotion.errors import ConfigurationError
from stillmotion.training.log import Meter


@dataclass
class Position:
    """Batches of an epoch that one process has done."""

    batches: int
    seconds: float
    """Since the epoch began, in all sessions."""
    failures: dict[int, str]
    """Videos that could not be read so far, and why."""
    totals: Tensor
    """Of the meter: loss, right answers, clips."""
    generators: dict[str, Tensor] = field(default_factory=dict)
    """States of torch's generators, by kind of device."""

    @classmethod
    def now(cls, batches: int, meter: Meter, failures: dict[int, str]) -> "Position":
        """What this process has just done."""
        generators = {"cpu": torch.get_rng_state()}
        if meter.loss.device.type == "cuda":
            generators["cuda"] = torch.cuda.get_rng_state(meter.loss.device)
        return cls(batches, meter.seconds, dict(failures), meter.totals().cpu(), generators)

    def restore(self, meter: Meter) -> None:
        """Put generators and meter back where they were."""
        meter.begin_at(self.totals, seconds=self.seconds)
        torch.set_rng_state(self.generators["cpu"])
        if "cuda" in self.generators and meter.loss.device.type == "cuda":
            torch.cuda.set_rng_state(self.generators["cuda"], meter.loss.device)

    def to_parts(self, prefix: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """What of it is JSON, and its tensors under names that begin with the prefix."""
        told = {"batches": self.batches, "seconds": self.seconds, "failures": self.failures}
        tensors = {f"{prefix}.generator.{kind}": t for kind, t in self.generators.items()}
        return told, tensors | {f"{prefix}.totals": self.totals}

    @classmethod
    def from_parts(
        cls, prefix: str, told: dict[str, Any], tensors: dict[str, Tensor]
    ) -> "Position":
        """The inverse of `to_parts`."""
        begins = f"{prefix}.generator."
        return cls(
            batches=told["batches"],
            seconds=told["seconds"],
            failures={int(index): reason for index, reason in told["failures"].items()},
            totals=tensors[f"{prefix}.totals"],
            generators={
                k.removeprefix(begins): t for k, t in tensors.items() if k.startswith(begins)
            },
        )


def of_all_processes(position: Position) -> list[Position]:
    """The positions of all processes, in their order, on each of them."""
    return gather_object([position])


def of_this_process(
    positions: Sequence[Position], *, process: int, processes: int
) -> Position | None:
    """This process's own; None where the state was saved between two epochs.

    Raises:
        ConfigurationError: another number of processes, to which the batches are dealt otherwise.
    """
    if not positions:
        return None
    if len(positions) != processes:
        raise ConfigurationError(
            f"the run was stopped inside an epoch with {len(positions)} processes; go on with as "
            f"many, not {processes}"
        )
    return positions[process]
