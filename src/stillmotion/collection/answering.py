"""A model asked of every video of a collection, by processes that know nothing of each other.

Each file of answers is written once, by whoever has it as its share, and appears whole. Who comes
later passes over the files that are there: after a crash, the same command goes on. Two processes
that answer the same videos write the same file.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stillmotion.as_trained import sampling_of
from stillmotion.collection.files import Form, Row, refuse_without_library, write_answers
from stillmotion.collection.listing import Collection
from stillmotion.collection.plan import Plan
from stillmotion.data.dataset import Batch
from stillmotion.errors import ConfigurationError
from stillmotion.files import as_json, is_partial, write_text
from stillmotion.given_files import read_json
from stillmotion.identity import model_sha256
from stillmotion.loading import view_loader
from stillmotion.prediction import Predictor

PLAN = "collection.json"
"""What a folder of answers says of itself."""

CLIPS = 32
"""Clips that are read at once."""


@dataclass(frozen=True)
class Progress:
    """What a process has done.

    Attributes:
        answered: videos, those that could not be read among them.
        unreadable: how many those were.
        written: files.
        there: files of all processes that are there now.
        files: how many there will be.
    """

    answered: int
    unreadable: int
    written: int
    there: int
    files: int

    def line(self) -> str:
        """For people."""
        told = (
            f"{self.answered:,} videos answered, of which {self.unreadable:,} could not be read; "
            f"{self.there} of {self.files} files are there"
        )
        if self.there < self.files:
            told += ". The others are other processes', or the same command again writes them"
        return told


def answer_collection(
    predictor: Predictor,
    collection: Collection,
    out: Path,
    *,
    rows: int = 1000,
    form: Form = "jsonl",
    top: int = 5,
    process: int = 0,
    processes: int = 1,
    workers: int = 2,
    described: dict[str, Any] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Progress:
    """Ask a model of this process's share of a collection, and write what is not there yet.

    Args:
        out: folder of the files of answers.
        rows: videos of a file: what is lost at most when a process dies.
        form: of the files; Parquet needs pyarrow.
        top: classes that an answer names.
        process, processes: whose share of the files, counted from 0.
        workers: processes that read videos.
        described: what else must be the same where work is gone on with: the precision, for
            example. The model, the views, the threshold and the list always must.
        on_progress: told how many videos are done, and of how many.

    Raises:
        ConfigurationError: ``out`` holds answers to other videos or of other settings, or files
            that are no answers.
        StorageError: a file cannot be written.
    """
    refuse_without_library(form)
    plan, suffix = Plan(len(collection), rows), f".{form}"
    files = {"rows": rows, "form": form, "top": top}
    begin(out, said_by(predictor) | said_of_list(collection) | files | (described or {}))
    paths = {n: out / plan.name(n, suffix=suffix) for n in plan.share(process, processes=processes)}
    missing = [number for number, path in paths.items() if not path.exists()]
    wanted = sum(len(plan.span(number)) for number in missing)
    done = unreadable = 0
    for number in missing:
        span, answered = plan.span(number), dict[int, Row]()
        for video, row in answers(predictor, collection, span, top=top, workers=workers):
            answered[video] = row
            done, unreadable = done + 1, unreadable + ("error" in row)
            if on_progress:
                on_progress(done, wanted)
        write_answers(paths[number], [answered[video] for video in span], form=form)
    there = sum((out / plan.name(n, suffix=suffix)).exists() for n in range(len(plan)))
    return Progress(done, unreadable, len(missing), there, len(plan))


def said_by(predictor: Predictor) -> dict[str, Any]:
    """What decides the answers beside the videos."""
    threshold = predictor.rejection.threshold if predictor.rejection else 0.0
    told = {"model_sha256": model_sha256(predictor.model), "threshold": threshold}
    return told | {"views": asdict(predictor.views)}


def said_of_list(collection: Collection) -> dict[str, Any]:
    """Which videos are answered."""
    return {"videos": len(collection), "list_sha256": collection.sha256}


def begin(out: Path, described: dict[str, Any]) -> None:
    """Say in the folder what its answers are; refuse to mix them with others.

    Raises:
        ConfigurationError: it holds answers to something else, or files that are no answers.
    """
    path = out / PLAN
    # Listed before the plan is read: another process may write it in between.
    there = list(out.iterdir()) if out.is_dir() else []
    try:
        earlier = read_json(path)
    except FileNotFoundError:
        if not all(other.name == PLAN or is_partial(other) for other in there):
            told = f"{out} holds files that are no answers: choose another --out"
            raise ConfigurationError(told) from None
        write_text(path, as_json(described))
        return
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} is damaged: choose another --out") from error
    if not isinstance(earlier, dict):
        raise ConfigurationError(f"{path} is damaged: choose another --out")
    changed = sorted(k for k in {*earlier, *described} if earlier.get(k) != described.get(k))
    if changed:
        raise ConfigurationError(
            f"{out} holds answers to something else: {', '.join(changed)} differ from what {PLAN} "
            "there says. Give the same videos, model and options, or another --out"
        )


def answers(
    predictor: Predictor, collection: Collection, wanted: range, *, top: int, workers: int
) -> Iterator[tuple[int, Row]]:
    """Each of these videos with what is said of it, nearly in their order.

    What is said does not depend on other files: a sum's last digit depends on the batch.
    """
    loader = view_loader(
        collection.samples[wanted.start : wanted.stop],
        sampling=sampling_of(predictor.model),
        image_size=predictor.model.backbone.image_size[0],
        views=predictor.views,
        workers=workers,
        batch_size=CLIPS,
    )
    for batch in loader:
        for place, told in said_of(predictor, batch, top=top):
            video = wanted[place]
            sample = collection.samples[video]
            yield video, {"path": collection.names[video], **sample.times, **told}


def said_of(predictor: Predictor, batch: Batch, *, top: int) -> Iterator[tuple[int, Row]]:
    """What is said of the videos of a batch, or why nothing is."""
    for place, reason in batch.failures:
        yield place, {"error": reason}
    if len(batch) == 0:
        return
    said = predictor.probabilities_each(batch.clip)
    for place, probabilities in zip(batch.index.tolist(), said, strict=True):
        told = predictor.prediction(probabilities, path="").to_dict(top=top)
        del told["path"]
        yield place, told
