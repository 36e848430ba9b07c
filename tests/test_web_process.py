"""A decoding process ends with its file, whatever the file does to it."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from stillmotion.web.limits import Limits
from stillmotion.web.process import messages
from stillmotion.web.refusal import CancelledError, RefusalError

LIMITS = Limits(decode_gib=1.0)


def say_clips(path, number):
    """A task: a clip whose pixels are its number, again and again."""
    for index in range(number):
        yield {"index": index}, torch.full((2, 3, 4, 5), index, dtype=torch.uint8)


def crash(path, _):
    yield {"pid": os.getpid()}, None
    os.kill(os.getpid(), signal.SIGKILL)


def hang(path, _):
    yield {"pid": os.getpid()}, None
    time.sleep(3600)


def hog(path, _):
    yield {"bytes": len(bytearray(8 * 2**30))}, None


def hog_tensors(path, _):
    yield {"bytes": torch.ones(8 * 2**30, dtype=torch.uint8).numel()}, None


def fail(path, _):
    raise RuntimeError("something else")
    yield {}, None


def spin(path, _):
    while True:
        pass
    yield {}, None


def count(path, number):
    """A task: says a megabyte at a time, and writes to the file how often it did."""
    for index in range(number):
        yield {"index": index}, torch.zeros(1, 1, 1024, 1024, dtype=torch.uint8)
        path.write_text(str(index + 1))


def said(task, asked=None, *, seconds=60.0, limits=LIMITS, stop=None, path=Path(os.devnull)):
    stop = stop or threading.Event()
    return messages(task, path, asked, limits=limits, seconds=seconds, stop=stop)


def code_of(task, **settings):
    with pytest.raises(RefusalError) as refused:
        list(said(task, **settings))
    assert refused.value.status == 422
    return refused.value.fault.code


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_clips_arrive_as_they_were_said():
    told = list(said(say_clips, 20))
    assert [message["index"] for message, _ in told] == list(range(20))
    assert all(torch.equal(clip, torch.full((2, 3, 4, 5), m["index"])) for m, clip in told)


def test_a_crash_is_the_files_fault():
    assert code_of(crash) == "decoder_died"


def test_a_process_that_hangs_is_killed_in_time():
    seen = []
    with pytest.raises(RefusalError, match="too long"):
        seen.extend(message["pid"] for message, _ in said(hang, seconds=1.0))
    assert not seen or not is_running(seen[0])


def test_a_process_is_killed_when_it_should_stop_or_nobody_listens():
    stop = threading.Event()
    listening = said(hang, stop=stop)
    pid = next(listening)[0]["pid"]
    stop.set()
    with pytest.raises(CancelledError):
        next(listening)
    assert not is_running(pid)
    listening = said(hang)
    pid = next(listening)[0]["pid"]
    listening.close()
    assert not is_running(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="the system bounds no memory")
@pytest.mark.parametrize("task", [hog, hog_tensors])
def test_memory_is_bounded_and_its_lack_told_as_such(task):
    with pytest.raises(RefusalError, match="decoding needs more memory than is allowed"):
        list(said(task))


def test_other_mistakes_of_the_process_are_no_lack_of_memory():
    with pytest.raises(RefusalError, match="broke the decoder"):
        list(said(fail))


@pytest.mark.skipif(os.name != "posix", reason="the system bounds no computing time")
def test_computing_time_is_bounded():
    assert code_of(spin, limits=Limits(time_limit_seconds=0.01)) == "decoder_died"


def test_a_process_waits_for_whoever_listens(tmp_path):
    """Memory stays bounded: what is not heard is not made."""
    listening = said(count, 1000, path=tmp_path / "count")
    for _ in range(3):
        next(listening)
    time.sleep(0.3)
    assert 2 <= int((tmp_path / "count").read_text()) <= 4
    listening.close()
