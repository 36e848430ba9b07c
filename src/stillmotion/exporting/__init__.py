"""A trained model for machines that have no stillmotion: as ONNX with a runner, or as a PyTorch
program. Each is asked the same as the model before it gets its name."""

from stillmotion.exporting.onnx_folder import to_onnx
from stillmotion.exporting.program import to_torch

__all__ = ["to_onnx", "to_torch"]
