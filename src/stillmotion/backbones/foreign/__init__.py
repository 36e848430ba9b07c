"""The image model inside a foreign file: read into timm's scheme, and written back."""

from stillmotion.backbones.foreign.read import ImageWeights, read_image
from stillmotion.backbones.foreign.write import write_image

__all__ = ["ImageWeights", "read_image", "write_image"]
