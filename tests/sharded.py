"""Videos of tests, packed into small tars."""

from pathlib import Path

from stillmotion.data.reading import read_videos
from stillmotion.data.shard_writing import Sharded, write_shards


def write_small_shards(videos: Path, out: Path, *, shard_bytes: int = 2000) -> Sharded:
    """Every shard holds a video or two."""
    return write_shards(read_videos(videos), out, shard_bytes=shard_bytes)
