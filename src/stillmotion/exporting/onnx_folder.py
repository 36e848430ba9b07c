"""A folder with a model in ONNX, what must be known to ask it, and a runner that asks it."""

import shutil
from os import PathLike
from pathlib import Path
from typing import Any

from stillmotion.as_trained import mirror_of, sampling_of, views_of
from stillmotion.errors import ConfigurationError
from stillmotion.exporting.checking import (
    TOLERANCE,
    folded,
    plain_copy,
    random_clips,
    refuse_difference,
)
from stillmotion.files import as_json, write_text, writing_folder
from stillmotion.loading import refuse_mirrored
from stillmotion.model import VideoClassifier
from stillmotion.onnx_graph import Session, onnx_program, refuse_missing
from stillmotion.rejection import KEY, rejection_of
from stillmotion.version import __version__

MODEL, DESCRIPTION = "model.onnx", "model.json"
RUNNER = Path(__file__).parent / "runner"
"""Files that go along; they know nothing of stillmotion."""

README = """\
{title} for ONNX Runtime, written by stillmotion {version}.
`pip install onnxruntime numpy "av>=18"`, then `python run.py VIDEO...` names the classes.
`model.onnx` takes uint8 RGB clips (batch, {frames}, 3, {size}, {size}); `model.json` says the rest.
"""


def to_onnx(
    model: VideoClassifier, folder: str | PathLike[str], *, tolerance: float = TOLERANCE
) -> float:
    """Write a model as ONNX, with a runner that needs onnxruntime, numpy and PyAV alone.

    The folder appears when the file in it was read back and answers as the model does. Adapters
    that fold into the image model are folded first; all numbers are float32.

    Args:
        folder: must not be there yet. It gets `model.onnx` (uint8 clips of any number in, logits
            out), `model.json` (classes, sampling, views, threshold), the runner and a README.
        tolerance: the greatest difference of the logits, relative to the greatest logit.

    Returns:
        That difference, on random clips in batches of 1, 2 and 3.

    Raises:
        ConfigurationError: where the runner could not see what the model sees; where something is
            there already.
        ExportError: where a library is missing, the exporter cannot write the model, or what was
            written answers otherwise.
        MergeError, StorageError: where folding, or writing, fails.
    """
    refuse_missing(extra="export")
    description = describe(model)
    plain = plain_copy(model)
    with writing_folder(Path(folder)) as place:
        program = onnx_program(folded(plain), random_clips(plain, 2), any_batch=True)
        program.save(place / MODEL)
        difference = refuse_difference(plain, Session(place / MODEL), tolerance=tolerance)
        write_text(place / DESCRIPTION, as_json(description | {"difference": difference}))
        for file in sorted(RUNNER.glob("*.py")):
            shutil.copyfile(file, place / file.name)
        size = description["image_size"]
        title = f"A {model.method.name} model of {len(model.class_names)} classes"
        told = README.format(title=title, version=__version__, frames=model.num_frames, size=size)
        write_text(place / "README.md", told)
    return difference


def describe(model: VideoClassifier) -> dict[str, Any]:
    """What the runner must know; JSON-able.

    Raises:
        ConfigurationError: where a clip is a region of the frames, which the runner does not look
            for, or where mirrored crops would make another class.
    """
    sampling, views, rejection = sampling_of(model), views_of(model), rejection_of(model.info)
    refuse_mirrored(views, mirror_of(model))
    if sampling.region != "frame":
        raise ConfigurationError(
            f"this model was trained on a region of the frames (sampling.region={sampling.region}),"
            " which the runner beside an ONNX file does not find"
        )
    return {
        "stillmotion_version": __version__,
        "method": model.method.name,
        "backbone": model.backbone.name,
        "class_names": list(model.class_names),
        "parts": {part.name: list(part.classes) for part in model.parts},
        "image_size": model.backbone.image_size[0],
        "sampling": sampling.to_dict(),
        "views": vars(views),
        KEY: rejection.to_dict() if rejection else None,
    }
