"""stillmotion train: teach an image model the classes of videos."""

import signal
import sys
from dataclasses import replace
from pathlib import Path

from stillmotion.commands.shared import DATA, Arguments
from stillmotion.errors import ConfigurationError
from stillmotion.parsing import Parser, add_method, early, recipe_from
from stillmotion.processes import is_main
from stillmotion.recipe import Recipe


def run(arguments: Arguments) -> int:
    """Train; with --resume go on with what was stopped."""
    recipe, resume = asked_for(arguments)
    from stillmotion.training import train

    try:
        done = train(recipe, resume=resume)
    except KeyboardInterrupt as stop:
        if is_main():
            print(
                f"\nstopped; what is saved is kept. Go on: stillmotion train --resume "
                f"--out {recipe.out}",
                file=sys.stderr,
            )
        return 128 + getattr(stop, "signal", signal.SIGINT)
    if is_main():
        best, scores = (done.directory / name for name in ("best", "evaluation.json"))
        print(f"the adapter: {best}   scores: {scores}")
    return 0


def asked_for(arguments: Arguments) -> tuple[Recipe, bool]:
    """The recipe, and whether its run is to be resumed."""
    parser = Parser(
        "train",
        "DATA --out DIR [options]",
        "Teach an image model the classes of your videos, by training a few per cent of its "
        "parameters. The best epoch's adapter, its scores and the whole recipe are written to DIR. "
        "Without a test split the validation videos are scored. Options may stand in a YAML file "
        "(--config); --print_config writes one. Example: stillmotion train videos/ --out runs/a",
    )
    parser.add_argument("--config", action="config", help="YAML file with options; others win")
    parser.add_argument("data", nargs="?", help=DATA)
    parser.add_argument("--cache", default=None, help="short for --videos.cache")
    parser.add_argument("--resume", action="store_true", help="go on with the run in DIR")
    parser.add_class_arguments(Recipe, skip={"data", "method"})
    add_method(parser, arguments)
    values = parser.parse(arguments)
    resume = values.pop("resume")
    if cache := values.pop("cache"):
        values["videos"]["cache"] = cache
    values["data"] = values["data"] or early(arguments).get("data")
    if resume and values["data"] is None:
        refuse_settings(arguments)
        earlier = Recipe.read(recipe_of(Path(values["out"])))
        return replace(earlier, out=values["out"]), resume
    if values["data"] is None:
        raise ConfigurationError(f"which videos? Give {DATA}: stillmotion train DATA --out DIR")
    return recipe_from(values), resume


def refuse_settings(arguments: Arguments) -> None:
    """A run is resumed with its own settings; others would be ignored."""
    given = {word.split("=")[0] for word in arguments if word.startswith("--")}
    if others := sorted(given - {"--resume", "--out"}):
        raise ConfigurationError(
            f"--resume goes on with the run's own settings; leave out {', '.join(others)}"
        )


def recipe_of(run: Path) -> Path:
    """The recipe of a run that train began.

    Raises:
        ConfigurationError: where there is none.
    """
    path = run / "recipe.yaml"
    if not path.is_file():
        raise ConfigurationError(f"there is nothing to resume in {run}: train has not begun it")
    return path
