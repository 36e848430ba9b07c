"""stillmotion repeat: the same training several times, and the mean with its interval."""

import sys
from pathlib import Path
from typing import Any

from stillmotion.commands.shared import DATA, Arguments
from stillmotion.parsing import Parser, add_method, recipe_from
from stillmotion.processes import is_main
from stillmotion.recipe import Recipe


def run(arguments: Arguments) -> int:
    """Train several times; with the same line again, go on."""
    values = asked_for(arguments)
    data, seeds = values.pop("data"), values.pop("seeds")
    episodes, folds = values.pop("episodes"), values.pop("folds")
    recipe = recipe_from({**values, "data": data[0]})
    from stillmotion.repetition import plan_repeats, run_repeats

    repeats = plan_repeats(recipe, data=data, seeds=seeds, episodes=episodes, folds=folds)
    out = Path(recipe.out)
    try:
        run_repeats(repeats, out)
    except KeyboardInterrupt:
        if is_main():
            print("\nstopped; the same line again goes on from here", file=sys.stderr)
        return 130
    if is_main():
        print(f"all scores: {out / 'repeats.json'}")
    return 0


def asked_for(arguments: Arguments) -> dict[str, Any]:
    """The options as given."""
    parser = Parser(
        "repeat",
        "DATA [DATA ...] --out DIR [options]",
        "Train the same recipe several times and give the mean of the scores with its 95 % "
        "interval: over seeds, over draws of few shots (--videos.shots 5 --episodes 10), over the "
        "folds of a list (--folds true), over several lists (the three splits of UCF101). Every "
        "run is kept in DIR; the same line again goes on where it was stopped. Example: "
        "stillmotion repeat split1.jsonl split2.jsonl split3.jsonl --out runs/ucf --seeds [0,1,2]",
    )
    parser.add_argument("--config", action="config", help="YAML file with options; others win")
    parser.add_argument("data", nargs="+", help=f"{DATA}; several are averaged")
    parser.add_argument("--seeds", type=list[int], default=[0, 1, 2], help="one run for each")
    parser.add_argument("--episodes", type=int, default=1, help="draws of shots and ways")
    parser.add_argument("--folds", type=bool, default=False, help="each split is the test once")
    parser.add_class_arguments(Recipe, skip={"data", "method", "seed"})
    add_method(parser, arguments)
    return parser.parse(arguments)
