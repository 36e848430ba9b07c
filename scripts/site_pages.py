"""Hooks of mkdocs: where the site's pages lie, and the pages of the reference."""

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
SHOWN = ("*.md", "LICENSE", "docs/*.*", "examples/*.py", "benchmarks/**/*.py", "src/**/*.py")
"""Files that pages are made of, and those that pages link to."""

TABLE = ("| name | what it is |", "|---|---|")


def on_config(config: MkDocsConfig) -> None:
    """The reference in the table of contents, before what concerns the project."""
    pages = [{"All names": page_path("stillmotion")}]
    pages += [{title: page_path(title)} for title in config.extra["reference"]]
    config.nav.insert(-1, {"Reference": pages})


@event_priority(50)  # before mkdocs-jupyter, which looks for its scripts among the files
def on_files(files: Files, config: MkDocsConfig) -> None:
    """Pages lie as in the repository: a link that works there works here."""
    for file in [file for file in files if file.src_dir == config.docs_dir]:
        files.remove(file)
    for path in sorted({path for pattern in SHOWN for path in ROOT.glob(pattern)}):
        name = path.relative_to(ROOT).as_posix()
        files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    for title, text in reference_pages(config.extra["reference"]).items():
        files.append(File.generated(config, page_path(title), content=text))


def page_path(title: str) -> str:
    """Where a page of the reference lies."""
    return f"docs/reference/{title.lower().replace(' ', '-')}.md"


def reference_pages(reference: dict[str, list[str]]) -> dict[str, str]:
    """The Markdown of every page of the reference, by title."""
    pages = {
        title: f"# {title}\n\n" + "".join(f"::: stillmotion.{name}\n\n" for name in names)
        for title, names in reference.items()
    }
    return {"stillmotion": overview(), **pages}


def overview() -> str:
    """The names of the package itself, each with its first line and a link to the rest."""
    package = importlib.import_module("stillmotion")
    names = sorted((name for name in package.__all__ if name[0] != "_"), key=str.lower)
    items = [getattr(package, name) for name in names]
    rows = [f"| {link(item)} | {summary(item)} |" for item in items]
    return "\n".join(["# All names", "", "What `import stillmotion` offers.", "", *TABLE, *rows])


def link(item: Any) -> str:
    """A cross-reference for mkdocstrings, by where the class or function is defined."""
    return f"[`{item.__name__}`][{item.__module__}.{item.__qualname__}]"


def summary(item: Any) -> str:
    """The first sentence of a docstring, fit for a table."""
    first = (inspect.getdoc(item) or "").partition("\n\n")[0].replace("\n", " ")
    return re.sub(r"\s*:$", "", first).replace("|", "\\|")
