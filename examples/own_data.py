# %% [markdown]
# # Your own videos
#
# A folder with a folder for each class is all it takes. The videos here are generated: a shape that
# grows, or one that shrinks. No single frame tells which.

# %%
import tempfile
from pathlib import Path

from PIL import Image
from rich import print

import stillmotion
from stillmotion.data.sampling import Sampling
from stillmotion.data.synthetic import write_motion_videos
from stillmotion.settings import Training, Videos
from stillmotion.visualise import film_strip

out = Path(tempfile.mkdtemp())
motions = ("grows", "shrinks")
write_motion_videos(out, motions=motions, num_train=28, num_val=0, num_heldout_pairs=6)
print(sorted(path.relative_to(out).as_posix() for path in (out / "train").rglob("*.mp4"))[::8])

# %% [markdown]
# Everything about a run stands in its recipe. `backbone` is the small image model that comes with
# the package; any of timm's transformers does, and its weights stay as they are.

# %%
recipe = stillmotion.Recipe(
    data=str(out / "train"),
    out=str(out / "run"),
    backbone="vit_stillmotion_demo",
    image_size=64,
    method=stillmotion.AMFlow.small(),
    sampling=Sampling(num_frames=4),
    videos=Videos(keep_frames=16, workers=0),
    training=Training(epochs=5),
)
run = stillmotion.train(recipe, quiet=True)

# %% [markdown]
# An evaluation on videos that the model has not seen also shuffles and reverses their frames: a
# score that falls is one that was made of time.

# %%
evaluation = stillmotion.evaluate(run.model, stillmotion.read_videos(out / "test"), workers=0)
evaluation.write(out / "evaluation.json")
Image.open(out / "evaluation.png")

# %% [markdown]
# What training leaves is a checkpoint of a few megabytes, which answers for any video.

# %%
predict = stillmotion.Predictor(stillmotion.load(out / "run/best"))
video = next((out / "test/shrinks").glob("*.mp4"))
print({label: round(probability, 3) for label, probability in predict(video).top(2)})
(out / "video.png").write_bytes(film_strip(predict.read(video)[0].numpy(), height=160))
Image.open(out / "video.png")
