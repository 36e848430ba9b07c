"""Frozen image models, opened. The only importer of timm."""

from stillmotion.backbones.grid import TokenGrid
from stillmotion.backbones.load import load_backbone
from stillmotion.backbones.open_backbone import NORMS, OpenBackbone
from stillmotion.backbones.open_block import FixedBlock, OpenBlock, Role, frozen_block
from stillmotion.backbones.opening import open_backbone
from stillmotion.backbones.weights import OWN_WEIGHTS, weights_file

__all__ = [
    "NORMS",
    "OWN_WEIGHTS",
    "FixedBlock",
    "OpenBackbone",
    "OpenBlock",
    "Role",
    "TokenGrid",
    "frozen_block",
    "load_backbone",
    "open_backbone",
    "weights_file",
]
