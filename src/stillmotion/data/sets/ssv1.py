"""Something-Something V1: what hands do with things, in folders of frames (12 a second).

Counts as commonly quoted for 20BN's lists: 108,499 videos, 86,017 to train, 11,522 to validate
(paper: arXiv 1706.04261). The 174 classes are in the order of the owner's labels.csv (MMAction2's
tools/data/sthv1/label_map.txt), which is not that of V2.
"""

from functools import partial

from stillmotion.data.sets.data_set import DataSet
from stillmotion.data.sets.twenty_bn import read_twenty_bn

SSV1 = DataSet(
    name="ssv1",
    what="Something-Something V1: 174 things that hands do, as frames",
    layout="""\
SOURCE/
  something-something-v1-labels.csv
  something-something-v1-train.csv, something-something-v1-validation.csv   id;label
  20bn-something-something-v1/<id>/00001.jpg, 00002.jpg, ...   or <id>.webm
""",
    read=partial(read_twenty_bn, classes="ssv1", prefix="something-something-v1"),
    official={"": {"train": 86_017, "val": 11_522}},
)
