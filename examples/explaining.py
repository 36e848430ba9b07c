# %% [markdown]
# # Explaining a prediction
#
# What an answer rests on: where attention changes from frame to frame (attention-map flow), what of
# each frame reaches the read-out (rollout), which frames the answer hangs on (occlusion), and when
# it could be told. `stillmotion show RUN VIDEO -o out.mp4` lays the same over the video.

# %%
import tempfile
from contextlib import chdir
from pathlib import Path

from PIL import Image
from rich import print

import stillmotion
from stillmotion.data.sampling import Sampling
from stillmotion.data.synthetic import write_motion_videos
from stillmotion.explaining import explain, rank_blocks
from stillmotion.settings import Training, Videos
from stillmotion.visualise import LIGHT, explanation_picture

out = Path(tempfile.mkdtemp())
motions = ("grows", "shrinks")
videos = write_motion_videos(out, motions=motions, num_train=20, num_val=0, num_heldout_pairs=2)
recipe = stillmotion.Recipe(
    data=str(out / "index.csv"),
    out=str(out / "run"),
    backbone="vit_stillmotion_demo",
    image_size=64,
    method=stillmotion.AMFlow.small(),
    sampling=Sampling(num_frames=6),
    videos=Videos(keep_frames=12, workers=0, val_fraction=0.0),
    training=Training(epochs=5),
)
model = stillmotion.train(recipe, quiet=True).model

# %% [markdown]
# One clip of a video that the model has not seen. Bright patches are those whose attention changes.

# %%
with chdir(out):
    explanation = explain(model, videos[-1].path, blocks=(2, 3))
(out / "explanation.png").write_bytes(LIGHT.png(explanation_picture(explanation)))
Image.open(out / "explanation.png")

# %% [markdown]
# Which blocks' flow follows what moves? The paper chose by eye; this is a correlation, video by
# video, and a proposal for `AMFlow(flow_blocks=...)`.

# %%
read = stillmotion.Predictor(model).read
tests = [out / video.path for video in videos if video.split == "test"]
ranking = rank_blocks(model, tests, read=lambda path: read(path)[0])
for block, mean in zip(ranking.blocks, ranking.means, strict=True):
    print(f"block {block}: {mean:+.2f}", "(proposed)" if block in ranking.proposal else "")
