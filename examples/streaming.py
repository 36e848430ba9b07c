# %% [markdown]
# # A camera, frame by frame
#
# A causal model answers after every frame, passes each frame once, and says what the model on all
# frames so far would say.

# %%
import tempfile
from pathlib import Path

import torch
from matplotlib.ticker import PercentFormatter
from PIL import Image

import stillmotion
from stillmotion.data.sampling import Sampling
from stillmotion.data.synthetic import write_motion_videos
from stillmotion.settings import Training, Videos
from stillmotion.streaming import SlidingWindow, Stream
from stillmotion.visualise import LIGHT, film_strip

out = Path(tempfile.mkdtemp())
write_motion_videos(out, motions=("grows", "shrinks"), num_train=24, num_heldout_pairs=1)
recipe = stillmotion.Recipe(
    data=str(out / "train"),
    out=str(out / "run"),
    backbone="vit_stillmotion_demo",
    image_size=64,
    method=stillmotion.AMFlow.small(streaming=True),
    sampling=Sampling(num_frames=8),
    videos=Videos(keep_frames=16, workers=0, val_fraction=0),
    training=Training(epochs=4),
)
model = stillmotion.train(recipe, quiet=True).model

# %% [markdown]
# The frames of a video that the model has not seen, as a camera would give them.

# %%
frames = stillmotion.Predictor(model).read(next((out / "test/grows").glob("*.mp4")))[0]
(out / "frames.png").write_bytes(film_strip(frames.numpy(), height=120))
Image.open(out / "frames.png")

# %% [markdown]
# The last answer of the stream is that of the model on the whole clip. `SlidingWindow` takes every
# model, causal or not, and answers for the last frames only: here, the last four.

# %%
stream, window = Stream(model), SlidingWindow(model, num_frames=4)
after = {f"{seen} frames": [] for seen in ("all", "the last four")}
for frame in frames:
    for answers, logits in zip(after.values(), (stream(frame), window(frame)), strict=True):
        answers.append(logits)
with torch.inference_mode():
    torch.testing.assert_close(after["all frames"][-1], model(frames[None])[0], rtol=0, atol=1e-4)

# %%
with LIGHT.active():
    figure = LIGHT.figure(6.0, 2.6)
    axes = figure.subplots()
    for seen, answers in after.items():
        sure = torch.stack(answers).softmax(-1)[:, model.class_names.index("grows")]
        axes.plot(range(1, len(sure) + 1), sure, marker="o", label=seen)
    axes.set(title="Probability of “grows”", xlabel="frames seen", ylim=(0, 1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.legend()
(out / "sure.png").write_bytes(LIGHT.png(figure))
Image.open(out / "sure.png")
