"""Jester: gestures of one hand before a camera, in folders of frames (12 a second).

Counts as commonly quoted for 20BN's lists: 148,092 videos, 118,562 to train, 14,787 to validate
(paper: Materzynska et al., ICCV workshops 2019). The 27 classes are in the order of MMAction2's
tools/data/jester/label_map.txt.
"""

from functools import partial

from stillmotion.data.sets.data_set import DataSet
from stillmotion.data.sets.twenty_bn import read_twenty_bn

JESTER = DataSet(
    name="jester",
    what="Jester: 27 hand gestures before a camera, as frames",
    layout="""\
SOURCE/
  jester-v1-labels.csv
  jester-v1-train.csv, jester-v1-validation.csv   id;label
  20bn-jester-v1/<id>/00001.jpg, 00002.jpg, ...
""",
    read=partial(read_twenty_bn, classes="jester", prefix="jester-v1"),
    official={"": {"train": 118_562, "val": 14_787}},
)
