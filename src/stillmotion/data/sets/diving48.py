"""Diving48 V2: dives, told apart by take-off, somersaults, twists and position (Li et al., 2018).

V2 of October 2020 corrected the labels; V1 is not read. Counts as commonly quoted for its lists:
15,027 to train, 1,970 to test.
"""

from collections.abc import Iterator
from pathlib import Path

from stillmotion.data.class_lists import read_class_names
from stillmotion.data.sets.data_set import DataSet, Listing
from stillmotion.data.sets.entries import Entry, listing
from stillmotion.data.sets.lists import json_records, read_json
from stillmotion.data.sets.tree import Tree
from stillmotion.errors import DataError, Problem


def read_diving48(source: Path, protocol: str) -> Listing:
    """Reads the two lists and the vocabulary."""
    tree = Tree(source)
    names = read_class_names("diving48")
    if vocabulary := tree.find_list("Diving48_vocab.json"):
        _check_vocabulary(vocabulary, names)
    corrected = tree.find_list("Diving48_V2_train.json", "Diving48_V2_test.json")
    if not corrected and tree.find_list("Diving48_train.json", "Diving48_test.json"):
        raise DataError(
            f"{source}: the lists are those of Diving48 V1, whose labels have errors; get "
            "Diving48_V2_train.json and Diving48_V2_test.json"
        )
    lists = tree.split_lists(train=["Diving48_V2_train.json"], test=["Diving48_V2_test.json"])
    entries = [e for split, path in lists.items() for e in _entries(tree, path, split)]
    return listing(entries, classes=names, notes=tree.notes)


def _check_vocabulary(path: Path, names: tuple[str, ...]) -> None:
    told = read_json(path)
    if not isinstance(told, list) or not all(isinstance(words, list) for words in told):
        raise DataError(f"{path}: expected an array of arrays of words")
    stated = tuple("+".join(map(str, words)) for words in told)
    if stated != names:
        raise DataError(f"{path}: not the 48 dives of Diving48 V2 in their order")


def _entries(tree: Tree, path: Path, split: str) -> Iterator[Entry | Problem]:
    for place, record in json_records(path, needed=("vid_name", "label")):
        name, label = str(record["vid_name"]), record["label"]
        if type(label) is not int:
            yield Problem(place, "label", f"{label!r} is no index")
            continue
        yield Entry(place=place, path=tree.video(name), name=name, label=label, split=split)


DIVING48 = DataSet(
    name="diving48",
    what="Diving48 V2: 48 dives that differ in motion, not in scene",
    layout="""\
SOURCE/
  Diving48_V2_train.json, Diving48_V2_test.json, Diving48_vocab.json
  rgb/<vid_name>.mp4
""",
    read=read_diving48,
    official={"": {"train": 15_027, "test": 1_970}},
)
