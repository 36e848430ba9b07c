# %% [markdown]
# # Comparing methods
#
# The same videos, image model and seed; two methods. AM Flow adapts the image model to what changes
# between frames; a linear probe averages what it says of each frame, and cannot know their order.

# %%
import tempfile
from dataclasses import replace
from pathlib import Path

from PIL import Image
from rich import print

import stillmotion
from stillmotion.comparison import compare, read_run
from stillmotion.data.sampling import Sampling
from stillmotion.data.synthetic import write_motion_videos
from stillmotion.settings import Training, Videos
from stillmotion.visualise import LIGHT, Score, bars

out, motions = Path(tempfile.mkdtemp()), ("grows", "shrinks")
videos = write_motion_videos(out, motions=motions, num_train=24, num_val=0, num_heldout_pairs=10)

# %% [markdown]
# A recipe says everything about a run. The features that a probe reads never change, so they are
# computed once (`cache_clips`).

# %%
amflow = stillmotion.Recipe(
    data=str(out / "index.csv"),
    out=str(out / "amflow"),
    backbone="vit_stillmotion_demo",
    image_size=64,
    method=stillmotion.AMFlow.small(),
    sampling=Sampling(num_frames=4),
    videos=Videos(keep_frames=16, workers=0, val_fraction=0.0),
    training=Training(epochs=4),
)
probe, once = stillmotion.LinearProbe(), Training(epochs=8, cache_clips=2)
linear = replace(amflow, method=probe, out=str(out / "linear_probe"), training=once)
runs = [stillmotion.train(recipe, quiet=True) for recipe in (amflow, linear)]

# %% [markdown]
# Are they really different, on so few videos? The second table says what each difference is worth.

# %%
scored = {run.model.method.name: run for run in runs}
print(*compare([replace(read_run(run.directory), name=n) for n, run in scored.items()]).tables())

# %%
told = {name: run.evaluation.to_dict() for name, run in scored.items()}
scores = [
    Score(group=name, name=order, value=said[key], interval=said["intervals"][key])
    for name, said in told.items()
    for order, key in (("in order", "top1"), ("reversed", "top1_reversed"))
]
figure = bars(scores, references={"chance": 0.5}, title="Right, of the test videos")
(out / "scores.png").write_bytes(LIGHT.png(figure))
Image.open(out / "scores.png")
