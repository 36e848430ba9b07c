"""stillmotion info: count parameters and multiply-adds."""

import json

from rich.console import Console

from stillmotion.commands.shared import Arguments
from stillmotion.parsing import Parser, add_method


def run(arguments: Arguments) -> int:
    """Count."""
    parser = Parser(
        "info",
        "[options]",
        "Count parameters by part and multiply-adds of a clip, for any backbone with any method. "
        "No weights are needed or downloaded. Example: stillmotion info --backbone "
        "vit_base_patch16_224 --preset paper --num_classes 400",
    )
    parser.add_argument("--backbone", default="vit_base_patch16_224", help="timm's name")
    parser.add_argument("--num_frames", type=int, default=8, help="frames of a clip")
    parser.add_argument("--num_classes", type=int, default=400, help="classes of the head")
    parser.add_argument("--image_size", type=int, default=None, help="pixels a side")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    name = add_method(parser, arguments)
    values = parser.parse(arguments)
    from stillmotion.accounting import account
    from stillmotion.methods import get_method

    counted = account(
        values["backbone"],
        get_method(name).with_fields(values[name]),
        num_frames=values["num_frames"],
        num_classes=values["num_classes"],
        image_size=values["image_size"],
    )
    if values["json"]:
        print(json.dumps(counted.to_dict(), indent=2))
    else:
        Console().print(counted.table())
        if (name, values["preset"]) == ("amflow", "paper"):
            from stillmotion.paper_figures import paper_comparison

            Console().print(paper_comparison())
    return 0
