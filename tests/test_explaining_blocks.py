"""Blocks are ranked by how well their flow follows the motion that is there."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional import spearman_corrcoef

from models import FRAMES, SIZE, classifier, moving
from stillmotion.errors import DataError
from stillmotion.explaining import BlockRanking, rank_blocks
from stillmotion.explaining.choosing import motion, motion_correlation, spearman
from stillmotion.explaining.ranking_tables import ranking_told, told_proposal
from stillmotion.methods import AMFlow, LinearProbe
from stillmotion.visualise import BlockFlow

SQUARE = 8
"""Pixels of a patch, and of the square that moves."""


def moving_square():
    """A bright square that goes one patch to the right with each frame; (T, 3, H, W)."""
    clip = np.full((FRAMES, 3, SIZE, SIZE), 40, np.uint8)
    for frame in range(FRAMES):
        clip[frame, :, SQUARE : 2 * SQUARE, SQUARE * frame : SQUARE * (frame + 1)] = 220
    return clip


def flow_of(heat, *, pairing):
    """A block whose heat is given for the pairs of frames."""
    lonely = np.ones_like(heat[:1])
    whole = [heat, lonely] if pairing == "next" else [lonely, heat]
    return BlockFlow(
        block=0, flow=np.concatenate(whole)[..., None], still=1.0, pairing=pairing, read=True
    )


def test_motion_lies_where_the_square_was_and_where_it_goes():
    found = motion(moving_square(), SIZE // SQUARE, SIZE // SQUARE)
    expected = np.zeros((FRAMES - 1, 4, 4))
    for pair in range(FRAMES - 1):
        expected[pair, 1, [pair, pair + 1]] = 180
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("pairing", ["next", "previous"])
def test_the_nearer_a_flow_is_to_the_motion_the_higher_its_correlation(pairing):
    clip = moving_square()
    truth = motion(clip, 4, 4) / 180
    noise = np.random.default_rng(0).normal(size=truth.shape)
    heats = [truth + amount * noise for amount in (0.01, 0.5, 2.0)] + [noise, -truth]
    found = [motion_correlation(flow_of(heat, pairing=pairing), clip) for heat in heats]
    assert found == sorted(found, reverse=True)
    assert motion_correlation(flow_of(truth, pairing=pairing), clip) == pytest.approx(1)
    assert found[-1] == pytest.approx(-1)


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=40))
def test_spearman_is_torchmetrics(pairs):
    first, second = (np.array(column, dtype=np.float64) for column in zip(*pairs, strict=True))
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert spearman(first, second) == 0
    else:
        expected = spearman_corrcoef(torch.from_numpy(first), torch.from_numpy(second))
        assert spearman(first, second) == pytest.approx(float(expected), abs=1e-3)


def ranking(correlations):
    rows = np.array(correlations)
    count = rows.shape[1]
    return BlockRanking(tuple(range(count)), (False,) * count, rows, ())


def test_the_proposal_is_the_best_and_what_cannot_be_told_from_it():
    alike = [[0.50, 0.49, 0.30], [0.60, 0.62, 0.31], [0.40, 0.40, 0.10]]
    assert ranking(alike).proposal == (0, 1)
    assert ranking(alike[:1]).proposal == (0,)
    assert ranking([[0.5, 0.5]]).proposal == (0,)
    assert ranking(alike[:1]).spreads is None
    assert ranking([[-0.1, -0.2]]).proposal == ()
    assert "nothing is proposed" in told_proposal(ranking([[-0.1, -0.2]]))


def test_the_proposed_options_are_a_method():
    told = told_proposal(ranking([[0.5, 0.2, 0.1]]))
    assert "--amflow.flow_blocks [0] --amflow.adapter_blocks [0]" in told
    fields = {"flow_blocks": [0], "adapter_blocks": [0]}
    assert AMFlow.with_fields(fields).flow_blocks == (0,)


def test_blocks_of_a_model_are_ranked_over_videos(tmp_path):
    model = classifier(LinearProbe())
    clips = {"a": moving(batch=1)[0], "b": moving(batch=1, seed=5)[0]}
    clips = {name: (clip * 255).to(torch.uint8) for name, clip in clips.items()}
    clips["still"] = clips["a"][:1].expand(FRAMES, -1, -1, -1)
    paths, seen = [tmp_path / name for name in clips], []
    found = rank_blocks(
        model,
        paths,
        read=lambda path: clips[path.name],
        on_progress=lambda *counts: seen.append(counts),
    )
    assert found.correlations.shape == (2, 4)
    assert found.still == (str(tmp_path / "still"),)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    rows = ranking_told(found)["blocks"]
    assert [row["correlation"] for row in rows] == sorted(
        (row["correlation"] for row in rows), reverse=True
    )
    with pytest.raises(DataError, match=r"nothing moves in .*still"):
        rank_blocks(model, paths[2:], read=lambda path: clips[path.name])
