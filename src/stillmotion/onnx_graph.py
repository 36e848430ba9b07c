"""A video model as an ONNX graph: clips in uint8 in, logits out, all that lies between inside."""

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from stillmotion.backbones import FixedBlock
from stillmotion.errors import ExportError
from stillmotion.shapes import Logits

LIBRARIES = ("onnx", "onnxruntime", "onnxscript")
"""What the extras ``export`` and ``int8`` install."""

CLIP, LOGITS = "clip", "logits"
"""What goes into the graph and what comes out."""


def refuse_missing(*, extra: str) -> None:
    """Refuse where a library is not installed.

    Raises:
        ExportError: with the library's name, and the extra that installs it.
    """
    for name in LIBRARIES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ExportError(
                f"{extra} needs {name}, which cannot be imported ({error}): "
                f"pip install 'stillmotion[{extra}]'"
            ) from error


def onnx_program(
    model: nn.Module, clips: UInt8[Tensor, "B T 3 height width"], *, any_batch: bool
) -> torch.onnx.ONNXProgram:
    """The model as it answers in evaluation mode, by PyTorch's exporter.

    Attention-map flow is written out with its N x N maps (see `stillmotion.nn.flow`), so that no
    operator of ours is needed where the graph runs.

    Args:
        clips: any, of the shape that will be given; at least two for ``any_batch``.
        any_batch: whether the graph takes any number of clips at once, or just as many.

    Raises:
        ExportError: where the exporter cannot write the model, with its reason.
    """
    shapes = ({0: torch.export.Dim("batch")},) if any_batch else None
    try:
        with quiet("onnxscript"), written_out(model):
            program = torch.onnx.export(
                model.eval(),
                (clips,),
                dynamo=True,
                verbose=False,
                input_names=[CLIP],
                output_names=[LOGITS],
                dynamic_shapes=shapes,
            )
    except (torch.onnx.errors.OnnxExporterError, RuntimeError, ValueError) as error:
        raise ExportError(f"this model cannot be exported to ONNX: {error}") from error
    assert program is not None
    return program


class Session:
    """A graph, asked like a model on the CPU: uint8 clips (B, T, 3, H, W) to logits (B, K).

    Args:
        graph: an ONNX file, or its bytes.
    """

    def __init__(self, graph: Path | bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, clips: UInt8[Tensor, "B T 3 height width"]) -> Logits:
        return torch.from_numpy(self.session.run(None, {CLIP: clips.numpy()})[0])


@contextmanager
def quiet(name: str) -> Iterator[None]:
    """Without a logger's warnings: the exporter tells of every node that it does not simplify."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def written_out(model: nn.Module) -> Iterator[None]:
    """With timm's own attention as products and a softmax: fused, of five axes, ONNX has none."""
    fixed = [block for block in model.modules() if isinstance(block, FixedBlock)]
    fused = [m for block in fixed for m in block.modules() if getattr(m, "fused_attn", False)]
    for module in fused:
        module.fused_attn = False  # type: ignore[assignment]
    try:
        yield
    finally:
        for module in fused:
            module.fused_attn = True  # type: ignore[assignment]
