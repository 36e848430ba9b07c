"""Lists as SlowFast, VideoMAE and V-JEPA read them: train.csv, val.csv and test.csv whose lines are
a path, a blank, and the index of the class, in spite of their name."""

from pathlib import Path

from stillmotion.data.sets.data_set import DataSet, Listing
from stillmotion.data.sets.entries import listing
from stillmotion.data.sets.index_lists import Line, classes_of, read_lines, video_entry
from stillmotion.data.sets.tree import Tree


def read_slowfast(source: Path, protocol: str) -> Listing:
    """Reads the lists that are there."""
    tree = Tree(source)
    lists = [path for name in ("train", "val", "test") if (path := tree.find_list(f"{name}.csv"))]
    if not lists:
        raise tree.lacks("train.csv, val.csv or test.csv")
    lines = read_lines(lists, numbers=1)
    roots = list(dict.fromkeys([source, *(path.parent for path in lists)]))
    entries = [video_entry(line, roots) if isinstance(line, Line) else line for line in lines]
    return listing(entries, classes=classes_of(tree, lines))


SLOWFAST = DataSet(
    name="slowfast",
    what="Lists of SlowFast, VideoMAE and V-JEPA: a path, a blank and the index of its class",
    layout="""\
SOURCE/
  train.csv, val.csv, test.csv   "videos/clip 1.mp4 0"; paths from SOURCE or from the root
  classes.txt                    a name a line, where you have it
""",
    read=read_slowfast,
)
