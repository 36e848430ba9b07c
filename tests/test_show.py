"""stillmotion show: a film, a picture, a page; one line for each signal that is not there."""

import json
import os
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from browsing import chromium
from models import trained
from runs import files_below, stillmotion
from stillmotion.backbones.demo import DEMO_BACKBONE
from stillmotion.data.video import open_video
from stillmotion.explaining import explain
from stillmotion.explaining.film import covered
from stillmotion.methods import AMFlow
from stillmotion.model import adapt
from stillmotion.visualise import explanation_page, explanation_picture
from stillmotion.visualise.explanation_charts import so_far_chart
from stillmotion.visualise.overlay import CAPTION, DPI, Overlay, caption, paste
from videos import write_video


@pytest.fixture(scope="module")
def run(finished_run):
    """A model of two frames and six blocks, the last four of which read flow."""
    return finished_run / "best"


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Twelve frames that brighten: 1.2 s."""
    return write_video(tmp_path_factory.mktemp("show") / "grey & $x$ $^.mp4", num_frames=12)


@pytest.fixture(scope="module")
def explanation(video):
    return explain(trained(AMFlow.small()), video)


def show(*arguments):
    return stillmotion("show", *arguments)


def test_a_page_needs_no_network_and_names_every_signal(run, few_videos, tmp_path, capsys):
    video = next(few_videos.rglob("*.mp4"))
    assert show(run, video, "-o", tmp_path / "a.html") == 0
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    for told in ("block 6", "rollout", "Importance of each frame", "What it would say so far"):
        assert told in page
    assert "What is not shown" not in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    said = capsys.readouterr()
    assert said.err == ""
    assert str(tmp_path / "a.html") in said.out
    assert files_below(tmp_path) == {"a.html"}


def with_importance(explanation, *nats):
    """The same answer, had its frames counted so much."""
    spread = np.interp(explanation.seconds, explanation.seconds[[0, -1]], nats)
    return replace(explanation, importance=spread)


@pytest.mark.parametrize(("most", "within"), [(0.0, 1), (0.004, 1), (0.04, 5), (-0.04, 5)])
def test_where_no_frame_decides_a_sentence_is_in_the_charts_place(explanation, most, within):
    undecided, decided = (with_importance(explanation, 0, nats) for nats in (most, 0.06))
    told = f"No single frame decides: .* stays as probable to within {within}%"
    page = explanation_page(undecided)
    assert re.search(f"<h3>Importance of each frame</h3>\n<p>{told}", page)
    assert "How much less probable" not in page
    assert page.count("<figure>") == 1
    decisive = explanation_page(decided)
    assert "No single frame" not in decisive
    assert decisive.count("<figure>") == 2
    assert re.search("<h3>What it would say so far</h3>\n<figure>", decisive)
    for draw, count in ((undecided, 1), (decided, 2)):
        assert len(Overlay(draw).board(0).charts) == count
        assert sum(bool(axes.get_xlabel()) for axes in explanation_picture(draw).axes) == count


def test_a_films_words_are_large_enough_and_stay_on_it(explanation):
    wordy = with_importance(explanation, 0, 1)
    words = caption(wordy)
    assert all(name in words for name in ("Rollout:", "Importance:", "So far:", "Brighter"))
    assert "Flow:" in caption(replace(wordy, rollout=None))
    assert caption(replace(wordy, flow=(), rollout=None, so_far=None)).startswith("Importance:")
    assert CAPTION * DPI / 72 > 14  # pixels
    assert words.count("\n") <= 1
    without = Overlay(replace(wordy, flow=(), rollout=None, importance=None, so_far=None))
    below = (Overlay(wordy).board(0).picture != without.board(0).picture)[650:].any(axis=2)
    assert below.any()
    assert not below[:, -20:].any()
    assert not below[-20:].any()


def test_frames_keep_a_size_that_can_be_read_on_a_phone(explanation, tmp_path):
    (tmp_path / "a.html").write_text(explanation_page(explanation), encoding="utf-8")
    with chromium() as browser:
        for width in (390, 1200):
            page = browser.new_page(viewport={"width": width, "height": 800})
            page.goto((tmp_path / "a.html").as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            for strip in page.locator(".flow img").all():
                assert strip.bounding_box()["width"] / len(explanation.clip) >= 75
            rows = page.get_by_role("region", name="Rows of frames")
            assert rows.get_by_role("listitem").count() == len(explanation.rows())
            rows.evaluate("(element) => element.scrollBy(9999, 0)")
            shown = [rows.locator(part).first.bounding_box()["x"] for part in ("span", "img")]
            assert shown[0] == rows.bounding_box()["x"]  # names stay while frames scroll


def test_a_name_that_is_no_text_is_written_as_its_bytes(run, video, tmp_path, capsys):
    odd = tmp_path / os.fsdecode(b"r\xe9ve.mp4")
    try:
        shutil.copy(video, odd)
    except OSError as error:
        pytest.skip(f"this file system takes no such names: {error}")
    for kind in ("html", "png"):
        assert show(run, odd, "-o", tmp_path / f"a.{kind}", "--what", "time") == 0
    assert "r\\xe9ve.mp4" in (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "r\\xe9ve.mp4" in capsys.readouterr().out


def test_names_that_begin_with_an_underscore_are_in_the_legend(explanation):
    names = ("_open", *explanation.labels[1:])
    figure = so_far_chart(replace(explanation, labels=names))
    (axes,) = figure.axes
    shown = [text.get_text() for text in axes.get_legend().get_texts()]
    assert shown == list(names)
    assert len(axes.lines) == len(names)


def test_a_picture_has_a_row_for_all_there_is(run, few_videos, tmp_path):
    video = next(few_videos.rglob("*.mp4"))
    heights = {}
    for what in ("rollout,time", "time"):
        assert show(run, video, "-o", tmp_path / f"{what}.png", "--what", what) == 0
        with Image.open(tmp_path / f"{what}.png") as picture:
            heights[what] = picture.height
    assert heights["rollout,time"] > heights["time"]


def test_a_film_shows_every_frame_that_the_clip_covers(run, few_videos, tmp_path):
    video, out = next(few_videos.rglob("*.mp4")), tmp_path / "a.mp4"
    assert show(run, video, "-o", out, "--what", "occlusion,time") == 0
    with open_video(video) as seen, open_video(out) as film:
        assert len(film) == len(seen)
        assert film.fps == pytest.approx(seen.fps, rel=1e-3)
        assert (film.height, film.width) == (Overlay.height, Overlay.width)
        shown = [picture.float() for picture in film.frames_at([0, len(film) - 1]).data]
    place = (slice(None), slice(300, 340), slice(200, 300))  # in the video's picture
    brighter = 10 * (len(film) - 1)
    assert float((shown[1] - shown[0])[place].mean()) == pytest.approx(brighter, abs=6)
    assert files_below(tmp_path) == {"a.mp4"}


def test_the_cursor_goes_with_time_and_the_picture_is_the_frame(explanation):
    explanation = with_importance(explanation, 0, 1)
    overlay, frame = Overlay(explanation), np.full((60, 80, 3), 90, np.uint8)
    board = overlay.board(0)
    assert len(board.charts) == 2
    first, last = (
        overlay.picture(frame, second=float(second)) for second in explanation.seconds[[0, -1]]
    )
    left, top, width, height = board.video
    assert (first[top : top + 20, left : left + 20] == 90).all()
    left, top, width, height = board.charts[0]
    black = np.array([29, 33, 38])
    columns = [
        np.flatnonzero((picture[top : top + height, left : left + width] == black).all(axis=(0, 2)))
        for picture in (first, last)
    ]
    steps = len(explanation.seconds)
    for found, place in zip(columns, (0.5, steps - 0.5), strict=True):
        assert abs(found.mean() - place / steps * width) <= 2


def test_a_frame_is_pasted_whole_and_nothing_else_changes():
    whole = np.zeros((40, 60, 3), np.uint8)
    paste(whole, np.full((10, 20, 3), 200, np.uint8), (5, 5, 40, 30))
    lit = whole.any(axis=2)
    assert lit[5:25, 5:45].all()
    assert lit.sum() == 20 * 40


def test_a_film_covers_half_a_step_around_its_frames():
    assert covered(np.array([1.0, 2.0, 3.0])) == (0.5, 3.5)
    assert covered(np.array([0.1, 1.1])) == (0.0, 1.6)
    assert covered(np.array([2.0])) == (1.5, 2.5)


def test_what_is_not_there_is_said_in_a_line(tmp_path, video, capsys):
    model = adapt(DEMO_BACKBONE, "linear_probe", num_classes=3, num_frames=4, image_size=64)
    model.save_pretrained(tmp_path / "probe")
    assert show(tmp_path / "probe", video, "-o", tmp_path / "a.html", "--what", "flow,time") == 0
    assert capsys.readouterr().err == ""
    (tmp_path / "a.html").unlink()
    assert show(tmp_path / "probe", video, "-o", tmp_path / "a.html") == 0
    line = capsys.readouterr().err
    assert line.startswith("no flow: no adapter of linear_probe reads")
    assert line.count("\n") == 1
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "What is not shown" in page
    assert "grey &amp; $x$ $^.mp4" in page


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-o", "a.gif"], "must end with .html, .mp4, .png"),
        (["-o", "there.png"], "is there already"),
        (["--what", "flwo"], "did you mean 'flow'"),
        (["--blocks", "one"], "give numbers"),
        (["--blocks", "9"], "blocks 0 to 5"),
        (["--backbone", DEMO_BACKBONE], "goes with --choose_blocks"),
        (["--json"], "goes with --choose_blocks"),
    ],
)
def test_a_mistake_is_one_line(arguments, told, run, video, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.png").touch()
    assert show(run, video, *arguments) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert files_below(tmp_path) == {"there.png"}


def test_one_video_is_explained_at_a_time(run, video, capsys):
    assert show(run, video, video) == 2
    assert "explains one video" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--choose_blocks", "--choose-blocks"])
def test_blocks_are_chosen_before_training(option, few_videos, tmp_path, capsys):
    size = ("--image_size", 64, "--num_frames", 4)
    assert show("--backbone", DEMO_BACKBONE, few_videos, *size, option, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["videos"] == 8
    assert sorted(row["block"] for row in told["blocks"]) == [0, 1, 2, 3, 4, 5]
    assert not any(row["read"] for row in told["blocks"])


def test_blocks_are_chosen_of_a_run_and_told_in_a_table(run, video, capsys):
    assert show(run, video, "--choose_blocks") == 0
    told = capsys.readouterr().out
    assert "correlation" in told
    assert "flow_blocks" in told


def test_one_video_ranks_with_a_warning_and_no_spread(run, few_videos, capsys):
    one = next(few_videos.rglob("*.mp4"))
    assert show(run, one, "--choose_blocks", "--json") == 0
    said = capsys.readouterr()
    assert said.err.count("one video with motion says little") == 1
    told = json.loads(said.out)
    assert {row["spread"] for row in told["blocks"]} == {None}
    assert "standard error" not in told["rule"]
    assert show(run, few_videos, "--choose_blocks", "--json") == 0
    said = capsys.readouterr()
    assert "says little" not in said.err
    assert all(row["spread"] > 0 for row in json.loads(said.out)["blocks"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--out", "x.png"], "leave out --out"),
        (["--what", "flow", "--blocks", "0"], "leave out --what, --blocks"),
    ],
)
def test_choosing_takes_no_option_that_explains(arguments, told, tmp_path, capsys):
    assert show(tmp_path / "no-run", "no-video", "--choose-blocks", *arguments) == 2
    assert told in capsys.readouterr().err


def test_choosing_says_that_a_run_or_a_backbone_is_missing(video, capsys):
    assert show(video, "--choose_blocks") == 2
    error = capsys.readouterr().err
    assert "RUN VIDEOS" in error
    assert "--backbone NAME" in error


def test_a_folder_of_videos_is_no_video(run, few_videos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert show(run, few_videos) == 2
    assert f"explains one video; {few_videos} is a folder" in capsys.readouterr().err


def test_the_usage_puts_in_brackets_what_has_a_default(capsys):
    with pytest.raises(SystemExit):
        show("--help")
    told = capsys.readouterr().out
    assert "usage: stillmotion show RUN VIDEO [--out FILE] [options]" in told
    assert "default explanation.html" in " ".join(told.split())


def test_videos_without_motion_choose_nothing(run, tmp_path, capsys):
    still = write_video(tmp_path / "still.mp4", num_frames=1)
    assert show(run, still, "--choose_blocks") == 2
    assert "nothing moves in" in capsys.readouterr().err
