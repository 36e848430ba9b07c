# %% [markdown]
# # Shipping a model
#
# A trained model as ONNX, in a folder with a runner that needs neither PyTorch nor stillmotion:
# onnxruntime, numpy and PyAV are enough. `stillmotion export RUN OUT --to onnx` does the same.

# %%
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from rich import print

import stillmotion
from stillmotion.data.sampling import Sampling
from stillmotion.data.synthetic import write_motion_videos
from stillmotion.exporting import to_onnx
from stillmotion.settings import Training, Videos
from stillmotion.visualise import film_strip

out = Path(tempfile.mkdtemp())
motions = ("grows", "shrinks")
videos = write_motion_videos(out, motions=motions, num_train=20, num_val=0, num_heldout_pairs=2)
recipe = stillmotion.Recipe(
    data=str(out / "index.csv"),
    out=str(out / "run"),
    backbone="vit_stillmotion_demo",
    image_size=64,
    method=stillmotion.TemporalProbe(),
    sampling=Sampling(num_frames=4),
    videos=Videos(keep_frames=16, workers=0, val_fraction=0.0),
    training=Training(epochs=15, cache_clips=2),
)
model = stillmotion.train(recipe, quiet=True).model

# %% [markdown]
# What is written is asked the same as the model before its folder appears. This is how far the
# logits were apart at most, as a part of the greatest.

# %%
difference = to_onnx(model, out / "shipped")
print(f"{difference:.1e}", sorted(file.name for file in (out / "shipped").iterdir()))

# %% [markdown]
# The runner, in a process of its own, and the model itself say the same of a video.

# %%
asked = [sys.executable, "shipped/run.py", videos[-1].path]
said = subprocess.run(asked, cwd=out, capture_output=True, text=True, check=True).stdout
predict, video = stillmotion.Predictor(model), out / videos[-1].path
print("runner:", said.partition(": ")[2].strip())
print("model: ", predict(video).line().partition(": ")[2])
(out / "video.png").write_bytes(film_strip(predict.read(video)[0].numpy(), height=160))
Image.open(out / "video.png")
