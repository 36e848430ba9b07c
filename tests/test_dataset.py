"""Items are clips of the right video; bad videos are reported; the same seed, the same clips."""

import pytest
import torch
from torch.utils.data import DataLoader

from stillmotion.data import transforms
from stillmotion.data.annotations import Sample
from stillmotion.data.dataset import ClipDataset, collate
from stillmotion.data.frame_store import FrameStore
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


def clips_of(samples, *, frames=4, keep=None, **settings):
    return ClipDataset(
        samples,
        sampling=Sampling(num_frames=frames, **settings),
        transform=train_transform(SIZE, Augmentation(scale=(0.8, 1.0))),
        train=True,
        keep=keep,
    )


def views_of(samples, *, num_clips=1, num_crops=1, frames=4, keep=None):
    return ClipDataset(
        samples,
        sampling=Sampling(num_frames=frames),
        transform=transforms.test_crops(SIZE, num_crops=num_crops),
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


@pytest.mark.parametrize("workers", [0, 2])
def test_the_same_seed_and_workers_give_the_same_clips(videos, workers):
    def epoch():
        torch.manual_seed(3)
        loader = DataLoader(
            clips_of(videos.samples, kind="dense", stride=1),
            batch_size=2,
            shuffle=True,
            num_workers=workers,
            collate_fn=collate,
        )
        return list(loader)

    for one, two in zip(epoch(), epoch(), strict=True):
        assert torch.equal(one.clip, two.clip)
        assert torch.equal(one.index, two.index)


def test_clips_differ_from_draw_to_draw(videos):
    dataset = clips_of(videos.samples)
    assert len({tuple(dataset[0]["clip"].flatten().tolist()) for _ in range(5)}) > 1


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


def test_one_draw_serves_all_frames_of_a_clip():
    still = torch.randint(0, 256, (1, 3, 40, 60), dtype=torch.uint8).expand(5, -1, -1, -1)
    augmentation = Augmentation(flip=0.5, colour=0.4, operations=4, magnitude=20, erase=1.0)
    for _ in range(10):
        clip = train_transform(SIZE, augmentation)(still)
        assert clip.shape == (5, 3, SIZE, SIZE)
        assert clip.dtype == torch.uint8
        assert all(torch.equal(frame, clip[0]) for frame in clip)


def test_random_operations_grow_with_their_magnitude():
    frames = torch.arange(0, 256, dtype=torch.uint8).repeat(2, 3, 40, 1)[..., 100:160]
    whole = {"scale": (1.0, 1.0), "ratio": (1.5, 1.5)}
    distance = []
    for strength in ({}, {"operations": 1, "magnitude": 3}, {"operations": 4, "magnitude": 30}):
        transform = train_transform(SIZE, Augmentation(**whole, **strength))
        plain = train_transform(SIZE, Augmentation(**whole))(frames).int()
        distance.append(sum((transform(frames).int() - plain).abs().sum() for _ in range(30)))
    assert 0 == distance[0] < distance[1] < distance[2]


def test_nothing_is_mirrored_unless_asked_for():
    frames = torch.zeros(2, 3, 40, 40, dtype=torch.uint8)
    frames[..., :20] = 255
    plain = train_transform(SIZE, Augmentation(scale=(1.0, 1.0), ratio=(1.0, 1.0)))
    mirrored = train_transform(SIZE, Augmentation(scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=1.0))
    for _ in range(10):
        assert plain(frames)[..., 0].min() == 255
        assert mirrored(frames)[..., 0].max() == 0


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (32, 32)])
def test_three_crops_reach_both_edges_and_the_middle(shape):
    frames = torch.zeros(1, 3, *shape, dtype=torch.uint8)
    frames[..., 0, 0] = frames[..., -1, -1] = 255
    crops = transforms.test_crops(min(shape), num_crops=3)(frames)
    assert crops.shape == (3, 1, 3, min(shape), min(shape))
    assert crops[0, ..., 0, 0].min() == 255
    assert crops[2, ..., -1, -1].min() == 255
    assert torch.equal(transforms.test_crops(min(shape))(frames)[0], crops[1])


@pytest.mark.parametrize(
    "fields",
    [
        {"scale": (0.0, 1.0)},
        {"scale": (0.9, 0.5)},
        {"ratio": (2.0, 1.0)},
        {"flip": 1.5},
        {"operations": -1},
        {"magnitude": 31},
    ],
)
def test_an_augmentation_out_of_range_is_refused(fields):
    with pytest.raises(ConfigurationError, match=next(iter(fields))):
        Augmentation(**fields)
    with pytest.raises(ConfigurationError, match="1 or 3, got 2"):
        transforms.test_crops(SIZE, num_crops=2)
