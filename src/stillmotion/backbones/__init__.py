"""Frozen image models, opened. The only importer of timm."""

from stillmotion.backbones.grid import TokenGrid
from stillmotion.backbones.load import load_backbone
from stillmotion.backbones.open_backbone import OpenBackbone
from stillmotion.backbones.open_block import FixedBlock, OpenBlock, Role
from stillmotion.backbones.opening import open_backbone

__all__ = [
    "FixedBlock",
    "OpenBackbone",
    "OpenBlock",
    "Role",
    "TokenGrid",
    "load_backbone",
    "open_backbone",
]
