"""From our LoRA to an adapter of PEFT."""

import json
from os import PathLike
from pathlib import Path

from safetensors.torch import save as to_bytes

from stillmotion.checkpoint import CONFIG, TENSORS
from stillmotion.errors import ConfigurationError
from stillmotion.files import write_bytes, write_text, writing_folder
from stillmotion.methods import LoRA
from stillmotion.model import VideoClassifier
from stillmotion.peft_files.names import low_rank, parameters, refuse_passed_by


def to_peft(model: VideoClassifier, folder: str | PathLike[str]) -> int:
    """Write the low-rank changes of a LoRA model as a PEFT adapter of its timm image model.

    The classifier stays behind: an image model has no place for it.

    Args:
        folder: must not be there yet.

    Returns:
        How many linear maps are changed.

    Raises:
        ConfigurationError: for a model of another method, or an image model in which timm passes by
            PEFT's changes; where the folder is there already.
        StorageError: where the folder cannot be written.
    """
    method = model.method
    if not isinstance(method, LoRA) or not method.targets:
        what = "a merged model" if isinstance(method, LoRA) else f"a model of {method.name}"
        raise ConfigurationError(f"PEFT has LoRA's low-rank changes; {what} has none of them")
    changes = low_rank(model)
    refuse_passed_by(model, changes)
    tensors = {key: t.detach().cpu().contiguous() for key, t in parameters(model).items()}
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": model.backbone.name,
        "r": method.rank,
        "lora_alpha": method.alpha,
        "lora_dropout": method.adapter_dropout,
        "target_modules": sorted(changes),
        "bias": "none",
        "inference_mode": True,
    }
    with writing_folder(Path(folder)) as place:
        write_bytes(place / TENSORS, to_bytes(tensors, metadata={"format": "pt"}))
        write_text(place / CONFIG, json.dumps(config, indent=2) + "\n")
    return len(changes)
