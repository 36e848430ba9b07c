"""stillmotion recipes: list, show and copy the published recipes."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from stillmotion.commands.shared import Arguments
from stillmotion.parsing import Parser
from stillmotion.recipes import published_recipe, published_recipes


def run(arguments: Arguments) -> int:
    """List the recipes, print one, or write one to a file."""
    parser = Parser(
        "recipes",
        "[list | show NAME | copy NAME [FILE]]",
        "The published settings of every method as commented files: what they reproduce, the "
        "published number, and what is not done here as it was done there. Example: stillmotion "
        "recipes copy aim_k400_b && stillmotion train --config aim_k400_b.yaml DATA --out DIR",
    )
    parser.add_argument("action", nargs="?", default="list", choices=("list", "show", "copy"))
    parser.add_argument("name", nargs="?", default=None, help="a recipe, to show or copy")
    parser.add_argument("file", nargs="?", default=None, help="where to; by default NAME.yaml")
    values = parser.parse(arguments)
    action, name, file = values["action"], values["name"], values["file"]
    if (name is None) != (action == "list"):
        parser.error(f"recipes {action} takes {'a' if name is None else 'no'} name")
    if file is not None and action != "copy":
        parser.error(f"recipes {action} writes no file")
    if action == "list":
        Console().print(table())
    elif action == "show":
        print(published_recipe(name).text, end="")
    else:
        to = Path(file or f"{name}.yaml")
        published_recipe(name).copy(to)
        print(f"now: stillmotion train --config {to} DATA --out DIR")
    return 0


def table() -> Table:
    """A row a recipe."""
    listed = Table()
    listed.add_column("recipe", no_wrap=True)
    listed.add_column("what it trains")
    listed.add_column("published")
    for name, recipe in published_recipes().items():
        listed.add_row(name, recipe.what, recipe.published)
    return listed
