# %% [markdown]
# # A camera, frame by frame
#
# A causal model takes each frame once, and answers as it would to all frames so far.

# %%
import tempfile
from pathlib import Path

import torch
from PIL import Image

import stillmotion
from stillmotion.data.sampling import Sampling
from stillmotion.data.synthetic import write_motion_videos
from stillmotion.settings import Training, Videos
from stillmotion.streaming import SlidingWindow, Stream
from stillmotion.visualise import LIGHT, film_strip

out, motions = Path(tempfile.mkdtemp()), ("grows", "shrinks")
videos = write_motion_videos(out, motions=motions, num_train=20, num_val=0, num_heldout_pairs=2)
recipe = stillmotion.Recipe(
    data=str(out / "index.csv"),
    out=str(out / "run"),
    backbone="vit_stillmotion_demo",
    image_size=64,
    method=stillmotion.AMFlow.small(streaming=True),
    sampling=Sampling(num_frames=8),
    videos=Videos(keep_frames=16, workers=0, val_fraction=0.0),
    training=Training(epochs=4),
)
model = stillmotion.train(recipe, quiet=True).model

# %% [markdown]
# The frames of a video that the model has not seen, as a camera would give them.

# %%
frames = stillmotion.Predictor(model).read(out / videos[-1].path)[0]  # (8, 3, 64, 64), uint8
(out / "frames.png").write_bytes(film_strip(frames.numpy(), height=120))
Image.open(out / "frames.png")

# %% [markdown]
# The last answer of the stream is that of the model on the whole clip. `SlidingWindow` takes every
# model, causal or not, and answers for the last frames only: here, the last four.

# %%
stream, window = Stream(model), SlidingWindow(model, num_frames=4)
after = [torch.stack([ask(frame) for frame in frames]) for ask in (stream, window)]  # (8, 2)
torch.testing.assert_close(after[0][-1:], model(frames[None]).detach(), rtol=0, atol=1e-4)

# %%
with LIGHT.active():
    figure = LIGHT.figure(6.0, 2.6)
    axes = figure.subplots()
    for colour, logits in zip(LIGHT.series, after, strict=False):
        axes.plot(range(1, 9), logits.softmax(-1)[:, 1], marker="o", color=colour)
    axes.set(title="Probability of “shrinks”", xlabel="frames seen", ylim=(0, 1))
    axes.legend(["by all frames", "by the last four"])
(out / "sure.png").write_bytes(LIGHT.png(figure))
Image.open(out / "sure.png")
