"""Very many videos, answered on a Ray cluster.

pip install "stillmotion[ray]"
python examples/ray_data.py runs/first videos.jsonl answers/ --actors 4 --gpus 1

The rows are those of `stillmotion predict --manifest`: each video once, and where one cannot be
read, why. Every machine must see the model and the videos under the same paths.
"""

import argparse
import os

import numpy as np
import pyarrow
import ray

import stillmotion
from stillmotion.collection import Collection, read_collection
from stillmotion.collection.answering import answers
from stillmotion.collection.files import schema


class Answering:
    """A model in a process of its own, loaded once."""

    def __init__(self, checkpoint: str, collection: Collection) -> None:
        self.predictor = stillmotion.Predictor(stillmotion.load(checkpoint))
        self.collection = collection

    def __call__(self, batch: dict[str, np.ndarray]) -> pyarrow.Table:
        """The answers to the videos of these numbers."""
        asked = Collection(
            tuple(self.collection.names[number] for number in batch["id"]),
            tuple(self.collection.samples[number] for number in batch["id"]),
        )
        told = dict(answers(self.predictor, asked, range(len(asked)), top=5, workers=0))
        return pyarrow.Table.from_pylist([told[n] for n in sorted(told)], schema=schema())


def main() -> None:
    """Answer a list's videos into a new folder of Parquet files."""
    parser = argparse.ArgumentParser()
    for name in ("checkpoint", "videos", "out"):
        parser.add_argument(name, type=os.path.abspath)
    parser.add_argument("--actors", type=int, default=1, help="models that answer at once")
    parser.add_argument("--gpus", type=float, default=0, help="of each; parts of one will do")
    parser.add_argument("--batch", type=int, default=16, help="videos that an actor is given")
    asked = parser.parse_args()
    if os.path.exists(asked.out):
        parser.error(f"{asked.out} is there already: a second run would answer each video twice")
    collection = read_collection(asked.videos)
    numbers = ray.data.range(
        len(collection), override_num_blocks=-(-len(collection) // asked.batch)
    )
    numbers.map_batches(
        Answering,
        fn_constructor_args=(asked.checkpoint, collection),
        batch_size=asked.batch,
        concurrency=asked.actors,
        num_gpus=asked.gpus,
    ).write_parquet(asked.out)


if __name__ == "__main__":
    main()
