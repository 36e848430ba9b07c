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
        "vit_base_patch16_224 --preset paper --num_classes 400. Or print what the papers print "
        "beside ours: stillmotion info --table published",
    )
    parser.add_argument(
        "--table",
        default=None,
        choices=("published",),
        help="instead: every published configuration of AIM, ZeroI2V, ST-Adapter, DualPath, "
        "AdaptFormer and AM Flow, its figures beside ours (a quarter of a minute)",
    )
    parser.add_argument("--backbone", default="vit_base_patch16_224", help="timm's name")
    parser.add_argument("--num_frames", type=int, default=8, help="frames of a clip")
    parser.add_argument("--num_classes", type=int, default=400, help="classes of the head")
    parser.add_argument("--image_size", type=int, default=None, help="pixels a side")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    name = add_method(parser, arguments)
    values = parser.parse(arguments)
    if values["table"]:
        return published(parser, arguments, as_json=values["json"])
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


def published(parser: Parser, arguments: Arguments, *, as_json: bool) -> int:
    """Count every published configuration."""
    for word in arguments:
        option = word.split("=")[0]
        if option.startswith("--") and option not in ("--table", "--json"):
            parser.error(f"--table published has its own configurations: it takes no {option}")
    from stillmotion.published import published_table, to_dict

    if as_json:
        print(json.dumps(to_dict(), indent=2))
    else:
        Console().print(published_table())
    return 0
