"""Every method, by name; importing this package registers them. None imports another."""

from stillmotion.methods.amflow import AMFlow
from stillmotion.methods.base import METHODS, Method, get_method, method_from_dict, register
from stillmotion.methods.probe import LinearProbe

__all__ = [
    "METHODS",
    "AMFlow",
    "LinearProbe",
    "Method",
    "get_method",
    "method_from_dict",
    "register",
]
