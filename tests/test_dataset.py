"""Items are clips of the right video; bad videos are reported; the same seed, the same clips."""

import pytest
import torch
from torch.utils.data import DataLoader

from stillmotion.data import dataset as data
from stillmotion.data.annotations import Sample
from stillmotion.data.crops import view_crops
from stillmotion.data.dataset import ClipDataset, collate, separate
from stillmotion.data.frame_store import FrameStore
from stillmotion.data.mirror import find_mirror
from stillmotion.data.reading import read_videos
from stillmotion.data.sampling import Sampling
from stillmotion.data.transforms import Augmentation, train_transform
from stillmotion.errors import ConfigurationError, DataError, VideoError
from videos import levels, write_classes, write_video

SIZE = 32


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    return read_videos(write_classes(tmp_path_factory.mktemp("classes"), videos_each=3))


@pytest.fixture
def with_a_bad_one(videos, tmp_path):
    (tmp_path / "bad.mp4").write_text("not a video")
    return (*videos.samples, Sample(tmp_path / "bad.mp4", 0))


def clips_of(samples, *, frames=4, keep=None, short="repeat", **settings):
    return ClipDataset(
        samples,
        sampling=Sampling(num_frames=frames, short=short),
        transform=train_transform(SIZE, Augmentation(scale=(0.8, 1.0))),
        train=True,
        keep=keep,
        **settings,
    )


def views_of(samples, *, num_clips=1, num_crops=1, frames=4, keep=None):
    return ClipDataset(
        samples,
        sampling=Sampling(num_frames=frames),
        transform=view_crops(SIZE, num_crops=num_crops),
        train=False,
        num_clips=num_clips,
        keep=keep,
    )


def store(samples, **settings):
    return FrameStore(samples, **settings).fill()


def test_a_training_item_is_a_clip_of_its_video(videos):
    dataset = clips_of(videos.samples)
    assert len(dataset) == 6
    for index, item in enumerate(dataset[index] for index in range(6)):
        assert item["clip"].shape == (4, 3, SIZE, SIZE)
        assert item["clip"].dtype == torch.uint8
        assert (item["index"], item["label"]) == (index, index // 3)
        # The videos' first frames differ by one level each, and hold ten levels.
        assert all(index <= level < index + 10 for level in levels(item["clip"]))


def test_views_are_clips_times_crops_and_always_the_same(videos):
    dataset = views_of(videos.samples, num_clips=2, num_crops=3)
    views = dataset[0]["clip"]
    assert views.shape == (6, 4, 3, SIZE, SIZE)
    assert torch.equal(views, dataset[0]["clip"])
    assert [levels(view) for view in views[::3]] == [[0, 3, 5, 8], [1, 4, 6, 9]]


def test_a_bad_video_is_an_item_with_its_reason(with_a_bad_one):
    batch = collate([clips_of(with_a_bad_one)[index] for index in (0, 6, 3)])
    assert batch.index.tolist() == [0, 3]
    assert batch.label.tolist() == [0, 1]
    assert batch.clip.shape == (2, 4, 3, SIZE, SIZE)
    ((index, reason),) = batch.failures
    assert index == 6
    assert "bad.mp4: the file is damaged, or not a video" in reason


def test_a_batch_of_bad_videos_is_empty(with_a_bad_one):
    batch = collate([clips_of(with_a_bad_one)[6]])
    assert len(batch) == 0
    assert [index for index, _ in batch.failures] == [6]


def test_a_video_too_short_for_a_strict_sampling_is_reported(videos):
    item = clips_of(videos.samples, frames=11, short="error")[0]
    assert "10 frames and the clip spans 11" in item["error"]


def test_a_part_of_a_video_gives_only_its_frames(videos):
    path = videos.samples[0].path
    parts = [Sample(path, 0, start=0.2, end=0.6), Sample(path, 1, start=0.6), Sample(path, 0, 5.0)]
    for keep in (None, store(parts)):
        dataset = views_of(parts, keep=keep)
        assert levels(dataset[0]["clip"][0]) == [2, 3, 4, 5]
        assert levels(dataset[1]["clip"][0]) == [6, 7, 8, 9]
        assert "nothing lies between 5 s" in dataset[2]["error"]


def test_a_video_of_variable_rate_is_sampled_by_time(tmp_path):
    # Frame 2 stays on for half the video: it is on show at three of the four segments' centres.
    path = write_video(tmp_path / "a.mp4", pts=[0, 10, 20, 100, 110, 120, 130, 140])
    (clip,) = views_of([Sample(path, 0)])[0]["clip"]
    assert levels(clip) == [2, 2, 2, 5]


def told(dataset, *, workers=0, batch_size=2, shuffle=False, epochs=(0, 1), persistent=False):
    """For each epoch the clips and labels of all videos, by their index, in the order drawn."""
    loader = DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=shuffle,
        num_workers=workers,
        persistent_workers=persistent,
        collate_fn=collate,
    )
    found = []
    for epoch in epochs:
        dataset.set_epoch(epoch)
        torch.rand(epoch + 1)  # what else is drawn changes nothing
        rows = [row for batch in loader for row in separate(batch)]
        rows.sort(key=lambda row: row["index"])  # keeps the order of a video's repeats
        found.append([(row["index"], row["label"], row["clip"].numpy().tobytes()) for row in rows])
    return found


VARIED = {"repeats": 2, "flip": 0.5, "seed": 5}


@pytest.mark.parametrize(
    "way",
    [
        {"workers": 1, "batch_size": 3},
        {"workers": 2, "batch_size": 1, "shuffle": True},
        {"workers": 2, "persistent": True},
        {"batch_size": 6, "shuffle": True},
    ],
    ids=str,
)
def test_clips_follow_from_seed_epoch_and_index_alone(videos, way):
    first, second = told(clips_of(videos.samples, **VARIED))
    assert [row[0] for row in first] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert len({row[2] for row in first + second}) == 24, "every clip is drawn for itself"
    assert told(clips_of(videos.samples, **VARIED), **way) == [first, second]
    assert told(clips_of(videos.samples, **VARIED), **way, epochs=(1,)) == [second]
    other = clips_of(videos.samples, **VARIED | {"seed": 6})
    assert not {row[2] for row in told(other)[0]} & {row[2] for row in first}


def test_drawing_clips_leaves_other_random_numbers_alone(videos):
    dataset = clips_of(videos.samples)
    torch.manual_seed(1)
    undisturbed = torch.rand(3)
    torch.manual_seed(1)
    dataset[0]
    assert torch.equal(torch.rand(3), undisturbed)


def test_a_video_can_be_drawn_more_than_once_in_an_epoch(videos):
    dataset = clips_of(videos.samples)
    once, again = dataset.__getitems__([2, 2 + 6])
    assert (once["index"], once["label"]) == (again["index"], again["label"]) == (2, 0)
    assert not torch.equal(once["clip"], again["clip"])
    with pytest.raises(IndexError):
        dataset[6]


def test_repeats_read_each_video_once(videos, monkeypatch):
    opened, reading = [], data.open_video

    def noted(path, **rest):
        opened.append(path)
        return reading(path, **rest)

    monkeypatch.setattr(data, "open_video", noted)
    items = clips_of(videos.samples, repeats=3).__getitems__([4, 1])
    assert opened == [videos.samples[4].path, videos.samples[1].path]
    assert [item["index"] for item in items] == [4, 1, 4, 1, 4, 1], "neighbours differ"


def test_a_bad_video_is_reported_once_among_repeats(with_a_bad_one):
    batch = collate(clips_of(with_a_bad_one, repeats=2).__getitems__([0, 6]))
    assert batch.index.tolist() == [0, 0]
    assert [index for index, _ in batch.failures] == [6]


def test_a_mirrored_clip_has_the_mirrored_label(tmp_path):
    """The corner that is white lies left; the third class has no counterpart."""
    names = ("turn left", "turn right", "look left", "wave")
    videos = read_videos(write_classes(tmp_path, classes=names, videos_each=2))
    assert videos.classes == ("look left", "turn left", "turn right", "wave")
    whole = Augmentation(scale=(1.0, 1.0), ratio=(4 / 3, 4 / 3))
    becomes = {0: 0, 1: 2, 2: 1, 3: 3}
    dataset = ClipDataset(
        videos.samples,
        sampling=Sampling(num_frames=2),
        transform=train_transform(SIZE, whole),
        train=True,
        flip=0.5,
        mirror=find_mirror(videos.classes),
    )
    seen = set()
    for epoch in range(6):
        dataset.set_epoch(epoch)
        for index, sample in enumerate(videos.samples):
            item = dataset[index]
            mirrored = bool(item["clip"][0, 0, 0, -1] > 250)
            assert bool(item["clip"][0, 0, 0, 0] > 250) is not mirrored
            assert item["label"] == (becomes[sample.label] if mirrored else sample.label)
            seen.add((sample.label, mirrored))
    assert seen == {(0, False), *((label, m) for label in (1, 2, 3) for m in (False, True))}


def test_kept_frames_stand_for_the_video(videos):
    keep = store(videos.samples, num_frames=16, short_side=SIZE)
    for index in range(6):
        kept, decoded = (views_of(videos.samples, keep=k)[index]["clip"] for k in (keep, None))
        assert levels(kept[0]) == levels(decoded[0])


def test_workers_share_the_kept_frames(videos):
    keep = store(videos.samples, num_frames=4, short_side=SIZE)
    assert keep.frames(0).is_shared()
    loader = DataLoader(
        views_of(videos.samples, keep=keep),
        num_workers=1,
        collate_fn=collate,
        multiprocessing_context="spawn",
    )
    assert [batch.index.item() for batch in loader] == list(range(6))


def test_the_store_says_its_size_before_it_is_filled(videos):
    keep = FrameStore(videos.samples, num_frames=4, short_side=24)
    assert keep.num_bytes == 6 * 4 * 3 * 24 * 32
    done = []
    keep.fill(on_progress=lambda count, total: done.append((count, total)))
    assert done == [(count, 6) for count in range(1, 7)]
    assert sum(keep.frames(index).numel() for index in range(6)) == keep.num_bytes
    with pytest.raises(DataError, match="would take 55,296 bytes of memory and 1,000 are allowed"):
        FrameStore(videos.samples, num_frames=4, short_side=24, max_bytes=1000)


def test_the_store_reports_bad_videos(with_a_bad_one):
    keep = store(with_a_bad_one, num_frames=4)
    assert list(keep.failures) == [6]
    with pytest.raises(VideoError, match=r"bad\.mp4"):
        keep.frames(6)
    assert "bad.mp4" in clips_of(with_a_bad_one, keep=keep)[6]["error"]


def test_frames_kept_for_other_samples_are_refused(videos):
    keep = store(videos.samples[:2])
    with pytest.raises(ConfigurationError, match="those of 2 videos, the data set has 6"):
        clips_of(videos.samples, keep=keep)
