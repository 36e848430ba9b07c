"""Something-Something V2: what hands do with things; classes are templates such as
"Holding [something] next to [something]", looked up without their brackets.

Counts as the owner's page states them, and many quote: 168,913 to train, 24,777 to validate, 27,157
to test (paper: arXiv 1706.04261). The test labels came later, in test-answers.csv.
"""

from collections.abc import Iterator
from pathlib import Path

from stillmotion.data.class_lists import read_class_names
from stillmotion.data.sets.data_set import DataSet, Listing
from stillmotion.data.sets.entries import Entry, listing
from stillmotion.data.sets.lists import json_records, read_json, text_lines
from stillmotion.data.sets.tree import Tree
from stillmotion.data.sets.twenty_bn import same_classes
from stillmotion.errors import DataError, Problem

_PREFIX = "something-something-v2-"


def class_of(template: str) -> str:
    """A template's class: the template without its brackets.

    >>> class_of("Holding [something] next to [something]")
    'Holding something next to something'
    """
    return template.replace("[", "").replace("]", "")


def read_ssv2(source: Path, protocol: str) -> Listing:
    """Reads the lists of either release: with the long names, or Qualcomm's short ones."""
    tree = Tree(source)
    names = read_class_names("ssv2")
    if labels := tree.find_list(f"{_PREFIX}labels.json", "labels.json"):
        _check_labels(labels, names)
    lists = tree.split_lists(
        train=["train.json", f"{_PREFIX}train.json"],
        val=["validation.json", f"{_PREFIX}validation.json"],
    )
    entries = [e for split, path in lists.items() for e in _entries(tree, path, split)]
    if answers := tree.find_list(f"{_PREFIX}test-answers.csv", "test-answers.csv"):
        entries += _answers(tree, answers)
    elif tree.find_list(f"{_PREFIX}test.json", "test.json"):
        tree.note("the test videos are left out: their labels, test-answers.csv, are not there")
    return listing(entries, classes=names, notes=tree.notes)


def _check_labels(path: Path, names: tuple[str, ...]) -> None:
    told = read_json(path)
    if not isinstance(told, dict):
        raise DataError(f"{path}: expected an object from class names to indices")
    same_classes(path, set(told), names)
    for index, name in enumerate(names):
        if str(told[name]) != str(index):
            raise DataError(
                f"{path}: {name!r} has index {told[name]} here, and {index} in the data set"
            )


def _entries(tree: Tree, path: Path, split: str) -> Iterator[Entry | Problem]:
    for place, record in json_records(path, needed=("id", "template")):
        name = str(record["id"])
        label = class_of(str(record["template"]))
        yield Entry(place=place, path=tree.video(name), name=name, label=label, split=split)


def _answers(tree: Tree, path: Path) -> Iterator[Entry | Problem]:
    for place, line in text_lines(path):
        name, _, label = line.partition(";")
        label = class_of(label.strip())
        yield Entry(place=place, path=tree.video(name), name=name, label=label, split="test")


SSV2 = DataSet(
    name="ssv2",
    what="Something-Something V2: 174 things that hands do",
    layout="""\
SOURCE/
  labels/labels.json, train.json, validation.json   or something-something-v2-labels.json, ...
  labels/test-answers.csv                           id;label, where you have it
  20bn-something-something-v2/<id>.webm             or .mp4
""",
    read=read_ssv2,
    official={"": {"train": 168_913, "val": 24_777, "test": 27_157}},
)
