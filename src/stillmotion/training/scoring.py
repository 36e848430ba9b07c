"""After the last epoch: how good the best one is, and when its model answers "none of these"."""

import logging
from collections.abc import Sequence
from pathlib import Path

from accelerate import Accelerator

from stillmotion.answering import ORDERS, Answers, Order, answer
from stillmotion.checkpoint import update_info
from stillmotion.data.annotations import VideoList
from stillmotion.dealing import deal
from stillmotion.errors import DataError
from stillmotion.evaluation import Evaluation, summarise, views_for
from stillmotion.loading import refuse_too_many
from stillmotion.model import VideoClassifier
from stillmotion.recipe import Recipe
from stillmotion.rejection import KEY, calibrate_rejection
from stillmotion.training.sharding import in_step
from stillmotion.training.splits import Splits

log = logging.getLogger("stillmotion")


def evaluate_run(
    recipe: Recipe, model: VideoClassifier, splits: Splits, accelerator: Accelerator
) -> Evaluation:
    """The test videos; without any, the validation videos.

    What is said of the validation videos decides when the model answers "none of these".
    """
    videos, name = splits.scored
    if name == "val":
        log.warning(
            "no test videos: this score is of the validation videos, which chose the best epoch"
        )
    if name == "train":
        log.warning(
            "neither test nor validation videos: this score is of the TRAINING videos "
            "and says nothing about new ones"
        )
    answers = said_of(videos, recipe, model, accelerator, orders=ORDERS)
    if splits.val is not None:
        known = answers if name == "val" else said_of(splits.val, recipe, model, accelerator)
        decide_rejection(recipe, model, splits.val, known)
        if accelerator.is_main_process:
            update_info(Path(recipe.out) / "best", model.info)
    most = recipe.videos.max_unreadable
    return summarise(model, videos, answers, split=name, views=recipe.views, max_unreadable=most)


def said_of(
    videos: VideoList,
    recipe: Recipe,
    model: VideoClassifier,
    accelerator: Accelerator,
    *,
    orders: Sequence[Order] = ORDERS[:1],
) -> Answers:
    """What the trained model says of the recipe's views of videos."""
    options, views = recipe.training, recipe.views
    batches = views_for(
        model, videos, views=views, workers=recipe.videos.workers, batch_size=options.batch_size
    )
    return answer(
        model.to(accelerator.device),
        in_step(deal(batches, accelerator), model, accelerator),
        orders=orders,
        average=views.average,
        sizes=videos.sizes,
        accelerator=accelerator,
    )


def decide_rejection(
    recipe: Recipe, model: VideoClassifier, val: VideoList, answers: Answers
) -> None:
    """Let the model remember how sure it must be of an answer."""
    refuse_too_many(answers.failures, val, recipe.videos.max_unreadable)
    try:
        found = calibrate_rejection(
            answers.probabilities["given"],
            answers.label,
            sizes=val.sizes,
            list_sha256=val.sha256,
        )
    except DataError as error:
        log.warning("no threshold for 'none of these': %s", error)
    else:
        model.info |= {KEY: found.to_dict()}
