"""The picture of a timeline: a line and a colour for each class, whatever it is called."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

from stillmotion.data.timeline import clock
from stillmotion.localisation import Located, Segment, Track
from stillmotion.visualise.theme import LIGHT
from stillmotion.visualise.timeline import timeline_picture


def test_the_picture_has_each_class_in_its_colour():
    moments = np.linspace(0.5, 9.5, 10)
    told = np.stack([np.linspace(0, 1, 10), np.linspace(1, 0, 10)], axis=1)
    figure = timeline_picture(
        moments,
        told,
        ["run", "jump"],
        seconds=10.0,
        found=[(0.0, 5.0, "jump"), (5.0, 10.0, "run")],
        known=[(0.0, 4.0, "wave")],
        threshold=0.5,
    )
    scores, found, known = figure.axes
    assert [to_hex(line.get_color()) for line in scores.lines[:2]] == list(LIGHT.series[:2])
    bars = [p for p in found.patches if p.get_width() == 5]
    assert [to_hex(bar.get_facecolor()) for bar in bars] == [LIGHT.series[1], LIGHT.series[0]]
    assert [t.get_text() for t in found.texts] == ["jump", "run"]
    assert [t.get_text() for t in known.texts] == ["wave"]
    assert LIGHT.png(figure)[:4] == b"\x89PNG"


def test_one_window_has_its_scores_all_over_the_video():
    """And of several, the first and the last speak for what lies before and after."""
    figure = timeline_picture(
        np.array([1.0]), np.array([[0.7]]), ["run"], seconds=2.0, found=[(0.0, 2.0, "run")]
    )
    (line,) = figure.axes[0].lines
    assert line.get_xydata().tolist() == [[0, 0.7], [1, 0.7], [2, 0.7]]


def test_names_that_begin_with_an_underscore_are_in_the_legend():
    figure = timeline_picture(
        np.array([1.0]), np.array([[0.7, 0.3]]), ["_run", "jump"], seconds=2.0, found=[]
    )
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["_run", "jump"]


def test_every_class_that_is_found_or_known_has_its_line():
    names = tuple("abcdefghij")
    rows = np.linspace(0.1, 1, 10, dtype=np.float32)[None].repeat(9, axis=0)
    found = [Segment(float(n), n + 1.0, name, 0.5) for n, name in enumerate("abcdef")]
    track = Track(names, np.arange(9.0), np.arange(9.0) + 1, rows, 9.0)
    located = Located(Path("day.mp4"), track, found)
    assert located.shown(top=4).class_names == tuple("fedcba")
    assert located.shown(top=7).class_names == tuple("fedcbaj")
    assert located.shown(top=1, known=[Segment(0.0, 1.0, "g")]).class_names == tuple("gfedcba")
    shown = located.shown(top=4)
    figure = timeline_picture(
        shown.centres,
        shown.probabilities,
        shown.class_names,
        seconds=9.0,
        found=[(s.start, s.end, s.label) for s in found],
    )
    bars = [to_hex(patch.get_facecolor()) for patch in figure.axes[1].patches[1:]]
    assert len(set(bars)) == 6
    assert LIGHT.background not in bars


@pytest.mark.parametrize("classes", [1, 13])
def test_nothing_is_cut_off_and_the_scores_keep_their_room(classes):
    names = [f"class number {n}" for n in range(classes)]
    figure = timeline_picture(
        np.array([1.0]), np.zeros((1, classes)), names, seconds=2.0, found=[], title="day.mp4"
    )
    LIGHT.png(figure)
    drawn = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    (title,) = figure.findobj(
        lambda artist: isinstance(artist, Text) and artist.get_text() == "day.mp4"
    )
    assert title.get_window_extent().y1 / figure.dpi < height - 0.05
    assert 0 <= drawn.x0 < drawn.x1 <= width
    assert drawn.y0 >= 0
    assert figure.axes[0].get_position().height * height > 1.2


def test_moments_are_read_as_on_a_clock():
    assert [clock(s) for s in (5.0, 7.5, 3725.0)] == ["0:05.0", "0:07.5", "1:02:05.0"]
