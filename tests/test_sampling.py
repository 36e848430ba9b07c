"""Index arithmetic holds for every length."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stillmotion.data.indices import (
    clip_starts,
    dense_indices,
    frame_uniform_indices,
    uniform_indices,
)
from stillmotion.data.sampling import Sampling, clip_indices, view_indices
from stillmotion.errors import ClipError, ConfigurationError

lengths = st.integers(1, 2000)
counts = st.integers(1, 64)
seeds = st.integers(0, 2**32)
spreads = st.sampled_from(["ends", "middles", "starts"])
choices = st.builds(  # of dictionaries: the shape checker draws random numbers of its own
    dict,
    num_frames=st.integers(1, 32),
    kind=st.sampled_from(["uniform", "frame_uniform", "dense"]),
    stride=st.integers(1, 16),
    short=st.sampled_from(["repeat", "loop"]),
)


def generator(seed):
    return torch.Generator().manual_seed(seed)


@given(lengths, counts)
def test_centres_rise_and_are_symmetric_under_time_reversal(length, num_frames):
    indices = uniform_indices(length, num_frames=num_frames)
    assert indices.shape == (num_frames,)
    assert (indices.diff() >= 0).all()
    mirrored = length - 1 - indices.flip(0)
    if num_frames % 2 and length % 2 == 0:
        middle = num_frames // 2
        assert indices[middle] == mirrored[middle] + 1
        indices[middle] = mirrored[middle]
    assert torch.equal(indices, mirrored)


@given(lengths, counts)
def test_a_centre_is_within_half_a_frame_of_the_segments_middle(length, num_frames):
    indices = uniform_indices(length, num_frames=num_frames)
    middles = (torch.arange(num_frames, dtype=torch.float64) + 0.5) * length / num_frames - 0.5
    assert (indices - middles).abs().max() <= 0.5 + 1e-9


@given(st.integers(1, 50))
def test_as_many_segments_as_frames_take_every_frame(length):
    every = list(range(length))
    assert uniform_indices(length, num_frames=length).tolist() == every
    assert uniform_indices(length, num_frames=length, generator=generator(0)).tolist() == every


@given(lengths, counts, seeds)
def test_random_frames_stay_in_their_segments(length, num_frames, seed):
    indices = uniform_indices(length, num_frames=num_frames, generator=generator(seed))
    for segment, index in enumerate(indices.tolist()):
        first = segment * length // num_frames
        assert first <= index < max(first + 1, (segment + 1) * length // num_frames)
    again = uniform_indices(length, num_frames=num_frames, generator=generator(seed))
    assert torch.equal(indices, again)


def test_every_frame_can_be_drawn():
    draw = generator(0)
    seen = {int(i) for _ in range(200) for i in uniform_indices(11, num_frames=4, generator=draw)}
    assert seen == set(range(11))
    seen = {
        int(i)
        for _ in range(200)
        for i in dense_indices(11, num_frames=3, stride=2, generator=draw)[0]
    }
    assert seen == set(range(11))


@given(lengths, counts, st.integers(1, 16), st.integers(1, 10), st.none() | seeds)
def test_dense_clips_keep_their_stride_where_they_fit(length, num_frames, stride, clips, seed):
    clips = dense_indices(
        length,
        num_frames=num_frames,
        stride=stride,
        num_clips=clips,
        generator=None if seed is None else generator(seed),
    )
    assert 0 <= clips.min() <= clips.max() < length
    if (num_frames - 1) * stride < length:
        assert (clips.diff(dim=1) == stride).all()
    if seed is None and len(clips) > 1:
        assert clips[0, 0] == 0
        assert clips[-1, -1] == length - 1 or clips[-1, -1] == (num_frames - 1) * stride


@given(lengths, choices, st.integers(1, 10), spreads, seeds)
def test_clips_and_views_lie_in_the_video(length, choice, num_clips, spread, seed):
    sampling = Sampling(**choice)
    how = {"sampling": sampling, "num_clips": num_clips, "spread": spread}
    views = view_indices(length, **how)
    assert views.shape == (num_clips, sampling.num_frames)
    assert torch.equal(views, view_indices(length, **how))
    clip = clip_indices(length, sampling=sampling, generator=generator(seed))
    assert clip.shape == (sampling.num_frames,)
    for indices in (views, clip):
        assert indices.dtype == torch.long
        assert 0 <= indices.min() <= indices.max() < length


@given(lengths, counts, st.integers(1, 10))
def test_uniform_views_of_a_long_video_are_different_frames(length, num_frames, num_clips):
    if length < num_frames * num_clips:
        length += num_frames * num_clips
    views = view_indices(length, sampling=Sampling(num_frames=num_frames), num_clips=num_clips)
    assert views.unique().numel() == views.numel()
    assert torch.equal(views.T.flatten(), views.flatten().sort().values)


def seq_frames(length, clip_len):
    """The segments of MMAction2's SampleFrames.get_seq_frames, whose round is Python's."""
    size = float(length - 1) / clip_len
    return [(round(size * i), round(size * (i + 1))) for i in range(clip_len)]


@given(lengths, counts, seeds)
def test_frame_uniform_is_that_of_mmaction2(length, num_frames, seed):
    segments = seq_frames(length, num_frames)
    (middles,) = frame_uniform_indices(length, num_frames=num_frames).tolist()
    assert middles == [(start + end) // 2 for start, end in segments]
    (drawn,) = frame_uniform_indices(
        length, num_frames=num_frames, generator=generator(seed)
    ).tolist()
    assert all(s <= i <= e for i, (s, e) in zip(drawn, segments, strict=True))
    assert drawn == sorted(drawn)


@given(lengths, counts, st.integers(2, 6))
def test_several_frame_uniform_clips_are_those_of_mmaction2s_uniform_sample(
    length, num_frames, num_clips
):
    duration = float(length - 1) / num_frames / (num_clips + 1)
    expected = [
        [start + int(duration * (k + 1)) for start, _ in seq_frames(length, num_frames)]
        for k in range(num_clips)
    ]
    found = frame_uniform_indices(length, num_frames=num_frames, num_clips=num_clips)
    assert found.tolist() == expected


def test_both_ends_of_a_frame_uniform_segment_can_be_drawn():
    draw = generator(0)
    drawn = [frame_uniform_indices(9, num_frames=2, generator=draw)[0].tolist() for _ in range(200)]
    assert {first for first, _ in drawn} == {0, 1, 2, 3, 4}
    assert {second for _, second in drawn} == {4, 5, 6, 7, 8}


@given(lengths, counts, st.integers(1, 16), st.integers(1, 10))
def test_clips_of_a_test_begin_where_their_authors_clips_begin(length, num_frames, stride, clips):
    """Plain arithmetic after MMAction2 0.x, SlowFast and DualPath; theirs is of floats."""
    how = {"num_frames": num_frames, "stride": stride, "num_clips": clips}
    room = max(0, length - (num_frames - 1) * stride - 1)
    middles, ends, starts = (
        clip_starts(length, **how, spread=spread).tolist()
        for spread in ("middles", "ends", "starts")
    )
    choices = length - num_frames * stride + 1
    if choices > 0:
        between = choices / clips
        assert middles == [int(k * between + between / 2 + 1e-9) for k in range(clips)]
    else:
        assert middles == [0] * clips
    assert starts == [int(k * room / clips + 1e-9) for k in range(clips)]
    if clips == 1:
        assert ends == [room // 2]
    else:
        assert ends == [int(k * room / (clips - 1) + 1e-9) for k in range(clips)]


@given(lengths, st.lists(st.integers(1, 16), min_size=1, max_size=4), seeds)
def test_a_training_clip_has_one_of_the_strides(length, strides, seed):
    sampling = Sampling(num_frames=4, kind="dense", stride=5, strides=tuple(strides))
    clip = clip_indices(length, sampling=sampling, generator=generator(seed))
    steps = set(clip.diff().tolist())
    assert len(steps) > 1 or 0 in steps or steps <= set(strides), "shortened, or a stride given"
    if length > 3 * 16:
        assert steps <= set(strides)
    assert torch.equal(
        view_indices(length, sampling=sampling, num_clips=2),
        dense_indices(length, num_frames=4, stride=5, num_clips=2),
    )


def test_every_stride_is_drawn():
    sampling = Sampling(num_frames=4, kind="dense", strides=(1, 2, 4, 8))
    draw = generator(0)
    drawn = [clip_indices(100, sampling=sampling, generator=draw).diff() for _ in range(100)]
    assert {int(steps[0]) for steps in drawn} == {1, 2, 4, 8}
    with pytest.raises(ConfigurationError, match="strides belong to dense clips"):
        Sampling(strides=(1, 2))


def test_short_videos_follow_the_policy():
    assert frame_uniform_indices(3, num_frames=6).tolist() == [[0, 0, 1, 1, 1, 2]]
    assert frame_uniform_indices(3, num_frames=4, short="loop").tolist() == [[0, 1, 2, 0]]
    with pytest.raises(ClipError, match="3 frames and the clip spans 6"):
        frame_uniform_indices(3, num_frames=6, short="error")
    assert uniform_indices(3, num_frames=6).tolist() == [0, 0, 1, 1, 2, 2]
    assert uniform_indices(3, num_frames=7, short="loop").tolist() == [0, 1, 2, 0, 1, 2, 0]
    dense = {"num_frames": 4, "stride": 2}
    assert dense_indices(5, **dense).tolist() == [[0, 2, 4, 4]]
    assert dense_indices(5, **dense, short="loop").tolist() == [[0, 2, 4, 1]]
    with pytest.raises(ClipError, match="5 frames and the clip spans 7"):
        dense_indices(5, **dense, short="error")
    with pytest.raises(ClipError, match="3 frames and the clip spans 6"):
        uniform_indices(3, num_frames=6, short="error")
    strict = Sampling(num_frames=6, short="error")
    with pytest.raises(ClipError, match="spans 6"):
        view_indices(3, sampling=strict, num_clips=2)
    with pytest.raises(ClipError, match="without frames"):
        uniform_indices(0, num_frames=6)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("kind", "unifrom", "did you mean 'uniform'"),
        ("short", "pad", "policy for short videos"),
        ("num_frames", 0, "at least one frame"),
        ("stride", 0, "stride of at least one"),
        ("strides", (4, 0), "stride of at least one"),
        ("region", "motoin", "did you mean 'motion'"),
    ],
)
def test_a_sampling_that_cannot_be_is_refused(field, value, message):
    sampling = Sampling()
    # Past the type checker of the tests, which users do not have.
    object.__setattr__(sampling, field, value)
    with pytest.raises(ConfigurationError, match=message):
        sampling.__post_init__()
