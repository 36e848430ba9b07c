"""The published recipes that come with the package: commented YAML files for `train --config`."""

from dataclasses import dataclass
from pathlib import Path

from stillmotion.errors import ConfigurationError, unknown
from stillmotion.files import refuse_existing, write_text

FOLDER = Path(__file__).parent / "assets" / "recipes"
PUBLISHED = "# Published: "


@dataclass(frozen=True, kw_only=True)
class PublishedRecipe:
    """A recipe file and what its first two lines say of it."""

    name: str
    path: Path
    what: str
    """Method, image model, data set and frames."""
    published: str
    """The published accuracy and where it stands; or that there is none."""

    @property
    def text(self) -> str:
        """The file, comments and all."""
        return self.path.read_text(encoding="utf-8")

    def copy(self, to: Path) -> None:
        """Write the file elsewhere.

        Raises:
            ConfigurationError: where something is there already.
        """
        refuse_existing(to)
        write_text(to, self.text)


def published_recipes() -> dict[str, PublishedRecipe]:
    """All of them by name, in the order of the alphabet."""
    return {path.stem: read(path) for path in sorted(FOLDER.glob("*.yaml"))}


def published_recipe(name: str) -> PublishedRecipe:
    """The recipe of this name.

    Raises:
        ConfigurationError: for an unknown name, with the nearest known one.
    """
    known = published_recipes()
    if name not in known:
        raise ConfigurationError(unknown("recipe", name, known))
    return known[name]


def read(path: Path) -> PublishedRecipe:
    """A recipe from its file, which opens with what it reproduces and the published number."""
    what, published = path.read_text(encoding="utf-8").splitlines()[:2]
    return PublishedRecipe(
        name=path.stem,
        path=path,
        what=what.removeprefix("# "),
        published=published.removeprefix(PUBLISHED),
    )
