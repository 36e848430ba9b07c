"""The small image transformer that comes with the package, for demonstrations without a download.

It was trained on generated still pictures alone and knows nothing of time; its card lies beside
its weights. `timm.create_model("vit_stillmotion_demo", pretrained=True)` builds it once this module
has been imported.
"""

from importlib.resources import files
from typing import Any

from timm.layers import PatchEmbed
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn
from torch import nn

DEMO_BACKBONE = "vit_stillmotion_demo"
"""The name under which timm knows the model."""

DEMO_WEIGHTS = files("stillmotion") / "assets" / f"{DEMO_BACKBONE}.safetensors"
"""Where the weights lie in the installed package."""

# timm looks this name up in the module of a registered model.
default_cfgs = generate_default_cfgs(
    {
        DEMO_BACKBONE: {
            "file": str(DEMO_WEIGHTS),
            "input_size": (3, 64, 64),
            "fixed_input_size": True,
            "num_classes": 0,
            "mean": (0.5, 0.5, 0.5),
            "std": (0.25, 0.25, 0.25),
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "first_conv": "patch_embed.proj.0",
            "classifier": "head",
            "license": "apache-2.0",
        }
    }
)


class ConvStem(PatchEmbed):
    """Cuts a picture into patches of 8 pixels by three convolutions that each halve its side.

    Learns from far fewer pictures than one linear map a patch (Xiao et al. 2021, arXiv 2106.14881).
    Its norms keep no running statistics, so a frozen stem does the same in training and evaluation.
    """

    def __init__(self, *, in_chans: int = 3, embed_dim: int, **kwargs: Any) -> None:
        super().__init__(in_chans=in_chans, embed_dim=embed_dim, **kwargs)
        quarter, half = embed_dim // 4, embed_dim // 2
        self.proj = nn.Sequential(
            nn.Conv2d(in_chans, quarter, kernel_size=3, stride=2, padding=1),
            nn.GroupNorm(1, quarter),
            nn.GELU(),
            nn.Conv2d(quarter, half, kernel_size=3, stride=2, padding=1),
            nn.GroupNorm(1, half),
            nn.GELU(),
            nn.Conv2d(half, embed_dim, kernel_size=3, stride=2, padding=1),
            nn.GroupNorm(1, embed_dim),
            nn.GELU(),
            nn.Conv2d(embed_dim, embed_dim, kernel_size=1),
        )


@register_model
def vit_stillmotion_demo(pretrained: bool = False, **kwargs: Any) -> VisionTransformer:
    """A vision transformer of 0.7 M parameters: 64 x 64 pixels, patches of 8, width 96, six blocks.

    Args:
        pretrained: load the packaged weights.
        kwargs: those of timm's `VisionTransformer`; at another `img_size` the learned positions are
            interpolated.
    """
    sizes = {"patch_size": 8, "embed_dim": 96, "depth": 6, "num_heads": 3}
    settings: dict[str, Any] = {**sizes, "embed_layer": ConvStem, **kwargs}
    return build_model_with_cfg(
        VisionTransformer,
        DEMO_BACKBONE,
        pretrained,
        pretrained_filter_fn=checkpoint_filter_fn,
        **settings,
    )
