"""Windows over a video, the clips of them, and what a model says of each."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import stillmotion as sm
from models import SIZE, image_model
from stillmotion.as_trained import views_of
from stillmotion.data.annotations import Sample
from stillmotion.data.lengths import usual_seconds
from stillmotion.data.parts import Part
from stillmotion.data.sampling import Sampling
from stillmotion.data.timeline import Timeline
from stillmotion.data.video import Video, open_video
from stillmotion.errors import CheckpointError, ConfigurationError, VideoError
from stillmotion.loading import view_dataset
from stillmotion.localisation import follow, window_clips, windows
from stillmotion.localisation.following import usual_window
from stillmotion.prediction import Predictor
from stillmotion.settings import Views
from videos import levels, write_video

SECONDS = st.floats(min_value=0.05, max_value=50, allow_nan=False)


@pytest.fixture(scope="module")
def model(finished_run):
    return sm.load(finished_run)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """2.4 s at ten frames a second, each frame of its own grey, a keyframe every five."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return write_video(path, num_frames=24, keyframe_every=5)


@given(SECONDS, SECONDS, SECONDS)
def test_windows_cover_the_video_and_rise(duration, window, stride):
    spans = windows(duration, window=window, stride=stride)
    assert spans[0][0] == 0
    assert spans[-1][1] == pytest.approx(duration)
    for (start, stop), (later, _) in pairwise(spans):
        assert start + 0.9e-6 < later <= start + stride + 1.1e-6
        assert stop - start == pytest.approx(window)
    assert all(0 <= start < stop <= duration for start, stop in spans)
    if duration <= window:
        assert spans == [(0.0, duration)]


def test_rounding_makes_no_window_of_its_own():
    """0.3 s is above 0.8 - 0.5 by a bit."""
    assert windows(0.8, window=0.5, stride=0.3) == pytest.approx(np.array([(0, 0.5), (0.3, 0.8)]))
    assert windows(0.3, window=0.1 + 0.2, stride=0.1) == [(0.0, 0.3)]
    assert len(windows(3 * 1.1, window=1.1, stride=1.1)) == 3


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"window": 0.8, "stride": 1e-7}, "stride=1e-07 s is less than the 0.1 s"),
        ({"window": 0.01}, "window=0.01 s is less than the 0.1 s"),
    ],
)
def test_a_window_and_a_stride_are_not_below_a_frame(asked, said, model, film):
    with pytest.raises(VideoError, match=f"film.mp4: {said}"):
        follow(model, film, **asked)


def test_a_window_of_one_frame_is_as_small_as_can_be(model, film):
    assert len(follow(model, film, window=0.1, device="cpu")) == 24


def test_a_window_that_is_too_short_for_a_clip_names_its_file(film):
    """Where the training refused short videos."""
    sampling = Sampling(num_frames=4, short="error")
    with (
        open_video(film) as video,
        pytest.raises(VideoError, match=r"film.mp4: from 0 to 0.3 s: the video has 3 frames"),
    ):
        next(window_clips(video, [(0.0, 0.3)], sampling=sampling, image_size=32))


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["window", "stride"])
def test_seconds_must_be_above_nothing(name, wrong):
    with pytest.raises(ConfigurationError, match=f"{name}=.*give seconds"):
        windows(9.0, **{"window": 2.0, "stride": 1.0, name: wrong})


@given(
    st.lists(st.floats(0.01, 0.5), min_size=1, max_size=40), st.floats(0, 30), st.floats(0.01, 30)
)
def test_ticks_are_those_of_a_plain_search(steps, start, length):
    """`Timeline.ticks` looks for its ends by halves; this asks every tick."""
    starts = tuple(np.cumsum([0.0, *steps[:-1]]).tolist())
    timeline = Timeline(starts, starts[-1] + steps[-1])
    if start >= timeline.duration:
        with pytest.raises(VideoError, match="nothing lies between"):
            timeline.ticks(start=start, end=start + length)
        return
    moments = [(tick + 0.5) / timeline.fps for tick in range(len(timeline))]
    end = min(start + length, timeline.duration)
    plain = [tick for tick, moment in enumerate(moments) if start <= moment < end]
    if timeline.is_variable_rate:
        plain = [timeline.frame_at(moments[tick]) for tick in plain]
    expected = plain or [timeline.frame_at(start)]
    assert timeline.ticks(start=start, end=start + length) == expected


def test_frames_come_in_turn_once_and_rising(film):
    with open_video(film) as video:
        found = list(video.in_turn([20, 3, 3, 11], short_side=24))
        assert [index for index, _ in found] == [3, 11, 20]
        assert levels(torch.stack([frame for _, frame in found])) == [3, 11, 20]
        assert torch.equal(found[1][1], video.frames_at([11], short_side=24).data[0])
        assert list(video.in_turn([])) == []
        with pytest.raises(VideoError, match="there is no frame 24: the video has 24 frames"):
            video.in_turn([0, 24])


SAMPLINGS = {
    "uniform": Sampling(num_frames=3),
    "frame_uniform": Sampling(num_frames=3, kind="frame_uniform"),
    "dense": Sampling(num_frames=4, kind="dense", stride=2),
    "loop": Sampling(num_frames=16, short="loop"),
    "motion": Sampling(num_frames=3, region="motion"),
}
VIEWS = {
    "plain": Views(),
    "bicubic": Views(short_side=40, interpolation="bicubic"),
    "starts": Views(spread="starts"),
    "many": Views(clips=2, crops=3),
}


@pytest.mark.parametrize("views", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS)
def test_a_window_is_seen_as_a_file_of_it_would_be(sampling, views, film):
    spans = windows(2.4, window=0.9, stride=0.37)
    samples = [Sample(film, label=0, start=start, end=stop) for start, stop in spans]
    alone = view_dataset(samples, sampling=sampling, image_size=32, views=views.single())
    with open_video(film) as video:
        found = list(window_clips(video, spans, sampling=sampling, image_size=32, views=views))
    assert len(found) == len(spans) > 3
    for clip, item in zip(found, [alone[place] for place in range(len(spans))], strict=True):
        assert torch.equal(clip, item["clip"][0])


def test_every_frame_is_decoded_once_and_no_sooner_than_it_is_needed(film, monkeypatch):
    decoded, plain = [], Video.in_turn

    def noting(*args, **options):
        for index, frame in plain(*args, **options):
            decoded.append(index)
            yield index, frame

    monkeypatch.setattr(Video, "in_turn", noting)
    spans = windows(2.4, window=0.8, stride=0.2)
    with open_video(film) as video:
        clips = window_clips(video, spans, sampling=Sampling(num_frames=4), image_size=24)
        assert levels(next(clips)) == [1, 3, 4, 6]
        assert decoded == [1, 3, 4, 5, 6]  # 5 is of the second window
        assert len(list(clips)) == len(spans) - 1
    assert len(decoded) > 9
    assert decoded == sorted(set(decoded))


def test_boxes_are_refused(film):
    with open_video(film) as video, pytest.raises(ConfigurationError, match="region motion or"):
        next(window_clips(video, [(0.0, 1.0)], sampling=Sampling(region="boxes"), image_size=32))


def test_a_track_says_what_the_predictor_says_of_each_stretch(model, film):
    told = []
    track = follow(model, film, window=0.8, stride=0.3, device="cpu", on_progress=told.append)
    assert track.class_names == tuple(model.class_names)
    assert track.seconds == pytest.approx(2.4)
    assert told[-1] == 1
    assert track.starts.tolist() == pytest.approx([0, 0.3, 0.6, 0.9, 1.2, 1.5, 1.6])
    assert track.centres.tolist() == pytest.approx((track.starts + 0.4).tolist())
    predictor = Predictor(model, device="cpu")
    for start, stop, said in zip(track.starts, track.stops, track.probabilities, strict=True):
        sample = Sample(film, label=0, start=float(start), end=float(stop))
        item = view_dataset(
            [sample], sampling=Sampling(num_frames=2), image_size=64, views=views_of(model)
        )[0]
        assert predictor.probabilities(item["clip"]).tolist() == pytest.approx(said.tolist())


def test_a_short_video_is_one_window_and_answered_as_by_predict(model, film):
    track = follow(model, film, window=60.0)
    answer = Predictor(model)(film)
    assert len(track) == 1
    said = dict(zip(track.class_names, track.probabilities[0].tolist(), strict=True))
    assert said == pytest.approx(dict(answer.top(2)), abs=1e-6)


def test_the_usual_window_is_as_long_as_what_was_trained_on(finished_run, film):
    model = sm.load(finished_run)
    with open_video(film) as video:
        model.info["usual_seconds"] = 1.5
        assert usual_window(model, fps=video.fps) == 1.5
        model.info["usual_seconds"] = None
        assert usual_window(model, fps=video.fps) == 4.0
        model.info["usual_seconds"] = "long"
        with pytest.raises(CheckpointError, match="usual_seconds is damaged: long"):
            usual_window(model, fps=video.fps)
        model.info["sampling"] = Sampling(num_frames=2, kind="dense", stride=3).to_dict()
        assert usual_window(model, fps=video.fps) == pytest.approx(0.6)


def test_a_run_remembers_how_long_its_videos_were(model, few_videos, tmp_path):
    assert model.info["usual_seconds"] == 1.0
    few = [Sample(path, label=0) for path in sorted(few_videos.rglob("*.mp4"))]
    assert usual_seconds(few) == 1.0
    assert usual_seconds([replace(few[0], start=0.25), replace(few[0], start=1.0, end=1.5)]) == 0.62
    (tmp_path / "bad.mp4").write_bytes(b"")
    assert usual_seconds([Sample(tmp_path / "bad.mp4", label=0)]) is None


def test_a_track_of_combinations_holds_those_that_lead_somewhere(film):
    """Verbs and nouns: 40 classes, of which each window brings at most five."""
    parts = (Part("verb", tuple("abcd")), Part("noun", tuple("klmnopqrst")))
    model = sm.adapt(image_model(), sm.LinearProbe(), parts=parts, num_frames=2).eval()
    track = follow(model, film, window=0.8, device="cpu")
    assert 5 <= len(track.class_names) <= 5 * len(track) < 40
    whole = Predictor(model, device="cpu")
    for start, stop, said in zip(track.starts, track.stops, track.probabilities, strict=True):
        sample = Sample(film, label=0, start=float(start), end=float(stop))
        dataset = view_dataset(
            [sample], sampling=Sampling(num_frames=2), image_size=SIZE, views=Views()
        )
        verbs, nouns = whole.probabilities(dataset[0]["clip"]).split([4, 10])
        joint = dict(zip(model.class_names, torch.outer(verbs, nouns).flatten(), strict=True))
        expected = [float(joint[name]) for name in track.class_names]
        assert said.tolist() == pytest.approx(expected)
        assert max(joint, key=joint.get) in track.class_names
