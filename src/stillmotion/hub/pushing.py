"""From a run to a repository on the Hugging Face hub."""

import hashlib
import json
import logging
import shutil
import tempfile
from os import PathLike
from pathlib import Path
from typing import Any

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from stillmotion.checkpoint import (
    CONFIG,
    TENSORS,
    find,
    looks_like_hub_id,
    read_config,
    read_tensors,
)
from stillmotion.data.parts import Part, combinations
from stillmotion.errors import CheckpointError, ConfigurationError, ExportError
from stillmotion.files import write_text, writing_folder
from stillmotion.given_files import read_json
from stillmotion.hub.card import model_card
from stillmotion.identity import checkpoint_sha256

log = logging.getLogger("stillmotion")

CARD, LABELS = "README.md", "labels.txt"
EVALUATION, SPLIT = "evaluation.json", "split.jsonl"
"""Files of a run that tell how good it is, and what it was trained on."""


def push(run: str | PathLike[str], repo: str, *, licence: str, private: bool = False) -> str:
    """Upload a trained model with its model card; the repository is made where it is not there.

    Args:
        run: a directory written by train or save_pretrained.
        repo: user/name.
        licence: of the trained tensors: an identifier of the hub's, such as apache-2.0.
        private: whether a repository that is made is for its owner alone.

    Returns:
        The address of the commit.

    Raises:
        CheckpointError: where the run holds no checkpoint.
        ConfigurationError: for another kind of name.
        ExportError: where the hub cannot be reached, or refuses, with its reason.
    """
    from huggingface_hub import HfApi

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        prepare(run, folder, repo=repo, licence=licence)
        try:
            HfApi().create_repo(repo, private=private, exist_ok=True)
            commit = HfApi().upload_folder(
                repo_id=repo, folder_path=folder, commit_message="A model of stillmotion"
            )
        except Exception as error:  # its client lets through what its HTTP library raises
            reason = " ".join(str(error).split())
            raise ExportError(f"the Hugging Face hub does not take {repo}: {reason}") from error
    return str(commit.commit_url)


def prepare(
    run: str | PathLike[str], folder: str | PathLike[str], *, repo: str, licence: str
) -> None:
    """Write what `push` uploads: the adapter checkpoint, its labels and a model card.

    Scores are told where the run holds an evaluation of this very model in full precision. No path
    of this machine goes along: of an image model's weights in a file, its name alone.

    Args:
        folder: must not be there yet.

    Raises:
        CheckpointError, ConfigurationError: as `push`; where the folder is there already.
        StorageError: where it cannot be written.
    """
    refuse_other_name(repo)
    if not Path(run).is_dir():
        raise CheckpointError(f"there is no directory {run}")
    directory = find(run)
    config = read_config(directory)
    backbone = config["backbone"]
    backbone["weights"] = backbone["weights"] and Path(backbone["weights"]).name
    class_names = names_of(config)
    is_of_run = directory.resolve().name in ("best", "last")
    around = directory.resolve().parent if is_of_run else directory
    card = model_card(
        config,
        repo,
        licence=licence,
        class_names=class_names,
        evaluation=evaluation_of(config, directory, around / EVALUATION),
        split_sha256=sha256_of(around / SPLIT),
    )
    with writing_folder(Path(folder)) as place:
        write_text(place / CONFIG, json.dumps(config, indent=2, ensure_ascii=False) + "\n")
        shutil.copyfile(directory / TENSORS, place / TENSORS)
        write_text(place / LABELS, "".join(f"{name}\n" for name in class_names))
        write_text(place / CARD, card)


def refuse_other_name(repo: str) -> None:
    """Refuse what is not user/name as the hub spells it.

    Raises:
        ConfigurationError: with the hub's own reason.
    """
    told = f"{repo!r} is no name on the Hugging Face hub: give user/name"
    if not looks_like_hub_id(repo):
        raise ConfigurationError(told)
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise ConfigurationError(f"{told} ({error})") from error


def names_of(config: dict[str, Any]) -> tuple[str, ...]:
    """The classes of a checkpoint, combinations written out."""
    parts = [Part(name, tuple(names)) for name, names in config.get("parts", {}).items()]
    return combinations(parts) if parts else tuple(config["class_names"])


def evaluation_of(config: dict[str, Any], directory: Path, path: Path) -> dict[str, Any] | None:
    """A run's evaluation; None where there is none, or it is not of this very model.

    Raises:
        CheckpointError: where the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        told = read_json(path)
        known = told.get("model_sha256"), told.get("fewer_bits")
    except (ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    if known == (checkpoint_sha256(config, read_tensors(directory / TENSORS)), None):
        return told
    log.warning(
        "%s is not of this model in full precision, so the card tells no scores; "
        "`stillmotion evaluate RUN DATA --out %s` measures them",
        path,
        path,
    )
    return None


def sha256_of(path: Path) -> str | None:
    """Of a file's bytes; None where there is no file."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
