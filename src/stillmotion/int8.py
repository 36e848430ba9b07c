"""A video model whose linear maps compute in eight bits, on the CPU.

Of a linear map x W^T, W is kept as int8 with a scale for each output, x becomes uint8 with a scale
and a zero point found anew at every call, and their product is a sum of whole numbers:

    x W^T  ~  s_x s_W (round(x / s_x) - z) round(W / s_W)^T

Attention, norms and activations stay in float32. Done by ONNX Runtime's dynamic quantisation, which
of the ways measured (benchmarks/inference.py) is the quickest that needs no compiler. The model is
exported once, which takes seconds for a small image model and up to a minute for a large one.
"""

import tempfile
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from stillmotion.errors import ExportError, QuantisingError
from stillmotion.onnx_graph import Session, onnx_program, refuse_missing
from stillmotion.shapes import Logits

LINEAR_MAPS = ("MatMul", "Gemm")
"""What ONNX calls them; products of two activations, as in attention, are left as they are."""


class Int8Classifier(nn.Module):
    """Clips (B, T, 3, H, W), uint8, to class logits (B, K) on the CPU, one clip after the other.

    Args:
        model: the video model; it stays as it is.
        clip: any, as long as those that will be given.

    Raises:
        QuantisingError: where a library is missing, or the model cannot be exported.
    """

    def __init__(self, model: nn.Module, clip: UInt8[Tensor, "1 T 3 height width"]) -> None:
        super().__init__()
        try:
            refuse_missing(extra="int8")
            graph = quantised_graph(model, clip)
        except ExportError as error:
            raise QuantisingError(str(error)) from error
        self.session = Session(graph)

    def forward(self, clips: UInt8[Tensor, "B T 3 height width"]) -> Logits:
        return torch.cat([self.session(clip[None]) for clip in clips.cpu()])


def quantised_graph(model: nn.Module, clip: UInt8[Tensor, "1 T 3 height width"]) -> bytes:
    """The model as an ONNX file with linear maps in eight bits."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    graph = onnx_program(model, clip, any_batch=False).model_proto
    del graph.graph.value_info[:]  # shapes that transposed weights would contradict
    add_pre_process_metadata(graph)  # else it advises what was done
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        quantize_dynamic(
            graph,
            path,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=list(LINEAR_MAPS),
        )
        return path.read_bytes()
