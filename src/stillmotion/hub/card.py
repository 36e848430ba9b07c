"""The model card: what a model is, how well it does and how that was measured, how to use it."""

from collections.abc import Mapping
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from stillmotion.backbones import OWN_WEIGHTS
from stillmotion.version import __version__

MOST_NAMES = 200
"""Class names that the card lists; labels.txt has all of them."""

SCORES = {"top1": "top-1", "top5": "top-5", "mean_class": "mean over classes"}
"""What of an evaluation is told, and its name."""

TEXT = """\
# {title}

A video action recogniser of stillmotion: the frozen image model
 {backbone} with the method `{method}` and {classes} classes. {holds}

## Use

    pip install stillmotion
    stillmotion predict {repo} video.mp4

or in Python

    import stillmotion

    model = stillmotion.load("{repo}"{argument})
    stillmotion.Predictor(model)("video.mp4").top(5)

A clip has {frames} frames of {size} x {size} pixels (sampling: {sampling}).

## Scores

{scores}

## Classes

{names}

## How it was made

| | |
|---|---|
{facts}
"""


def model_card(
    config: Mapping[str, Any],
    repo: str,
    *,
    licence: str,
    class_names: tuple[str, ...],
    evaluation: Mapping[str, Any] | None = None,
    split_sha256: str | None = None,
) -> str:
    """A model card with its YAML front matter.

    Args:
        config: the content of `adapter_config.json`.
        repo: where the model will be: user/name.
        licence: an identifier of the hub's, such as apache-2.0.
        class_names: one a class.
        evaluation: what `stillmotion evaluate` wrote of this very model; None: no scores are told.
        split_sha256: of the list of videos that it was trained on.
    """
    backbone, title = config["backbone"], repo.partition("/")[2]
    holds = "It holds the image model's weights too."
    if backbone["weights"] != OWN_WEIGHTS:
        holds = "It holds what was trained alone; the image model's weights come from elsewhere."
    text = TEXT.format(
        title=title,
        repo=repo,
        backbone=f"`{backbone['name']}`" if backbone["name"] else "that you give",
        method=config["method"]["method"],
        classes=len(class_names),
        holds=holds,
        argument=argument_for(backbone),
        frames=config["num_frames"],
        size=backbone["image_size"][0],
        sampling=config["info"].get("sampling", {}).get("kind", "uniform"),
        scores=scores(evaluation) if evaluation else "Not measured.",
        names=names(class_names),
        facts=facts(config, split_sha256),
    )
    return f"---\n{front_matter(config, title, licence, evaluation)}\n---\n\n{text}"


def front_matter(
    config: Mapping[str, Any], title: str, licence: str, evaluation: Mapping[str, Any] | None
) -> str:
    """The YAML by which the hub finds and sorts models."""
    name, method = config["backbone"]["name"], config["method"]["method"]
    is_on_hub = bool(name) and "." in name  # timm's tag is the end of the name on the hub
    return ModelCardData(
        library_name="stillmotion",
        pipeline_tag="video-classification",
        license=licence,
        base_model=f"timm/{name}" if is_on_hub else None,
        base_model_relation="adapter" if is_on_hub else None,
        tags=["stillmotion", "action-recognition", method],
        model_name=title,
        eval_results=results(evaluation) if evaluation else None,
    ).to_yaml()


def results(evaluation: Mapping[str, Any]) -> list[EvalResult]:
    """The scores as the hub reads them; fractions in [0, 1]."""
    dataset = evaluation["dataset"] or "own videos"
    return [
        EvalResult(
            task_type="video-classification",
            dataset_type=dataset.lower().replace(" ", "-"),
            dataset_name=dataset,
            dataset_split=evaluation["split"],
            metric_type="accuracy",
            metric_name=name,
            metric_value=round(evaluation[key], 4),
        )
        for key, name in SCORES.items()
    ]


def scores(evaluation: Mapping[str, Any]) -> str:
    """The scores, and how they were measured."""
    views, low_high = evaluation["views"], evaluation["intervals"]["top1"]
    lines = [f"- {name}: {evaluation[key]:.1%}" for key, name in SCORES.items()]
    lines[0] += f" (95 % interval: {low_high[0]:.1%} to {low_high[1]:.1%})"
    lines += [
        f"- top-1 with {order} frames: {evaluation[f'top1_{order}']:.1%}"
        for order in ("shuffled", "reversed")
        if evaluation.get(f"top1_{order}") is not None
    ]
    return "\n".join(lines) + (
        f"\n\nOf {evaluation['n']} videos of the split `{evaluation['split']}` (list "
        f"`{evaluation['list_sha256']}`), with {views['frames']} frames x {views['clips']} clips x "
        f"{views['crops']} crops, decoded by {evaluation['decoder']}, by `stillmotion evaluate`."
    )


def argument_for(backbone: Mapping[str, Any]) -> str:
    """What `load` must be told of the image model, as it stands in the call."""
    if not backbone["name"]:
        return ", backbone=image_model"
    own = backbone["weights"] in ("pretrained", OWN_WEIGHTS)
    return "" if own else f', weights="{backbone["weights"]}"'


def names(class_names: tuple[str, ...]) -> str:
    """The first class names in a row."""
    listed = ", ".join(f"`{name}`" for name in class_names[:MOST_NAMES])
    rest = len(class_names) - MOST_NAMES
    return f"{listed}, and {rest} more: see labels.txt" if rest > 0 else listed


def facts(config: Mapping[str, Any], split_sha256: str | None) -> str:
    """Rows of a table: what tells this model from others."""
    settings = {k: v for k, v in config["method"].items() if k != "method"}
    rows = {
        "method": f"`{config['method']['method']}`",
        "its settings": ", ".join(f"`{name}={value}`" for name, value in settings.items()),
        "weights of the image model (SHA-256)": f"`{config['backbone']['sha256']}`",
        "videos that it was trained on (SHA-256 of their list)": f"`{split_sha256 or 'unknown'}`",
        "stillmotion": config.get("stillmotion_version", __version__),
    }
    return "\n".join(f"| {name} | {value} |" for name, value in rows.items())
