"""An epoch's order follows from the seed and the epoch: each video once, or each class as often."""

from collections import Counter
from functools import lru_cache, partial
from itertools import groupby, pairwise
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from runs import tiny
from sharded import write_small_shards
from stillmotion.data import tar_member
from stillmotion.data.annotations import Sample
from stillmotion.data.orders import (
    EpochOrder,
    balanced,
    by_shard,
    shard_by_shard,
    shards_of,
    shuffled,
)
from stillmotion.data.reading import read_videos
from stillmotion.data.sampling import Sampling
from stillmotion.loading import view_dataset, view_loader
from stillmotion.methods import LinearProbe
from stillmotion.settings import Views
from stillmotion.training import train
from stillmotion.training.data import make_loaders, seed_epoch
from stillmotion.training.session import start
from stillmotion.training.splits import read_splits

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=60)


@given(LABELS, st.integers(0, 50))
def test_each_class_comes_as_often_and_its_videos_in_turns(labels, seed):
    order = balanced(labels, Random(seed))
    n = len(labels)
    assert len(order) == n
    assert len(set(order)) == n, "a video that comes again is another draw of it"
    often = Counter(labels[index % n] for index in order)
    assert max(often.values()) - min(often[label] for label in set(labels)) <= 1
    for label in set(labels):
        times = Counter(index % n for index in order if labels[index % n] == label)
        mine = [times[index] for index in range(n) if labels[index] == label]
        assert max(mine) - min(mine) <= 1


@given(LABELS, st.integers(0, 50), st.integers(1, 6))
def test_each_sample_comes_once_and_a_few_shards_are_read_at_a_time(shards, seed, window):
    order = by_shard(shards, Random(seed), window=window)
    assert sorted(order) == sorted(shuffled(len(shards), Random(seed))) == list(range(len(shards)))
    read = [shards[index] for index in order]
    first = {shard: read.index(shard) for shard in read}
    last = {shard: len(read) - 1 - read[::-1].index(shard) for shard in read}
    for place in range(len(read)):
        assert sum(first[s] <= place <= last[s] for s in first) <= window
    sizes = sorted(Counter(shards).values(), reverse=True)
    assert all(last[s] - first[s] < sum(sizes[:window]) for s in first)


@pytest.mark.parametrize("draw", [by_shard, balanced])
def test_the_order_differs_from_epoch_to_epoch_and_mixes(draw):
    groups = [n // 20 for n in range(200)]
    order = EpochOrder(partial(draw, groups), length=200, seed=1)
    orders = []
    for epoch in (0, 1, 2, 3, 4, 0):
        order.set_epoch(epoch)
        orders.append(tuple(order))
    assert len(set(orders)) == 5
    assert orders[0] == orders[5]
    assert len(order) == 200
    neighbours = [groups[a % 200] == groups[b % 200] for a, b in pairwise(orders[0])]
    assert sum(neighbours) < 100


def test_samples_that_lie_in_no_tar_have_no_order_of_shards(few_videos, tmp_path):
    assert shards_of(read_videos(few_videos).samples) is None
    done = write_small_shards(few_videos, tmp_path)
    samples = read_videos(done.manifest).samples
    shards = shards_of(samples)
    assert {path.name for path in shards} == set(done.shards)
    mixed = [*samples, Sample(few_videos / "wave/0.mp4", 0)]
    assert shards_of(mixed) == [*shards, few_videos / "wave"]


@given(LABELS)
def test_shard_by_shard_keeps_the_order_within_a_shard(shards):
    order = shard_by_shard(shards)
    assert sorted(order) == list(range(len(shards)))
    read = [shards[index] for index in order]
    assert [shard for shard, _ in groupby(read)] == list(dict.fromkeys(shards))
    for shard in shards:
        mine = [index for index in order if shards[index] == shard]
        assert mine == sorted(mine)


def test_views_are_read_tar_by_tar_and_are_those_of_the_samples(few_videos, tmp_path, monkeypatch):
    """As a list in any order has them, and with room for one table of members."""
    monkeypatch.setattr(tar_member, "_members", lru_cache(1)(tar_member._members.__wrapped__))
    listed = read_videos(write_small_shards(few_videos, tmp_path).manifest).samples
    samples = tuple(Random(1).sample(listed, len(listed)))
    options = {"sampling": Sampling(num_frames=2), "image_size": 32, "views": Views(), "workers": 0}
    loader = view_loader(samples, batch_size=1, **options)
    tar_member._members.cache_clear()
    of_index = {batch.index.item(): batch for batch in loader}
    assert tar_member._members.cache_info().misses == len(set(shards_of(samples)))
    assert sorted(of_index) == list(range(len(samples)))
    dataset = view_dataset(samples, **{k: v for k, v in options.items() if k != "workers"})
    for index, batch in of_index.items():
        assert batch.label.item() == samples[index].label
        (item,) = dataset.__getitems__([index])
        assert torch.equal(batch.clip[0], item["clip"])


@pytest.mark.parametrize("options", [{}, {"cache_clips": 2}])
def test_a_balanced_run_shows_rare_classes_as_often(few_videos, tmp_path, options):
    listing = tmp_path / "list.csv"
    rows = [f"{few_videos}/jump/{n}.mp4,jump" for n in range(4)]
    listing.write_text("\n".join(["path,label", *rows, f"{few_videos}/wave/0.mp4,wave"]) + "\n")
    recipe = tiny(
        listing,
        tmp_path / "run",
        videos={"val_fraction": 0.0},
        training={"draw": "balanced", **options},
        **({"method": LinearProbe()} if options else {}),
    )
    start(recipe.training)
    loaders = make_loaders(recipe, read_splits(recipe), image_size=64)
    seen = Counter()
    for epoch in range(2):
        seed_epoch(recipe, epoch, loaders.train)
        seen.update(label for batch in loaders.train for label in batch.label.tolist())
    assert abs(seen[0] - seen[1]) <= 2
    assert sum(seen.values()) == 10
    assert train(recipe, quiet=True).history[0]["unreadable"] == 0
