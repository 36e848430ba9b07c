# %% [markdown]
# # Comparing methods
#
# The same videos, image model and seed; three methods. A linear probe sees frames without their
# order, a temporal probe sees the order of what the image model says of each frame, and AM Flow
# changes what the image model sees.

# %%
import tempfile
from dataclasses import replace
from pathlib import Path

from PIL import Image
from rich import print

import stillmotion
from stillmotion.comparison import compare
from stillmotion.data.sampling import Sampling
from stillmotion.data.synthetic import write_motion_videos
from stillmotion.settings import Training, Videos
from stillmotion.visualise import LIGHT, Score, bars

out = Path(tempfile.mkdtemp())
motions = ("moves-left", "moves-right", "grows", "shrinks")
write_motion_videos(out / "videos", motions=motions, num_train=32, num_heldout_pairs=12)

# %% [markdown]
# The features that a probe reads never change, so they are computed once (`cache_clips`).

# %%
recipe = stillmotion.Recipe(
    data=str(out / "videos/index.csv"),
    out=str(out / "linear_probe"),
    backbone="vit_stillmotion_demo",
    image_size=64,
    method=stillmotion.LinearProbe(),
    sampling=Sampling(num_frames=4),
    videos=Videos(keep_frames=16, workers=0),
    training=Training(epochs=20, cache_clips=2),
)
temporal = replace(recipe, method=stillmotion.TemporalProbe(), out=str(out / "temporal_probe"))
amflow = replace(
    recipe, method=stillmotion.AMFlow.small(), out=str(out / "amflow"), training=Training(epochs=4)
)
runs = [stillmotion.train(each, quiet=True) for each in (recipe, temporal, amflow)]

# %% [markdown]
# Are they really different, on so few videos? The second table says what each difference is worth.

# %%
comparison = compare([run.directory for run in runs])
print(*comparison.tables())

# %%
scores = [
    Score(group=run.directory.name, name=order, value=told[key], interval=told["intervals"][key])
    for run in runs
    for told in [run.evaluation.to_dict()]
    for order, key in (("in order", "top1"), ("reversed", "top1_reversed"))
]
figure = bars(scores, references={"chance": 1 / len(motions)}, title="Right, of the test videos")
(out / "scores.png").write_bytes(LIGHT.png(figure))
Image.open(out / "scores.png")
