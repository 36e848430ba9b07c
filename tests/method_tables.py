"""Writes the tables of docs/methods.md from the registry: `python tests/method_tables.py`.

Every mark comes from a model that was built, run and trained one step here.
"""

import re
from pathlib import Path

from torch.nn.functional import cross_entropy

from models import CLASSES, FAMILIES, image_model, moving, trained
from stillmotion.accounting import count_parts, without_weights
from stillmotion.backbones import FixedBlock, open_backbone
from stillmotion.errors import StillmotionError
from stillmotion.methods import METHODS, Method

PAGE = Path(__file__).parents[1] / "docs" / "methods.md"
GROUPS = {
    "ViT, DeiT": ("vit", "deit3", "vit_normed"),
    "CLIP": ("clip",),
    "DINOv2": ("dinov2", "dinov2_reg", "dinov2_swiglu"),
    "SigLIP, MAE": ("siglip", "mae"),
    "EVA-02": ("eva02", "eva02_tiny", "eva_normed"),
    "DINOv3": ("dinov3", "dinov3_bias"),
    "PE": ("pe",),
    "Hiera": ("hiera", "hiera_abswin"),
}
"""What people call the families of tests/models.py."""


def works(method: Method, family: str) -> str:
    """``yes``, how many blocks where not all can be adapted, or why not."""
    try:
        model = trained(method, family).train()
        logits = model(moving())
        cross_entropy(logits, logits.detach().argmin(dim=1) % CLASSES).backward()
    except StillmotionError as error:
        return f"no: {error}"
    fixed = [b for b in open_backbone(image_model(family)).blocks if isinstance(b, FixedBlock)]
    return "yes ¹" if fixed else "yes"


def pairs() -> str:
    """Which method works on which family."""
    assert {family for group in GROUPS.values() for family in group} == set(FAMILIES)
    rows = []
    for name, method in METHODS.items():
        cells = []
        for families in GROUPS.values():
            told = {works(method(), family) for family in families}
            cells.append(" / ".join(sorted(told)))
        rows.append([f"`{name}`", *cells])
    return table(["method", *GROUPS], rows)


def promises() -> str:
    """What each method says of itself, and what it trains of CLIP's ViT-B/16 at 8 frames."""
    rows = []
    for name, cls in METHODS.items():
        method = cls()
        model = without_weights(
            "vit_base_patch16_clip_quickgelu_224.openai", method, num_frames=8, num_classes=400
        )
        parts = [part for part in count_parts(model) if "." not in part.name]
        trains = sum(part.trained for part in parts if part.name != "head")
        rows.append(
            [
                f"`{name}`",
                f"{trains:,}",
                "yes" if method.sees_order else "no",
                "yes" if method.starts_as_image_model else "no",
                "yes" if cls.merged is not Method.merged else "no",
            ]
        )
    head = ["method", "trained, head apart", "sees the order", "starts as image model", "merges"]
    return table(head, rows)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def with_tables(page: str) -> str:
    """A page with fresh tables between its marks."""
    for name, make in (("promises", promises), ("pairs", pairs)):
        marks = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        fresh = make() + "\n"
        page, found = re.subn(marks, lambda m, t=fresh: m[1] + t + m[2], page, flags=re.DOTALL)
        assert found == 1, f"{PAGE.name} has no place for {name}"
    return page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
