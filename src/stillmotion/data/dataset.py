"""Clips for training and views for testing, as a torch data set.

All that is random in a training clip follows from (seed, epoch, index of the video) alone: the same
clips for any number of workers and any size of batches, and for an epoch that is gone on with.

A video that cannot be read is an item like any other, with its reason: one bad file does not end a
run, and is not passed over in silence either.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from stillmotion.data.annotations import Sample
from stillmotion.data.frame_cache import FrameCache
from stillmotion.data.frame_store import FrameStore
from stillmotion.data.indices import Spread
from stillmotion.data.mirror import Mirror
from stillmotion.data.randomness import random_numbers
from stillmotion.data.region import crop_to, motion_box, refuse_boxless
from stillmotion.data.sampling import Sampling, clip_indices, view_indices
from stillmotion.data.video import open_video
from stillmotion.errors import ClipError, ConfigurationError, VideoError
from stillmotion.shapes import Frames

Item = dict[str, Any]


@dataclass(frozen=True)
class Batch:
    """What `collate` makes of items."""

    clip: UInt8[Tensor, "B *views T 3 height width"] | Float[Tensor, "B *views T C"]
    """Clips (B, T, 3, S, S) in training, views (B, V, T, 3, S, S) in test; or, in their place, the
    features (B, T, C) and (B, V, T, C) of their frames."""
    label: Int[Tensor, " B"]
    index: Int[Tensor, " B"]
    """Which sample of the data set each is."""
    failures: list[tuple[int, str]]
    """Index and reason of every sample that could not be read; they have no row above."""

    def __len__(self) -> int:
        return len(self.label)

    def pin_memory(self) -> "Batch":
        """For the data loader, which asks for it where a GPU waits."""
        return replace(
            self,
            clip=self.clip.pin_memory(),
            label=self.label.pin_memory(),
            index=self.index.pin_memory(),
        )


class ClipDataset(Dataset[Item]):
    """Draws random clips of a video for training, or its fixed views for testing.

    Videos of variable rate are sampled by time.

    An item is `{"clip": uint8 (T, 3, S, S), "label": int, "index": int}`, in test with a clip of
    (V, T, 3, S, S), V = num_clips x crops; or `{"index": int, "error": str}`. With `repeats` a data
    loader gets that many items a video. Its sampler may ask for index i + k n of n videos: another
    draw of video i, with other randomness.

    Args:
        transform: for training `train_transform(...)`, for testing `view_crops(...)`.
        decoder: see `open_video`.
        train: random clips, or views.
        num_clips: clips of a video at test.
        spread: where they begin; see `clip_starts`.
        short_side: decode to at most this size; None: as stored.
        keep: frames decoded beforehand for the same samples; clips are drawn from those.
        cache: where decoded frames are kept on disk.
        seed: of all that is random.
        repeats: clips of a video in training, each drawn for itself; the video is read once.
        flip: probability of mirroring a training clip.
        mirror: what becomes of its label; None: it stays.

    Raises:
        ConfigurationError: `keep` was made for other samples, or boxes are missing.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        *,
        sampling: Sampling,
        transform: Callable[[Tensor], Tensor],
        train: bool,
        decoder: str = "auto",
        num_clips: int = 1,
        spread: Spread = "ends",
        short_side: int | None = None,
        keep: FrameStore | None = None,
        cache: FrameCache | None = None,
        seed: int = 0,
        repeats: int = 1,
        flip: float = 0.0,
        mirror: Mirror | None = None,
    ) -> None:
        if keep is not None and len(keep) != len(samples):
            raise ConfigurationError(
                f"the frames kept are those of {len(keep)} videos, the data set has {len(samples)}"
            )
        if sampling.region == "boxes":
            refuse_boxless(samples)
        self.samples = tuple(samples)
        self.sampling = sampling
        self.transform = transform
        self.train = train
        self.decoder = decoder
        self.num_clips = num_clips
        self.spread = spread
        self.short_side = short_side
        self.keep = keep
        self.cache = cache
        self.seed = seed
        self.repeats = repeats
        self.flip = flip
        self.mirror = mirror
        # Shared memory, so that it reaches workers that are already there.
        self._epoch = torch.zeros((), dtype=torch.long).share_memory_()

    @property
    def epoch(self) -> int:
        """Which clips are drawn."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the clips, in running workers too; accelerate's loaders call this."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Item:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.items(index)[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Item]:
        """What a data loader asks for. First clips of all videos, then second ones: neighbours in
        a batch, which mixup blends, are of different videos."""
        drawn = [self.items(index) for index in indices]
        return [items[k] for k in range(self.repeats) for items in drawn if k < len(items)]

    def items(self, index: int) -> list[Item]:
        """All clips of a video, or its views, or why there are none."""
        draw, index = divmod(index, len(self))
        sample = self.samples[index]
        try:
            with random_numbers(self.seed, self.epoch, index, draw):
                clips = self._kept(index) if self.keep else self._decoded(sample)
                regions = [self._region(frames, sample) for frames in clips]
                if self.train:
                    return [self._varied(frames, index) for frames in regions]
                views = torch.cat([self.transform(frames) for frames in regions])
        except VideoError as error:
            return [{"index": index, "error": str(error)}]
        except ClipError as error:
            return [{"index": index, "error": f"{sample.path}: {error}"}]
        return [{"clip": views, "label": sample.label, "index": index}]

    def _varied(self, frames: Frames, index: int) -> Item:
        label = self.samples[index].label
        mirrored = self.mirror.labels[label] if self.mirror else label
        clip = self.transform(frames)
        if torch.rand(()) < self.flip and mirrored is not None:
            clip, label = clip.flip(-1), mirrored
        return {"clip": clip, "label": label, "index": index}

    def _region(self, frames: Frames, sample: Sample) -> UInt8[Tensor, "T 3 high wide"]:
        match self.sampling.region:
            case "frame":
                return frames
            case "motion":
                return crop_to(frames, motion_box(frames))
            case "boxes":
                assert sample.box
                return crop_to(frames, sample.box)

    def _decoded(self, sample: Sample) -> UInt8[Tensor, "clips T 3 height width"]:
        with open_video(sample.path, decoder=self.decoder, cache=self.cache) as video:
            ticks = torch.tensor(video.timeline.ticks(start=sample.start, end=sample.end))
            frames = ticks[self._indices(len(ticks))]
            batch = video.frames_at(frames.flatten(), short_side=self.short_side)
        return batch.data.unflatten(0, frames.shape)

    def _kept(self, index: int) -> UInt8[Tensor, "clips T 3 height width"]:
        assert self.keep
        frames = self.keep.frames(index)
        return frames[self._indices(len(frames))]

    def _indices(self, length: int) -> Int[Tensor, "clips T"]:
        if not self.train:
            return view_indices(
                length, sampling=self.sampling, num_clips=self.num_clips, spread=self.spread
            )
        generator = torch.default_generator
        return torch.stack(
            [
                clip_indices(length, sampling=self.sampling, generator=generator)
                for _ in range(self.repeats)
            ]
        )


def collate(items: Sequence[Item]) -> Batch:
    """Stacks the items that have a clip, and lists those that do not.

    Where none has one, the batch is empty: `len(batch) == 0`.
    """
    good = [item for item in items if "error" not in item]
    clips = [item["clip"] for item in good]
    return Batch(
        clip=torch.stack(clips) if clips else torch.empty((0, 0, 3, 0, 0), dtype=torch.uint8),
        label=torch.tensor([item["label"] for item in good], dtype=torch.long),
        index=torch.tensor([item["index"] for item in good], dtype=torch.long),
        failures=[(item["index"], item["error"]) for item in items if "error" in item],
    )


def separate(batch: Batch) -> list[Item]:
    """The inverse of `collate`: items that have a clip, then those that do not."""
    rows = zip(batch.clip, batch.label.tolist(), batch.index.tolist(), strict=True)
    return [
        *({"clip": clip, "label": label, "index": index} for clip, label, index in rows),
        *({"index": index, "error": reason} for index, reason in batch.failures),
    ]
