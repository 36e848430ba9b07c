"""The schemes that are known, by name."""

from stillmotion.backbones.foreign.adaptformer import ADAPTFORMER_IMAGE, ADAPTFORMER_VIDEO
from stillmotion.backbones.foreign.hugging_face import HF_CLIP, HF_DINOV2, HF_VIT
from stillmotion.backbones.foreign.openai_clip import OPENAI_CLIP
from stillmotion.backbones.foreign.scheme import Scheme
from stillmotion.backbones.foreign.vit import AIM_IMAGENET, TIMM

SCHEMES: dict[str, Scheme] = {
    "openai_clip": OPENAI_CLIP,
    "timm": TIMM,
    "aim_imagenet": AIM_IMAGENET,
    "adaptformer_image": ADAPTFORMER_IMAGE,
    "adaptformer_video": ADAPTFORMER_VIDEO,
    "hf_vit": HF_VIT,
    "hf_clip": HF_CLIP,
    "hf_dinov2": HF_DINOV2,
}
"""Where two fit a file alike, the first is taken."""
