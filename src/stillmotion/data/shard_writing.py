"""Writes the videos of a list into tars as the WebDataset library reads them.

    out/train-000000.tar     wave/0007.mp4, wave/0007.json, jump/0001.mp4, jump/0001.json, ...
    out/train-000001.tar
    out/val-000000.tar
    out/manifest.jsonl       the same list, over the members of the tars, in their order

A video and its labels share their name up to the dot and are neighbours. Videos are dealt out in
random order, so that a shard holds a mixture. After an interruption the same call keeps each tar
that is whole, and writes the others. The manifest comes last.
"""

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path

from stillmotion.data.annotations import VideoList
from stillmotion.data.contents import open_contents, reading
from stillmotion.data.progress import Progress
from stillmotion.data.shard_plan import Packed, Shard, plan_shards
from stillmotion.data.tar_member import members
from stillmotion.errors import ConfigurationError, StorageError, VideoError, some
from stillmotion.files import writing

MANIFEST = "manifest.jsonl"


@dataclass(frozen=True)
class Sharded:
    """What `write_shards` did."""

    manifest: Path
    shards: tuple[str, ...]
    kept: tuple[str, ...]
    """Those that were there already, whole."""
    mended: tuple[str, ...]
    """Those that were there, but damaged or with other contents, and were written again."""


def write_shards(
    videos: VideoList,
    out: Path,
    *,
    shard_bytes: int = 2**30,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Sharded:
    """Writes all shards, reads each back and compares it, then writes the manifest.

    Raises:
        VideoError: a video is not there.
        DataError: a sample is a folder of frames.
        ConfigurationError: `out` holds tars that this list does not make.
        StorageError: the disk is full, `out` cannot be written to, or a video changes meanwhile.
    """
    shards = plan_shards(videos, shard_bytes=shard_bytes, seed=seed)
    _refuse_strangers(out, shards)
    kept, mended = [], []
    total, done = sum(shard.size for shard in shards), 0
    for shard in shards:
        path = out / shard.name
        if is_whole(path, shard):
            kept.append(shard.name)
        else:
            mended += [shard.name] if path.exists() else []
            write_shard(path, shard)
        done += shard.size
        if on_progress:
            on_progress(done, total)
    places = {v.source: out / shard.name / v.name for shard in shards for v in shard.videos}
    order = {place: rank for rank, place in enumerate(places.values())}
    samples = [replace(sample, path=places[sample.path]) for sample in videos.samples]
    samples.sort(key=lambda sample: order[sample.path])
    replace(videos, samples=tuple(samples)).write(out / MANIFEST)
    return Sharded(out / MANIFEST, tuple(s.name for s in shards), tuple(kept), tuple(mended))


def write_shard(path: Path, shard: Shard) -> None:
    """Writes one tar, whole or not at all; what a killed process left of it is removed.

    Raises:
        VideoError: a video cannot be read, or has become shorter.
        StorageError: the tar cannot be written, or is not what was to be written.
    """
    for leftover in path.parent.glob(f".{path.name}.*"):
        leftover.unlink(missing_ok=True)
    with writing(path) as file, tarfile.open(fileobj=file, mode="w") as tar:
        for video in shard.videos:
            with open_contents(video.source) as source:
                tar.addfile(_header(video.name, video.size), _Source(video, source))
            tar.addfile(_header(video.labels_name, len(video.labels)), io.BytesIO(video.labels))
    if not is_whole(path, shard):
        path.unlink()
        raise StorageError(f"{path}: what was written is not what was read; did a video change?")


@dataclass(frozen=True)
class _Source:
    """The bytes of a video that is copied, whose faults are not the tar's."""

    video: Packed
    file: BufferedReader

    def read(self, size: int = -1, /) -> bytes:
        with reading(self.video.source):
            data = self.file.read(size)
        if len(data) < size:
            raise VideoError(
                f"{self.video.source}: it has become shorter than its {self.video.size:,} bytes "
                "while it was copied; give the same command again"
            )
        return data


def is_whole(path: Path, shard: Shard) -> bool:
    """Whether a tar is there and holds, byte by byte, what it should.

    Raises:
        VideoError: a video, of which it should hold a copy, cannot be read.
    """
    if not path.is_file():
        return False
    try:
        sizes = {name: extent.size for name, extent in members(path).items()}
    except VideoError:
        return False
    wanted = {v.name: v.size for v in shard.videos}
    wanted |= {v.labels_name: len(v.labels) for v in shard.videos}
    return sizes == wanted and all(_is_copied(path, video) for video in shard.videos)


def _is_copied(tar: Path, video: Packed) -> bool:
    with open_contents(tar / video.labels_name) as labels:
        if labels.read() != video.labels:
            return False
    with open_contents(video.source) as source, open_contents(tar / video.name) as copy:
        while block := source.read(2**20):
            if copy.read(len(block)) != block:
                return False
        return not copy.read(1)


def _header(name: str, size: int) -> tarfile.TarInfo:
    """Without times and owners: the same list makes the same bytes."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info


def _refuse_strangers(out: Path, shards: Sequence[Shard]) -> None:
    """Tars of another list, or of shards of another size, would pass for ours."""
    known = {shard.name for shard in shards}
    strangers = sorted(path.name for path in out.glob("*.tar") if path.name not in known)
    if strangers:
        raise ConfigurationError(
            f"{out} holds tars that this list does not make ({some(strangers)}): of another list, "
            "or of shards of another size. Choose another folder, or remove them"
        )
