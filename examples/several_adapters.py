# %% [markdown]
# # Several adapters, one image model
#
# Two recognisers of the same videos: one names the shape, one its motion. Their image model is the
# same, frozen, and held in memory once.

# %%
import tempfile
from dataclasses import replace
from pathlib import Path

from PIL import Image
from rich import print

import stillmotion
from stillmotion.data.sampling import Sampling
from stillmotion.data.synthetic import write_motion_videos
from stillmotion.settings import Training, Videos
from stillmotion.sharing import bytes_held
from stillmotion.visualise import film_strip

out, motions = Path(tempfile.mkdtemp()), ("grows", "shrinks")
videos = write_motion_videos(out, motions=motions, num_train=24, num_val=0, num_heldout_pairs=2)
motion = stillmotion.Recipe(
    data=str(out / "index.csv"),
    out=str(out / "motion"),
    backbone="vit_stillmotion_demo",
    image_size=64,
    method=stillmotion.TemporalProbe(),
    sampling=Sampling(num_frames=4),
    videos=Videos(keep_frames=16, workers=0, val_fraction=0.0),
    training=Training(epochs=8, cache_clips=2),
)
shape = replace(
    motion,
    out=str(out / "shape"),
    method=stillmotion.LinearProbe(),
    videos=replace(motion.videos, columns={"label": "shape"}),
)
for recipe in (motion, shape):
    stillmotion.train(recipe, quiet=True)

# %% [markdown]
# Each is an ordinary model. To switch between them is to call another one.

# %%
folders = [out / "motion/best", out / "shape/best"]
models = stillmotion.load_together(folders)
video = out / videos[-1].path
ask = [stillmotion.Predictor(model) for model in models]
print({folder.parent.name: said(video).top(1) for folder, said in zip(folders, ask, strict=True)})
(out / "video.png").write_bytes(film_strip(ask[0].read(video)[0].numpy(), height=160))
Image.open(out / "video.png")

# %% [markdown]
# What the weights take: together, and when each is loaded for itself.

# %%
apart = [stillmotion.load(folder) for folder in folders]
print({"MB together": bytes_held(models) / 1e6, "MB apart": bytes_held(apart) / 1e6})
