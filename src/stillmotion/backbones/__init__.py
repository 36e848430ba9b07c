"""Frozen image models, opened. The only importer of timm."""

from stillmotion.backbones.load import load_backbone
from stillmotion.backbones.open_backbone import OpenBackbone, TokenGrid, open_backbone
from stillmotion.backbones.open_block import Frozen, Linears, OpenBlock

__all__ = [
    "Frozen",
    "Linears",
    "OpenBackbone",
    "OpenBlock",
    "TokenGrid",
    "load_backbone",
    "open_backbone",
]
