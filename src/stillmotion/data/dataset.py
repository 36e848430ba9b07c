"""Clips for training and views for testing, as a torch data set.

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
from stillmotion.data.sampling import Sampling, clip_indices, view_indices
from stillmotion.data.video import open_video
from stillmotion.errors import ClipError, ConfigurationError, VideoError

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
    """Draws one random clip of a video for training, or its fixed views for testing.

    Videos of variable rate are sampled by time. Random numbers come from torch's global generator,
    which a data loader seeds in each worker: the same seed and number of workers, the same clips.

    An item is `{"clip": uint8 (T, 3, S, S), "label": int, "index": int}`, in test with a clip of
    (V, T, 3, S, S), V = num_clips x crops; or `{"index": int, "error": str}`.

    Args:
        transform: for training `train_transform(...)`, for testing `test_crops(...)`.
        decoder: see `open_video`.
        train: random clips, or views.
        num_clips: clips of a video at test.
        short_side: decode to at most this size; None: as stored.
        keep: frames decoded beforehand for the same samples; clips are drawn from those.
        cache: where decoded frames are kept on disk.

    Raises:
        ConfigurationError: `keep` was made for other samples.
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
        short_side: int | None = None,
        keep: FrameStore | None = None,
        cache: FrameCache | None = None,
    ) -> None:
        if keep is not None and len(keep) != len(samples):
            raise ConfigurationError(
                f"the frames kept are those of {len(keep)} videos, the data set has {len(samples)}"
            )
        self.samples = tuple(samples)
        self.sampling = sampling
        self.transform = transform
        self.train = train
        self.decoder = decoder
        self.num_clips = num_clips
        self.short_side = short_side
        self.keep = keep
        self.cache = cache

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Item:
        try:
            clips = self._kept(index) if self.keep else self._decoded(self.samples[index])
        except VideoError as error:
            return {"index": index, "error": str(error)}
        except ClipError as error:
            return {"index": index, "error": f"{self.samples[index].path}: {error}"}
        if self.train:
            clip = self.transform(clips[0])
        else:
            clip = torch.cat([self.transform(frames) for frames in clips])
        return {"clip": clip, "label": self.samples[index].label, "index": index}

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
        if self.train:
            generator = torch.default_generator
            return clip_indices(length, sampling=self.sampling, generator=generator)[None]
        return view_indices(length, sampling=self.sampling, num_clips=self.num_clips)


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
