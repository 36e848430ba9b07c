"""How 20BN lists the frames of Something-Something V1 and Jester: `id;label` in text files.

As MMAction2's tools/data/parse_file_list.py reads them. The test lists have no labels.
"""

from collections.abc import Iterator
from pathlib import Path

from stillmotion.data.class_lists import read_class_names
from stillmotion.data.sets.data_set import Listing
from stillmotion.data.sets.entries import Entry, listing
from stillmotion.data.sets.lists import text_lines
from stillmotion.data.sets.tree import Tree
from stillmotion.errors import DataError, Problem


def read_twenty_bn(source: Path, protocol: str, *, classes: str, prefix: str) -> Listing:
    """Reads lists whose names begin with `prefix`, of a data set with the classes of that name.

    Raises:
        DataError: no such lists, or the owner's classes are others.
    """
    tree = Tree(source)
    lists = tree.split_lists(train=[f"{prefix}-train.csv"], val=[f"{prefix}-validation.csv"])
    names = read_class_names(classes)
    if stated := tree.find_list(f"{prefix}-labels.csv"):
        same_classes(stated, {line for _, line in text_lines(stated)}, names)
    if tree.find_list(f"{prefix}-test.csv"):
        tree.note(f"{prefix}-test.csv is left out: it has no labels")
    entries = [e for split, path in lists.items() for e in _entries(tree, path, split)]
    return listing(entries, classes=names, notes=tree.notes)


def _entries(tree: Tree, path: Path, split: str) -> Iterator[Entry | Problem]:
    for place, line in text_lines(path):
        name, mark, label = line.partition(";")
        if not mark:
            yield Problem(place, "line", f"expected an id, a semicolon and a label, got {line!r}")
            continue
        yield Entry(
            place=place, path=tree.video(name.strip()), name=name, label=label.strip(), split=split
        )


def same_classes(path: Path, stated: set[str], expected: tuple[str, ...]) -> None:
    """Makes sure that the owner's file names the classes that are expected.

    Raises:
        DataError: it does not; which it lacks, and which are too many.
    """
    lacking, more = sorted(set(expected) - stated), sorted(stated - set(expected))
    if lacking or more:
        raise DataError(
            f"{path}: not the {len(expected)} classes that are expected: it lacks "
            f"{lacking[:1] or 'none'} and has {more[:1] or 'none'} besides ({len(stated)} in all); "
            "is it the list of another version?"
        )
