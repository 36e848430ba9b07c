"""Which video goes into which shard, under which name, with which labels: all before a byte is
copied, and from the list, the seed and the size alone."""

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stillmotion.data.annotations import Sample, VideoList
from stillmotion.data.contents import stamp_of
from stillmotion.errors import DataError, some


@dataclass(frozen=True)
class Packed:
    """One video as it will lie in a shard."""

    source: Path
    name: str
    """Of the member: "wave/0007.mp4"."""
    size: int
    """Bytes of the video."""
    labels: bytes
    """JSON: its path in the list, and what the list says of each of its segments."""

    @property
    def labels_name(self) -> str:
        """Of the member with the labels: "wave/0007.json"."""
        return self.name.rpartition(".")[0] + ".json"


@dataclass(frozen=True)
class Shard:
    """One tar."""

    name: str
    videos: tuple[Packed, ...]

    @property
    def size(self) -> int:
        """Bytes of its videos."""
        return sum(video.size for video in self.videos)


def plan_shards(videos: VideoList, *, shard_bytes: int, seed: int) -> list[Shard]:
    """All shards. Each ends with the video that fills it, and holds videos of one split.

    A file with several segments is there once: in the split of the first.

    Raises:
        VideoError: a video is not there.
        DataError: a video is a folder of frames.
    """
    _refuse_folders(videos.samples)
    segments: dict[Path, list[int]] = {}
    for index, sample in enumerate(videos.samples):
        segments.setdefault(sample.path, []).append(index)
    paths = [videos.relative_paths[indices[0]] for indices in segments.values()]
    in_split: dict[str, list[Packed]] = {}
    for name, path, (source, indices) in zip(
        member_names(paths), paths, segments.items(), strict=True
    ):
        samples = [videos.samples[index] for index in indices]
        packed = Packed(source, name, stamp_of(source).size, _labels(samples, videos, path))
        split = re.sub(r"[^\w-]", "_", samples[0].split or "videos")
        in_split.setdefault(split, []).append(packed)
    shards: list[Shard] = []
    for split, of_split in sorted(in_split.items()):
        random.Random(f"{seed} {split}").shuffle(of_split)
        parts = _filled(of_split, shard_bytes)
        shards += [Shard(f"{split}-{n:06d}.tar", part) for n, part in enumerate(parts)]
    return shards


def member_names(paths: Sequence[str]) -> list[str]:
    """Names for members: the paths, with one dot in the last part, and none twice.

    What differs only behind the first dot would be one sample to the WebDataset library.

    >>> member_names(["wave/a.b.mp4", "wave/a_b.mp4", "jump/c.AVI"])
    ['wave/a_b.mp4', 'wave/a_b-2.mp4', 'jump/c.avi']
    """
    taken: set[str] = set()
    names = []
    for path in paths:
        *folders, base = [part for part in path.split("/") if part not in ("", ".", "..")]
        stem, dot, suffix = base.rpartition(".")
        if not dot or not stem:
            stem, suffix = base, "video"
        first = key = "/".join([*folders, stem.replace(".", "_")])
        number = 1
        while key in taken:
            number += 1
            key = f"{first}-{number}"
        taken.add(key)
        names.append(f"{key}.{suffix.lower()}")
    return names


def _filled(videos: Sequence[Packed], shard_bytes: int) -> Iterator[tuple[Packed, ...]]:
    """Videos in their order, parted where a shard is full."""
    waiting: list[Packed] = []
    size = 0
    for video in videos:
        waiting.append(video)
        size += video.size
        if size >= shard_bytes:
            yield tuple(waiting)
            waiting, size = [], 0
    if waiting:
        yield tuple(waiting)


def _refuse_folders(samples: Sequence[Sample]) -> None:
    """A member is one file: images by the thousand would be as slow in a tar as in a folder."""
    folders = [str(sample.path) for sample in samples if sample.path.is_dir()]
    if folders:
        raise DataError(
            f"{len(folders)} of {len(samples)} samples are folders of frames ({some(folders)}), "
            "and a shard holds files. Make a file of each first, which loses nothing: "
            "ffmpeg -framerate 30 -i FOLDER/img_%05d.jpg -c copy NAME.mkv"
        )


def _labels(samples: Sequence[Sample], videos: VideoList, path: str) -> bytes:
    told = [
        {"label": videos.classes[sample.label], "index": sample.label}
        | {k: v for k, v in vars(sample).items() if k not in ("path", "label") and v is not None}
        for sample in samples
    ]
    return json.dumps({"path": path, "samples": told}).encode()
