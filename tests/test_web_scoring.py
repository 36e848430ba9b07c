"""Clips of several jobs share batches, every job in its turn."""

from collections import deque

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models import SIZE, trained
from stillmotion.methods import AIM, LinearProbe
from stillmotion.web.hosting import Hosted
from stillmotion.web.metrics import Metrics
from stillmotion.web.scoring import MOST_CLIPS, Line, Question, Scorer, same, take_in_turn


@pytest.fixture(scope="module")
def models():
    return {"a": Hosted("a", trained(AIM())), "b": Hosted("b", trained(LinearProbe()))}


@pytest.fixture
def scorer(models):
    scorer = Scorer(models, Metrics())
    yield scorer
    scorer.close()


def clips(number):
    generator = torch.Generator().manual_seed(number)
    return torch.randint(256, (number, 4, 3, SIZE, SIZE), generator=generator, dtype=torch.uint8)


def test_clips_of_several_jobs_share_a_batch_and_get_their_own_answers(scorer, models):
    shown = clips(6)
    with scorer._changed:  # so that all of them wait before the first is taken
        answers = [scorer.logits(f"job {i % 3}", "a", clip) for i, clip in enumerate(shown)]
        others = [scorer.logits("job 0", "b", clip) for clip in shown]
    for name, said in (("a", answers), ("b", others)):
        expected = models[name].logits(shown)
        told = torch.stack([answer.said.result() for answer in said])
        torch.testing.assert_close(told, expected, atol=1e-5, rtol=1e-5)
        assert len({answer.seconds for answer in said}) == 1  # each its part of one batch
    counts = scorer.metrics.text({}).splitlines()
    assert 'stillmotion_batches_total{model="a",kind="logits"} 1' in counts
    assert 'stillmotion_clips_total{model="b",kind="logits"} 6' in counts


def test_a_mistake_of_one_batch_goes_to_those_who_asked_and_no_further(scorer):
    wrong = scorer.logits("bad", "a", torch.zeros(4, 3, 7, 7, dtype=torch.uint8))
    with pytest.raises(Exception, match="shape"):
        wrong.said.result()
    assert scorer.logits("good", "a", clips(1)[0]).said.result().shape == (3,)


def test_what_is_forgotten_is_cancelled_and_nothing_else(scorer):
    with scorer._changed:
        gone, kept = (scorer.logits(job, "a", clips(1)[0]) for job in ("gone", "kept"))
        scorer.forget("gone")
        assert scorer.waiting() == 1
    assert gone.said.cancelled()
    assert kept.said.result().shape == (3,)


def test_what_still_waits_when_it_closes_is_cancelled(models):
    scorer = Scorer(models, Metrics())
    with scorer._changed:
        answers = [scorer.logits("job", "a", clip) for clip in clips(2 * MOST_CLIPS)]
        scorer._is_open = False
    scorer.close()
    assert all(answer.said.cancelled() for answer in answers)


@given(
    waiting=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    liked=st.lists(st.booleans(), min_size=6, max_size=6),
    most=st.integers(1, 12),
)
def test_lines_are_served_evenly_in_order_and_go_last(waiting, liked, most):
    clip = torch.zeros(1, 3, 1, 1, dtype=torch.uint8)
    given_ = {
        Line(f"job {i}", "a" if liked[i] else "b", "logits"): [Question(clip) for _ in range(n)]
        for i, n in enumerate(waiting)
    }
    wanted = Line("", "a", "logits")
    lines = {line: deque(questions) for line, questions in given_.items()}
    served = take_in_turn(lines, most=most, like=lambda line: same(line, wanted))
    chosen = [line for line in given_ if line.model == "a"]
    assert len(served) == min(most, sum(len(given_[line]) for line in chosen))
    counts = {}
    for line in chosen:
        counts[line] = sum(question in served for question in given_[line])
        left = list(lines.get(line, []))
        assert given_[line][counts[line] :] == left  # those that came first were served
        assert [q for q in served if q in given_[line]] == given_[line][: counts[line]]
    for line in chosen:  # nobody is served twice more than one who still waits
        assert all(counts[line] - counts[o] <= 1 for o in chosen if lines.get(o))
    others = [line for line in given_ if line.model == "b"]
    assert list(lines)[: len(others)] == others
    assert all(lines.values())


def test_nobody_waits_behind_a_long_line(scorer):
    with scorer._changed:
        long = [scorer.logits("long", "a", clip) for clip in clips(2 * MOST_CLIPS)]
        short = scorer.logits("short", "a", clips(1)[0])
    short.said.result()
    assert not long[-1].said.done()
    scorer.forget("long")
