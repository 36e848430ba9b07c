"""Follows every link of a built site: to a file that is there, and to a place inside it that is.

python scripts/check_links.py SITE

Links to other sites are held to their form alone, and nothing that a page or a style loads may lie
there: pictures, styles, scripts and fonts are the site's own. Exit status 1 where a link leads
nowhere.
"""

import re
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {
    *("audio", "embed", "iframe", "image", "img", "input", "link", "script", "source", "style"),
    *("track", "use", "video"),
}
"""Elements whose links a browser fetches without being asked."""

LINKING = ("href", "src", "poster", "xlink:href")
"""Attributes that are a link."""

CANDIDATE = re.compile(r"([^\s,](?:\S*[^\s,])?)(?:\s[^,]*)?(?:,|$)")
"""One of a `srcset`: a link, perhaps with its width or density."""

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
IN_STYLE = re.compile(
    r"""(?:url\(\s*|@import\s+)(?:"(?P<a>[^"]*)"|'(?P<b>[^']*)')|url\(\s*(?P<c>[^\s"')]+)""", re.I
)
"""What a style loads: `url(...)` with quotes or without, `@import "..."`."""

OUTSIDE = re.compile(r"https?://[\w-]+(\.[\w-]+)+(:\d+)?([/?#]\S*)?|mailto:\S+@\S+\.\S+")
WITHIN = re.compile(r"data:|blob:|javascript:void")


class Page(HTMLParser):
    """The links of a page and the names of its places.

    Attributes:
        links: (element, target) in the order of the page.
        places: what a fragment may name.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.places: set[str] = set()
        self.is_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element links to, and what it is called."""
        known = {name: value for name, value in attrs if value is not None}
        self.places |= {known[name] for name in ("id", "name") if name in known}
        self.links += [(tag, known[name]) for name in LINKING if name in known]
        self.links += [(tag, link) for link in CANDIDATE.findall(known.get("srcset", ""))]
        self.links += [("style", link) for link in links_of_style(known.get("style", ""))]
        self.is_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        """What follows is no style."""
        self.is_style = False

    def handle_data(self, data: str) -> None:
        """Note what a style inside the page loads."""
        if self.is_style:
            self.links += [("style", link) for link in links_of_style(data)]


def links_of_style(text: str) -> list[str]:
    """What a style loads, in its order."""
    found = IN_STYLE.finditer(COMMENT.sub("", text))
    return [next(filter(None, match.groups()), "") for match in found]


@cache
def page_at(path: Path) -> Page:
    """A page, read once."""
    return Page(path.read_text(encoding="utf-8"))


def links_of(path: Path) -> list[tuple[str, str]]:
    """The links of a page, or of a style that pages share."""
    if path.suffix == ".html":
        return page_at(path).links
    return [("style", link) for link in links_of_style(path.read_text(encoding="utf-8"))]


def fault(site: Path, path: Path, element: str, target: str) -> str | None:
    """What is wrong with a link of a page or style; None: nothing."""
    parts = urlsplit(target)
    if WITHIN.match(target):
        return None
    if parts.scheme or parts.netloc:
        if element in LOADED:
            return "is loaded from another site"
        return None if OUTSIDE.fullmatch(target) else "is no address"
    if parts.path.startswith("/"):
        return "begins at the root of the server, so it fails where the site lies elsewhere"
    found = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    found = found / "index.html" if found.is_dir() else found
    if not found.is_relative_to(site) or not found.is_file():
        return "leads to no file"
    place = unquote(parts.fragment)
    if place and found.suffix == ".html" and place not in page_at(found).places:
        return "leads to no place in that page"
    return None


def faults(site: Path) -> list[str]:
    """A line for each link that is wrong."""
    site = site.resolve()
    return [
        f"{path.relative_to(site)}: {target} {wrong}"
        for path in sorted([*site.rglob("*.html"), *site.rglob("*.css")])
        if path.name != "404.html"  # shown wherever a page is missing, so it links to the root
        for element, target in links_of(path)
        if (wrong := fault(site, path, element, target))
    ]


def main(site: str) -> int:
    """Print what is wrong; the exit status."""
    pages = list(Path(site).rglob("*.html"))
    wrong = faults(Path(site))
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"{len(pages)} pages, {len(wrong)} links that lead nowhere")
    return 1 if wrong or not pages else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
