"""Arrays in, pictures out: charts of scores, clips, attention-map flow; pages of an evaluation, a
comparison, a demonstration and an explanation.

Charts and flow pictures are matplotlib figures; a `Theme` turns them into PNG or SVG. Names load on
first use; only `attention_flow`, which asks a model, needs torch.
"""

import importlib
from typing import Any

_PUBLIC = {
    "DARK": "theme",
    "LIGHT": "theme",
    "BlockFlow": "flow",
    "Contender": "demonstration",
    "Demonstration": "demonstration",
    "Example": "demonstration",
    "Explanation": "explanation",
    "FlowExample": "demonstration",
    "Score": "drawing",
    "Theme": "theme",
    "animation": "clips",
    "attention_flow": "extract",
    "bars": "charts",
    "choose_examples": "demonstration",
    "comparison_page": "comparison_html",
    "confusion_matrix": "charts",
    "curves": "charts",
    "demo_page": "page",
    "evaluation_page": "evaluation_html",
    "evaluation_picture": "charts",
    "explanation_page": "explanation_html",
    "explanation_picture": "explanation_sheet",
    "film_strip": "clips",
    "flow_as_heat": "flow",
    "flow_as_rgb": "flow",
    "flow_picture": "flow",
    "per_class": "charts",
    "reliability": "charts",
    "summary_picture": "summary",
    "time_check": "charts",
}

__all__ = [*sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'stillmotion.visualise' has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
