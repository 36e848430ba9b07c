"""Damaged videos end in frames or in an error of ours, on every road into the package.

`python scripts/fuzz.py` does the same with as many mutants as one likes.
"""

import base64
import hashlib
import json
import mmap
import os
import runpy
import signal
import struct
import sys
import time
import zlib
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fuzzing
from fuzzing import ROADS, Judge, Verdict, judge
from mutants import FRAMES, HEIGHT, KINDS, WIDTH, mutant, write_sources
from process_state import standard_error
from stillmotion.data.probe import probe
from stillmotion.data.video import open_video
from stillmotion.errors import VideoError
from stillmotion.web.process import warm_up
from stillmotion.web.refusal import refuse

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells what is held")

KEPT = [json.loads(line) for line in Path(__file__).with_name("mutants.jsonl").open()]
"""Mutants that broke something once, with their bytes, and of the rarest ends, which another
build of the encoders may not make again."""


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    warm_up()
    folder = tmp_path_factory.mktemp("sources")
    write_sources(folder)
    return folder


@given(st.binary(min_size=1, max_size=300), st.sampled_from(sorted(KINDS)), st.integers(0, 2**64))
def test_a_mutant_is_known_by_its_name_and_number(content, name, seed):
    assert mutant(content, name=name, seed=seed) == mutant(content, name=name, seed=seed)


def test_nearly_every_mutant_is_another_file(sources):
    content = (sources / "h264.mp4").read_bytes()
    made = {mutant(content, name="h264.mp4", seed=seed) for seed in range(200)}
    assert len(made - {content}) > 180


def test_what_is_not_damaged_decodes_to_its_end(sources):
    whole = {name for name in KINDS if probe(sources / name).num_decoded == FRAMES}
    assert set(KINDS) - whole == {"pictures.webp"}, "of animated WebP FFmpeg reads no frame"


def test_frames_that_are_just_too_large_are_refused_by_the_header(sources, tmp_path):
    content = (sources / "pictures.gif").read_bytes()
    sizes = struct.pack("<HH", WIDTH, HEIGHT), struct.pack("<HH", 8193, 8192)
    (tmp_path / "a.gif").write_bytes(content.replace(*sizes, 1))
    with pytest.raises(VideoError, match=r"8193 x 8192 pixels|no frame size"):
        open_video(tmp_path / "a.gif")


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(
            kept,
            id=f"{kept['name']}-{kept['seed']}",
            marks=() if "content" in kept else pytest.mark.slow,  # kept whole: it broke a rule once
        )
        for kept in KEPT
    ],
)
def test_kept_mutants_end_as_they_should(kept, sources, tmp_path):
    verdict = judged(ROADS, replayed(kept, sources), tmp_path)
    assert not verdict.faults
    assert set(verdict.ends) == {road.__name__ for road in ROADS}


def replayed(kept, sources):
    """The bytes of a kept mutant: those that were kept with it, or made again."""
    if "content" in kept:
        content = zlib.decompress(base64.b64decode(kept["content"]))
    else:
        name = kept["name"]
        content = mutant((sources / name).read_bytes(), name=name, seed=kept["seed"])
    if hashlib.sha256(content).hexdigest()[: len(kept["sha256"])] != kept["sha256"]:
        pytest.skip(f"this PyAV writes {kept['name']} otherwise: its mutants are others here")
    return content


def test_colours_that_cannot_be_converted_are_told_of_their_file(sources, tmp_path):
    (kept,) = (kept for kept in KEPT if kept["why"].startswith("a frame claims colours"))
    path = tmp_path / "a.mov"
    path.write_bytes(replayed(kept, sources))
    with pytest.raises(VideoError, match=r"a\.mov: its colours cannot be converted to RGB: "):
        open_video(path).frames_at([0, 1, 2], short_side=32)


def test_those_that_broke_something_are_kept_whole():
    whole = [kept for kept in KEPT if "content" in kept]
    assert len(whole) == 5
    for kept in whole:
        replayed(kept, None)


def judged(roads, content, folder):
    """The verdict in this very process."""
    path = folder / "mutant"
    path.write_bytes(content)
    with standard_error(folder / "said") as said:
        return judge(Verdict("mutant", 0), path, roads=roads, said=said)


def raises(path):
    raise ZeroDivisionError


def leaves_open(path):
    HELD.append(path.open())


def talks(path):
    os.write(2, b"moov atom not found")


def takes_memory(path):
    with mmap.mmap(-1, 48 * 2**20) as pages:  # new ones, which a list might not take
        for page in range(0, len(pages), mmap.PAGESIZE):
            pages[page] = 1


def hides_a_crash(path):
    refuse(422, "decoder_died", "it ended with status -11")


def crashes(path):
    os.kill(os.getpid(), signal.SIGSEGV)


def hangs(path):
    time.sleep(600)


HELD = []


@pytest.mark.parametrize(
    ("road", "fault"),
    [
        (raises, "ZeroDivisionError"),
        (leaves_open, "1 descriptors are left open"),
        (talks, "noise: moov atom not found"),
        (takes_memory, "it takes 4"),
        (hides_a_crash, "decoder_died: it ended with status -11"),
    ],
)
def test_a_road_that_does_what_none_may_is_found_out(road, fault, tmp_path, monkeypatch):
    monkeypatch.setattr(fuzzing, "MEMORY_MIB", 32)
    (found,) = judged([road], b"", tmp_path).faults
    assert fault in found
    while HELD:
        HELD.pop().close()


def test_a_log_that_was_cut_is_read_up_to_there(tmp_path):
    fuzz = runpy.run_path(str(Path(__file__).parents[1] / "scripts/fuzz.py"))
    log, verdict = tmp_path / "log.jsonl", Verdict("a.mp4", 3, ends={"decode": "frames"})
    line = json.dumps(asdict(verdict)) + "\n"
    log.write_text(2 * line + line[:-9])
    assert fuzz["verdicts"](log) == [verdict, verdict]
    assert fuzz["end_of_lines"](log) == 2 * len(line)
    assert fuzz["verdicts"](tmp_path / "none.jsonl") == []


@pytest.mark.slow
def test_crashes_and_hangs_are_found_out_and_the_next_mutant_is_judged(sources):
    for road, fault in ((crashes, "status -11"), (hangs, "no end within 5 s")):
        with Judge(sources, seconds=5.0, roads=[road]) as judge_of:
            for seed in (0, 1):
                (found,) = judge_of("h264.mp4", seed).faults
                assert fault in found


@pytest.mark.slow
def test_hundreds_of_mutants_leave_nothing_behind(sources):
    with Judge(sources) as judge_of:
        verdicts = [judge_of(name, seed) for seed in range(20) for name in sorted(KINDS)]
    assert not [str(verdict) for verdict in verdicts if verdict.faults]
    ends = {verdict.ends["decode"] == "frames" for verdict in verdicts}
    assert ends == {True, False}
    early, late = (verdicts[count].resident_mib for count in (len(verdicts) // 4, -1))
    assert late - early < 64
