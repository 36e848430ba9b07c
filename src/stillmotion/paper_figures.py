"""The sizes that AM Flow's paper (arXiv 2411.02065) prints in its Tables 1 and 2, beside ours.

The paper does not say how the sizes of its parts come about. `AMFlow.paper()` is a **fit** to these
totals: close, not known to be the same, and the row of the LSTM does not follow from it. Nor does
the paper say what its FLOPs count: ours stand beside them, and nothing is promised.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from rich.table import Table

from stillmotion.accounting import Part, count_parts, measure, without_weights
from stillmotion.methods import AMFlow
from stillmotion.model import VideoClassifier

BACKBONE = "vit_base_patch14_dinov2"


@dataclass(frozen=True)
class PaperRow:
    """One row of the tables, and what it takes to count the same of ours."""

    data: str
    num_frames: int
    views: int
    num_classes: int
    tpm: Literal["tcn", "transformer", "lstm"]
    linear: int
    """Millions of parameters of "AM flow and linear layers"."""
    align: int
    """Millions of the aligning encoders."""
    temporal: int
    """Millions of the temporal processing modules."""
    tera_flops: float
    """Of all views."""
    top1: float
    """Accuracy in [0, 1]."""
    top5: float

    def model(self) -> VideoClassifier:
        """Ours, for 224 x 224 pixels, without weights."""
        return without_weights(
            BACKBONE,
            AMFlow.paper(self.tpm),
            num_frames=self.num_frames,
            num_classes=self.num_classes,
            image_size=224,
        )


PAPER_ROWS = (
    PaperRow("SSv2", 24, 1, 174, "tcn", 28, 45, 54, 5.1, 0.748, 0.950),
    PaperRow("SSv2", 24, 1, 174, "transformer", 28, 45, 103, 11.9, 0.746, 0.950),
    PaperRow("SSv2", 8, 1, 174, "lstm", 30, 45, 360, 4.6, 0.583, 0.828),
    PaperRow("K400", 8, 3, 400, "lstm", 32, 45, 360, 5.3, 0.888, 0.982),
    PaperRow("K400", 8, 3, 400, "transformer", 32, 45, 103, 6.9, 0.891, 0.983),
    PaperRow("K400", 32, 3, 400, "transformer", 32, 45, 103, 13.8, 0.896, 0.984),
)
"""DINOv2-B, whose accuracies these are, or CLIP-B, with aligned flow in all twelve blocks."""


def split_as_the_paper(parts: Iterable[Part]) -> dict[str, int]:
    """Parameters of `AMFlow.paper()` under the paper's three headings.

    What only we have, the flow's projection and positions, stands under none.
    """
    size = {part.name: part.parameters for part in parts}
    linear = ("attention_adapter", "mlp_adapter", "branches.project", "head")
    return {
        "linear": sum(size[name] for name in linear),
        "align": size["flow.encoder"],
        "temporal": size["branches.temporal"],
    }


def paper_comparison() -> Table:
    """The paper's rows and ours, counted now (some seconds)."""
    table = Table(
        title=f"AMFlow.paper() on {BACKBONE}: the paper's figures / ours",
        caption="Parameters in millions, in brackets in units of 2^20; ours are a fit, and what "
        "only we have, the flow's projection and positions, is not in it. Tera-FLOPs of all views, "
        "ours two for a multiply-add; the paper's convention is not known.",
    )
    for column in ("data", "TPM", "frames x views"):
        table.add_column(column)
    for column in ("flow and linear", "aligning encoders", "temporal modules", "TFLOPs"):
        table.add_column(column, justify="right")
    for row in PAPER_ROWS:
        model = row.model()
        ours = split_as_the_paper(count_parts(model))
        clip = torch.empty(1, row.num_frames, 3, 224, 224, device="meta")
        flops = 2 * measure(model, clip)[0] * row.views / 1e12
        table.add_row(
            row.data,
            row.tpm,
            f"{row.num_frames} x {row.views}",
            *(
                f"{getattr(row, name)} / {count / 1e6:.1f} ({count / 2**20:.1f})"
                for name, count in ours.items()
            ),
            f"{row.tera_flops} / {flops:.1f}",
        )
    return table
