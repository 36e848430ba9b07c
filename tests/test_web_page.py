"""The page in a real browser, before a real service: a question, a wait, an answer, a reason."""

import json
import re
import threading
from contextlib import contextmanager

import numpy as np
import pytest
import uvicorn
from playwright.sync_api import Page, expect

from browsing import chromium
from services import two_models
from stillmotion.visualise.theme import DARK, LIGHT, percent
from stillmotion.web.app import create_app
from stillmotion.web.limits import Limits
from videos import write_video

TOKEN = "ask+me"
LOADED = "() => document.querySelector('#player video').readyState > 1"


@contextmanager
def served(models, **settings_of_app):
    """The address of a service that listens."""
    app = create_app(models, **settings_of_app)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the service did not start"
        thread.join(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def models(finished_run, tmp_path_factory):
    return two_models(finished_run, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def address(models):
    sources = {"doors": "runs/doors/best"}
    with served(
        models, sources=sources, limits=Limits(max_bytes=2**20, max_seconds=60.0)
    ) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    expect.set_options(timeout=20_000)  # the first job starts the processes that decode
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser):
    """Opens an address in a window of its own; every error and foreign request in it fails."""
    contexts, wrong = [], []

    def open_page(address: str, *, width: int = 1280, **look) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 800}, **look)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda told: wrong.append(told.text) if "Content" in told.text else None)
        own = re.compile(rf"{re.escape(address.partition('#')[0])}|blob:|data:")
        page.on("request", lambda r: None if own.match(r.url) else wrong.append(r.url))
        page.goto(address)
        page.locator("h1:visible, h2:visible").first.wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("videos") / "two words.mp4", num_frames=20)


def answered(page: Page) -> Page:
    expect(page.locator("#answer")).to_be_visible(timeout=60_000)
    return page


def ask_sample(page: Page, number: int = 2) -> Page:
    page.locator(".sample").nth(number).click()
    return answered(page)


def ask_file(page: Page, path) -> None:
    page.get_by_label("Drop a video here").set_input_files(path)


def choice(page: Page, name: str):
    return page.get_by_role("checkbox", name=name, exact=True)


def slider(page: Page):
    return page.get_by_role("slider", name="Time in the video")


def move_to(page, seconds):
    """The slider at a time. Playwright's `fill` refuses what Chromium writes otherwise."""
    said = "['input', 'change'].forEach(kind => s.dispatchEvent(new Event(kind, {bubbles: true})))"
    slider(page).evaluate(f"(s, seconds) => {{ s.value = seconds; {said} }}", seconds)


def test_several_models_answer_about_a_sample_on_one_clock(visit, address):
    page = ask_sample(visit(address))
    expect(page.locator("#verdicts dt")).to_have_text(["doors", "other"])
    expect(page.locator("#tracks section")).to_have_count(2)
    with page.expect_download() as download:
        page.get_by_text("Save the answer as JSON").click()
    job = json.loads(download.value.path().read_text())
    answers = [result["answer"] for result in job["results"]]
    expect(page.locator("#verdicts strong")).to_have_text(answers)
    seconds = job["video"]["seconds"]
    assert len(job["results"][0]["track"]["starts"]) > 1  # there is something to follow
    for time in (0, seconds / 3, seconds):
        move_to(page, time)
        for result, row in zip(job["results"], page.locator("#tracks section").all(), strict=True):
            track = result["track"]
            centres = np.add(track["starts"], track["stops"]) / 2
            rows = zip(track["labels"], zip(*track["probabilities"], strict=True), strict=True)
            want = {label: percent(np.interp(time, centres, line)) for label, line in rows}
            labels, values = row.locator(".label"), row.locator(".value")
            told = dict(zip(labels.all_inner_texts(), values.all_inner_texts(), strict=True))
            assert told == want


def test_no_two_classes_look_alike_however_small_their_bars(visit, address):
    page = ask_sample(visit(address))
    looks = page.locator(".bars .label").evaluate_all(
        """(labels) => labels.map((label) => {
            const key = getComputedStyle(label, "::before");
            const bar = getComputedStyle(label.parentElement.querySelector(".bar"), "::before");
            const line = (style) => style.backgroundColor + style.maskImage;
            return [label.textContent, line(key), line(bar), key.width, key.display];
        })"""
    )
    by_class = {label: look for label, *look in looks}
    assert len(by_class) >= 5  # one more than there are colours
    keys = [look[0] for look in by_class.values()]
    assert len(set(keys)) == len(keys)
    for key, bar, width, display in by_class.values():
        assert key == bar
        assert float(width.removesuffix("px")) > 20
        assert display == "inline-block"


@pytest.mark.parametrize("width", [360, 1280])
def test_levels_stand_beside_the_lines_and_the_slider_below_them(visit, address, width):
    page = ask_sample(visit(address, width=width))
    plot = page.locator(".plot").first
    lines, heights = plot.bounding_box(), plot.locator("svg").bounding_box()
    right = lines["x"] + lines["width"]
    for share, level in zip((0, 0.5, 1), plot.locator(".level").all(), strict=True):
        box = level.bounding_box()
        assert box["x"] >= right
        assert box["x"] + box["width"] <= width
        middle = heights["y"] + (1 - share) * heights["height"]
        assert box["y"] + box["height"] / 2 == pytest.approx(middle, abs=1)
    track = slider(page).bounding_box()
    thumb = track["width"] - lines["width"]
    assert track["x"] + thumb / 2 == pytest.approx(lines["x"], abs=1)
    assert 10 < thumb < 30


@pytest.mark.parametrize("width", [360, 1280])
def test_sample_cards_in_a_row_are_alike(visit, address, width):
    page = visit(address, width=width)
    rows = {}
    for card in page.locator(".sample").all():
        box, picture = card.bounding_box(), card.locator("video").bounding_box()
        assert picture["y"] == pytest.approx(box["y"], abs=2)
        rows.setdefault(round(box["y"]), []).append(round(box["height"]))
    assert len(rows) == (1 if width == 1280 else 2)
    assert all(len(set(heights)) == 1 for heights in rows.values())
    words = page.locator(".sample span")
    lines = """(span) =>
        span.getBoundingClientRect().height / parseFloat(getComputedStyle(span).lineHeight)"""
    assert max(words.nth(n).evaluate(lines) for n in range(4)) < (4 if width == 1280 else 6)


def test_a_chart_takes_the_video_to_where_it_is_pressed(visit, address):
    page = ask_sample(visit(address))
    plot = page.locator(".plot").last
    box = plot.bounding_box()
    plot.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    whole = float(slider(page).get_attribute("max"))
    assert float(slider(page).input_value()) == pytest.approx(whole / 2, rel=0.02)
    page.wait_for_function(
        "(time) => Math.abs(document.querySelector('#player video').currentTime - time) < 0.1",
        arg=whole / 2,
    )
    cursors = page.locator(".cursor").all()
    assert len({round(cursor.bounding_box()["x"]) for cursor in cursors}) == 1


def test_an_upload_is_answered_and_survives_a_reload(visit, address, video):
    page = visit(address)
    choice(page, "other").uncheck()
    ask_file(page, video)
    answered(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("two words.mp4")
    expect(page.locator("#verdicts dt")).to_have_text(["doors"])
    page.reload()
    answered(page)
    page.wait_for_function(LOADED)
    page.go_back()
    expect(page.locator("#question")).to_be_visible()


def test_a_window_that_is_asked_for_is_used(visit, address):
    page = visit(address)
    page.get_by_text("How it is cut").click()
    page.get_by_label("Window, in seconds").fill("0.5")
    page.get_by_label("From one window to the next").fill("0.5")
    ask_sample(page, 0)
    page.get_by_text(re.compile("doors as a table")).click()
    first = page.get_by_role("region", name="Windows of doors").get_by_role("rowheader").first
    expect(first).to_have_text("0:00.0 to 0:00.5")


def test_another_video_offers_the_last_one_to_other_models(visit, address):
    page = ask_sample(visit(address), 0)
    name = page.locator("#answer-title").inner_text()
    page.get_by_role("link", name="Another video").click()
    choice(page, "doors").uncheck()
    page.get_by_role("button", name=f"Ask again about {name}").click()
    answered(page)
    expect(page.locator("#verdicts dt")).to_have_text(["other"])


def test_the_keyboard_does_everything(visit, address):
    page = visit(address)
    page.locator(".sample").first.focus()
    page.keyboard.press("Enter")
    answered(page)
    assert page.evaluate("document.activeElement.id") == "answer-title"
    page.wait_for_function(LOADED)
    page.keyboard.press("ArrowRight")
    frame = float(slider(page).input_value())
    assert 0 < frame < 0.5
    page.keyboard.press("Shift+ArrowRight")
    assert float(slider(page).input_value()) == pytest.approx(frame + 1)
    assert "doors" in slider(page).get_attribute("aria-valuetext")
    page.keyboard.press("Space")
    page.wait_for_function("() => !document.querySelector('#player video').paused")
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelector('#player video').paused")
    outline = (
        "[document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]"
    )
    focused = []
    for _ in range(4):
        page.keyboard.press("Tab")
        focused.append(page.evaluate(outline))
    assert focused == [[tag, "solid"] for tag in ("INPUT", "BUTTON", "INPUT", "SELECT")]


def test_flow_is_laid_over_the_video_with_a_legend(visit, address):
    page = ask_sample(visit(address))
    drawn = """() => {
        const { width, height } = document.querySelector("#player canvas");
        const context = document.querySelector("#player canvas").getContext("2d");
        return context.getImageData(0, 0, width, height).data.some((value) => value > 0);
    }"""
    move_to(page, 1.0)
    page.locator("body").press("f")
    expect(page.get_by_label("Attention-map flow")).to_be_checked()
    expect(page.get_by_text(re.compile(r"in block \d+"))).to_be_visible()
    page.wait_for_function(drawn)
    expect(page.get_by_text("most", exact=True)).to_be_visible()
    page.get_by_label("Attention-map flow").uncheck()
    expect(page.locator("#player canvas")).to_be_hidden()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"this is no video" * 99, re.compile(r"bad.mp4: \w+ \w+ \w+")),
        (bytes(2**20 + 1), "takes up to"),
    ],
    ids=["text", "large"],
)
def test_what_cannot_be_read_is_refused_with_the_reason(visit, address, tmp_path, content, reason):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(content)
    page = visit(address)
    ask_file(page, bad)
    expect(page.get_by_role("alert")).to_contain_text(reason)
    expect(page.locator("#question")).to_be_visible()
    ask_sample(page, 0)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_what_cannot_be_read_is_not_offered_again(visit, address, video, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"this is no video" * 99)
    page = visit(address)
    ask_file(page, tmp_path / "bad.mp4")
    expect(page.get_by_role("alert")).to_contain_text("bad.mp4")
    again = page.get_by_role("button", name="Ask again")
    expect(again).to_be_hidden()
    ask_file(page, video)
    answered(page)
    page.get_by_role("link", name="Another video").click()
    expect(again).to_have_text(f"Ask again about {video.name}")


def test_a_model_tells_where_it_came_from(visit, address):
    page = visit(address)
    doors, other = page.locator("#models li").all()
    expect(doors).to_contain_text("From runs/doors/best")
    expect(other).not_to_contain_text("From")


def test_asking_nobody_is_refused(visit, address):
    page = visit(address)
    for box in page.locator("#models input").all():
        box.uncheck()
    page.locator(".sample").first.click()
    expect(page.get_by_role("alert")).to_contain_text("at least one model")


def test_an_address_of_a_job_that_is_gone_says_so(visit, address):
    page = visit(f"{address}#job=gone")
    expect(page.get_by_role("alert")).not_to_be_empty()
    expect(page.locator("#question")).to_be_visible()
    assert page.url == address


def test_a_wait_can_be_cancelled(visit, address):
    page = visit(address)
    held = []
    page.route("**/api/jobs/*", lambda route: held.append(route))  # the answer stays away
    page.locator(".sample").first.click()
    page.wait_for_url("**/#job=*")
    job = page.url.partition("=")[2]
    page.unroute("**/api/jobs/*")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#question")).to_be_visible()
    for route in held:
        route.continue_()
    page.wait_for_function(
        """async (job) => {
            const answer = await fetch(`api/jobs/${job}`);
            return answer.status === 404 || (await answer.json()).state === "cancelled";
        }""",
        arg=job,
    )


def test_a_lost_request_loses_no_job(visit, address):
    page = visit(address)
    lost = []

    def lose_the_first(route):
        if lost:
            return route.continue_()
        lost.append(route.request.url)
        return route.abort()

    page.route("**/api/jobs/*", lose_the_first)
    ask_sample(page)
    assert len(lost) == 1
    assert page.url.endswith(lost[0].rpartition("/")[2])
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_job_of_a_service_that_was_silent_is_there_again(visit, address):
    page = visit(address)
    page.clock.install()
    page.route("**/api/jobs/*", lambda route: route.abort())
    page.locator(".sample").first.click()
    page.wait_for_url("**/#job=*")
    job = page.url
    for _ in range(20):
        page.clock.run_for(5_000)
        if page.get_by_role("alert").is_visible():
            break
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    expect(page.locator("#question")).to_be_visible()
    assert page.url == job
    page.unroute("**/api/jobs/*")
    page.reload()
    page.clock.resume()
    answered(page)


def test_with_a_token_videos_are_fetched_when_they_are_wanted_and_let_go(visit, models):
    with served(models, token=TOKEN) as address:
        page = visit(f"{address}#token=ask%2Bme")
        fetched = []
        page.on("request", lambda r: fetched.append(r.url) if r.url.endswith("/video") else None)
        page.reload()
        first = page.locator(".sample").first
        first.wait_for()
        page.wait_for_load_state("networkidle")
        assert fetched == []
        for _ in range(2):
            first.hover()
            page.wait_for_function("() => document.querySelector('.sample video').readyState > 1")
            page.mouse.move(0, 0)
        ask_sample(page, 0)
        assert len(fetched) == 1
        page.reload()
        answered(page)
        page.wait_for_function(LOADED)
        assert len(fetched) == 2
        source = page.locator("#player video").get_attribute("src")
        page.evaluate("URL.revokeObjectURL = (url) => (window.revoked ??= []).push(url)")
        page.get_by_role("link", name="Another video").click()
        expect(page.locator("#question")).to_be_visible()
        assert source in page.evaluate("window.revoked")


def test_a_token_is_asked_for_and_taken_from_the_address(visit, models):
    with served(models, token=TOKEN) as address:
        page = visit(address)
        for token in ("wrong", TOKEN):
            page.get_by_label("Token", exact=True).fill(token)
            with page.expect_navigation():
                page.keyboard.press("Enter")
        ask_sample(page, 0)
        page.wait_for_function(LOADED)
        page = visit(f"{address}#token=ask%2Bme")
        expect(page.locator("#question")).to_be_visible()
        assert TOKEN not in page.url.replace("%2B", "+")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_fits_a_phone_and_is_named_in_both_schemes(visit, address, scheme):
    page = visit(address, width=360, color_scheme=scheme, reduced_motion="reduce")
    theme = {"light": LIGHT, "dark": DARK}[scheme]
    assert_fits_and_is_named(page)
    ask_sample(page, 3)
    assert_fits_and_is_named(page)
    red, green, blue = (int(theme.background[at : at + 2], 16) for at in (1, 3, 5))
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colour == f"rgb({red}, {green}, {blue})"
    assert page.evaluate("document.getAnimations().length") == 0


def assert_fits_and_is_named(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for role in ("button", "checkbox", "slider", "combobox", "link"):
        every = page.get_by_role(role).count()
        assert page.get_by_role(role, name=re.compile(r"\w")).count() == every
