"""The site: what it links to is there, and every public name has its place in the reference."""

import importlib
import pkgutil
import re
import runpy
import shutil
import subprocess
from pathlib import Path

import griffe
import pytest
import yaml

import stillmotion

ROOT = Path(__file__).parents[1]
CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
check_links = runpy.run_path(str(ROOT / "scripts/check_links.py"))


@pytest.fixture(scope="module")
def sources():
    """The package as the reference reads it, without running it."""
    extensions = griffe.load_extensions(str(ROOT / "scripts/lazy_names.py"))
    return griffe.load("stillmotion", search_paths=[str(ROOT / "src")], extensions=extensions)


@pytest.fixture(scope="module")
def explained(sources):
    """The dotted paths of all that the pages of the reference explain."""
    pages = [name for names in CONFIG["extra"]["reference"].values() for name in names]
    items = [sources[name] for name in pages]
    members = [m for item in items if item.is_module for m in item.members.values() if m.is_public]
    return {item.canonical_path for item in (*items, *members) if item.has_docstring}


@pytest.mark.parametrize("title", CONFIG["extra"]["reference"])
def test_every_page_of_the_reference_explains_something(title, sources):
    items = [sources[name] for name in CONFIG["extra"]["reference"][title]]
    inside = [m for item in items if item.is_module for m in item.members.values()]
    alone = [item for item in items if not item.is_module]
    shown = [item for item in (*alone, *inside) if item.is_public and item.has_docstring]
    assert any(not item.is_module for item in shown)


PACKAGES = sorted(
    module.name
    for module in pkgutil.walk_packages(stillmotion.__path__, "stillmotion.")
    if module.ispkg
)


@pytest.mark.parametrize("name", ["stillmotion", *PACKAGES])
def test_every_public_name_is_explained(name, sources, explained):
    package = importlib.import_module(name)
    names = {n for n in getattr(package, "__all__", ()) if not n.startswith("_")}
    inside = sources if name == "stillmotion" else sources[name.partition(".")[2]]
    assert {n for n in names if inside[n].canonical_path not in explained} == set()


def test_every_document_has_its_place():
    listed = re.findall(r"[\w/-]+\.md", str(CONFIG["nav"]))
    there = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md")]
    assert sorted(listed) == sorted([*there, *(path.name for path in ROOT.glob("*.md"))])


@pytest.fixture
def site(tmp_path):
    """A site of two pages whose links are right."""
    (tmp_path / "below").mkdir()
    (tmp_path / "index.html").write_text(
        '<h1 id="top">A</h1><img src="dot.png"><a href="below/b.html#here">b</a>'
        '<a href="#top">up</a><a href="https://example.org/a?b#c">out</a><a href="below/">b</a>'
        '<img srcset="data:image/png;base64,AA== 1x, dot.png 2x" style="fill: url(#top)">'
        "<style>p { src: url(dot.png) }</style><p>url(gone.png)</p>"
    )
    (tmp_path / "below/a.css").write_text(
        "/* url(gone.png) */ @import 'b.css'; p { src: url('../dot.png'), url(data:font/woff,A) }"
    )
    (tmp_path / "below/b.css").write_text("")
    (tmp_path / "below/b.html").write_text('<a name="here" href="../index.html">a</a>')
    (tmp_path / "below/index.html").write_text('<p id="ü">a</p><a href="#%C3%BC">ü</a>')
    (tmp_path / "dot.png").write_bytes(b"")
    return tmp_path


def test_right_links_are_right(site):
    assert check_links["faults"](site) == []
    assert check_links["main"](str(site)) == 0


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ('<a href="gone.html">', "leads to no file"),
        ('<a href="../outside.html">', "leads to no file"),
        ('<a href="below/b.html#gone">', "no place"),
        ('<a href="#gone">', "no place"),
        ('<img src="gone.png">', "leads to no file"),
        ('<a href="/index.html">', "root of the server"),
        ('<a href="https:/example.org">', "no address"),
        ('<a href="ftp://example.org">', "no address"),
        ('<script src="https://example.org/a.js">', "another site"),
        ('<link href="//example.org/a.css">', "another site"),
        ('<img srcset="dot.png 1x, https://example.org/a.png 2x">', "another site"),
        ('<source srcset="dot.png, gone.png 640w">', "leads to no file"),
        ('<video poster="https://example.org/a.png"></video>', "another site"),
        ('<p style="background: url(https://example.org/a.png)">', "another site"),
        ("<style>p { src: url( 'gone.woff' ) }</style>", "leads to no file"),
        ('<style>@import "https://example.org/a.css";</style>', "another site"),
        ('<svg><use href="gone.svg#a"/></svg>', "leads to no file"),
    ],
)
def test_wrong_links_are_found(link, fault, site):
    (site / "wrong.html").write_text(link)
    (told,) = check_links["faults"](site)
    assert told.startswith("wrong.html: ")
    assert fault in told
    assert check_links["main"](str(site)) == 1


@pytest.mark.parametrize(
    ("style", "fault"),
    [
        ("p { src: url(https://example.org/a.woff) }", "another site"),
        ('@import url("//example.org/a.css");', "another site"),
        ("@import 'gone.css';", "leads to no file"),
        ("p { background: URL(dot.png) }", "leads to no file"),
    ],
)
def test_what_a_style_loads_is_the_site_s_own(style, fault, site):
    (site / "below/a.css").write_text(style)
    (told,) = check_links["faults"](site)
    assert told.startswith("below/a.css: ")
    assert fault in told


def test_an_empty_site_is_no_success(tmp_path):
    assert check_links["main"](str(tmp_path)) == 1


@pytest.mark.slow
def test_the_site_is_built_and_searched_from_its_files(tmp_path):
    """As `scripts/docs` builds it, opened without a server."""
    subprocess.run([ROOT / "scripts/docs", tmp_path], check=True)
    if (chromium := shutil.which("chromium")) is None:
        pytest.skip("needs Chromium")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((tmp_path / "index.html").as_uri() + "?q=SlidingWindow")
        expect(page.locator(".md-search-result__item").first).to_contain_text("SlidingWindow")
        assert {url.partition(":")[0] for url in asked} == {"file"}
