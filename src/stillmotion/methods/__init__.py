"""Every method, by name; importing this package registers them. None imports another."""

from stillmotion.methods.adaptformer import AdaptFormer
from stillmotion.methods.aim import AIM
from stillmotion.methods.amflow import AMFlow
from stillmotion.methods.attentive_probe import AttentiveProbe
from stillmotion.methods.base import METHODS, Method, get_method, method_from_dict, register
from stillmotion.methods.bias_norm import BiasNormTuning
from stillmotion.methods.dualpath import DualPath
from stillmotion.methods.full import FullFineTuning
from stillmotion.methods.linear_probe import LinearProbe
from stillmotion.methods.lora import LoRA
from stillmotion.methods.plugins import load_plugins
from stillmotion.methods.st_adapter import STAdapter
from stillmotion.methods.temporal_probe import TemporalProbe
from stillmotion.methods.zeroi2v import ZeroI2V

__all__ = [
    "AIM",
    "METHODS",
    "AMFlow",
    "AdaptFormer",
    "AttentiveProbe",
    "BiasNormTuning",
    "DualPath",
    "FullFineTuning",
    "LinearProbe",
    "LoRA",
    "Method",
    "STAdapter",
    "TemporalProbe",
    "ZeroI2V",
    "get_method",
    "method_from_dict",
    "register",
]

load_plugins()
