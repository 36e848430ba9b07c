"""Generated videos: time alone tells the classes apart, and the files say what they are."""

import csv
from collections import Counter
from pathlib import Path

import av
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator

from stillmotion.data.synthetic import (
    MOTIONS,
    PARTNER,
    SHAPES,
    MotionVideo,
    draw_clip,
    draw_stills,
    write_motion_videos,
)
from stillmotion.data.synthetic.drawing import Look, Pose, Texture, render
from stillmotion.data.synthetic.writing import encode
from stillmotion.errors import ConfigurationError, StorageError

motions, shapes, seeds = st.sampled_from(MOTIONS), st.sampled_from(SHAPES), st.integers(0, 2**40)


def clip(motion: str, *, seed: int, shape: str = "star", size: int = 32) -> torch.Tensor:
    return draw_clip(motion, shape=shape, generator=Generator().manual_seed(seed), size=size)


def decoded(path: Path) -> torch.Tensor:
    with av.open(path) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return torch.stack([torch.from_numpy(picture) for picture in pictures]).permute(0, 3, 1, 2)


@settings(max_examples=15, deadline=None)
@given(motions, shapes, seeds)
def test_a_motion_backwards_is_its_partner(motion: str, shape: str, seed: int) -> None:
    forwards = clip(motion, shape=shape, seed=seed)
    backwards = clip(PARTNER[motion], shape=shape, seed=seed)
    assert torch.equal(forwards.flip(0), backwards)
    assert not torch.equal(forwards, backwards)


@settings(max_examples=15, deadline=None)
@given(motions, shapes, seeds)
def test_clips_are_short_rgb_videos(motion: str, shape: str, seed: int) -> None:
    frames = clip(motion, shape=shape, seed=seed)
    assert frames.dtype == torch.uint8
    assert frames.shape[1:] == (3, 32, 32)
    assert 18 <= len(frames) <= 30


def test_partners_are_six_pairs() -> None:
    assert len(MOTIONS) == 12
    assert set(PARTNER) == set(MOTIONS)
    assert all(PARTNER[PARTNER[motion]] == motion != PARTNER[motion] for motion in MOTIONS)


def test_lengths_and_looks_vary() -> None:
    clips = [clip("grows", seed=seed) for seed in range(12)]
    assert len({len(frames) for frames in clips}) > 3
    first = torch.stack([frames[0].float().mean(dim=(1, 2)) for frames in clips])
    assert first.std(dim=0).min() > 10


def flat_look(shape: str) -> Look:
    """A white object with a black mark on a black ground, without noise."""

    def flat(level: float) -> Texture:
        return Texture(
            colours=torch.full((1, 2, 3), level),
            waves=torch.ones(1, 2, 2),
            phases=torch.zeros(1, 2),
            balance=torch.zeros(1),
            contrast=torch.ones(1),
        )

    mark = torch.zeros(1, 3)
    return Look(
        shape=shape, surface=flat(1.0), mark=mark, background=flat(0.0), noise=torch.zeros(1)
    )


def still_pose(**changes: torch.Tensor) -> Pose:
    values = {
        "centre": torch.zeros(1, 2),
        "radius": torch.full((1,), 0.5),
        "angle": torch.zeros(1),
        "opacity": torch.ones(1),
        "object_light": torch.ones(1),
        "scene_light": torch.ones(1),
        "camera": torch.zeros(1, 2),
    }
    return Pose(**{**values, **changes})


def drawn(shape: str, **changes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    drawing = render(
        flat_look(shape), still_pose(**changes), size=64, generator=Generator().manual_seed(0)
    )
    return drawing.pictures[0, 0].float(), drawing.coverage[0]


def middle(weight: torch.Tensor) -> torch.Tensor:
    """The centre of mass (x, y), in halves of the side."""
    edge = (torch.arange(64) + 0.5) / 32 - 1
    return torch.stack([(weight.sum(0) * edge).sum(), (weight.sum(1) * edge).sum()]) / weight.sum()


@pytest.mark.parametrize("shape", SHAPES)
def test_an_object_lies_where_its_pose_says(shape: str) -> None:
    centre, camera = torch.tensor([[0.3, -0.2]]), torch.tensor([[0.1, 0.1]])
    _, coverage = drawn(shape, centre=centre, camera=camera)
    torch.testing.assert_close(middle(coverage), (centre - camera)[0], atol=0.03, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_quarter_turn_clockwise_brings_the_mark_from_the_right_to_the_bottom(shape: str) -> None:
    picture, coverage = drawn(shape)
    turned, turned_coverage = drawn(shape, angle=torch.full((1,), torch.pi / 2))
    black, turned_black = coverage * 255 - picture, turned_coverage * 255 - turned
    assert middle(black)[0] > 0.1 > middle(black)[1].abs()
    assert middle(turned_black)[1] > 0.1 > middle(turned_black)[0].abs()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_larger_radius_covers_more_and_no_opacity_covers_nothing(shape: str) -> None:
    _, small = drawn(shape, radius=torch.full((1,), 0.3))
    _, large = drawn(shape, radius=torch.full((1,), 0.6))
    assert large.sum() / small.sum() == pytest.approx(4, rel=0.1)
    assert drawn(shape, opacity=torch.zeros(1))[1].sum() == 0


def test_light_scales_the_picture() -> None:
    bright, _ = drawn("square")
    dim, _ = drawn("square", scene_light=torch.full((1,), 0.5))
    assert dim.sum() / bright.sum() == pytest.approx(0.5, rel=0.01)


def test_stills_tell_what_they_show() -> None:
    stills = draw_stills(60, size=48, generator=Generator().manual_seed(0))
    assert stills.pictures.shape == (60, 3, 48, 48)
    assert Counter(stills.shape.tolist()) == dict.fromkeys(range(len(SHAPES)), 10)
    assert (stills.coverage.amax(dim=(1, 2)) <= stills.opacity + 1e-6).all()
    again = draw_stills(60, size=48, generator=Generator().manual_seed(0))
    assert torch.equal(stills.pictures, again.pictures)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="module")
def videos(directory: Path) -> list[MotionVideo]:
    return write_motion_videos(
        directory, num_train=12, num_val=3, num_heldout_pairs=12, seed=5, size=48
    )


def test_the_index_lists_every_file_and_no_other(
    directory: Path, videos: list[MotionVideo]
) -> None:
    with (directory / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = [MotionVideo(**row) for row in csv.DictReader(file)]
    assert rows == videos
    files = {path.relative_to(directory).as_posix() for path in directory.rglob("*.*")}
    assert files == {video.path for video in videos} | {"index.csv"}
    assert Counter(video.split for video in videos) == {"train": 12, "val": 3, "test": 24}
    assert all(video.path.startswith(f"{video.split}/{video.label}/") for video in videos)


def test_a_twin_is_the_same_video_backwards(directory: Path, videos: list[MotionVideo]) -> None:
    by_path = {video.path: video for video in videos}
    heldout = [video for video in videos if video.split == "test"]
    assert all(bool(video.twin) == (video.split == "test") for video in videos)
    for video in heldout:
        twin = by_path[video.twin]
        assert (twin.twin, twin.label) == (video.path, PARTNER[video.label])
        forwards = decoded(directory / video.path).float()
        backwards = decoded(directory / twin.path).float().flip(0)
        assert (forwards - backwards).abs().mean() < 8


def test_no_clip_is_in_two_splits(directory: Path, videos: list[MotionVideo]) -> None:
    firsts = [
        decoded(directory / video.path)[0] for video in videos if "reversed" not in video.path
    ]
    assert all(
        (a.float() - b.float()).abs().mean() > 8 for i, a in enumerate(firsts) for b in firsts[:i]
    )


def test_the_same_seed_writes_the_same_frames(
    tmp_path: Path, directory: Path, videos: list[MotionVideo]
) -> None:
    again = write_motion_videos(
        tmp_path, num_train=12, num_val=3, num_heldout_pairs=12, seed=5, size=48
    )
    other = write_motion_videos(
        tmp_path / "other", num_train=1, num_val=0, num_heldout_pairs=0, seed=6, size=48
    )
    assert again == videos
    for video in (videos[0], videos[-1]):
        assert torch.equal(decoded(directory / video.path), decoded(tmp_path / video.path))
    path = other[0].path
    assert not torch.equal(decoded(directory / path)[0], decoded(tmp_path / "other" / path)[0])


def test_encoding_keeps_every_frame_and_nearly_every_pixel(tmp_path: Path) -> None:
    frames = clip("turns-clockwise", seed=3, size=80)
    encode(frames, tmp_path / "clip.mp4")
    kept = decoded(tmp_path / "clip.mp4")
    assert kept.shape == frames.shape
    assert (kept.float() - frames.float()).abs().mean() < 10


def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write_motion_videos(
        tmp_path,
        num_train=2,
        num_val=0,
        num_heldout_pairs=2,
        size=32,
        on_progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 6), (2, 6), (4, 6), (6, 6)]


def test_some_motions_alone_can_be_written(tmp_path: Path) -> None:
    pair = ("grows", "shrinks")
    sizes = {"num_train": 4, "num_val": 2, "num_heldout_pairs": 2, "size": 32}
    rows = write_motion_videos(tmp_path, motions=pair, **sizes)
    assert Counter(row.label for row in rows) == {"grows": 5, "shrinks": 5}


def test_mistakes_say_what_is_possible(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'moves-left'"):
        clip("moves-lefft", seed=0)
    with pytest.raises(ConfigurationError, match="did you mean 'star'"):
        clip("grows", shape="starr", seed=0)
    with pytest.raises(ConfigurationError, match="multiple of 6"):
        draw_stills(7, size=32, generator=Generator())
    with pytest.raises(ConfigurationError, match="even"):
        write_motion_videos(tmp_path, size=33)
    with pytest.raises(ConfigurationError, match="did you mean 'grows'"):
        write_motion_videos(tmp_path, motions=["growss"])
    with pytest.raises(ConfigurationError, match="backwards is 'shrinks': give both"):
        write_motion_videos(tmp_path, motions=["grows"])
    with pytest.raises(ConfigurationError, match="no motion to draw"):
        write_motion_videos(tmp_path, motions=[])
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(StorageError, match="not empty"):
        write_motion_videos(tmp_path)
    with pytest.raises(StorageError, match="cannot write"):
        write_motion_videos(tmp_path / "mine.txt" / "below")
