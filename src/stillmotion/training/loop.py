"""Training, on one page: data, forward, loss, backward, step, log, save."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator
from accelerate.data_loader import skip_first_batches
from accelerate.utils import gather_object, set_seed

from stillmotion.answering import answer
from stillmotion.checkpoint import TENSORS, load_tensors
from stillmotion.data.annotations import VideoList
from stillmotion.data.mixing import strongest
from stillmotion.errors import ConfigurationError
from stillmotion.evaluation import Evaluation
from stillmotion.files import clear_partial
from stillmotion.loading import refuse_too_many
from stillmotion.metrics import negative_log_likelihood, score
from stillmotion.model import VideoClassifier, adapt
from stillmotion.recipe import Recipe
from stillmotion.selection import SPLIT
from stillmotion.training import state
from stillmotion.training.data import clip_info, seed_epoch
from stillmotion.training.determinism import deterministic
from stillmotion.training.log import Meter, RunLog
from stillmotion.training.position import Position, of_all_processes, of_this_process
from stillmotion.training.scoring import evaluate_run
from stillmotion.training.session import Session, prepare, start
from stillmotion.training.sharding import in_step
from stillmotion.training.splits import read_splits
from stillmotion.training.step import ready, take_step
from stillmotion.training.stopping import Stopped, StopRequest


@dataclass(frozen=True)
class Run:
    """What training leaves: the best model, how it got there, and how good it is."""

    directory: Path
    model: VideoClassifier
    history: list[dict[str, float]]
    evaluation: Evaluation
    seconds: float


def train(recipe: Recipe, *, resume: bool = False, quiet: bool = False) -> Run:
    """Train a recipe and evaluate its best epoch.

    Writes to ``recipe.out``: `recipe.yaml`, `split.jsonl` (which video was used for what),
    `metrics.jsonl`, `tensorboard/`, the adapter checkpoints `best/` and `last/`,
    `training_state.safetensors` (from which ``resume`` goes on to the same result), and
    `evaluation.json` with its picture and each video's answer.

    Raises:
        StillmotionError: for everything a user can mend; the message says how.
    """
    out = Path(recipe.out)
    saved = state.earlier(out, recipe, resume=resume)
    accelerator = start(recipe.training)
    begun = place_of(saved, accelerator)
    log = RunLog(out, is_main=accelerator.is_main_process, quiet=quiet)
    with deterministic(recipe.training.deterministic), log:
        with log.counting("looking into the videos") as on_progress:
            splits = read_splits(recipe, on_progress=on_progress)
        state.same_videos(saved, splits.fingerprint)
        set_seed(recipe.seed)
        model = build_model(recipe, splits.train)
        state.same_weights(saved, model.backbone.sha256)
        if accelerator.is_main_process:
            clear_partial(out)
            recipe.write(out / "recipe.yaml")
            splits.together.write(out / SPLIT)
        session = prepare(recipe, model, splits, accelerator, log)
        progress = fit(session, log, saved, begun)
        log.say(f"scoring epoch {progress.best_epoch}, the best")
        load_tensors(model, out / "best" / TENSORS)
        evaluation = evaluate_run(recipe, model, splits, accelerator)
        if accelerator.is_main_process:
            evaluation.write(out / "evaluation.json")
        log.say(evaluation.table())
    return Run(out, model.eval(), progress.history, evaluation, progress.seconds)


def build_model(recipe: Recipe, videos: VideoList) -> VideoClassifier:
    """The recipe's untrained model of these classes, which remembers how its clips are drawn."""
    model = adapt(
        recipe.backbone,
        recipe.method,
        class_names=videos.classes,
        parts=videos.parts,
        num_frames=recipe.sampling.num_frames,
        image_size=recipe.image_size,
        weights=recipe.weights,
    )
    model.info = clip_info(recipe, videos)
    return model


def place_of(saved: state.SavedState | None, processes: Accelerator) -> Position | None:
    """Where inside an epoch this process goes on; None: at the beginning of one."""
    return of_this_process(
        [] if saved is None else saved.positions,
        process=processes.process_index,
        processes=processes.num_processes,
    )


def fit(
    session: Session,
    log: RunLog,
    saved: state.SavedState | None,
    begun: Position | None = None,
) -> state.Progress:
    """All epochs; after each, validate and write checkpoints and state.

    Args:
        begun: where the first of them is gone on with.
    """
    options, out = session.recipe.training, Path(session.recipe.out)
    progress = state.Progress()
    if saved is not None:
        saved.restore(session.model, session.optimizer, session.schedule, of_steps=session.steps)
        progress = saved.progress
    with StopRequest(session.accelerator) as stop:
        while progress.epoch < options.epochs and not progress.is_stalled(options.patience):
            started = time.perf_counter() - (begun.seconds if begun else 0.0)
            seed_epoch(session.recipe, progress.epoch, session.loaders.train)
            session.batches.set_epoch(progress.epoch)
            row = {"epoch": float(progress.epoch)}
            trained, end = train_epoch(session, log, progress, begun, stop)
            begun = None
            try:
                row |= trained | validate(session, log, stop)
            except Stopped:
                save(session, progress, end)
                raise
            progress.seconds += time.perf_counter() - started
            is_best = progress.record(row, best=options.best)
            if session.accelerator.is_main_process:
                log.epoch(progress.history)
                session.model.save_pretrained(out / "last")
                if is_best:
                    session.model.save_pretrained(out / "best")
            save(session, progress)
            session.accelerator.wait_for_everyone()
            stop.raise_if_asked()
    return progress


def save(session: Session, progress: state.Progress, position: Position | None = None) -> None:
    """Write the state from which ``resume`` goes on: between two epochs, or inside one."""
    positions = [] if position is None else of_all_processes(position)
    if session.accelerator.is_main_process:
        state.save_state(
            Path(session.recipe.out) / state.FILE,
            progress,
            recipe=session.recipe.to_dict(),
            videos=session.splits.fingerprint,
            model=session.model,
            optimizer=session.optimizer,
            schedule=session.schedule,
            of_steps=session.steps,
            positions=positions,
        )


def train_epoch(
    session: Session,
    log: RunLog,
    progress: state.Progress,
    begun: Position | None,
    stop: StopRequest,
) -> tuple[dict[str, float], Position]:
    """Every training video once, or those that are left of an epoch that was begun.

    Returns loss, accuracy and speed of the whole epoch, and the position at its end.

    Raises:
        Stopped: where that was asked for; the position is saved.
    """
    accelerator, options = session.accelerator, session.recipe.training
    meter, failures = Meter(accelerator.device), dict(session.loaders.failures)
    batches, done, is_due = session.batches, 0, False
    if begun is not None:
        batches, done = skip_first_batches(batches, begun.batches), begun.batches
        batches.set_epoch(progress.epoch)  # which accelerate before 1.15 forgets
        begun.restore(meter)
        failures |= begun.failures
    session.step.train()
    session.optimizer.zero_grad(set_to_none=True)  # of a last group that was all unreadable
    title = f"epoch {progress.epoch}"
    for number, batch in enumerate(log.batches(batches, meter, title), start=done + 1):
        failures |= dict(batch.failures)
        is_due |= options.save_every > 0 and number % options.save_every == 0
        part = ready(session, batch, stop)
        if part is None:
            continue
        loss, logits = take_step(session, part)
        if len(batch) > 0:
            meter.add(loss, logits, strongest(part.label), clips=part.clips)
        # Gradients that wait for others are not saved.
        if (is_due or stop.is_agreed) and accelerator.sync_gradients:
            save(session, progress, Position.now(number, meter, failures))
            is_due = False
            stop.raise_if_asked()
    end = Position.now(len(session.batches), meter, failures)
    if accelerator.num_processes > 1:
        failures = {k: v for each in gather_object([failures]) for k, v in each.items()}
    most = session.recipe.videos.max_unreadable
    log.unreadable(refuse_too_many(failures, session.splits.train, most))
    row = meter.row(accelerator.reduce(meter.totals(), reduction="sum"))
    if not math.isfinite(row["train_loss"]):
        raise ConfigurationError(
            f"training fell apart in {title}: its loss is {row['train_loss']}. Lower "
            "training.learning_rate, or clip the gradient (training.clip_norm)"
        )
    rate = float(max(session.schedule.get_last_lr()))
    return {**row, "learning_rate": rate, "unreadable": float(len(failures))}, end


def validate(session: Session, log: RunLog, stop: StopRequest) -> dict[str, float]:
    """Loss and accuracy on one view of each validation video; empty where there are none.

    Raises:
        Stopped: where that was asked for.
    """
    if session.val_batches is None or session.splits.val is None:
        return {}
    sizes = session.splits.val.sizes
    scored = in_step(session.val_batches, session.model, session.accelerator)
    batches = stop.between(scored)
    answers = answer(session.learner, batches, sizes=sizes, accelerator=session.accelerator)
    most = session.recipe.videos.max_unreadable
    log.unreadable(refuse_too_many(answers.failures, session.splits.val, most))
    given = answers.probabilities["given"]
    scores = score(given, answers.label, sizes)
    loss = negative_log_likelihood(given, answers.label, sizes)
    return {"val_loss": loss, "val_top1": scores.top1, "val_mean_class": scores.mean_class}
