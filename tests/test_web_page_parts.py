"""What the page is made of: its files, its colours, and its arithmetic, in a browser but alone."""

import re
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from browsing import chromium
from stillmotion.visualise.theme import DARK, LIGHT, percent

PAGE = files("stillmotion") / "web" / "page"
NOWHERE = "http://page.invalid/"
OUTSIDE = re.compile(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]", re.IGNORECASE)


@pytest.fixture(scope="module")
def page():
    """An empty page that can import the modules: no service, no network."""
    with chromium() as browser:
        page = browser.new_page()
        page.route(
            f"{NOWHERE}**",
            lambda route: route.fulfill(path=PAGE / route.request.url[len(NOWHERE) :]),
        )
        page.goto(f"{NOWHERE}icon.svg")
        yield page


def test_its_files_load_nothing_from_elsewhere_and_hold_no_inline_code():
    named = [file for file in PAGE.iterdir() if file.is_file()]
    assert {"index.html", "style.css", "main.js"} <= {file.name for file in named}
    for file in named:
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not OUTSIDE.search(text), file.name
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|<script(?![^>]*src=)|\son\w+=|\sstyle=", html)
    for name in re.findall(r'(?:href|src)="page/([^"]+)"', html):
        assert (PAGE / name).is_file()


@pytest.mark.parametrize(("theme", "number"), [(LIGHT, 0), (DARK, 1)])
def test_its_colours_are_those_of_the_pictures(theme, number):
    style = (PAGE / "style.css").read_text(encoding="utf-8")
    found = dict(re.findall(r"--([\w-]+): (#\w{6});", style.split(":root {")[1 + number]))
    told = {name: getattr(theme, name) for name in ("background", "text", "muted", "line", "wrong")}
    told |= {f"series-{i}": colour for i, colour in enumerate(theme.series)}
    assert told.items() <= found.items()


@st.composite
def tracks(draw):
    windows, labels = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    gaps = draw(st.lists(st.floats(0.1, 5), min_size=windows, max_size=windows))
    starts = np.cumsum([0, *gaps[1:]])
    row = st.lists(st.integers(0, 8).map(lambda n: n / 8), min_size=labels, max_size=labels)
    return {
        "starts": starts.tolist(),
        "stops": (starts + draw(st.floats(0.2, 6))).tolist(),
        "labels": [f"class {number}" for number in range(labels)],
        "probabilities": draw(st.lists(row, min_size=windows, max_size=windows)),
    }


def test_scores_are_interpolated_and_ribbons_name_the_highest(page):
    @settings(max_examples=60)
    @given(tracks(), st.lists(st.floats(0, 1), min_size=5, max_size=5))
    def holds(track, shares):
        seconds = track["stops"][-1]
        times = [seconds * share for share in shares]
        scores, ribbon = page.evaluate(
            """async ([track, times, seconds]) => {
                const { scoresAt, stretches } = await import("/track.js");
                return [times.map((time) => scoresAt(track, time)), stretches(track, seconds)];
            }""",
            [track, times, seconds],
        )
        centres = (np.array(track["starts"]) + np.array(track["stops"])) / 2
        lines = np.array(track["probabilities"]).T
        want = [[np.interp(time, centres, line) for line in lines] for time in times]
        np.testing.assert_allclose(scores, want, atol=1e-9)
        edges = [part["start"] for part in ribbon] + [ribbon[-1]["stop"]]
        assert edges == sorted(edges)
        assert (edges[0], edges[-1]) == (0, seconds)
        for part in ribbon:
            middle = (part["start"] + part["stop"]) / 2
            there = [np.interp(middle, centres, line) for line in lines]
            assert there[track["labels"].index(part["label"])] >= max(there) - 1e-9

    holds()


def test_one_class_has_one_ink_and_the_highest_comes_first(page):
    tracks = [
        {"labels": ["run", "sit"], "probabilities": [[0.5, 0.3], [0.2, 0.6]]},
        {"labels": ["sit", "jump"], "probabilities": [[0.1, 0.9]]},
    ]
    told = page.evaluate('async (tracks) => [...(await import("/track.js")).inks(tracks)]', tracks)
    assert told == [["jump", 0], ["sit", 1], ["run", 2]]


@pytest.mark.parametrize("seconds", [0.04, 1, 2.5, 8.75, 61, 600, 5400, 90_000])
def test_axes_have_few_round_times_within_the_video(page, seconds):
    times = page.evaluate('async (s) => (await import("/track.js")).ticks(s)', seconds)
    assert times[0] == 0
    assert 1 <= len(times) <= 7
    assert times[-1] <= seconds * (1 + 1e-6)


def test_shares_are_printed_as_in_the_reports(page):
    shares = [0.0, 1.0, 1e-9, 0.001, 0.0049, 0.123, 0.955, 0.9951, 0.9975, 0.9999, 1 - 1e-9]
    module = 'import("/words.js")'
    told = page.evaluate(f"async (shares) => shares.map((await {module}).percent)", shares)
    assert told == [percent(share) for share in shares]


def test_quantities_are_written_for_people(page):
    told = page.evaluate(
        """async () => {
            const { clock, duration, size } = await import("/words.js");
            return [
                clock(0), clock(59.96), clock(3723.04), duration(1), duration(8.75),
                duration(600), size(999), size(256 * 2 ** 20),
            ];
        }"""
    )
    assert told == [
        *("0:00.0", "1:00.0", "1:02:03.0", "1 second", "8.8 seconds"),
        *("10 minutes", "999 bytes", "256 MiB"),
    ]
