"""Crops lie in their frames where they should; one draw serves all frames of a clip."""

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stillmotion.data.crops import (
    QUARTERS,
    crop_corners,
    jitter_crop,
    multiscale_crop,
    view_crops,
)
from stillmotion.data.operations import MAGNITUDES, Erase, Lighting, RandomOperations
from stillmotion.data.transforms import Augmentation, train_transform
from stillmotion.errors import ConfigurationError

SIZE = 32
pixels = st.integers(8, 400)
seeds = st.integers(0, 2**32 - 1)


def still(*, frames=5, height=40, width=60):
    picture = torch.randint(0, 256, (1, 3, height, width), dtype=torch.uint8)
    return picture.expand(frames, -1, -1, -1)


@pytest.mark.parametrize(
    "fields",
    [
        {"crop": "jitter", "interpolation": "bicubic"},
        {"crop": "multiscale", "lighting": 0.5},
        {"colour": 0.4, "erase": 1.0},
        {"operations": 4, "magnitude": 20},
        {"operations": 4, "magnitude": 20, "magnitude_std": 5.0, "operation_probability": 0.5},
        {"operations": 2, "operations_first": True},
    ],
    ids=str,
)
def test_one_draw_serves_all_frames_of_a_clip(fields):
    different = set()
    for _ in range(10):
        clip = train_transform(SIZE, Augmentation(**fields))(still())
        assert clip.shape == (5, 3, SIZE, SIZE)
        assert clip.dtype == torch.uint8
        assert all(torch.equal(frame, clip[0]) for frame in clip)
        different.add(clip.numpy().tobytes())
    assert len(different) > 1


@given(pixels, pixels, st.floats(1, 3), seeds)
def test_a_jittered_crop_is_a_square_inside(height, width, zoom, seed):
    torch.manual_seed(seed)
    top, left, high, wide = jitter_crop(height, width, zoom=zoom)
    assert high == wide
    assert abs(high - min(height, width) / zoom) <= 0.5
    assert 0 <= top <= height - high
    assert 0 <= left <= width - wide


def tsn_crops(height, width, sides):
    """All of TSN's crops with offsets fixed, as its authors' code lists them."""
    base = min(height, width)
    found = set()
    for i, j in product(range(len(sides)), repeat=2):
        if abs(i - j) <= 1:
            high, wide = int(base * sides[i]), int(base * sides[j])
            down, across = (height - high) // 4, (width - wide) // 4
            corners = [(y, x) for y in (0, 2, 4) for x in (0, 2, 4)]
            quarters = [(y, x) for y in (1, 3) for x in (1, 3)]
            found |= {(y * down, x * across, high, wide) for y, x in corners + quarters}
    return found


@given(pixels, pixels, seeds)
def test_a_multiscale_crop_is_one_of_tsns(height, width, seed):
    torch.manual_seed(seed)
    sides = Augmentation().sides
    top, left, high, wide = multiscale_crop(height, width, sides=sides)
    assert (top, left, high, wide) in tsn_crops(height, width, sides)
    assert top + high <= height
    assert left + wide <= width


def test_every_multiscale_crop_is_drawn():
    sides, drawn = (1.0, 0.8, 0.5), torch.manual_seed(0)
    drawn = {multiscale_crop(100, 140, sides=sides) for _ in range(3000)}
    assert len(QUARTERS) == len(set(QUARTERS)) == 13
    assert drawn == tsn_crops(100, 140, sides)


def plain_corners(height, width, size, num_crops, starts):
    """Three crops along the longer side as SlowFast's, or as DualPath's; ten as AlexNet's."""
    down, across = height - size, width - size
    if num_crops == 10:
        corners = [(0, 0), (0, across), (down, 0), (down, across)]
        return [*corners, (down // 2, across // 2)]
    parts = [i / num_crops for i in range(num_crops)] if starts else {1: [0.5], 3: [0, 0.5, 1]}
    parts = parts if starts else parts[num_crops]
    if height > width:
        return [(int(part * down + 1e-6), across // 2) for part in parts]
    return [(down // 2, int(part * across + 1e-6)) for part in parts]


@given(pixels, pixels, st.floats(0.1, 1), st.sampled_from([1, 3, 10]), st.booleans())
def test_views_are_cut_as_their_authors_cut_them(height, width, part, num_crops, starts):
    size = max(1, int(part * min(height, width)))
    spread = "starts" if starts else "ends"
    found = crop_corners(height, width, size=size, num_crops=num_crops, spread=spread)
    assert found == plain_corners(height, width, size, num_crops, starts)


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (32, 32)])
def test_three_crops_reach_both_edges_and_the_middle(shape):
    frames = torch.zeros(1, 3, *shape, dtype=torch.uint8)
    frames[..., 0, 0] = frames[..., -1, -1] = 255
    crops = view_crops(min(shape), num_crops=3)(frames)
    assert crops.shape == (3, 1, 3, min(shape), min(shape))
    assert crops[0, ..., 0, 0].min() == 255
    assert crops[2, ..., -1, -1].min() == 255
    assert torch.equal(view_crops(min(shape))(frames)[0], crops[1])


def test_ten_crops_are_five_and_their_mirror_images():
    crops = view_crops(24, num_crops=10, short_side=32)(still(frames=2, height=64, width=80))
    assert crops.shape == (10, 2, 3, 24, 24)
    assert torch.equal(crops[5:], crops[:5].flip(-1))
    assert len({crop.numpy().tobytes() for crop in crops}) == 10


def test_frames_are_resized_before_views_are_cut():
    frames = still(height=64, width=64)
    whole, part = view_crops(32)(frames), view_crops(32, short_side=64)(frames)
    assert torch.equal(part[0], frames[..., 16:48, 16:48])
    assert not torch.equal(view_crops(32, interpolation="bicubic")(frames), whole)
    with pytest.raises(ConfigurationError, match="short_side=31 is less than the model's 32"):
        view_crops(32, short_side=31)
    with pytest.raises(ConfigurationError, match="1, 3 or 10, got 2"):
        view_crops(32, num_crops=2)


def distance(transform, frames, *, tries=30):
    plain = train_transform(SIZE, Augmentation(scale=(1.0, 1.0), ratio=(1.5, 1.5)))(frames).int()
    return sum(int((transform(frames).int() - plain).abs().sum()) for _ in range(tries))


def test_random_operations_grow_with_magnitude_number_and_probability():
    frames = torch.arange(0, 256, dtype=torch.uint8).repeat(2, 3, 40, 1)[..., 100:160]
    whole = {"scale": (1.0, 1.0), "ratio": (1.5, 1.5)}
    half = {"operations": 4, "magnitude": 30, "operation_probability": 0.3}
    steps = ({}, {"operations": 1, "magnitude": 3}, half, half | {"operation_probability": 1.0})
    found = [distance(train_transform(SIZE, Augmentation(**whole, **s)), frames) for s in steps]
    assert 0 == found[0] < found[1] < found[2] < found[3]


def test_operations_that_are_never_done_do_nothing():
    frames = still()
    never = RandomOperations(operations=9, magnitude=30, probability=0.0)
    assert torch.equal(never(frames), frames)


class Asked(list):
    """Stands where the strengths stand, and notes which are asked for."""

    def __getitem__(self, magnitude):
        self.append(magnitude)
        return lambda frames: frames


def test_magnitudes_are_drawn_around_the_one_asked_for_and_stay_in_range():
    torch.manual_seed(0)
    asked = Asked()
    timm = {"operations": 4, "magnitude": 21, "probability": 0.5, "magnitude_std": 1.5}
    operations = RandomOperations(**timm, strengths=asked)
    for _ in range(1000):
        operations(still())
    drawn = torch.tensor(list(asked), dtype=torch.float)
    assert len(drawn) == pytest.approx(2000, abs=150)
    assert drawn.mean() == pytest.approx(21, abs=0.2)
    assert drawn.std() == pytest.approx(1.5, abs=0.2)
    wild = {"operations": 200, "magnitude": 15, "magnitude_std": 50.0, "strengths": Asked()}
    RandomOperations(**wild)(still())
    assert {min(wild["strengths"]), max(wild["strengths"])} == {0, MAGNITUDES - 1}


def test_light_moves_all_pixels_alike_and_along_the_axes_of_colour():
    torch.manual_seed(0)
    grey = torch.full((2, 3, 4, 4), 128, dtype=torch.uint8)
    shifts = torch.stack([Lighting(0.5)(grey)[0, :, 0, 0].float() - 128 for _ in range(400)])
    lit = Lighting(0.5)(grey)
    assert torch.equal(lit, lit[:1, :, :1, :1].expand_as(lit))
    # Nearly all of the variance lies along the first axis, grey: 55.46 against 4.8 and 1.1.
    assert shifts.std(dim=0).mean() == pytest.approx(0.5 * 55.46 * 0.577, rel=0.15)
    assert torch.corrcoef(shifts.T).min() > 0.97
    assert torch.equal(Lighting(0.0)(grey), grey)


@pytest.mark.parametrize("fill", ["black", "noise"])
def test_erasing_blanks_one_rectangle_in_all_frames(fill):
    torch.manual_seed(0)
    frames = torch.full((3, 3, 40, 50), 128, dtype=torch.uint8)
    erased = Erase(1.0, fill)(frames) != 128
    where = erased.any(dim=0).any(dim=0)
    rows, columns = where.any(dim=1).nonzero(), where.any(dim=0).nonzero()
    high, wide = int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)
    assert int(where.sum()) == high * wide
    assert 0.01 < high * wide / 2000 < 0.35
    assert erased[..., where].float().mean() > 0.98  # of noise one pixel in 256 is as it was
    if fill == "noise":
        inside = Erase(1.0, fill)(frames)[..., where].float()
        assert inside[0].std() > 20
        assert not torch.equal(inside[0], inside[1])
    assert torch.equal(Erase(0.0, fill)(frames), frames)


@pytest.mark.parametrize(
    "fields",
    [
        {"scale": (0.0, 1.0)},
        {"scale": (0.9, 0.5)},
        {"ratio": (2.0, 1.0)},
        {"zoom": (0.9, 1.2)},
        {"sides": (1.2,)},
        {"sides": ()},
        {"flip": 1.5},
        {"operations": -1},
        {"magnitude": 31},
        {"operation_probability": 2},
        {"repeats": 0},
        {"mixup": -0.1},
        {"crop": "resised"},
        {"erase_fill": "white"},
        {"interpolation": "nearest"},
    ],
    ids=str,
)
def test_an_augmentation_out_of_range_is_refused(fields):
    ((name, value),) = fields.items()
    augmentation = Augmentation()
    # Past the type checker of the tests, which users do not have.
    object.__setattr__(augmentation, name, value)
    with pytest.raises(ConfigurationError, match=name):
        augmentation.__post_init__()
