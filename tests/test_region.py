"""The subject is found where one thing moves, and the whole frame is used where that is not so."""

from fractions import Fraction
from math import ceil
from statistics import median_low

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stillmotion.data.annotations import Sample
from stillmotion.data.crops import view_crops
from stillmotion.data.dataset import ClipDataset
from stillmotion.data.region import WHOLE, change, crop_to, motion_box, moving_cells, pixels
from stillmotion.data.sampling import Sampling
from stillmotion.errors import ConfigurationError
from videos import write_video

fractions = st.floats(0, 1)
lengths = st.integers(1, 500)


def plain_box(frames):
    """`motion_box` in loops over numbers."""
    frames = frames.tolist()
    num, height, width = len(frames), len(frames[0][0]), len(frames[0][0][0])
    side = max(1, min(height, width) // 64)
    rows, columns = height // side, width // side

    def grey(t, row, column):
        inside = [
            sum(frames[t][c][y][x] for c in range(3)) / 3
            for y in range(row * side, (row + 1) * side)
            for x in range(column * side, (column + 1) * side)
        ]
        return sum(inside) / len(inside)

    changes = {}
    for row in range(rows):
        for column in range(columns):
            told = [grey(t, row, column) for t in range(num)]
            changes[row, column] = max(abs(level - median_low(told)) for level in told)
    usual = median_low(changes.values())
    spread = median_low([abs(value - usual) for value in changes.values()])
    moving = [place for place, value in changes.items() if value > max(12, usual + 6 * spread)]
    if usual > 12 or not Fraction(1, 400) <= Fraction(len(moving), len(changes)) <= Fraction(1, 2):
        return WHOLE
    box = []
    for axis, cells in ((1, columns), (0, rows)):
        places = sorted(place[axis] for place in moving)
        few = len(places) // 50
        first, last = places[few] / cells, (places[len(places) - few - 1] + 1) / cells
        margin = 0.15 * (last - first)
        box.append((max(0.0, first - margin), min(1.0, last + margin)))
    (left, right), (top, bottom) = box
    return left, top, right, bottom


def block(*, frames=5, height=40, width=60, top=10, left=20, high=6, wide=8, step=0, level=255):
    """Grey frames with a block that moves to the right, and is there in every second frame only
    where it stays in place."""
    clip = torch.full((frames, 3, height, width), 100, dtype=torch.uint8)
    for t in range(frames):
        if step or t % 2:
            x = left + t * step
            clip[t, :, top : top + high, x : x + wide] = level
    return clip


@settings(max_examples=60)
@given(
    st.integers(1, 6), st.integers(1, 24), st.integers(1, 24), st.integers(0, 255),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_the_box_is_that_of_plain_loops(frames, height, width, most, seed):
    draw = torch.Generator().manual_seed(seed)
    # Multiples of 3 have exact means over the channels: a change may be just the threshold.
    noise = 3 * torch.randint(0, most // 3 + 1, (frames, 3, height, width), generator=draw)
    still = torch.randint(0, 2, (1, 1, height, width), generator=draw)
    clip = (noise * (torch.rand((1, 1, height, width), generator=draw) < 0.2) + 90 * still).clamp(
        max=255
    )
    found = motion_box(clip.to(torch.uint8))
    assert found == pytest.approx(plain_box(clip), abs=1e-9)


def test_the_grid_is_coarser_for_larger_frames():
    clip = block(height=200, width=260, top=50, left=100, high=40, wide=40)
    assert change(clip).shape == (200 // 3, 260 // 3)
    assert motion_box(clip) == pytest.approx(plain_box(clip), abs=1e-9)


def test_what_moves_lies_in_the_box_and_little_else():
    left, top, right, bottom = motion_box(block(step=3))
    assert 0 < left <= 20 / 60
    assert (20 + 4 * 3 + 8) / 60 <= right < 1
    assert 0 < top <= 10 / 40
    assert 16 / 40 <= bottom < 1
    assert (right - left) * (bottom - top) < 0.3


def test_a_few_specks_do_not_widen_the_box():
    clip = block(high=12, wide=12)
    clean = motion_box(clip)
    clip[1, :, 0, 0] = clip[3, :, -1, -1] = 255
    specked = motion_box(clip)
    assert specked == pytest.approx(clean, abs=0.05)


@pytest.mark.parametrize("frames", [1, 5])
def test_the_whole_frame_is_used_where_nothing_moves(frames):
    picture = torch.randint(0, 256, (1, 3, 40, 60), dtype=torch.uint8)
    assert motion_box(picture.expand(frames, -1, -1, -1)) == WHOLE


def test_the_whole_frame_is_used_where_everything_moves():
    torch.manual_seed(0)
    wide = torch.randint(0, 256, (3, 40, 100), dtype=torch.uint8)
    panned = torch.stack([wide[..., 5 * t : 5 * t + 60] for t in range(6)])
    assert motion_box(panned) == WHOLE


def test_light_that_changes_everywhere_moves_nothing():
    brighter = torch.arange(0, 250, 50, dtype=torch.uint8)[:, None, None, None].expand(5, 3, 40, 60)
    assert not moving_cells(change(brighter)).any()


@given(fractions, fractions, fractions, fractions, lengths, lengths)
def test_pixels_are_the_smallest_square_around_the_box(a, b, c, d, height, width):
    box = (min(a, b), min(c, d), max(a, b), max(c, d))
    top, left, high, wide = pixels(box, height=height, width=width)
    assert 0 <= top < top + high <= height
    assert 0 <= left < left + wide <= width
    assert left <= min(width - 1, int(box[0] * width))
    assert left + wide >= min(width, ceil(box[2] * width))
    assert top <= min(height - 1, int(box[1] * height))
    assert top + high >= min(height, ceil(box[3] * height))
    assert high == wide or min(high, wide) == (height if high < wide else width)
    tightest = max(ceil((box[2] - box[0]) * width), ceil((box[3] - box[1]) * height))
    assert max(high, wide) <= tightest + 2


def test_a_box_is_cut_from_all_frames():
    clip = block()
    cut = crop_to(clip, (0.5, 0.25, 1.0, 1.0))
    assert torch.equal(cut, clip[..., 10:40, 30:60])
    assert torch.equal(crop_to(clip, WHOLE), clip)


@pytest.mark.parametrize("train", [False, True])
def test_clips_of_a_data_set_show_the_region(train, tmp_path):
    """The white corner of the test's videos: the upper left quarter of each side."""
    path = write_video(tmp_path / "a.mp4", height=64, width=64)
    corner = Sample(path, 0, box=(0.0, 0.0, 0.25, 0.25))
    rest = Sample(path, 0, box=(0.5, 0.5, 1.0, 1.0))
    dataset = ClipDataset(
        [corner, rest],
        sampling=Sampling(num_frames=2, region="boxes"),
        transform=view_crops(16) if not train else lambda frames: frames[..., 1:15, 1:15],
        train=train,
    )
    assert dataset[0]["clip"].float().mean() > 230
    assert dataset[1]["clip"].float().mean() < 150
    with pytest.raises(ConfigurationError, match=r"1 of 2 videos have no box: .*a\.mp4"):
        ClipDataset(
            [corner, Sample(path, 0)],
            sampling=Sampling(region="boxes"),
            transform=view_crops(16),
            train=False,
        )
