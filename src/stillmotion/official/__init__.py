"""Published checkpoints, in and out: the authors' key schemes and ours.

    from stillmotion import official

    model = official.load("vit_b_clip_8f.pth", method="aim", num_frames=8, labels="kinetics400")
    official.export(model, "again.safetensors")

`load` reads AIM, ZeroI2V, ST-Adapter, DualPath and AdaptFormer; `images` reads image models.
"""

from stillmotion.official.reading import load, load_with_report
from stillmotion.official.report import Report
from stillmotion.official.writing import export

__all__ = ["Report", "export", "load", "load_with_report"]
